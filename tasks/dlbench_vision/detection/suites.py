"""Suites of detection. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Suite


def suites() -> Iterable[Suite]:
    yield Suite(
        name="detection",
        blocks=(
            Block(models=("constant",), tasks=("shapes_detection", "bccd")),
            Block(models=("centernet",), tasks=("shapes_detection",), set={"budget.epochs": 2}),
            Block(models=("detr",), tasks=("shapes_detection",), set={"budget.epochs": 6}),
            Block(models=("centernet", "detr"), tasks=("bccd",), set={"budget.epochs": 40}),
        ),
        seeds=3,
        description="Objects as a set, as points, and the most frequent boxes, on generated shapes and blood cells",
    )
