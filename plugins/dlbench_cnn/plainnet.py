"""The plain network beside which residual networks are measured: the same layers without shortcuts.

Kaiming He, Xiangyu Zhang, Shaoqing Ren and Jian Sun, 2016, "Deep Residual Learning for Image Recognition", section 4.2.

The shortcuts of the residual network for CIFAR have no parameters, so that both have equally many: 269,722 at 20
layers. What differs: width and image size are free, and batch normalisation can be left out.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class PlainNet(nn.Module):
    """Images with `channels` channels to `num_classes` logits. `width` is the number of channels of the first stage
    (then twice and four times as many); `norm`: `batch`, or None for biases alone. `init`: `he`, weights drawn after He
    et al. 2015, or `default`, torch's narrower ones, through which signals fade where nothing normalises them. Raises
    ValueError for a depth that is not 6n + 2, another norm or another init.

    `smallest_side`: with shorter sides one pixel is left after the two subsamplings, and batch normalisation has
    nothing to compare in a batch of one.
    """

    smallest_side: ClassVar[int] = 5

    def __init__(
        self, *, channels: int, num_classes: int, depth: int = 20, width: int = 16, norm: str | None = "batch",
        init: str = "he",
    ) -> None:  # fmt: skip
        super().__init__()
        if depth < 8 or depth % 6 != 2 or norm not in ("batch", None):
            raise ValueError(f"needs a depth of 6n + 2 (8, 14, 20, ...) and batch or no norm, not {depth} and {norm!r}")
        if init not in ("he", "default"):
            raise ValueError(f"knows the inits he and default, not {init!r}")
        layers = _layer(channels, width, stride=1, norm=norm)
        have = width
        for stage in range(3):
            for index in range((depth - 2) // 3):
                stride = 2 if stage > 0 and index == 0 else 1
                layers += _layer(have, width * 2**stage, stride=stride, norm=norm)
                have = width * 2**stage
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(have, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and init == "he":
                nn.init.kaiming_normal_(module.weight)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_classes)"""
        maps = self.layers(images)  # (B, 4 * width, ceil(H / 4), ceil(W / 4))
        return self.classifier(maps.mean(dim=(2, 3)))


def _layer(channels: int, out: int, *, stride: int, norm: str | None) -> list[nn.Module]:
    conv = nn.Conv2d(channels, out, kernel_size=3, stride=stride, padding=1, bias=not norm)
    return [conv, *([nn.BatchNorm2d(out)] if norm else []), nn.ReLU()]
