"""Suites of detection. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Suite


def suites() -> Iterable[Suite]:
    yield Suite(
        name="detection",
        blocks=(
            Block(models=("constant", "detr"), tasks=("shapes_detection",)),
            Block(
                models=("constant", "centernet"), tasks=("shapes_detection",), set={"budget.epochs": 2}, variant="short"
            ),
            # DETR's step takes twice as long here, and on shapes so few steps leave it at an AP50 of 17 %.
            Block(models=("constant", "centernet"), tasks=("bccd",)),
        ),
        seeds=3,
        description="Detectors beside the most frequent boxes, on generated shapes and blood cells: about 20 minutes "
        "of one CPU thread. On shapes the convolutional one gets two epochs, DETR five",
    )
