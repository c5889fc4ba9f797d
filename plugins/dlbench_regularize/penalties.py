"""L1 and L2 penalties on all parameters of a part, biases and normalisation included."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlbench import Regularizer, UsageError


class L1(Regularizer):
    """`rate` times the sum of absolute values. Its subgradient makes weights small but hardly ever exactly zero."""

    def __init__(self, *, rate: float = 1e-4) -> None:
        self.rate = _checked("l1", rate)

    def penalty(self, parameters: list[nn.Parameter]) -> Tensor:
        return self.rate * _flat(parameters).abs().sum()


class L2(Regularizer):
    """`rate` / 2 times the sum of squares, whose gradient is `rate` times the weights: under plain SGD it is exactly
    `weight_decay=rate`; under Adam and its kin it is the penalty and not the decoupled decay."""

    def __init__(self, *, rate: float = 1e-4) -> None:
        self.rate = _checked("l2", rate)

    def penalty(self, parameters: list[nn.Parameter]) -> Tensor:
        return 0.5 * self.rate * _flat(parameters).square().sum()


def _flat(parameters: list[nn.Parameter]) -> Tensor:
    """All weights in one vector: a few kernels instead of a few per parameter."""
    return torch.cat([p.reshape(-1) for p in parameters])


def _checked(name: str, rate: float) -> float:
    if rate < 0:
        raise UsageError(f"{name} needs a rate of at least 0, not {rate}")
    return rate
