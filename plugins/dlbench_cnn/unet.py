"""U-Net: down to maps of few, coarse pixels and up again, where each level also sees what was there on the way down.

Olaf Ronneberger, Philipp Fischer and Thomas Brox, 2015, "U-Net: Convolutional Networks for Biomedical Image
Segmentation".

What differs: far narrower and one level less by default (the paper has width 64 and depth 4); convolutions are padded,
so that the answer is as large as the image; batch normalisation after each; and sides that the halvings don't divide
lose their rest on the way down and get it back by repeating the last pixels.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class UNet(nn.Module):
    """Images with `channels` channels to `num_outputs` numbers at each pixel. `width` is the number of channels at the
    image's own size, and doubles with each of `depth` halvings. A side must be at least 2 ** depth. Raises ValueError
    for a depth below 1."""

    def __init__(self, *, channels: int, num_outputs: int, width: int = 8, depth: int = 3) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"needs a depth of at least 1, not {depth}")
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            _twice(have, wanted) for have, wanted in zip([channels, *widths[:-1]], widths, strict=True)
        )
        self.enlarge = nn.ModuleList(nn.ConvTranspose2d(2 * wide, wide, 2, stride=2) for wide in reversed(widths[:-1]))
        self.up = nn.ModuleList(_twice(2 * wide, wide) for wide in reversed(widths[:-1]))
        self.head = nn.Conv2d(width, num_outputs, kernel_size=1)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_outputs, H, W)"""
        levels = [self.down[0](images)]
        for down in list(self.down)[1:]:
            levels.append(down(F.max_pool2d(levels[-1], 2)))
        maps = levels.pop()  # (B, width * 2 ** depth, H // 2 ** depth, W // 2 ** depth)
        for enlarge, up in zip(self.enlarge, self.up, strict=True):
            same = levels.pop()
            larger = enlarge(maps)
            missing = (0, same.shape[3] - larger.shape[3], 0, same.shape[2] - larger.shape[2])
            if any(missing):
                larger = F.pad(larger, missing, mode="replicate")
            maps = up(torch.cat([same, larger], dim=1))
        return self.head(maps)


def _twice(channels: int, out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for have in (channels, out):
        layers += [nn.Conv2d(have, out, kernel_size=3, padding=1, bias=False), nn.BatchNorm2d(out), nn.ReLU()]
    return nn.Sequential(*layers)
