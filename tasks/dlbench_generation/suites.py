"""The suite that sets all ways of drawing beside each other on embedded data. No torch."""

from __future__ import annotations

from dlbench import Block, ProfileProtocol, Settings, Suite

POINTS: Settings = {"budget.steps": 1200, "batch_size": 256, "evaluate_every": 240}
PICTURES: Settings = {"budget.steps": 1500, "evaluate_every": 500}


def generative() -> Suite:
    """Equal steps on each task: steps, not seconds, so that a run elsewhere gives the same figures."""
    return Suite(
        name="generative",
        blocks=(
            Block(
                models=("noise", "bootstrap", "gan", "pacgan", "wgan_gp", "ddpm", "flow_matching"),
                tasks=("ring8",),
                set=POINTS,
                variant="1,200 steps of 256",
            ),
            Block(models=("gan", "pacgan", "ddpm"), tasks=("grid25",)),
            Block(
                models=(
                    "noise", "bootstrap", "gaussian", "kde", "vae", "gan", "dcgan[noise=32,width=32]",
                    "ddpm[width=16]", "flow_matching[width=16]",
                ),
                tasks=("digits_gen",),
                set=PICTURES,
                variant="1,500 steps",
            ),
            Block(
                models=("bootstrap", "gaussian", "cgan[conv=true,noise=32,width=32]", "flow_matching[width=16]"),
                tasks=("digits_by_class",),
                set=PICTURES,
                variant="1,500 steps",
            ),
            Block(models=("identity", "cyclegan", "cyclegan[cycle=0.0]"), tasks=("digits_inverted",)),
            Block(models=("erdos_renyi", "graphvae", "graphrnn"), tasks=("community_small[communities=random]",)),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2),
        description="Points, digits, digits of a class, inverted digits and small graphs drawn anew, from counts to "
        "diffusion, each task under equal steps; embedded data, three quarters of an hour on a CPU",
    )  # fmt: skip
