"""The suites that set networks beside each other on sets of images. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from dlbench import Block, Suite

FAMILIES = (
    "mlp", "lenet5", "alexnet", "vgg11", "googlenet", "densenet", "resnet20", "cnn_attention", "mlp_mixer", "convnext",
    "vit_tiny", "swin",
)  # fmt: skip
AT_LENGTH = ("mlp", "vgg11", "densenet", "resnet20", "vit_tiny")
"""Of the families those that get a minute on a CPU: with evaluations and profile, each takes four to six minutes."""
IN_PASSING = tuple(name for name in FAMILIES if name not in ("lenet5", "googlenet", "cnn_attention"))
"""The first has no width to resize, the second needs longer than the others, the third takes the longest to judge."""


def suites() -> Iterator[Suite]:
    yield _vision()
    yield _vision_small()
    yield _depth()


def _vision() -> Suite:
    same = {"optimizer": "adam", "lr": 1e-3, "weight_decay": 0.0, "schedule": "cosine", "batch_size": 256}
    small = ("digits", "mnist", "fashion_mnist")
    return Suite(
        name="vision",
        blocks=(
            Block(models=("constant",), tasks=(*small, "cifar10")),
            Block(models=("perceptron", *FAMILIES), tasks=small, set=same, variant="short"),
            Block(
                models=("perceptron", *FAMILIES, "timm:resnet18"),
                tasks=("cifar10",),
                set={**same, "budget.epochs": 15, "regularizers": "crop_flip[pad=4]"},
                variant="short",
            ),
        ),
        seeds=3,
        description="Twelve families of image networks on digits, MNIST, Fashion-MNIST and CIFAR-10 under one recipe, "
        "meant for a GPU; CIFAR-10 gets 15 of the published 200 epochs (the suite cifar10_published has them all)",
    )


def _vision_small() -> Suite:
    def equal(seconds: int) -> dict[str, str | int]:
        return {"budget.params": "200k", "budget.seconds": seconds}

    return Suite(
        name="vision_small",
        blocks=(
            Block(models=("constant",), tasks=("digits", "mnist", "cifar10_small")),
            Block(models=AT_LENGTH, tasks=("cifar10_small",), set=equal(60), variant="200k, 60 s"),
            Block(models=("mlp", "vgg11", "vit_tiny"), tasks=("mnist",), set=equal(10), variant="200k, 10 s"),
            Block(models=IN_PASSING, tasks=("digits",), set=equal(4), variant="200k, 4 s"),
        ),
        seeds=3,
        description="Families at equal parameters (200k) and equal training time under the tasks' recipes, on a CPU: "
        "60 s on a fifth of CIFAR-10, 10 s on MNIST, 4 s on digits; meant for 40 minutes",
    )


def _depth() -> Suite:
    narrow = "width=8"
    residual = tuple(f"resnet{depth}[{narrow}]" for depth in (8, 20, 56))
    plain = tuple(f"plainnet[depth={depth},{narrow}]" for depth in (8, 20, 56))
    bare = tuple(f"plainnet[depth=20,init={init},norm=none,{narrow}]" for init in ("he", "default"))
    return Suite(
        name="depth",
        blocks=(Block(models=("constant", *plain, *bare, *residual), tasks=("digits_fit",)),),
        seeds=3,
        description="Plain and residual networks of 8, 20 and 56 layers, judged by the error on their training images: "
        "past some depth a plain network can't even fit them; without batch normalisation 20 layers need He's weights",
    )
