"""What is declared of adversarial networks between two domains."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Image, ModelSpec, NotApplicable, Signature, Translate, UsageError

SMALLEST_SIDE = 8


def build_cyclegan(
    signature: Signature, *, width: int = 16, depth: int = 2, cycle: float = 2.0, identity: float = 0.0,
    buffer: int = 50, dense: bool = False,
) -> Any:  # fmt: skip
    """`cycle` and `identity`: the weights of these losses, published as 10 and 0 (5 for paintings); `buffer`: past
    translations that discriminators are shown;
    `dense`: players without convolutions. `width=64,depth=9` is published for 256 x 256 pixels."""
    if min(width, depth) < 1 or min(cycle, identity, buffer) < 0:
        raise UsageError("cyclegan needs width and depth of at least 1, and no negative cycle, identity or buffer")
    kind = signature.input
    if min(kind.height, kind.width) < SMALLEST_SIDE:
        raise NotApplicable(f"needs pictures of at least {SMALLEST_SIDE} x {SMALLEST_SIDE} pixels")
    from .cyclegan import CycleGAN

    return CycleGAN(
        shape=(kind.channels, kind.height, kind.width), width=width, depth=depth, cycle=cycle, identity=identity,
        buffer=buffer, dense=dense,
    )  # fmt: skip


def models() -> Iterable[ModelSpec]:
    yield ModelSpec(
        name="cyclegan",
        build=build_cyclegan,
        accepts=[(Image, Translate)],
        family="GAN",
        paper="Zhu, Park, Isola & Efros 2017, Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial "
        "Networks",
        recipes={Translate: {"optimizer": "adam[beta1=0.5]"}},
    )
