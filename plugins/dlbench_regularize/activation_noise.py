"""Gaussian noise on the outputs of activation functions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dlbench import Learner, NotApplicable, Optimizers, Regularizer, Signature, UsageError

ACTIVATIONS = (
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish,
    nn.Sigmoid, nn.Tanh, nn.Hardtanh, nn.Hardsigmoid, nn.Hardswish, nn.Softplus, nn.Softsign, nn.GLU,
)  # fmt: skip
"""What counts as an activation function: none that normalises over a dimension."""


class ActivationNoise(Regularizer):
    """Add independent normal noise with standard deviation `sd` to what each activation function returns, in training
    mode only.

    Poole, Sohl-Dickstein and Ganguli (2014), "Analyzing Noise in Autoencoders and Deep Networks". Reaches activation
    functions that are modules (`nn.ReLU`); a network that calls them as functions only is not applicable. The noise
    comes from torch's global generator, which the cell's seed sets.
    """

    def __init__(self, *, sd: float = 0.1) -> None:
        if sd < 0:
            raise UsageError(f"activation_noise needs an sd of at least 0, not {sd}")
        self.sd = sd

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        sites = [module for module in learner.modules() if isinstance(module, ACTIVATIONS)]
        if not sites:
            raise NotApplicable("activation_noise needs activation functions that are modules, and this model has none")
        for module in sites:
            module.register_forward_hook(_noisy(self.sd))


def _noisy(sd: float) -> Any:
    """A hook. A function and no method, so that copies of the network share it and copy nothing of this."""

    def hook(module: nn.Module, _: Any, output: Tensor) -> Tensor:
        if not module.training or not sd:
            return output
        return output.add(torch.randn_like(output), alpha=sd)

    return hook
