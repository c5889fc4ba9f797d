"""Generative models beside loops written by hand, and how long it takes to judge what they draw."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench.contract.choice import Choice
from dlbench.data import Data
from dlbench.data.root import default_cache, default_root
from dlbench.plan.catalog import Catalog, discover
from dlbench.train.cell import build_model
from loops import Race, Shared, endless, trainer

AGREEMENT, RACES = 0.02, 6
LR = 1e-3
SECONDS = 10.0  # for 2,000 samples of 28 x 28, on one thread


@pytest.fixture(scope="module")
def found() -> Catalog:
    return discover()


def opened(found: Catalog, name: str) -> Any:
    return found.task(name).open(Data(root=default_root(), cache=default_cache()), {})


def built(found: Catalog, task: Any, model: str) -> Any:
    torch.manual_seed(0)
    choice = Choice.parse(model)
    return build_model(found.model(choice.name), task, dict(choice.options)).train()


def adam(network: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=LR, betas=(0.5, 0.999), fused=True)


def gan_by_hand(model: Any, examples: Iterator[Tensor], steps: int) -> Callable[[], None]:
    """Two optimizers under a cosine; the discriminator's weights get no gradients from the generator's step."""
    generator, discriminator, total = model.generator, model.discriminator, torch.zeros(())
    both = [adam(generator), adam(discriminator)]
    done = 0

    def step() -> None:
        nonlocal done, total
        real = next(examples).flatten(1)
        for group in (group for optimizer in both for group in optimizer.param_groups):
            group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * done / steps))
        with torch.no_grad():
            fake = generator(torch.randn(len(real), model.noise))
        both[1].zero_grad()
        loss = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake)).mean()
        loss.backward()
        both[1].step()
        both[0].zero_grad()
        discriminator.requires_grad_(False)
        F.softplus(-discriminator(generator(torch.randn(len(real), model.noise)))).mean().backward()
        both[0].step()
        discriminator.requires_grad_(True)
        total += loss.detach()
        done += 1

    return step


def ddpm_by_hand(model: Any, examples: Iterator[Tensor], steps: int) -> Callable[[], None]:
    """v-prediction, one squared error a step."""
    network, total = model.network, torch.zeros(())
    optimizer, done = adam(network), 0

    def step() -> None:
        nonlocal done, total
        clean = next(examples)
        if model.unit is not None:
            model.unit.measure(clean)
            clean = (clean - model.unit.mean) / model.unit.sd
        for group in optimizer.param_groups:
            group["lr"] = LR * 0.5 * (1 + math.cos(math.pi * done / steps))
        times = torch.randint(model.steps, (len(clean),))
        wide = (-1, *[1] * (clean.dim() - 1))
        signal, spread, noise = model.signal[times].view(wide), model.spread[times].view(wide), torch.randn_like(clean)
        optimizer.zero_grad()
        answer = network(signal * clean + spread * noise, times * model.time_of_step, None)
        loss = F.mse_loss(answer, signal * noise - spread * clean)
        loss.backward()
        optimizer.step()
        total += loss.detach()
        done += 1

    return step


BY_HAND = {"gan": gan_by_hand, "ddpm": ddpm_by_hand}


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize(
    ("model", "task", "batch_size", "steps"),
    [("gan", "ring8", 256, 150), ("gan", "digits_gen", 64, 150), ("ddpm", "ring8", 256, 150),
     ("ddpm[width=16]", "digits_gen", 64, 50)],
)  # fmt: skip
def test_a_step_beside_a_bare_loop(
    benchmark: Any, found: Catalog, model: str, task: str, batch_size: int, steps: int
) -> None:
    """Both loops get their batches for free; several races, each with fresh networks."""
    given = opened(found, task)
    settings = {
        "optimizer": "adam[beta1=0.5]", "lr": LR, "schedule": "cosine", "batch_size": batch_size, "select": "last",
        "budget.steps": steps, "evaluate_every": steps,
    }  # fmt: skip

    def run() -> Race:
        examples = (batch.inputs for batch in endless(given, batch_size, torch.Generator().manual_seed(1)))
        by_hand = BY_HAND[model.partition("[")[0]](built(found, given, model), examples, steps)
        shared = Shared(given, steps, by_hand, fetch_counts=False)
        trainer(found, built(found, given, model), shared, settings).fit()
        return shared.race

    races: list[Race] = []
    benchmark.pedantic(lambda: races.append(run()), rounds=RACES, warmup_rounds=0)
    relative = [result.overhead_s() / result.step_s() for result in races]
    benchmark.extra_info |= {
        "step_ms": round(1e3 * fmean(result.step_s() for result in races), 2),
        "difference": round(fmean(relative), 4), "lowest": round(min(relative), 4), "highest": round(max(relative), 4),
    }  # fmt: skip
    assert fmean(relative) <= AGREEMENT, benchmark.extra_info


@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.skipif(not (default_root() / "vision/mnist").is_dir(), reason="MNIST isn't in the data root")
def test_judging_two_thousand_pictures(benchmark: Any, found: Catalog) -> None:
    """On the test split, where all is measured; the features of real pictures are kept from the first time on."""
    task = opened(found, "mnist_gen")
    pixels, _ = task.pictures_of.splits["train"]
    samples = task.pictures_of.floats(pixels[:2000])
    for split in ("train", "test"):
        task.judge_of.reference(split)
    torch.set_num_threads(1)
    benchmark.pedantic(lambda: task.judge_of.measure(samples, "test"), rounds=2, warmup_rounds=0)
    assert benchmark.stats.stats.max <= SECONDS
