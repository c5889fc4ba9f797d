"""The convolutional part of DETR: ResNet-50 as published, or a small residual network.

He, Zhang, Ren and Sun 2016, "Deep Residual Learning for Image Recognition"; Carion et al. 2020, "End-to-End Object
Detection with Transformers", whose batch normalisation is frozen.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FrozenNorm(nn.Module):
    """Batch normalisation whose statistics and weights are fixed: buffers, no parameters."""

    def __init__(self, width: int, *, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        for name, value in (("weight", 1.0), ("bias", 0.0), ("running_mean", 0.0), ("running_var", 1.0)):
            self.register_buffer(name, torch.full((width,), value))

    def forward(self, x: Tensor) -> Tensor:
        scale = self.weight * (self.running_var + self.epsilon).rsqrt()
        return x * scale[:, None, None] + (self.bias - self.running_mean * scale)[:, None, None]


class Backbone(nn.Module):
    """Image (B, channels, H, W) -> maps (B, outputs, h, w), one stage of residual blocks after another, each but the
    first with half the sides and twice the channels.

    `blocks`: how many in each stage. `published`: the stem of ImageNet's networks (7x7, then pooling, a quarter of the
    sides), bottleneck blocks and frozen normalisation; else a 3x3 stem that halves the sides, basic blocks, and batch
    normalisation. With width 64 and blocks (3, 4, 6, 3) the published form is ResNet-50 without its classifier.
    """

    def __init__(
        self, *, channels: int, width: int = 16, blocks: tuple[int, ...] = (1, 1, 1), published: bool = False
    ) -> None:
        super().__init__()
        norm = FrozenNorm if published else nn.BatchNorm2d
        stem = nn.Conv2d(channels, width, 7, 2, 3, bias=False) if published else _three(channels, width, 2)
        self.stem = nn.Sequential(stem, norm(width), nn.ReLU())
        self.pool = nn.MaxPool2d(3, 2, 1) if published else nn.Identity()
        stages, have = [], width
        for stage, count in enumerate(blocks):
            inner = width * 2**stage
            made = []
            for index in range(count):
                stride = 2 if stage and not index else 1
                made.append(ResidualBlock(have, inner, stride=stride, bottleneck=published, norm=norm))
                have = 4 * inner if published else inner
            stages.append(nn.Sequential(*made))
        self.stages = nn.Sequential(*stages)
        self.outputs = have

    def forward(self, images: Tensor) -> Tensor:
        return self.stages(self.pool(self.stem(images)))


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions, or a 3x3 between two 1x1 of which the last has four times as many channels, beside an
    identity, or a 1x1 convolution where sizes change."""

    def __init__(self, channels: int, width: int, *, stride: int, bottleneck: bool, norm: type[nn.Module]) -> None:
        super().__init__()
        outputs = 4 * width if bottleneck else width
        if bottleneck:
            layers = [nn.Conv2d(channels, width, 1, bias=False), norm(width), nn.ReLU()]
            layers += [_three(width, width, stride), norm(width), nn.ReLU()]
            layers += [nn.Conv2d(width, outputs, 1, bias=False), norm(outputs)]
        else:
            layers = [_three(channels, width, stride), norm(width), nn.ReLU(), _three(width, width, 1), norm(width)]
        self.layers = nn.Sequential(*layers)
        self.shortcut: nn.Module = nn.Identity()
        if stride > 1 or channels != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, outputs, 1, stride, bias=False), norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.layers(x) + self.shortcut(x))


def _three(channels: int, width: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, 1, bias=False)
