"""Training throughput under dlbench agrees with a loop and an input pipeline written by hand."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from dlbench.catalog import discover
from images import random_images, random_task
from loops import race

AGREEMENT = 0.02


def batches_by_hand(channels: int, side: int, batch_size: int, count: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled, normalised batches of the same images."""
    pixels, labels = random_images(channels, side, count)
    images, targets = torch.from_numpy(pixels), torch.from_numpy(labels).long()
    values = images.double().transpose(0, 1).reshape(channels, -1)
    mean, sd = (v.float().view(1, -1, 1, 1) for v in (values.mean(1), values.std(1)))
    generator = torch.Generator().manual_seed(0)
    while True:
        for index in torch.randperm(count, generator=generator).split(batch_size):
            yield (images[index] - mean) / sd, targets[index]


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize(
    ("model", "channels", "side", "batch_size", "steps"),
    [("lenet5", 1, 28, 32, 1500), ("timm:resnet18", 3, 32, 8, 300)],
    ids=["lenet5", "resnet18"],
)
def test_throughput(benchmark, model: str, channels: int, side: int, batch_size: int, steps: int) -> None:
    count = 64 * batch_size
    task = random_task(channels, side, count)
    given = batches_by_hand(channels, side, batch_size, count)
    more = {"steps": steps, "batch_size": batch_size, "batches_by_hand": given}
    result = benchmark.pedantic(race, (discover(), model, task), more, rounds=1, warmup_rounds=0)
    relative = result.overhead_s() / result.step_s()
    benchmark.extra_info |= {
        "images_per_cpu_s_by_hand": round(batch_size / result.step_s()),
        "images_per_cpu_s": round(batch_size / (result.step_s() * (1 + relative))), "difference": round(relative, 4),
    }  # fmt: skip
    print(benchmark.extra_info)
    assert abs(relative) <= AGREEMENT, benchmark.extra_info
