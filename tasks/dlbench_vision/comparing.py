"""The suites that set networks beside each other on sets of images. No torch."""

from __future__ import annotations

from collections.abc import Iterator

from dlbench import Block, Suite

FAMILIES = (
    "mlp", "lenet5", "alexnet", "vgg11", "googlenet", "densenet", "resnet20", "cnn_attention", "mlp_mixer", "convnext",
    "vit_tiny", "swin",
)  # fmt: skip
SEEN = ("mlp", "vgg11", "googlenet", "densenet", "resnet20", "cnn_attention", "mlp_mixer", "convnext", "vit_tiny")
"""Of the families those that are compared at length on a CPU; seeds alone take three minutes each."""


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
        description="Every family of image networks on digits, MNIST, Fashion-MNIST and CIFAR-10 under one recipe, "
        "meant for a GPU; CIFAR-10 gets 15 of the published 200 epochs (the suite cifar10_published has them all)",
    )


def _vision_small() -> Suite:
    same = {
        "optimizer": "adam", "lr": 2e-3, "weight_decay": 0.0, "schedule": "cosine", "batch_size": 64,
        "budget.params": "200k",
    }  # fmt: skip
    return Suite(
        name="vision_small",
        blocks=(
            Block(models=("constant",), tasks=("digits", "mnist", "cifar10_small")),
            Block(models=SEEN, tasks=("cifar10_small",), set={**same, "budget.seconds": 60}, variant="200k, 60 s"),
            Block(
                models=("mlp", "vgg11", "vit_tiny"), tasks=("mnist",), set={**same, "budget.seconds": 15},
                variant="200k, 15 s",
            ),
            Block(
                models=tuple(name for name in FAMILIES if name != "lenet5"),  # which has no width
                tasks=("digits",), set={**same, "budget.seconds": 5}, variant="200k, 5 s",
            ),
        ),
        seeds=3,
        description="The families at equal parameters (200k) and equal training time, on a CPU: 60 s on a fifth of "
        "CIFAR-10, 15 s on MNIST, 5 s on digits; within 40 minutes",
    )  # fmt: skip


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
