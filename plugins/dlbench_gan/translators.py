"""The players of CycleGAN: Zhu, Park, Isola, Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent
Adversarial Networks"; generators as Johnson, Alahi, Fei-Fei 2016, "Perceptual Losses for Real-Time Style Transfer and
Super-Resolution", discriminators as Isola, Zhu, Zhou, Efros 2017, "Image-to-Image Translation with Conditional
Adversarial Networks".

With `width` 64, `depth` 9, `downs` 2 and `stem` 7 a generator of three channels has 11,378,179 parameters; with `width`
64 and `layers` 3 a discriminator has 2,764,737 and sees patches of 70 x 70 pixels.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

INITIAL_SD = 0.02  # of convolutional weights


class Residual(nn.Module):
    """Two convolutions around which the input is led."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width), nn.ReLU(),
            nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3), nn.InstanceNorm2d(width),
        )  # fmt: skip

    def forward(self, maps: Tensor) -> Tensor:
        return maps + self.layers(maps)


class ConvGenerator(nn.Module):
    """Pictures (B, channels, H, W) to pictures of the same shape, -1 to 1. `downs`: how often the side is halved,
    before `depth` residual blocks; `stem`: the side of the first and the last kernel."""

    def __init__(self, *, channels: int, width: int = 64, depth: int = 9, downs: int = 2, stem: int = 7) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(stem // 2), *_normed(nn.Conv2d(channels, width, stem), width)]
        for level in range(downs):
            before, after = width << level, width << (level + 1)
            layers += _normed(nn.Conv2d(before, after, 3, stride=2, padding=1), after)
        layers += [Residual(width << downs) for _ in range(depth)]
        for level in reversed(range(downs)):
            before, after = width << (level + 1), width << level
            layers += _normed(nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1), after)
        layers += [nn.ReflectionPad2d(stem // 2), nn.Conv2d(width, channels, stem), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.apply(_start)

    def forward(self, pictures: Tensor) -> Tensor:
        height, width = pictures.shape[2:]
        return self.layers(pictures)[:, :, :height, :width]  # of an odd side, halving and doubling makes more


class DenseGenerator(nn.Module):
    """The same of layers that know no places: `depth` hidden ones of `width`, and one that gives the picture."""

    def __init__(self, *, shape: tuple[int, int, int], width: int = 256, depth: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in [math.prod(shape), *[width] * (depth - 1)]:
            layers += [nn.Linear(before, width), nn.ReLU()]
        self.layers = nn.Sequential(
            nn.Flatten(), *layers, nn.Linear(width, math.prod(shape)), nn.Tanh(), nn.Unflatten(1, shape)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


class PatchDiscriminator(nn.Module):
    """Pictures (B, channels, H, W) to a map (B, 1, H', W') of how real each patch looks, 1 where it does, 0 where not.
    `layers`: how often the side is halved."""

    def __init__(self, *, channels: int, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        before = width
        for level in range(1, layers + 1):
            after = min(width << level, 8 * width)
            stride = 2 if level < layers else 1
            convolution = nn.Conv2d(before, after, 4, stride=stride, padding=1)
            parts += [convolution, nn.InstanceNorm2d(after), nn.LeakyReLU(0.2)]
            before = after
        self.layers = nn.Sequential(*parts, nn.Conv2d(before, 1, 4, padding=1))
        self.apply(_start)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


class DenseDiscriminator(nn.Module):
    """Pictures (B, channels, H, W) to how real they look (B, 1), as a whole: the layers of `DenseGenerator`."""

    def __init__(self, *, shape: tuple[int, int, int], width: int = 256, depth: int = 2) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before in [math.prod(shape), *[width] * (depth - 1)]:
            layers += [nn.Linear(before, width), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, 1))

    def forward(self, pictures: Tensor) -> Tensor:
        return self.layers(pictures)


def _normed(convolution: nn.Module, width: int) -> list[nn.Module]:
    return [convolution, nn.InstanceNorm2d(width), nn.ReLU()]


def _start(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=INITIAL_SD)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
