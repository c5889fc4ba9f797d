"""Suites on CIFAR-10: what networks reach under the recipes that were published for them, and how soon. No torch."""

from __future__ import annotations

from dlbench import Block, Suite

MILESTONES = (0.7, 0.8, 0.9, 0.94)
"""Of the accuracy on validation."""

WARMED_UP = {"schedule": "step[milestones=100-150,gamma=0.1,warmup_epochs=1]"}
HUANG = {
    "optimizer": "sgd[momentum=0.9,nesterov=true]",
    "schedule": "step[milestones=150-225,gamma=0.1]",
    "batch_size": 64,
    "budget.epochs": 300,
}
LIU = {"weight_decay": 5e-4, "schedule": "cosine"}
# After Jordan 2024, but for batches of 128 and a learning rate of 0.3: one processor sees two epochs in three minutes,
# and with so few steps smaller batches get further (on validation, and by two points).
JORDAN = {
    "optimizer": "sgd[momentum=0.85,nesterov=true]",
    "lr": 0.3,
    "weight_decay": 1.3e-3,
    "schedule": "linear[warmup_share=0.2]",
    "batch_size": 128,
    "regularizers": "alternating_flip,crop_flip[pad=2,flip=false]",
    "budget.seconds": 180,
    "evaluate_every": 50,
}


def cifar10_published() -> Suite:
    """The task's own recipe is the one of He et al. 2016 for residual networks, in whole epochs; at 110 layers they
    start with a tenth of the learning rate, here with a linear warm-up of one epoch. Huang et al. 2017 have their own.
    There is no paper on VGG for CIFAR-10: its recipe is that of Liu's pytorch-cifar, which reports 92.64 %."""
    return Suite(
        name="cifar10_published",
        blocks=(
            Block(models=("resnet20", "resnet32", "resnet56"), tasks=("cifar10",)),
            Block(models=("preact_resnet[depth=110]",), tasks=("cifar10",), set=WARMED_UP, variant="warmed up"),
            Block(
                models=("densenet[depth=100,width=12,stride=1]",), tasks=("cifar10",), set=HUANG, variant="Huang 2017"
            ),
            Block(models=("vgg16[width=64]",), tasks=("cifar10",), set=LIU, variant="pytorch-cifar"),
        ),
        seeds=3,
        description="Networks with a published figure on CIFAR-10, each under its published recipe of 200 or 300 "
        "epochs: residual ones (8.75, 7.51, 6.97 % error at 20, 32, 56 layers; pre-activated 6.37 at 110), DenseNet-BC "
        "(4.51) and VGG-16 with norm (7.36): hours on a GPU",
    )


def cifar10_speed() -> Suite:
    return Suite(
        name="cifar10_speed",
        blocks=(Block(models=("airnet",), tasks=("cifar10",), set=JORDAN),),
        seeds=3,
        description="Seconds of training until validation first reaches 70, 80, 90 and 94 %, under one recipe of three "
        "minutes after airbench; -m puts another model on it, for a GPU airnet[width=128]",
    )
