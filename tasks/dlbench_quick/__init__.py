"""The suite `quick`: one model of each family on embedded or generated data, in minutes on two CPU cores."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, ProfileProtocol, Suite


def dlbench_suites() -> Iterable[Suite]:
    yield Suite(
        name="quick",
        blocks=(
            Block(
                models=("constant", "perceptron", "mlp", "lenet5", "vit_tiny"),
                tasks=("digits",),
                set={"budget.epochs": 10},
                variant="10 epochs",
            ),
            Block(
                models=("constant", "gru", "gpt"),
                tasks=("markov_chars",),
                set={"budget.epochs": 2},
                variant="2 epochs",
            ),
            Block(models=("mlp", "gcn"), tasks=("sbm_small",)),
            Block(models=("gan",), tasks=("ring8",), set={"budget.epochs": 8}, variant="8 epochs"),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=5, block_s=0.05, warmup_s=0.1),
        description="An MLP, a CNN, an RNN, a Transformer, a GNN and a GAN beside the constant model, on a CPU, "
        "without a download, in about three minutes",
    )
