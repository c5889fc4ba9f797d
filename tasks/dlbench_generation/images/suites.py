"""Suites of pictures drawn anew: those that a CPU can do, and those of the papers, for a GPU. No torch."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import Block, Settings, Suite

BASELINES = ("noise", "bootstrap", "gaussian", "kde")
DRAWN = ("vae", "gan", "wgan_gp", "dcgan", "sagan[width=32]", "ddpm[sample_steps=25]", "flow_matching[steps=10]")
ASKED = ("bootstrap", "gaussian", "cgan", "ddpm[width=16,sample_steps=25]", "flow_matching[width=16,steps=10]")
STEPS: Settings = {"budget.steps": 1500, "evaluate_every": 500}


def suites() -> Iterable[Suite]:
    yield Suite(
        name="images_gen",
        blocks=(Block(models=(*BASELINES, *DRAWN), tasks=("mnist_gen", "fashion_gen")),),
        seeds=3,
        description="Pictures of 28x28 drawn anew, beside noise, training pictures and one Gaussian; meant for a GPU",
    )
    yield Suite(
        name="images_by_class",
        blocks=(
            Block(models=ASKED, tasks=("digits_by_class",), set=STEPS, variant="1,500 steps"),
            Block(models=("cgan[conv=true,noise=32,width=32]",), tasks=("digits_by_class",), set=STEPS,
                  variant="1,500 steps", treatments={"lr 0.002": {"lr": 2e-3}}),
        ),
        seeds=3,
        description="Digits of a class that is asked for, the convolutional cgan under a rate of its own; half an hour "
        "on a CPU",
    )  # fmt: skip
    yield _published()


def _published() -> Suite:
    """Steps and batches as published, each model under its own optimizer; the true FID takes Inception's weights."""
    ddpm: Settings = {
        "budget.steps": 800_000, "batch_size": 128, "lr": 2e-4, "schedule": "constant[warmup_steps=5000]", "clip": 1.0,
        "regularizers": "ema[decay=0.9999]",
    }  # fmt: skip
    network = "width=128,mults=1-2-2-2,blocks=2,attention=16,dropout=0.1"
    process = "schedule=linear,steps=1000,predict=eps,variance=large"
    return Suite(
        name="images_gen_published",
        blocks=(
            Block(models=("dcgan",), tasks=("cifar10_gen",), variant="Radford 2016",
                  set={"budget.steps": 100_000, "batch_size": 128}),
            Block(models=("sagan[width=128]",), tasks=("cifar10_gen", "cifar10_by_class"), variant="Zhang 2019",
                  set={"budget.steps": 200_000, "batch_size": 64}),
            Block(models=(f"ddpm[{network},{process}]",), tasks=("cifar10_gen",), variant="Ho 2020", set=ddpm),
        ),
        seeds=1,
        description="DCGAN, SAGAN and DDPM on CIFAR-10 by their papers' recipes: days on a GPU",
    )  # fmt: skip
