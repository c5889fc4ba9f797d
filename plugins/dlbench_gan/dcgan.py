"""The two players of DCGAN.

Radford, Metz & Chintala 2016, "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks". At 64x64 with three channels and a width of 64 they are those of PyTorch's tutorial: 3,576,704 parameters and
2,765,568. Differs from the paper: noise is Gaussian, and the number of layers follows the size of the pictures.

Asked for classes, both players get one: an embedding joined to the noise, and a map of its own joined to the picture,
as Mirza & Osindero 2014, "Conditional Generative Adversarial Nets", have it for perceptrons.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

SPREAD = 0.02  # of first weights, as in the paper


def halvings(height: int, width: int) -> int:
    """How often both sides are halved: to no less than 4 pixels, but at least twice where that leaves 2. 0 where an odd
    or a small side can't be halved at all."""
    count = 0
    while not height % 2 and not width % 2 and min(height, width) // 2 >= (2 if count < 2 else 4):
        height, width, count = height // 2, width // 2, count + 1
    return count


def smallest(size: tuple[int, int]) -> tuple[int, int, int]:
    """The height and width that are left of a size after all halvings, and how many these were.

    Raises ValueError where there is none."""
    count = halvings(*size)
    if not count:
        height, width = size
        raise ValueError(f"needs pictures whose sides can be halved, to 2 pixels or more, not {height}x{width}")
    return size[0] >> count, size[1] >> count, count


class ConvGenerator(nn.Module):
    """Noise (B, noise), and classes (B,) where `num_classes` isn't 0 -> pictures (B, channels, *size) between -1 and 1.

    `width` is the number of channels at half the size, doubled with each further halving. `embedding`: numbers for a
    class, beside the noise.
    """

    def __init__(
        self, *, channels: int, size: tuple[int, int], width: int = 64, noise: int = 100, num_classes: int = 0,
        embedding: int = 16,
    ) -> None:  # fmt: skip
        super().__init__()
        height, wide, count = smallest(size)
        self.embedding = nn.Embedding(num_classes, embedding) if num_classes else None
        inputs = noise + (embedding if num_classes else 0)
        before = width << (count - 1)
        layers: list[nn.Module] = [nn.ConvTranspose2d(inputs, before, (height, wide), bias=False)]
        for _ in range(count - 1):
            layers += [nn.BatchNorm2d(before), nn.ReLU()]
            layers.append(nn.ConvTranspose2d(before, before // 2, 4, stride=2, padding=1, bias=False))
            before //= 2
        layers += [nn.BatchNorm2d(before), nn.ReLU()]
        layers += [nn.ConvTranspose2d(before, channels, 4, stride=2, padding=1, bias=False), nn.Tanh()]
        self.layers = nn.Sequential(*layers).apply(start)

    def forward(self, noise: Tensor, classes: Tensor | None = None) -> Tensor:
        if self.embedding is not None:
            noise = torch.cat([noise, self.embedding(classes)], dim=1)
        return self.layers(noise[:, :, None, None])


class ConvDiscriminator(nn.Module):
    """Pictures (B, channels, *size), and classes (B,) where `num_classes` isn't 0 -> one logit each (B,); above 0 where
    they look real. `width` as in `ConvGenerator`."""

    def __init__(self, *, channels: int, size: tuple[int, int], width: int = 64, num_classes: int = 0) -> None:
        super().__init__()
        height, wide, count = smallest(size)
        self.size = size
        self.maps = nn.Embedding(num_classes, size[0] * size[1]) if num_classes else None
        inputs = channels + (1 if num_classes else 0)
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, stride=2, padding=1, bias=False), nn.LeakyReLU(0.2)]
        for _ in range(count - 1):
            layers.append(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=False))
            width *= 2
            layers += [nn.BatchNorm2d(width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, 1, (height, wide), bias=False)).apply(start)

    def forward(self, pictures: Tensor, classes: Tensor | None = None) -> Tensor:
        if self.maps is not None:
            pictures = torch.cat([pictures, self.maps(classes).unflatten(1, (1, *self.size))], dim=1)
        return self.layers(pictures).flatten()


def start(layer: nn.Module) -> None:
    """The paper's first weights: from N(0, 0.02), a batch norm's from N(1, 0.02)."""
    if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(layer.weight, 0.0, SPREAD)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, SPREAD)
