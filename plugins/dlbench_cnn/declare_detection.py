"""Networks that find objects: builders and specs. Torch comes in inside the builders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dlbench import Boxes, Image, ModelSpec, NotApplicable, Signature, UsageError

if TYPE_CHECKING:
    from dlbench import Learner


def models() -> Iterator[ModelSpec]:
    yield ModelSpec(
        name="centernet",
        build=_build_centernet,
        accepts=[(Image, Boxes)],
        family="CNN",
        paper="Zhou, Wang and Krähenbühl 2019, Objects as Points",
        recipes={Boxes: {"optimizer": "adam", "lr": 2e-3}},
    )


def _build_centernet(signature: Signature, *, width: int = 24, depth: int = 1, most: int = 100) -> Learner:
    """`depth`: residual blocks on each of two levels. `most`: findings in an image."""
    from .centernet import CenterNet
    from .centernet_learner import CenterNetLearner

    image, boxes = signature.input, signature.output
    assert isinstance(image, Image)
    assert isinstance(boxes, Boxes)
    if min(image.height, image.width) < CenterNet.smallest_side:
        side = CenterNet.smallest_side
        raise NotApplicable(f"needs images with a side of at least {side}, not {image.height}x{image.width}")
    if depth < 1 or most < 1:
        raise UsageError(f"needs a depth and findings of at least 1, not {depth} and {most}")
    return CenterNetLearner(channels=image.channels, num_classes=boxes.num_classes, width=width, depth=depth, most=most)
