"""Packing: Lin, Khetan, Fanti & Oh 2018, "PacGAN: The power of two samples in generative adversarial networks".

The discriminator judges several examples at once, all real or all generated, so that a generator whose examples are too
much alike is found out. Differs from the paper: the players and the loss are those of `gan.py`; and a batch of B
examples makes B packs, each example beside those that follow it in the batch, where the paper draws more examples.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .gan import GAN
from .networks import Discriminator


class PacGAN(GAN):
    """A GAN whose discriminator sees `pack` examples side by side, as one vector. Other options as of a GAN."""

    def __init__(
        self, *, shape: tuple[int, ...], pack: int = 2, width: int = 128, depth: int = 3, dropout: float = 0.0,
        **options: Any,
    ) -> None:  # fmt: skip
        super().__init__(shape=shape, width=width, depth=depth, dropout=dropout, **options)
        self.pack = pack
        if pack > 1:
            features = pack * math.prod(shape)
            self.discriminator = Discriminator(features=features, width=width, depth=depth, dropout=dropout)

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log D(packs of x) - log(1 - D(packs of G(z))), in nats; of examples (B, features)."""
        return super().discriminator_loss(self.packed(real), self.packed(fake))

    def generator_loss(self, noise: Tensor) -> Tensor:
        """-log D(packs of G(z)), in nats."""
        return F.softplus(-self.discriminator(self.packed(self.generator(noise)))).mean()

    def packed(self, examples: Tensor) -> Tensor:
        """Examples (B, features) as packs (B, pack * features); the last are followed by the first."""
        return torch.cat([examples.roll(-place, 0) for place in range(self.pack)], dim=1)
