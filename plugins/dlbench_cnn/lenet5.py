"""LeNet-5.

Yann LeCun, Léon Bottou, Yoshua Bengio and Patrick Haffner, 1998, "Gradient-Based Learning Applied to Document
Recognition".

What differs (the usual modern form): rectified linear units in place of scaled tanh, max pooling in place of trained
subsampling, every map of the second convolution sees all six maps of the first, and a linear output layer in place of
radial basis functions. 61,706 parameters for 28x28 grey images and ten classes.

The paper puts 28x28 digits on a 32x32 canvas. So images with a side of at least 32 are not padded; smaller ones get
2 pixels of padding in the first convolution; and below 28 the second one pads as well, so that only the pooling
shrinks them and 8x8 digits fit.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn


class LeNet5(nn.Module):
    """Images with `channels` channels of `size` (height, width) to `num_classes` logits. Raises ValueError where a side
    is below `smallest_side`, as nothing would be left after pooling twice."""

    smallest_side: ClassVar[int] = 4

    def __init__(self, *, channels: int, size: tuple[int, int], num_classes: int) -> None:
        super().__init__()
        side = min(size)
        if side < self.smallest_side:
            raise ValueError(f"needs a side of at least {self.smallest_side}, not {size[0]}x{size[1]}")
        first, second = (2 if side < 32 else 0), (2 if side < 28 else 0)
        self.features = nn.Sequential(
            nn.Conv2d(channels, 6, kernel_size=5, padding=first),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, kernel_size=5, padding=second),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        height, width = (_left(_left(length, first), second) for length in size)
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * height * width, 120),
            nn.ReLU(),
            nn.Linear(120, 84),
            nn.ReLU(),
            nn.Linear(84, num_classes),
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, channels, *size) -> (B, num_classes)"""
        return self.classifier(self.features(images))  # at 28x28 the features are (B, 16, 5, 5)


def _left(length: int, padding: int) -> int:
    """What a 5-wide convolution and a halving leave of a side."""
    return (length + 2 * padding - 4) // 2
