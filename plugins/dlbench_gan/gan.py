"""Generative adversarial network: Goodfellow et al. 2014, "Generative Adversarial Nets".

The generator maximises log D(G(z)), the paper's advice against vanishing gradients. Differs from the paper: one step of
each player in turn, and the players of `networks.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .networks import Discriminator, Generator


class GAN(Learner):
    """Examples of any `shape`, which the players see as flat vectors; pictures (C, H, W) are from -1 to 1. `noise` is
    the number of noise coordinates; `norm` and `dropout` as in `networks.py`."""

    def __init__(
        self, *, shape: tuple[int, ...], width: int = 128, depth: int = 3, noise: int = 16, norm: bool = False,
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.shape, self.noise = shape, noise
        features = math.prod(shape)
        self.generator = Generator(
            features=features, noise=noise, width=width, depth=depth, norm=norm, bounded=len(shape) == 3
        )
        self.discriminator = Discriminator(features=features, width=width, depth=depth, dropout=dropout)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {"generator": self.generator.parameters(), "discriminator": self.discriminator.parameters()}

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """One step of the discriminator, then one of the generator. Returns the discriminator's loss in nats, which is
        2 ln 2 where it can't tell the two apart."""
        real = batch.inputs.flatten(1)
        # drawn outside the closures, so that an optimizer that evaluates one several times sees one function
        noise = torch.randn(len(real), self.noise, device=real.device)
        with torch.no_grad():
            fake = self.generator(noise)
        loss = optimizers.minimize(lambda: self.discriminator_loss(real, fake), part="discriminator")
        noise = torch.randn(len(real), self.noise, device=real.device)
        optimizers.minimize(lambda: self.generator_loss(noise), part="generator")
        return loss

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """-log D(x) - log(1 - D(G(z))), in nats."""
        return F.softplus(-self.discriminator(real)).mean() + F.softplus(self.discriminator(fake)).mean()

    def generator_loss(self, noise: Tensor) -> Tensor:
        """-log D(G(z)), in nats."""
        return F.softplus(-self.discriminator(self.generator(noise))).mean()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` examples (count, *shape) from noise that `generator` draws on the CPU."""
        noise = torch.randn(count, self.noise, generator=generator)
        device = next(self.parameters()).device
        return self.generator(noise.to(device)).unflatten(1, self.shape)
