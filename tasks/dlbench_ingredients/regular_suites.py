"""Suites that compare regularizers, norms, first weights and ensembles, one change at a time. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from dlbench import Block, ProfileProtocol, Settings, Suite

SMALL = ("mnist_small[images=500]",)
STEPS = {
    "optimizer": "adam", "lr": 5e-3, "schedule": "cosine", "batch_size": 64, "budget.steps": 600, "select": "last"
}  # fmt: skip
"""The same for every row: what a change does, not what tuning does with it. The rate is the plain network's best on
validation of 2e-3, 5e-3, 1e-2 and 2e-2, by the worse of two seeds that no suite has."""
PROFILE = ProfileProtocol(rounds=3, block_s=0.1, warmup_s=0.1, launches=2)
CONSTANT = {"schedule": "constant"}
AVERAGES = {"": {}, ", ema": {"regularizers": "ema[decay=0.99]"}, ", swa": {"regularizers": "swa"}}
NOISY = ("mnist_small[images=500,label_noise=0.2]",)
"""Where weights don't come to rest: each wrong label pulls them about, at a rate that is twice that of the others."""

WEIGHTS_AND_NOISE: Mapping[str, str] = {
    "l1": "l1[rate=3e-4]",
    "proximal l1": "proximal_l1[rate=3e-4]",
    "l2": "l2[rate=3e-3]",
    "input noise": "input_noise[sd=1.3]",
    "weight noise": "weight_noise[sd=1.0]",
    "activation noise": "activation_noise[sd=1.0]",
    "gradient noise": "gradient_noise[sd=0.01]",
    "max norm": "max_norm[limit=0.8]",
    "label smoothing": "label_smoothing[epsilon=0.2]",
}
EARLY = {**CONSTANT, "select": "best", "patience": 10, "evaluate_every": 10}
SNAPSHOTS = {"regularizers": "snapshot", "schedule": "cyclic_cosine"}


def suites() -> Iterable[Suite]:
    yield regularization()
    yield normalization()
    yield initialisation()
    yield ensembles()


def regularization() -> Suite:
    """Averaging stands under a constant rate and under a cosine, which leaves it nothing to average."""

    rows = ("constant", "mlp", "mlp[dropout=0.5]", "mlp[norm=batch]", "mlp[norm=layer]", "mlp[norm=group]", "bagging")
    treatments: Mapping[str, Settings] = {
        **{name: {"regularizers": text} for name, text in WEIGHTS_AND_NOISE.items()},
        "clip": {"clip": 1.0},
        "early stopping": EARLY,
        "snapshots": SNAPSHOTS,
    }
    averages: Mapping[str, Settings] = {
        **{f"constant{name}": {**CONSTANT, **own} for name, own in AVERAGES.items()},
        **{f"cosine{name}": own for name, own in AVERAGES.items()},
    }
    return Suite(
        name="regularization",
        blocks=(
            Block(models=rows, tasks=SMALL, set=STEPS),
            Block(models=("mlp",), tasks=SMALL, set=STEPS, treatments=treatments),
            Block(models=("mlp",), tasks=NOISY, set={**STEPS, "lr": 1e-2}, treatments=averages),
            Block(models=("constant", "mlp"), tasks=("shuffled[task=mnist,images=500]",), set=STEPS),
        ),
        seeds=5,
        profile=PROFILE,
        description="An MLP on 500 images of MNIST under one regularizer at a time: L1 and L2, dropout, noise, norms, "
        "bounds, early stopping, snapshots, bagging; averages where a fifth of the labels are wrong; and labels that "
        "say nothing as a control",
    )  # fmt: skip


def normalization() -> Suite:
    """Gradient descent on a network of six layers at rates up to where nothing holds."""
    models = tuple(f"mlp[width=64,depth=6{norm}]" for norm in ("", ",norm=batch", ",norm=layer", ",norm=group"))
    return Suite(
        name="normalization",
        blocks=(
            Block(
                models=models, tasks=("digits",),
                set={"optimizer": "sgd", "schedule": "constant", "budget.steps": 500, "select": "last"},
                treatments={f"lr {lr:g}": {"lr": lr} for lr in (0.03, 0.1, 0.3, 1.0, 3.0)},
            ),
        ),
        seeds=3,
        profile=PROFILE,
        description="Which learning rates a network of six layers stands, without a norm and with batch, layer and "
        "group norm, under plain gradient descent",
    )  # fmt: skip


def initialisation() -> Suite:
    """Twenty rectified layers without a norm, where the scale of the first weights decides."""
    rules = ("zeros", "small_normal", "lecun", "glorot", "he", "orthogonal[gain=1.414]")
    steps: Settings = {
        "optimizer": "sgd[momentum=0.9]", "lr": 0.01, "schedule": "constant", "budget.steps": 500, "select": "last"
    }  # fmt: skip
    treatments: Mapping[str, Settings] = {rule.partition("[")[0]: {"init": rule} for rule in rules}
    return Suite(
        name="initialisation",
        blocks=(Block(models=("mlp[width=64,depth=20]",), tasks=("digits",), set=steps, treatments=treatments),),
        seeds=5,
        profile=PROFILE,
        description="First weights of an MLP of twenty layers without a norm: zeros, small normal, LeCun, Glorot, He, "
        "orthogonal",
    )


def ensembles() -> Suite:
    """Beside one network and its ensembles of five, one of five times the parameters."""
    return Suite(
        name="ensembles",
        blocks=(
            Block(
                models=("mlp", "mlp[width=829]", "ensemble", "bagging"),
                tasks=SMALL,
                set=STEPS,
            ),
            Block(models=("mlp",), tasks=SMALL, set=STEPS, treatments={"snapshots": SNAPSHOTS}),
        ),
        seeds=5,
        profile=PROFILE,
        description="The mean of five networks from five first weights, of five bootstraps and of five snapshots, "
        "beside one network and one of five times the parameters; records keep what every member scores",
    )
