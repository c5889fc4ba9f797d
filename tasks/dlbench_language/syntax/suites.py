"""The suite on sentences as graphs. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
SPELLED = "lstm[bidirectional=true,characters=true,width=100,embedding=100,dropout=0.5,init=0.1]"
WORDS = "characters=false,dropout=0.3"
READ = f"syntactic_gcn[hops=0,{WORDS}]"  # a bidirectional LSTM
SYNTAX = f"syntactic_gcn[residual=true,{WORDS}]"  # on validation 45.3, without the input added 39.1
SHORT = "propbank_roles[num_train=8000]"
NEAR = "semeval_relations[around=2]"  # on validation 75.7 of textcnn, with four words around 74.2, with all 74.0


def suites() -> Iterable[Suite]:
    yield Suite(
        name="text_graphs",
        blocks=(
            Block(
                models=("constant", "dictionary", "most_frequent_tag", SPELLED, "syntactic_gcn[residual=true]"),
                tasks=("uner",),
            ),
            Block(models=("constant", "dictionary", SPELLED), tasks=("wnut17",)),
            Block(
                models=("constant", "most_frequent_tag", READ, READ.replace("]", ",init=none]"), SYNTAX),
                tasks=(SHORT,),
            ),
            Block(models=(SYNTAX,), tasks=(SHORT.replace("]", ",edges=shuffled]"),)),
            Block(models=("constant", "marked_words", "textcnn[dropout=0.3]", READ, f"c_gcn[{WORDS}]"), tasks=(NEAR,)),
        ),
        seeds=3,
        profile=BRIEF,
        description="Sentences as tokens and as graphs: names, roles of a predicate's arguments with true and shuffled "
        "trees, relations of nominals",
    )
