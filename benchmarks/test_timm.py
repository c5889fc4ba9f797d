"""Images per second of timm's models as a profile reads them, beside the loops of timm's own `benchmark.py`: one random
batch that stays in memory, SGD made by timm, cross-entropy. Blocks of both are taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

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
from turns import cpu_s, in_turns

AGREEMENT = 0.02
SIDE, BATCH, ROUNDS = 64, 16, 21
Step = Callable[[], object]


def timm_steps(name: str) -> dict[str, Step]:
    """A training and an inference step, as timm's script takes them."""
    inputs = torch.randn(BATCH, 3, SIDE, SIDE)
    trained, loss = timm.create_model(name, num_classes=10).train(), nn.CrossEntropyLoss()
    optimizer = create_optimizer_v2(trained, opt="sgd", lr=1e-4)
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
        recipe={"optimizer": "sgd[momentum=0.9]", "lr": 1e-4, "batch_size": BATCH},
    )  # fmt: skip
    subject = subject_of(bench_of(catalog, catalog.model(f"timm:{name}"), spec, None))
    (trained, optimizers), (judged, _) = subject.build(), subject.build()
    resident = subject.resident()
    trained.train(), judged.eval()
    return {
        "train": lambda: subject.train_step(trained, optimizers, resident()),
        "infer": lambda: subject.evaluate(judged, resident()),
    }


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_050", "regnetx_002"])
def test_timm(benchmark, name: str) -> None:
    theirs, ours = timm_steps(name), dlbench_steps(discover(), name)
    benchmark.pedantic(ours["train"], rounds=3)
    for what in ("train", "infer"):
        found = in_turns({"theirs": _block(theirs[what]), "ours": _block(ours[what])}, rounds=ROUNDS)
        ratio = median(a / b for a, b in zip(found["theirs"], found["ours"], strict=True))
        benchmark.extra_info |= {
            f"{what}_images_per_cpu_s_of_timm": round(BATCH / median(found["theirs"]), 1),
            f"{what}_ratio": round(ratio, 4),
        }
        assert abs(ratio - 1) <= AGREEMENT, benchmark.extra_info


def _block(step: Step, steps: int = 4) -> Callable[[], float]:
    """Processor seconds of one step, the mean of a few."""
    return lambda: cpu_s(lambda: [step() for _ in range(steps)]) / steps
