"""The suites on text. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
NANOGPT_SMALL = "gpt[width=128,depth=4,heads=4,bias=false]"  # 0.80 million parameters, as the LSTM below
LSTM_AS_LARGE = "lstm[width=384,embedding=128]"
ZAREMBA_SMALL = "lstm[width=200,depth=2,init=0.1,forget_bias=none]"
ZAREMBA_MEDIUM = "lstm[width=650,depth=2,dropout=0.5,init=0.05,forget_bias=none]"
PYTORCH_EXAMPLE = "lstm[width=200,depth=2,dropout=0.2,forget_bias=none]"
AWD = (
    "lstm[width=1150,depth=3,embedding=400,tied=true,weight_drop=0.5,embedding_dropout=0.1,input_dropout={},"
    "layer_dropout={},output_dropout=0.4]"
)


def suites() -> Iterable[Suite]:
    yield _language()
    yield _language_published()


def _language() -> Suite:
    return Suite(
        name="language",
        blocks=(
            Block(
                models=("constant", "ngram", "gru", "lstm", "gpt"),
                tasks=("markov_chars",),
                set={"budget.epochs": 6},
                variant="6 epochs",
            ),
            Block(models=("constant", "ngram", "ngram[order=3]"), tasks=("markov_chars[order=2]",)),
            Block(
                models=("gru", "lstm", "gpt"),
                tasks=("markov_chars[order=2,num_train=8192]",),
                set={"budget.epochs": 6},
                variant="6 epochs",
            ),
            Block(models=("constant", "bert[width=64]", "gru[bidirectional=true]"), tasks=("markov_masked",)),
            Block(
                models=("constant", "ngram", "ngram[order=5]", NANOGPT_SMALL, LSTM_AS_LARGE),
                tasks=("shakespeare_char",),
            ),
            Block(
                models=("constant", "ngram", "ngram[order=3]", ZAREMBA_SMALL),
                tasks=("ptb_word",),
                set={"budget.epochs": 1},
                variant="1 epoch",
            ),
        ),
        seeds=3,
        profile=BRIEF,
        description="Next and masked tokens: a source with a known bound, Shakespeare's characters with equal "
        "parameters and budget, and the first of the 13 epochs on the Penn Treebank; on a CPU, about half an hour",
    )


def _language_published() -> Suite:
    """Learning rates and largest norms are those of the papers turned from a loss that is summed over a segment's steps
    into its mean: times, and divided by, the length."""
    medium = {
        "lr": 35.0,
        "clip": 5 / 35,
        "schedule": f"step[every=1,gamma={1 / 1.2:.10f},after=6]",
        "budget.epochs": 39,
    }
    awd = {
        "optimizer": "sgd", "lr": 30.0, "clip": 0.25, "weight_decay": 1.2e-6, "budget.epochs": 500,
        "schedule": "plateau[factor=0.1,patience=10,threshold=0.0,min_factor=0.001]",
    }  # fmt: skip
    gpu = {"batch_size": 64, "budget.steps": 5000, "evaluate_every": 250}
    return Suite(
        name="language_published",
        blocks=(
            Block(models=("constant", "ngram", ZAREMBA_SMALL), tasks=("ptb_word",)),
            Block(models=(ZAREMBA_MEDIUM,), tasks=("ptb_word[length=35]",), set=medium, variant="Zaremba medium"),
            Block(models=("constant", "ngram", PYTORCH_EXAMPLE), tasks=("wikitext2",)),
            Block(models=(AWD.format(0.4, 0.25),), tasks=("ptb_word[length=70]",), set=awd, variant="AWD without ASGD"),
            Block(
                models=(AWD.format(0.65, 0.2),),
                tasks=("wikitext2[length=70]",),
                set={**awd, "batch_size": 80, "budget.epochs": 750},
                variant="AWD without ASGD",
            ),
            Block(models=("lstm[width=700]",), tasks=("ptb_char",)),
            Block(
                models=("gpt[width=384,depth=6,heads=6,dropout=0.2,bias=false]",),
                tasks=("shakespeare_char[length=256,samples=3]",),
                set=gpu,
                variant="nanoGPT, GPU",
            ),
        ),
        seeds=1,
        description="The published configurations, for a GPU: the small and the medium LSTM of Zaremba et al. 2014, "
        "PyTorch's example, the LSTM of Merity et al. 2018 with its dropouts but plain SGD in place of averaged SGD, "
        "and nanoGPT's character model; minutes to hours each",
    )
