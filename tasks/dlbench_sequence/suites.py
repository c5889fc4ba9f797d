"""The suites on sequences. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite

BRIEF = ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2)
CELLS = ("elman", "gru", "lstm")
RECURRENT = ("elman", "jordan", "gru", "lstm", "lstm_peephole")
COPIER = "gpt[width=128]"
# ALiBi's distances look the same from both ends: pooled over all places, a text and its mirror image are one
POSITIONS = dict.fromkeys(("none", "sinusoidal", "learned", "rotary", "rnn", "floater"), "mean") | {"alibi": "first"}
ATTENTIONS = ("full", "truncated", "linear", "performer")
ONE_LAYER = "width=64,depth=1,heads=2"
LENGTHS = (256, 512, 1024, 2048, 4096)
ARENA = "listops[length=1999,min_length=501,max_depth=10,max_args=10,num_train=96000]"


def suites() -> Iterable[Suite]:
    yield _sequence()
    yield _attention()
    yield _long_range()


def _sequence() -> Suite:
    return Suite(
        name="sequence",
        blocks=(
            Block(models=("constant", "elman", "gru"), tasks=("adding[length=100]",), set={"budget.steps": 2700},
                  variant="2,700 steps"),
            Block(models=("lstm",), tasks=("adding[length=100]",), set={"budget.steps": 4000}, variant="4,000 steps"),
            Block(models=("constant", *CELLS, COPIER), tasks=("copy[length=50]",)),
            Block(models=("constant", *RECURRENT, "gpt"), tasks=("parity", "reber")),
            Block(models=CELLS, tasks=("parity[test_length=40]",)),
            Block(models=("constant", *CELLS, "encoder[positions=none,pool=mean]", "encoder[pool=mean]"),
                  tasks=("order",)),
            Block(models=("constant", "seq2seq", "seq2seq_attention", "transformer"), tasks=("reverse",)),
            Block(models=("constant", "gru", "gru[bidirectional=true]", "encoder"), tasks=("hmm_tags",)),
            Block(models=("constant", *RECURRENT, "encoder"), tasks=("digits_rows",)),
        ),
        profile=BRIEF,
        description="Generated tasks whose best score is known, and digits row by row: what needs memory, gates, "
        "attention or the order of symbols",
    )  # fmt: skip


def _attention() -> Suite:
    encoders = tuple(f"encoder[attention={attention}]" for attention in ATTENTIONS)
    decoders = tuple(f"gpt[attention={attention},width=128]" for attention in ATTENTIONS)
    return Suite(
        name="attention",
        blocks=(
            Block(models=("constant", "lstm"), tasks=("order", "listops", "copy", "fsdd")),
            Block(models=tuple(f"encoder[positions={name},pool={pool}]" for name, pool in POSITIONS.items()),
                  tasks=("order", "listops")),
            Block(models=encoders, tasks=("listops", "fsdd")),
            Block(models=decoders, tasks=("copy",)),
            _scaling(),
        ),
        profile=BRIEF,
        description="Transformers with each positional encoding, and with each form of attention, beside an LSTM; and "
        "how their time and memory grow with length (dlbench table --against length)",
    )  # fmt: skip


def _scaling() -> Block:
    """For its profiles: a few steps train nothing."""
    forms = tuple(f"encoder[attention={attention},{ONE_LAYER}]" for attention in ATTENTIONS)
    return Block(
        models=("lstm[width=64]", *forms, f"encoder[fused=false,{ONE_LAYER}]"),
        tasks=tuple(f"order[length={length},num_train=64,num_val=16,num_test=16]" for length in LENGTHS),
        set={"batch_size": 4, "budget.steps": 4},
        variant="scaling",
    )


def _long_range() -> Suite:
    encoders = tuple(f"encoder[attention={attention},width=128,depth=4]" for attention in ATTENTIONS)
    steps = {"budget.steps": 5000, "batch_size": 32, "evaluate_every": 500}
    return Suite(
        name="long_range",
        blocks=(
            Block(models=("constant", "lstm", *encoders), tasks=(ARENA,), set=steps, variant="5,000 steps"),
            Block(models=("constant", *CELLS), tasks=tuple(f"adding[length={length}]" for length in (200, 400, 600))),
            Block(models=("constant", "gru", "lstm", COPIER),
                  tasks=tuple(f"copy[length={length}]" for length in (100, 200, 500)),
                  set={"budget.steps": 5000, "evaluate_every": 500}, variant="5,000 steps"),
            Block(models=("constant", "gru", "lstm", "encoder[attention=linear]"),
                  tasks=("mnist_rows[pixels=true]", "mnist_rows[permuted=true,pixels=true]")),
        ),
        description="The rules of Long Range Arena for ListOps, longer pauses and sums, and MNIST pixel by pixel: some "
        "hours on a GPU",
    )  # fmt: skip
