"""Random mirroring of images together with their boxes."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dlbench import Batch, Boxes, Learner, NotApplicable, Optimizers, Regularizer, Signature, UsageError

from .fits import check_images


class FlipBoxes(Regularizer):
    """Mirror each image left to right, upside down where `vertical` is asked for, or both, each with probability 1/2,
    and its boxes with it. Needs inputs (B, C, H, W) and targets (B, limit, 5) as `Boxes` has them."""

    def __init__(self, *, horizontal: bool = True, vertical: bool = False) -> None:
        self.ways = [way for way, asked in enumerate((horizontal, vertical)) if asked]

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        check_images("flip_boxes", signature)
        if not isinstance(signature.output, Boxes):
            raise NotApplicable(f"the regularizer flip_boxes is for images with boxes, not with {signature.output}")

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        images, boxes = batch.inputs, batch.targets
        if not isinstance(images, Tensor) or images.ndim != 4 or boxes is None or boxes.shape[2:] != (5,):
            raise UsageError("the regularizer flip_boxes works on images (B, C, H, W) with boxes only")
        drawn = torch.randint(0, 2, (2, len(images)), generator=generator).bool()
        flipped = drawn.to(images.device, non_blocking=True)
        for way in self.ways:
            images, boxes = mirror(images, boxes, flipped[way], way)
        return replace(batch, inputs=images, targets=boxes)


def mirror(images: Tensor, boxes: Tensor, which: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """The images (B, C, H, W) and boxes (B, limit, 5), those `which` (B,) says mirrored: left to right (0) or upside
    down (1)."""
    images = torch.where(which[:, None, None, None], images.flip(3 - way), images)
    moved = boxes.clone()
    there = boxes[..., 4] >= 0
    moved[..., way] = torch.where(there, 1 - boxes[..., way + 2], boxes[..., way])
    moved[..., way + 2] = torch.where(there, 1 - boxes[..., way], boxes[..., way + 2])
    return images, torch.where(which[:, None, None], moved, boxes)
