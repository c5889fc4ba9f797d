"""Points of a plane or a sphere: `ring8`, `grid25` and `moons`, where the truth is known, and `earth`."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from dlbench import Block, Metric, ProfileProtocol, Sample, Settings, Suite, TaskSpec, Vector
from dlbench.data import Data

from .files import EARTH, HEADERS, earth_files

MIXTURE_METRICS = (
    Metric(name="modes", unit="modes"),
    Metric(name="high_quality"),
    Metric(name="kl", unit="nats", higher_is_better=False),
    Metric(name="spread", unit="true sd"),
    Metric(name="overlap_truth"),
)
KINDS: dict[str, Any] = {"input_kind": Vector, "output_kind": Sample, "unit": "points"}
NLL = Metric(name="nll", unit="nats", higher_is_better=False)
MMD = Metric(name="mmd_1000", unit="mmd", higher_is_better=False)
SPREAD = Metric(name="spread", unit="true spread")
FLOOR = Metric(name="mmd_1000_floor", unit="mmd", higher_is_better=False)
RECIPE: Settings = {"optimizer": "adam", "lr": 1e-3, "schedule": "cosine", "batch_size": 128}
STEPS: Settings = {**RECIPE, "budget.steps": 1000, "evaluate_every": 100}


def load_ring8(data: Data, *, sd: float = 0.01, num_train: int = 10_000) -> Any:
    """`sd` of each Gaussian, on a circle of radius 1."""
    from .mixture import make_task, ring8

    return make_task(ring8(sd), num_train=num_train, device=data.device)


def load_grid25(data: Data, *, sd: float = 0.05, num_train: int = 20_000) -> Any:
    """`sd` of each Gaussian, on a grid with steps of 2."""
    from .mixture import grid25, make_task

    return make_task(grid25(sd), num_train=num_train, device=data.device)


def load_moons(data: Data, *, noise: float = 0.1, num_train: int = 10_000) -> Any:
    """`noise`: the sd of the Gaussian by which half circles of radius 1 are blurred."""
    from .moons import make_task

    return make_task(noise=noise, num_train=num_train, device=data.device)


def load_earth(data: Data, *, set: str = "fire", split: int = 0, repeats: bool = True) -> Any:
    """`set`: fire, quakes or volcanoes. `split`: the seed of the random splits. `repeats`: whether places that come
    several times do so here, as published; else each is there once."""
    (file,) = earth_files(set=set).files
    from .earth import make_task

    return make_task(data.path(file.path), header=HEADERS[set], split=split, repeats=repeats, device=data.device)


def specs() -> Iterable[TaskSpec]:
    yield from mixtures()
    yield TaskSpec(
        name="moons",
        load=load_moons,
        metric=MMD,
        metrics=(Metric(name="high_density"), SPREAD, NLL, FLOOR),
        floor=None,
        bound=0.0,
        recipe=STEPS,
        description=(
            "Two half circles that reach into each other, generated. 1,000 samples are compared with as many true "
            "points by their maximum mean discrepancy; as many training points have 0.04 (mmd_1000_floor) and 95 % "
            "high density, normal noise 0.24 and 24 %."
        ),
        **KINDS,
    )
    yield TaskSpec(
        name="earth",
        load=load_earth,
        metric=MMD,
        metrics=(NLL, SPREAD, FLOOR),
        floor=None,
        bound=0.0,
        data=earth_files,
        datasets=tuple(EARTH.values()),
        recipe=STEPS,
        description=(
            "Places of fires, earthquakes or volcanic eruptions, drawn as points of the unit sphere. Even points have "
            "a discrepancy (mmd_1000) of 0.26, 0.21 and 0.27, resampled training points 0.04, 0.05 and 0.15, as the "
            "volcanoes have 83 test points. The uniform density has an nll of log 4 pi, 2.531. Eruptions repeat: 84 % "
            "of the volcanoes' test points stand in training too, so a likelihood can grow without bound there."
        ),
        **KINDS,
    )


def mixtures() -> Iterable[TaskSpec]:
    """Gaussians whose samples are judged exactly."""
    yield TaskSpec(
        name="ring8",
        load=load_ring8,
        metric=Metric(name="overlap"),
        metrics=(*MIXTURE_METRICS, NLL),
        floor=math.exp(-4.5),
        bound=1.0,
        recipe={**RECIPE, "budget.epochs": 8},
        description=(
            "Eight narrow Gaussians on a circle, generated. True samples have 8 modes, 98.9 % high quality and, as "
            "2,500 of them are counted, an overlap of about 97 %. Their entropy, the least nll, is -4.293 nats."
        ),
        **KINDS,
    )
    yield TaskSpec(
        name="grid25",
        load=load_grid25,
        metric=Metric(name="overlap"),
        metrics=(*MIXTURE_METRICS, NLL),
        floor=None,
        bound=1.0,
        recipe={**RECIPE, "batch_size": 256, "budget.steps": 2000, "evaluate_every": 200},
        description=(
            "25 narrow Gaussians on a grid, generated. True samples have 25 modes, 98.9 % high quality and, as 2,500 "
            "of them are counted, an overlap of about 94 %. Their entropy, the least nll, is 0.065 nats."
        ),
        **KINDS,
    )


def suites() -> Iterable[Suite]:
    drawn = ("noise", "bootstrap", "gan", "pacgan", "wgan_gp", "ddpm", "flow_matching")
    yield Suite(
        name="points",
        blocks=(
            Block(models=drawn, tasks=("ring8", "grid25", "moons")),
            Block(models=("noise", "bootstrap", "vmf_kde", "vae", "gan", "ddpm", "flow_matching"), tasks=("earth",)),
        ),
        seeds=3,
        profile=ProfileProtocol(rounds=5, block_s=0.1, warmup_s=0.2),
        description="Points drawn anew: Gaussians on a ring and on a grid, two arcs, fires on the earth",
    )
