"""The suite that sets all ways of drawing beside each other on embedded data. No torch."""

from __future__ import annotations

from dlbench import Block, ProfileProtocol, Settings, Suite

POINTS: Settings = {"budget.steps": 1500, "batch_size": 128, "evaluate_every": 500}
PICTURES: Settings = {"budget.steps": 1500, "evaluate_every": 500}
DRAWN = (
    "noise", "bootstrap", "gaussian", "kde", "vae", "gan", "dcgan[noise=32,width=32]", "sagan[noise=32,width=8]",
    "ddpm[width=12,sample_steps=25]", "flow_matching[width=12,steps=10]",
)  # fmt: skip


def generative() -> Suite:
    """Equal steps on each task: steps, not seconds, so that a run elsewhere gives the same figures."""
    return Suite(
        name="generative",
        blocks=(
            Block(
                models=("noise", "bootstrap", "gan", "pacgan", "wgan_gp", "ddpm", "flow_matching"),
                tasks=("ring8",),
                set=POINTS,
                variant="1,500 steps of 128",
            ),
            Block(models=DRAWN, tasks=("digits_gen",), set=PICTURES, variant="1,500 steps"),
            Block(models=("bootstrap", "gaussian", "cgan"), tasks=("digits_by_class",), set=PICTURES,
                  variant="1,500 steps"),
            Block(models=("identity", "cyclegan"), tasks=("digits_inverted",)),
            Block(models=("erdos_renyi", "graphvae", "graphrnn"), tasks=("community_small[communities=random]",)),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=3, block_s=0.1, warmup_s=0.1, launches=2),
        description="Points, digits, digits of a class, inverted digits and small graphs drawn anew, from counts to "
        "diffusion, each task under equal steps; embedded data, 20 minutes on two CPU cores with --jobs 2",
    )  # fmt: skip
