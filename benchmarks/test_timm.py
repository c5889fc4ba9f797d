"""Images per second of timm's models as a profile reads them, beside the loops of timm's own `benchmark.py`: one random
batch that stays in memory, SGD made by timm (with torch's fused kernel, as dlbench takes it), cross-entropy. Both take
single steps in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import fmean, median

import pytest
import timm
import torch
from timm.optim import create_optimizer_v2
from torch import nn

from dlbench import Classes, Image, Metric, TaskSpec
from dlbench.plan.catalog import Catalog, discover
from dlbench.profile.job import subject_of
from dlbench.testing.parts import bench_of
from images import random_task
from loops import Race
from turns import cpu_s

AGREEMENT = 0.02
SIDE, BATCH, STEPS, RACES = 32, 16, 40, 8
Step = Callable[[], object]


def timm_steps(name: str) -> dict[str, Step]:
    """A training and an inference step, as timm's script takes them."""
    inputs = torch.randn(BATCH, 3, SIDE, SIDE)
    trained, loss = timm.create_model(name, num_classes=10).train(), nn.CrossEntropyLoss()
    optimizer = create_optimizer_v2(trained, opt="sgd", lr=1e-4, fused=True)
    judged = timm.create_model(name, num_classes=10).eval()

    def train() -> None:
        optimizer.zero_grad()
        loss(trained(inputs), torch.empty(BATCH, dtype=torch.long).random_(10)).backward()
        optimizer.step()

    def infer() -> None:
        with torch.no_grad():
            judged(inputs)

    return {"train": train, "infer": infer}


def dlbench_steps(catalog: Catalog, name: str) -> dict[str, Step]:
    """The steps of a profile's passes over a resident batch."""
    spec = TaskSpec(
        name="random", input_kind=Image, output_kind=Classes, load=lambda data: random_task(3, SIDE, 4 * BATCH),
        unit="image", metric=Metric(name="accuracy"), floor=None,
        recipe={"optimizer": "sgd[momentum=0.9,nesterov=true]", "lr": 1e-4, "batch_size": BATCH},
    )  # fmt: skip
    subject = subject_of(bench_of(catalog, catalog.model(f"timm:{name}"), spec, None))
    (trained, optimizers), (judged, _) = subject.build(), subject.build()
    resident = subject.resident()
    trained.train(), judged.eval()
    return {
        "train": lambda: subject.train_step(trained, optimizers, resident()),
        "infer": lambda: subject.evaluate(judged, resident()),
    }


def race(theirs: Step, ours: Step) -> Race:
    run = Race()
    for _ in range(STEPS):
        run.by_hand.append(cpu_s(theirs))
        run.trained.append(cpu_s(ours))
    return run


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "regnetx_002"])
def test_timm(benchmark, name: str) -> None:
    """Several races with fresh networks, made in either order: where its memory lies makes one copy faster."""
    catalog, races = discover(), {"train": [], "infer": []}

    def run() -> None:
        makers = [lambda: timm_steps(name), lambda: dlbench_steps(catalog, name)]
        if len(races["train"]) % 2:
            ours, theirs = makers[1](), makers[0]()
        else:
            theirs, ours = makers[0](), makers[1]()
        for what, found in races.items():
            found.append(race(theirs[what], ours[what]))

    benchmark.pedantic(run, rounds=RACES, warmup_rounds=0)
    for what, found in races.items():
        relative = [one.overhead_s() / one.step_s() for one in found]
        benchmark.extra_info |= {
            f"{what}_images_per_cpu_s_of_timm": round(BATCH / median(one.step_s() for one in found), 1),
            f"{what}_difference": round(fmean(relative), 4),
            f"{what}_lowest": round(min(relative), 4), f"{what}_highest": round(max(relative), 4),
        }  # fmt: skip
    assert abs(benchmark.extra_info["train_difference"]) <= AGREEMENT, benchmark.extra_info
    assert abs(benchmark.extra_info["infer_difference"]) <= AGREEMENT, benchmark.extra_info
