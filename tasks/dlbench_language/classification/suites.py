"""The suite on classes of sentences. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
COUNTED = ("constant", "naive_bayes")


def suites() -> Iterable[Suite]:
    yield Suite(
        name="text_classification",
        blocks=(
            Block(models=(*COUNTED, "textcnn"), tasks=("rt_polarity", "sst2", "sst5")),
            Block(
                models=(*COUNTED, "textcnn", "gru[pool=max]", "lstm[pool=max,bidirectional=true]", "encoder", "bert"),
                tasks=("trec",),
            ),
        ),
        seeds=3,
        profile=BRIEF,
        description="Classes of film reviews and of questions: the convolutional network of Kim 2014 with random "
        "embeddings beside naive Bayes, and recurrent networks and Transformers on the questions",
    )
