"""A single convolution: the least that can answer at every pixel. Where the answer is a linear filter of the image, as
of edges (Sobel and Feldman 1968), nothing does better."""

from __future__ import annotations

from torch import Tensor, nn


class OneFilter(nn.Module):
    """Images with `channels` channels to `num_outputs` numbers at each pixel, from the `kernel` x `kernel` pixels
    around it; beyond the border there are zeros. Raises ValueError for a kernel that has no centre."""

    def __init__(self, *, channels: int, num_outputs: int, kernel: int = 3) -> None:
        super().__init__()
        if kernel < 1 or kernel % 2 == 0:
            raise ValueError(f"needs an odd kernel, not {kernel}")
        self.filter = nn.Conv2d(channels, num_outputs, kernel, padding=kernel // 2)

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, num_outputs, H, W)"""
        return self.filter(images)
