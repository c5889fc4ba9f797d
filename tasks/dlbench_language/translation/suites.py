"""Suites of translation: the short form for a CPU, the published configurations for a GPU. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Suite

SHORT = {"batch_size": 64, "budget.epochs": 5}
PUBLISHED = "width=512,embedding=256,dropout=0.5,teacher_forcing=0.5"
TRANSFORMER = "transformer[width=256,depth=3,heads=8,feed=512,norm=post,positions=learned,max_length=100]"


def suites() -> Iterable[Suite]:
    yield Suite(
        name="translation",
        blocks=(
            Block(
                models=("constant", "seq2seq", "seq2seq_attention", "transformer"),
                tasks=("multi30k_de_en[pairs=10000]",),
                set=SHORT,
                variant="short",
            ),
        ),
        seeds=3,
        description="From the constant model to the Transformer, German to English, on the first 10,000 pairs for 5 "
        "epochs: about two minutes a cell on one CPU thread",
    )
    yield Suite(
        name="translation_published",
        blocks=(
            Block(
                models=(
                    f"seq2seq[cell=lstm,depth=2,{PUBLISHED}]",
                    f"seq2seq[context=true,{PUBLISHED}]",
                    f"seq2seq_attention[readout=0,{PUBLISHED}]",
                ),
                tasks=("multi30k_de_en",),
            ),
            Block(
                models=(TRANSFORMER,),
                tasks=("multi30k_de_en",),
                set={"lr": 5e-4},
            ),
        ),
        seeds=3,
        description="The networks of github.com/bentrevett/pytorch-seq2seq on all 29,000 pairs, 10 epochs of batches "
        "of 128: minutes a cell on a GPU. Other than there: Moses tokens, torch's first weights, a backward "
        "encoder that starts at the true end, attention without weight on padding",
    )
