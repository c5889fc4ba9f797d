"""What the tests of dlbench_augment share."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import dlbench_augment
from dlbench import Batch, Classes, Image, Regularizer, Signature
from dlbench.contract.choice import Choice, check_options
from dlbench.contract.learner import Supervised

SPECS = {spec.name: spec for spec in dlbench_augment.dlbench_regularizers()}
MIXING = ("mixup", "cutmix", "label_smoothing")
SIGNATURE = Signature(input=Image(channels=3, height=9, width=9), output=Classes(num_classes=5))


def build(text: str) -> Any:
    choice = Choice.parse(text)
    check_options(choice.name, SPECS[choice.name].build, choice.options)
    return SPECS[choice.name].build(**dict(choice.options))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def learner(loss: Any = None) -> Supervised:
    """A plain module as the core wraps it, under a task's loss."""

    def cross_entropy(outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        return nn.functional.cross_entropy(outputs, batch.targets)

    return Supervised(nn.Sequential(nn.Flatten(), nn.LazyLinear(5)), loss or cross_entropy)


def started(text: str, signature: Signature = SIGNATURE, of: Any = None) -> Regularizer:
    found = build(text)
    found.start(of or learner(), signature, None)
    return found


def images(count: int = 8, channels: int = 3, height: int = 9, width: int = 9, seed: int = 0) -> Tensor:
    return torch.randn(count, channels, height, width, generator=seeded(seed))
