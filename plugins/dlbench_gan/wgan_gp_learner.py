"""Wasserstein GAN with a gradient penalty: Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, "Improved Training of
Wasserstein GANs".

Differs from the paper: all critic steps before one of the generator see the same batch of real examples, each with
noise and mixtures of its own; by default there are two of them, not five; the penalty's weight is 1, not 10; and the
players are those of `networks.py`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .networks import Discriminator, Generator
from .penalty import gradient_penalty


class WGANGP(Learner):
    """Examples of any `shape`, which the players see as flat vectors. `noise` is the number of noise coordinates,
    `penalty` the weight of the gradient penalty, `critic_steps` the critic's steps for each of the generator's."""

    def __init__(
        self,
        *,
        shape: tuple[int, ...],
        width: int = 128,
        depth: int = 3,
        noise: int = 16,
        norm: bool = False,
        penalty: float = 1.0,
        critic_steps: int = 2,
    ) -> None:
        super().__init__()
        self.shape, self.noise, self.penalty, self.critic_steps = shape, noise, penalty, critic_steps
        features = math.prod(shape)
        self.generator = Generator(
            features=features, noise=noise, width=width, depth=depth, norm=norm, bounded=len(shape) == 3
        )
        self.critic = Discriminator(features=features, width=width, depth=depth)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {"generator": self.generator.parameters(), "critic": self.critic.parameters()}

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """The critic's steps, then one of the generator. Returns the critic's last loss."""
        real = batch.inputs.flatten(1)
        for _ in range(self.critic_steps):
            loss = self._critic_step(real, optimizers)
        noise = torch.randn(len(real), self.noise, device=real.device)
        optimizers.minimize(lambda: self.generator_loss(noise), part="generator")
        return loss

    def _critic_step(self, real: Tensor, optimizers: Optimizers) -> Tensor:
        # drawn outside the closure, so that an optimizer that evaluates it several times sees one function
        noise = torch.randn(len(real), self.noise, device=real.device)
        share = torch.rand(len(real), 1, device=real.device)
        with torch.no_grad():
            fake = self.generator(noise)
        return optimizers.minimize(lambda: self.critic_loss(real, fake, share), part="critic")

    def critic_loss(self, real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
        """Mean score of generated examples less that of real ones, plus the weighted gradient penalty."""
        # called as a method, since a compiled network has no gradients of gradients
        slopes = gradient_penalty(self.critic.forward, real, fake, share)
        return self.critic(fake).mean() - self.critic(real).mean() + self.penalty * slopes

    def generator_loss(self, noise: Tensor) -> Tensor:
        """Minus the mean score of generated examples."""
        return -self.critic(self.generator(noise)).mean()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` examples (count, *shape) from noise that `generator` draws on the CPU."""
        noise = torch.randn(count, self.noise, generator=generator)
        device = next(self.parameters()).device
        return self.generator(noise.to(device)).unflatten(1, self.shape)
