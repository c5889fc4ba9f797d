"""The suite of captions. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Suite

CAPTIONER, MEAN, BLIND = "show_attend_tell", "show_attend_tell[view=mean]", "show_attend_tell[view=none]"


def suites() -> Iterable[Suite]:
    yield Suite(
        name="captioning",
        blocks=(
            Block(models=("constant", CAPTIONER, MEAN, BLIND), tasks=("shapes_captions",)),
            Block(models=("constant", CAPTIONER, BLIND), tasks=("emoji_captions",)),
        ),
        seeds=3,
        description="Sentences about pictures: with attention, with the mean of the picture in its place, without the "
        "picture, and the constant model; generated shapes, whose captions can be right, and emoji, whose names often "
        "can't be known",
    )
