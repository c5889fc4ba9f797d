"""The two players of a generative adversarial network, as multi-layer perceptrons.

Goodfellow et al. 2014, "Generative Adversarial Nets". Differs from the paper: tanh in the generator, and leaky ReLU in
the discriminator in place of maxout. `norm` gives the generator batch normalisation and ReLU, as Radford,
Metz & Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks",
have it; on eight narrow modes it reaches a quarter of the overlap. `dropout` keeps a discriminator from learning a
thousand pictures by heart.
"""

from __future__ import annotations

from torch import Tensor, nn


class Generator(nn.Module):
    """Noise (B, noise) -> examples (B, features), between -1 and 1 where they are `bounded`."""

    def __init__(
        self, *, features: int, noise: int = 16, width: int = 128, depth: int = 3, norm: bool = False,
        bounded: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        layers: list[nn.Module] = []
        for before in [noise, *[width] * (depth - 1)]:
            layers.append(nn.Linear(before, width, bias=not norm))
            layers += [nn.BatchNorm1d(width), nn.ReLU()] if norm else [nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Linear(width, features), *[nn.Tanh()] * bounded)

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(noise)


class Discriminator(nn.Module):
    """Examples (B, features) -> one logit each (B,); above 0 where they look real."""

    def __init__(self, *, features: int, width: int = 128, depth: int = 3, dropout: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in [features, *[width] * (depth - 1)]:
            layers += [nn.Linear(before, width), nn.LeakyReLU(0.2), *[nn.Dropout(dropout)] * (dropout > 0)]
        self.layers = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, examples: Tensor) -> Tensor:
        return self.layers(examples).squeeze(1)
