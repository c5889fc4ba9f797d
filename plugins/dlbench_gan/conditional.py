"""The two players of a conditional generative adversarial network, as multi-layer perceptrons.

Mirza & Osindero 2014, "Conditional Generative Adversarial Nets": the class is a further input of both. Differs from the
paper: it comes as an embedding, and the players are those of `networks.py`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from .networks import Discriminator, Generator


class ClassGenerator(nn.Module):
    """Noise (B, noise) and classes (B,) -> examples (B, *shape); pictures (C, H, W) are from -1 to 1. `embedding`:
    numbers for a class. Other options as of a `Generator`."""

    def __init__(
        self, *, shape: tuple[int, ...], num_classes: int, noise: int = 16, embedding: int = 16, **options: Any
    ) -> None:
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(num_classes, embedding)
        bounded = len(shape) == 3
        self.network = Generator(features=math.prod(shape), noise=noise + embedding, bounded=bounded, **options)

    def forward(self, noise: Tensor, classes: Tensor) -> Tensor:
        return self.network(torch.cat([noise, self.embedding(classes)], dim=1)).unflatten(1, self.shape)


class ClassDiscriminator(nn.Module):
    """Examples (B, *shape) and classes (B,) -> one logit each (B,); above 0 where an example looks real and of its
    class. Other options as of a `Discriminator`."""

    def __init__(self, *, shape: tuple[int, ...], num_classes: int, embedding: int = 16, **options: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_classes, embedding)
        self.network = Discriminator(features=math.prod(shape) + embedding, **options)

    def forward(self, examples: Tensor, classes: Tensor) -> Tensor:
        return self.network(torch.cat([examples.flatten(1), self.embedding(classes)], dim=1))
