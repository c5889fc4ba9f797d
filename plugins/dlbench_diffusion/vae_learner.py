"""Variational autoencoder: Kingma & Welling 2014, "Auto-Encoding Variational Bayes"; with `beta`, Higgins et al. 2017,
"beta-VAE: Learning Basic Visual Concepts with a Constrained Variational Framework"."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .autoencoder import Perceptron
from .scaling import Unit

LOG_TURN = math.log(2 * math.pi)
DRAWS = 64  # of the code, to estimate a bound


class VAE(Learner):
    """Examples of any `shape`, seen as flat vectors, with `latent` coordinates of the code.

    The decoder is a Gaussian around its mean, with one variance for all coordinates, which is learnt. Points are seen
    at unit variance, and sampled with the decoder's noise; of pictures the decoder's mean is the sample, as is usual.
    Raises ValueError for sizes that can't be.
    """

    def __init__(
        self, *, shape: tuple[int, ...], width: int = 256, depth: int = 2, latent: int = 16, beta: float = 1.0,
        num_classes: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        if min(width, depth, latent) < 1 or beta < 0:
            given = f"{width}, {depth}, {latent} and {beta}"
            raise ValueError(f"needs width, depth and latent of at least 1 and beta of at least 0, not {given}")
        self.shape, self.latent, self.beta = shape, latent, beta
        features = math.prod(shape)
        sizes = {"width": width, "depth": depth, "num_classes": num_classes}
        self.encoder = Perceptron(features, 2 * latent, **sizes)
        self.decoder = Perceptron(latent, features, **sizes)
        self.log_variance = nn.Parameter(torch.zeros(()))
        self.unit = Unit(features) if len(shape) == 1 else None

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """One step on the negative bound, in nats per example, at unit variance. Returns it."""
        examples = batch.inputs.flatten(1)
        if self.unit is not None:
            self.unit.measure(examples)
            examples = self.unit(examples)
        noise = torch.randn(len(examples), self.latent, device=examples.device)
        return optimizers.minimize(lambda: self.negative_bound(examples, noise, batch.targets))

    def negative_bound(self, examples: Tensor, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        """Mean over flat examples (B, features) of the negative log density around the decoder's mean plus `beta` times
        the divergence of the code from its prior, in nats, with `noise` (B, latent) for the code."""
        mean, log_variance = self.encode(examples, classes)
        code = mean + noise * (log_variance / 2).exp()
        return (self.beta * divergence(mean, log_variance) - self.log_likelihood(examples, code, classes)).mean()

    def encode(self, examples: Tensor, classes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Mean and log variance of the codes, (B, latent) each."""
        mean, log_variance = self.encoder(examples, classes).float().chunk(2, dim=1)
        return mean, log_variance

    def log_likelihood(self, examples: Tensor, code: Tensor, classes: Tensor | None = None) -> Tensor:
        """Log density of examples (..., features) given codes (..., latent), in nats, (...,)."""
        errors = (examples - self.decoder(code, classes).float()).square()
        return -(errors / self.log_variance.exp() + self.log_variance + LOG_TURN).sum(-1) / 2

    def log_density(self, inputs: Tensor) -> Tensor:
        """The evidence lower bound of each example, in nats, (B,): a mean over 64 codes whose noise is the same for all
        examples and calls."""
        examples = inputs.flatten(1)
        if self.unit is not None:
            examples = self.unit(examples)
        mean, log_variance = self.encode(examples)
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(DRAWS, 1, self.latent, generator=generator).to(mean.device)
        code = mean + noise * (log_variance / 2).exp()  # (64, B, latent)
        prior = -(code.square() + LOG_TURN).sum(-1) / 2
        own = -(noise.square() + log_variance + LOG_TURN).sum(-1) / 2
        bound = (self.log_likelihood(examples, code) + prior - own).mean(0)
        return bound if self.unit is None else bound - self.unit.sd.log().sum()

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """`count` examples (count, *shape) from noise that `generator` draws on the CPU; each of its class, int64
        (count,), where classes are known."""
        device = self.log_variance.device
        code = torch.randn(count, self.latent, generator=generator).to(device)
        mean = self.decoder(code, None if classes is None else classes.to(device)).float()
        if self.unit is None:
            return mean.unflatten(1, self.shape)
        noise = torch.randn(mean.shape, generator=generator).to(device)
        return self.unit.back(mean + noise * (self.log_variance / 2).exp())


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of Gaussians (B, latent) from the standard one, in nats, (B,): Kullback-Leibler."""
    return (mean.square() + log_variance.exp() - log_variance - 1).sum(1) / 2
