"""The suite on labels of words. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
COUNTED = ("constant", "most_frequent_tag")
CELLS = ("elman", "jordan", "gru", "lstm")
SMALL = "embedding=100,dropout=0.5"


def suites() -> Iterable[Suite]:
    both_ways = f"lstm[{SMALL},bidirectional=true"
    yield Suite(
        name="labelling",
        blocks=(
            Block(models=(*COUNTED, *(f"{cell}[{SMALL}]" for cell in CELLS), f"{both_ways}]"), tasks=("atis_slots",)),
            Block(
                models=(*COUNTED, f"{both_ways},width=100]", f"{both_ways},width=100,characters=true]"),
                tasks=("ewt_pos",),
            ),
        ),
        seeds=3,
        profile=BRIEF,
        description="Slots of questions about flights by recurrent networks of every kind, and parts of speech with "
        "and without the words' spelling",
    )
