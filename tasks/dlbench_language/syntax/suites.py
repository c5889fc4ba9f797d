"""The suite on sentences as graphs. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
SPELLED = "bidirectional=true,characters=true,width=100,embedding=100,dropout=0.5"
WORDS = "characters=false,dropout=0.3"
SYNTAX = f"syntactic_gcn[residual=true,{WORDS}]"  # on validation 43.4, without the input added 41.5, hops=0 34.1
FEW = "num_train=8000"


def suites() -> Iterable[Suite]:
    yield Suite(
        name="text_graphs",
        blocks=(
            Block(
                models=("constant", "dictionary", "most_frequent_tag", f"lstm[{SPELLED}]", "syntactic_gcn"),
                tasks=("uner",),
            ),
            Block(models=("constant", "dictionary", f"lstm[{SPELLED}]"), tasks=("wnut17",)),
            Block(
                models=("constant", "most_frequent_tag", f"syntactic_gcn[hops=0,{WORDS}]", SYNTAX),
                tasks=(f"propbank_roles[{FEW}]",),
            ),
            Block(models=(SYNTAX,), tasks=(f"propbank_roles[{FEW},edges=shuffled]",)),
            Block(
                models=("constant", "marked_words", f"syntactic_gcn[hops=0,{WORDS}]", "c_gcn"),
                tasks=("semeval_relations",),
            ),
        ),
        seeds=3,
        profile=BRIEF,
        description="Sentences as tokens and as graphs: names, roles of a predicate's arguments with true and shuffled "
        "trees, relations of nominals",
    )
