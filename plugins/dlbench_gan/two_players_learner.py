"""Training of two players, each with optimizer, schedule and regularizers of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial

import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .losses import LOGISTIC, Losses
from .spectral import iterate


class TwoPlayers(Learner):
    """A `generator` of noise (B, noise) and a `discriminator` of examples, which both get classes (B,) as a second
    argument where they are `conditional`.

    `discriminator_steps`: the discriminator takes so many steps, each on its own share of a batch, before one of the
    generator's, which draws as many examples as a share has.
    """

    def __init__(
        self, *, generator: nn.Module, discriminator: nn.Module, noise: int, losses: Losses = LOGISTIC,
        conditional: bool = False, discriminator_steps: int = 1,
    ) -> None:  # fmt: skip
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.noise, self.losses = noise, losses
        self.conditional, self.discriminator_steps = conditional, discriminator_steps

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {"generator": self.generator.parameters(), "discriminator": self.discriminator.parameters()}

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """The discriminator's steps, then one of the generator. Returns the discriminator's last loss."""
        for real, *classes in self.shares(batch):
            # drawn outside the closures, so that an optimizer that evaluates one several times sees one function
            noise = torch.randn(len(real), self.noise, device=real.device)
            with torch.no_grad():
                fake = self.generator(noise, *classes)
            loss = optimizers.minimize(partial(self.discriminator_loss, real, fake, *classes), part="discriminator")
            iterate(self.discriminator)
        noise = torch.randn(len(real), self.noise, device=real.device)
        optimizers.minimize(partial(self.generator_loss, noise, *classes), part="generator")
        iterate(self.generator)
        return loss

    def shares(self, batch: Batch) -> list[tuple[Tensor, ...]]:
        """The batch in as many parts as the discriminator has steps: examples, and classes where they count."""
        parts = [batch.inputs.chunk(self.discriminator_steps)]
        if self.conditional:
            assert batch.targets is not None
            parts.append(batch.targets.chunk(self.discriminator_steps))
        return list(zip(*parts, strict=True))

    def discriminator_loss(self, real: Tensor, fake: Tensor, *classes: Tensor) -> Tensor:
        return self.losses.discriminator(self.discriminator(real, *classes), self.discriminator(fake, *classes))

    def generator_loss(self, noise: Tensor, *classes: Tensor) -> Tensor:
        return self.losses.generator(self.discriminator(self.generator(noise, *classes), *classes))

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """`count` examples, of the `classes` (count,) where players are conditional, from noise that `generator` draws
        on the CPU."""
        device = next(self.parameters()).device
        noise = torch.randn(count, self.noise, generator=generator).to(device)
        return self.generator(noise) if classes is None else self.generator(noise, classes.to(device))
