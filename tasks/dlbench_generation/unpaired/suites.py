"""The suite of unpaired translation. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Suite

DIGITS = (
    "identity",
    "random_target",
    "cyclegan",
    "cyclegan[cycle=0.0]",
    "cyclegan[cycle=10.0]",
    "cyclegan[dense=true]",
)


def suites() -> Iterable[Suite]:
    yield Suite(
        name="unpaired",
        blocks=(
            Block(models=DIGITS, tasks=("digits_inverted",)),
            Block(models=("identity", "random_target", "cyclegan"), tasks=("digits_rotated", "emoji_style")),
        ),
        seeds=3,
        description="Pictures of one domain as another would have them, without pairs: with the cycle loss, without, "
        "and with dense generators, which map classes to other classes though their cycle is good; copying, and any "
        "picture of the other domain",
    )
