"""The language-modelling tasks as the catalog sees them. No torch."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import MaskedTokens, Metric, NextToken, Reference, TaskSpec, Tokens
from dlbench.data import Data

from .files import PTB, PTB_FILES, SHAKESPEARE, WIKITEXT2, WIKITEXT2_FILES

NATS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)
EXCESS = Metric(name="excess", unit="nats", higher_is_better=False)
BITS = Metric(name="bits_per_character", unit="bits", higher_is_better=False)
PERPLEXITY = Metric(name="perplexity", unit="", higher_is_better=False)
STREAMS = (
    "Training runs in batch_size parallel streams cut into segments of `length`, with the state carried; judging in "
    "ten streams, each from a zero state, with every token predicted once; carry=false makes segments stand alone"
)
# Zaremba's loss is summed over the 20 steps of a segment, ours is their mean: 20 times the learning rate and a 20th of
# the largest gradient norm are the same steps.
ZAREMBA_SMALL = {
    "optimizer": "sgd",
    "lr": 20.0,
    "clip": 0.25,
    "schedule": "step[every=1,gamma=0.5,after=4]",
    "batch_size": 20,
    "budget.epochs": 13,
}


def load_markov_chars(
    data: Data,
    *,
    vocab: int = 16,
    order: int = 1,
    length: int = 32,
    num_train: int = 2048,
    num_val: int = 512,
    num_test: int = 2048,
) -> Any:
    """`length` predictions per segment; `num_*` count segments. From order 2 on a model needs memory."""
    from .markov import make_task

    sizes = {"train": num_train, "val": num_val, "test": num_test}
    return make_task(vocab=vocab, order=order, length=length, sizes=sizes, device=data.device)


def load_markov_masked(
    data: Data,
    *,
    vocab: int = 16,
    order: int = 1,
    length: int = 32,
    num_train: int = 4096,
    num_val: int = 512,
    num_test: int = 2048,
) -> Any:
    """`length` places per segment, of which 15 % are masked; `num_*` count segments."""
    from .masked import make_task

    sizes = {"train": num_train, "val": num_val, "test": num_test}
    return make_task(vocab=vocab, order=order, length=length, sizes=sizes, device=data.device)


def load_shakespeare_char(data: Data, *, length: int = 64, carry: bool = False, samples: int = 0) -> Any:
    """`length`: of a window. `carry`: parallel streams with a carried state, in training and judging. `samples`: how
    many texts of 200 characters the record keeps."""
    from .text import load_shakespeare

    return load_shakespeare(data, path=SHAKESPEARE.files[0].path, length=length, carry=carry, samples=samples)


def load_ptb_word(data: Data, *, length: int = 20, carry: bool = True) -> Any:
    """`length`: of a segment, through which gradients go back. `carry`: see the description."""
    from .text import load_words

    return load_words(data, files=PTB_FILES, length=length, carry=carry)


def load_ptb_char(data: Data, *, length: int = 100, carry: bool = True) -> Any:
    """`length`: of a segment, through which gradients go back. `carry`: see the description."""
    from .text import load_characters

    return load_characters(data, files=PTB_FILES, length=length, carry=carry)


def load_wikitext2(data: Data, *, length: int = 35, carry: bool = True) -> Any:
    """`length`: of a segment, through which gradients go back. `carry`: see the description."""
    from .text import load_words

    return load_words(data, files=WIKITEXT2_FILES, length=length, carry=carry)


def tasks() -> Iterable[TaskSpec]:
    yield from (_markov_chars(), _markov_masked(), _shakespeare_char(), _ptb_word(), _ptb_char(), _wikitext2())


def _markov_chars() -> TaskSpec:
    return TaskSpec(
        name="markov_chars",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_markov_chars,
        unit="tokens",
        metric=NATS,
        metrics=(EXCESS,),
        floor=2.6360944921,
        bound=1.5059563293,
        recipe={"optimizer": "adam", "lr": 4e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 3},
        description=(
            "Next symbol of a random Markov chain over 16 symbols, generated. The bound is the chain's entropy rate, "
            "an expectation: the chain itself scores 1.5117 on this test split, and `excess` counts from there."
        ),
    )


def _markov_masked() -> TaskSpec:
    return TaskSpec(
        name="markov_masked",
        input_kind=Tokens,
        output_kind=MaskedTokens,
        load=load_markov_masked,
        unit="masked token",
        metric=NATS,
        metrics=(EXCESS,),
        floor=2.6316896186,
        bound=0.7214026528,
        recipe={"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 32, "budget.epochs": 30},
        description=(
            "What stood at masked places (5 of 32, another choice in every pass) of a random Markov chain over 16 "
            "symbols, generated. The bound is the entropy given both neighbours; neighbours may be masked as well, or "
            "missing, so that the exact posterior scores more; `excess` counts from what it scores on the same places"
        ),
    )


def _shakespeare_char() -> TaskSpec:
    return TaskSpec(
        name="shakespeare_char",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_shakespeare_char,
        unit="token",
        metric=NATS,
        metrics=(BITS,),
        floor=3.347153654967827,
        reference=Reference(
            value=1.88,
            source="4 layers, 4 heads, width 128, 2,000 steps of 12 windows of 64, trained on 5 % more text and judged "
            "on a sample of the last tenth: Karpathy 2022, nanoGPT, README",
        ),
        recipe={
            "optimizer": "adamw[beta2=0.99]",
            "lr": 1e-3,
            "weight_decay": 0.1,
            "schedule": "cosine[warmup_steps=100,end=0.1]",
            "clip": 1.0,
            "batch_size": 12,
            "budget.steps": 2000,
            "evaluate_every": 500,
        },
        data=SHAKESPEARE,
        description=(
            "Next character of Shakespeare's plays, 65 characters, in windows of 64 that start anywhere. The test "
            "split is the published evaluation text, the last tenth (111,540 characters); validation is the first "
            "twentieth, so that nothing is picked on the evaluation text. Judging predicts every character but the "
            "first once, in consecutive windows, whose first characters have little before them. The floor counts the "
            "windows of seed 0, others differ in the sixth digit"
        ),
    )


def _ptb_word() -> TaskSpec:
    return TaskSpec(
        name="ptb_word",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_ptb_word,
        unit="token",
        metric=PERPLEXITY,
        metrics=(NATS,),
        floor=639.2991013,
        reference=Reference(
            value=114.5,
            source="LSTM of 2 x 200 units, not regularised: Zaremba, Sutskever and Vinyals 2014, Recurrent Neural "
            "Network Regularization; 58.8 with the means of AWD-LSTM, Merity, Keskar and Socher 2018",
        ),
        recipe=ZAREMBA_SMALL,
        data=PTB,
        description="Next word of the Penn Treebank, 10,000 words, every line closed by <eos>. " + STREAMS,
    )


def _ptb_char() -> TaskSpec:
    return TaskSpec(
        name="ptb_char",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_ptb_char,
        unit="token",
        metric=BITS,
        metrics=(NATS,),
        floor=4.3458767692,
        reference=Reference(
            value=1.36,
            source="LSTM of 3 million parameters: Bai, Kolter and Koltun 2018, An Empirical Evaluation of Generic "
            "Convolutional and Recurrent Networks for Sequence Modeling",
        ),
        recipe={
            "optimizer": "adam",
            "lr": 2e-3,
            "clip": 0.25,
            "schedule": "cosine",
            "batch_size": 32,
            "budget.epochs": 10,
        },
        data=PTB,
        description="Next character of the Penn Treebank, 49 characters and the end of a line. " + STREAMS,
    )


def _wikitext2() -> TaskSpec:
    return TaskSpec(
        name="wikitext2",
        input_kind=Tokens,
        output_kind=NextToken,
        load=load_wikitext2,
        unit="token",
        metric=PERPLEXITY,
        metrics=(NATS,),
        floor=911.7063608,
        reference=Reference(
            value=65.8,
            source="AWD-LSTM, 33 million parameters, without finetuning: Merity, Keskar and Socher 2018, Regularizing "
            "and Optimizing LSTM Language Models",
        ),
        recipe={
            "optimizer": "sgd",
            "lr": 20.0,
            "clip": 0.25,
            "schedule": "plateau[factor=0.25,patience=0,threshold=0.0,min_factor=1e-6]",
            "batch_size": 20,
            "budget.epochs": 40,
        },
        data=WIKITEXT2,
        description="Next word of Wikipedia articles, 33,278 words, every line closed by <eos>. " + STREAMS,
    )
