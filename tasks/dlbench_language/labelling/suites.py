"""The suite on labels of words. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
COUNTED = ("constant", "most_frequent_tag")
CELLS = ("elman", "jordan", "gru", "lstm")
SLOTS = "embedding=100,dropout=0.5"
SPEECH = "embedding=100,width=100,dropout=0.25,bidirectional=true"


def suites() -> Iterable[Suite]:
    yield Suite(
        name="labelling",
        blocks=(
            Block(
                models=(
                    *COUNTED,
                    *(f"{cell}[{SLOTS}]" for cell in CELLS),
                    f"jordan[{SLOTS},context=3]",
                    f"elman[{SLOTS},context=3]",
                    f"lstm[{SLOTS},bidirectional=true]",
                ),
                tasks=("atis_slots",),
            ),
            Block(models=(*COUNTED, f"lstm[{SPEECH}]", f"lstm[{SPEECH},characters=true]"), tasks=("ewt_pos",)),
        ),
        seeds=3,
        profile=BRIEF,
        description="Slots of questions about flights by recurrent networks of every kind, and parts of speech with "
        "and without the words' spelling",
    )
