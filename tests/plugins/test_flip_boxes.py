"""Mirroring images with their boxes; what moves pixels alone is refused where targets are places."""

from __future__ import annotations

import pytest
import torch

import dlbench_regularize
from dlbench import Batch, UsageError

SPECS = {spec.name: spec for spec in dlbench_regularize.dlbench_regularizers()}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def one_box(count: int = 64) -> Batch:
    """Images that are 1 in the box of two columns and three rows, and a row that fills up."""
    images = torch.zeros(count, 1, 8, 10)
    images[:, :, 0:3, 7:9] = 1
    boxes = torch.tensor([[0.7, 0.0, 0.9, 3 / 8, 1.0], [0.0, 0, 0, 0, -1]]).expand(count, 2, 5)
    return Batch(inputs=images, targets=boxes, size=count)


def corner(image: torch.Tensor) -> tuple[float, float, float, float]:
    rows, columns = (image[0] == 1).nonzero().unbind(1)
    return (int(columns.min()) / 10, int(rows.min()) / 8, int(columns.max() + 1) / 10, int(rows.max() + 1) / 8)


@pytest.mark.parametrize(
    ("options", "ways"),
    [
        ({}, 2),
        ({"vertical": True}, 4),
        ({"horizontal": False}, 1),
        ({"horizontal": False, "vertical": True}, 2),
    ],
)
def test_boxes_stay_with_their_pixels(options: dict[str, bool], ways: int) -> None:
    batch = one_box()
    before = batch.targets.clone()
    got = SPECS["flip_boxes"].build(**options).on_batch(batch, seeded())
    for image, boxes in zip(got.inputs, got.targets, strict=True):
        assert boxes[0, :4].tolist() == pytest.approx(corner(image))
        assert boxes[1].tolist() == [0, 0, 0, 0, -1]
    assert len({tuple(boxes[0].tolist()) for boxes in got.targets.mul(80).round()}) == ways
    assert torch.equal(batch.targets, before)


def test_half_of_them_are_mirrored() -> None:
    got = SPECS["flip_boxes"].build().on_batch(one_box(2000), seeded())
    assert (got.targets[:, 0, 0] < 0.5).float().mean() == pytest.approx(0.5, abs=0.05)


def test_only_images_with_boxes() -> None:
    for batch in (
        Batch(torch.zeros(2, 3, 4, 4), torch.zeros(2)),
        Batch(torch.zeros(2, 3), torch.zeros(2, 1, 5)),
        Batch(torch.zeros(2, 3, 4, 4)),
    ):
        with pytest.raises(UsageError, match="flip_boxes works on images"):
            SPECS["flip_boxes"].build().on_batch(batch, seeded())


def test_crops_that_leave_the_boxes_behind_are_refused() -> None:
    for targets in (one_box().targets, torch.zeros(64, 8, 10)):
        with pytest.raises(UsageError, match="crop_flip moves pixels, but not the targets"):
            SPECS["crop_flip"].build().on_batch(Batch(one_box().inputs, targets), seeded())
    SPECS["crop_flip"].build().on_batch(Batch(one_box().inputs, torch.zeros(64)), seeded())
