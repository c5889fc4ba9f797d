"""The whole profile of a launch: its figures against hand counts, and its flags against injected faults."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench.contract.kinds import Sample, Signature, Vector
from dlbench.contract.learner import Batch, Carry, Learner
from dlbench.contract.specs import ProfileProtocol
from dlbench.measure.environment import OtherLoad
from dlbench.profile import launch
from dlbench.profile.launch import profile
from dlbench.profile.subject import Subject

QUICK = ProfileProtocol(rounds=3, block_s=0.01, warmup_s=0.02)
Make = Callable[..., Subject]


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


class Recurrent(nn.Module):
    """A network that carries its state from batch to batch."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.GRUCell(20, 8), nn.Linear(8, 3)

    def forward(self, inputs: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        state = self.cell(inputs, state)
        return self.out(state), state


class Sampler(Learner):
    """Draws points; its step fits their mean."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(20))

    def loss(self, batch: Batch) -> Tensor:
        return (batch.inputs - self.mean).square().mean()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        return self.mean + torch.randn(count, 20, generator=generator)


class Counting(Learner):
    """Has no parameters at all."""

    def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
        return torch.zeros(())

    def predict(self, inputs: Tensor) -> Tensor:
        return torch.zeros(len(inputs), 3)


def test_a_profile_holds_what_a_record_promises(make_subject: Make) -> None:
    found = profile(make_subject(), QUICK)
    json.dumps(found)
    assert set(found) == {
        "params", "model_bytes", "optimizer_bytes", "batch_size", "units_per_step", "flops_per_example", "train",
        "pipeline", "infer", "latency_ms", "memory", "energy_j_per_example", "flags", "phases", "load_average",
        "calibration",
    }  # fmt: skip
    params = 20 * 16 + 16 + 16 * 3 + 3
    assert found["params"] == params
    assert found["model_bytes"] == 4 * params
    assert found["optimizer_bytes"] == 4 * params  # one momentum per parameter
    assert found["batch_size"] == found["units_per_step"] == 32
    first, second = 2 * 20 * 16, 2 * 16 * 3
    assert found["flops_per_example"] == {"train": 2 * first + 3 * second, "infer": first + second}
    assert set(found["phases"]) == {
        "setup", "flops", "warmup", "train", "pipeline", "energy", "infer", "latency", "memory"
    }  # fmt: skip
    assert found["energy_j_per_example"] is None  # a quick protocol doesn't wait for the counter


def test_a_later_launch_leaves_out_what_needs_no_clock(make_subject: Make) -> None:
    found = profile(make_subject(), QUICK, counting=False)
    assert not {"memory", "flops_per_example"} & set(found)
    assert not {"memory", "flops"} & set(found["phases"])


@pytest.mark.timing
def test_throughput_is_units_over_seconds(make_subject: Make) -> None:
    found = profile(make_subject(), QUICK)
    for name in ("train", "infer"):
        figures = found[name]
        assert set(figures) == {
            "s_per_step", "cpu_s_per_step", "steps_per_block", "units_per_s", "iqr_over_median"
        }  # fmt: skip
        assert len(figures["s_per_step"]) == len(figures["cpu_s_per_step"]) >= 3
        assert figures["units_per_s"] == pytest.approx(median(32 / s for s in figures["s_per_step"]))
    # 70 examples in batches of 32 are three steps: the short last batch counts by its size
    pipeline = found["pipeline"]
    mean = pipeline["units_per_s"] * median(pipeline["s_per_step"])
    assert mean == pytest.approx(70 / 3, rel=0.2)


@pytest.mark.timing
def test_a_learner_that_spins_for_a_known_time(make_subject: Make) -> None:
    loss = torch.zeros(())

    class Spins(Counting):
        def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
            spin(0.02)
            return loss

        def predict(self, inputs: Tensor) -> Tensor:
            spin(0.02)
            return inputs

    found = profile(make_subject(Spins), ProfileProtocol(rounds=7, block_s=0.02, warmup_s=0.02))
    for name in ("train", "pipeline", "infer"):  # where others fill the caches, 0.2 ms of harness a step were seen
        assert min(found[name]["cpu_s_per_step"]) == pytest.approx(0.02, rel=0.03 if name == "pipeline" else 0.02)
    assert found["latency_ms"]["p50"] >= 20.0


@pytest.mark.timing
def test_latency_is_of_one_example_of_the_test_split(make_subject: Make, points: Any) -> None:
    task, sizes = points(), []
    task.batches_of, seen = task.batches, []

    def batches(split: str, batch_size: int, generator: Any) -> Any:
        seen.append((split, batch_size))
        return task.batches_of(split, batch_size, generator)

    task.batches = batches

    def predict(learner: Learner, batch: Batch) -> object:
        sizes.append(batch.size)
        return learner.predict(batch.inputs)

    latency = profile(make_subject(task=task, predict=predict), QUICK)["latency_ms"]
    assert ("test", 1) in seen
    assert latency["batch_units"] == 1
    assert latency["count"] <= sizes.count(1)
    assert latency["p50"] <= latency["p90"] <= latency["p95"]
    assert {split for split, _ in seen} == {"train", "test"}


def test_percentiles_need_readings_beyond_them() -> None:
    few = launch.percentiles_ms([0.001] * 15)
    assert few == {"p50": pytest.approx(1.0), "p90": pytest.approx(1.0), "p95": None, "p99": None, "count": 15}
    many = launch.percentiles_ms([i / 1000 for i in range(101)])
    assert [many[name] for name in ("p50", "p90", "p95", "p99")] == [pytest.approx(p) for p in (50, 90, 95, 99)]


def test_memory_counts_a_known_buffer_exactly(make_subject: Make) -> None:
    class Holding(nn.Sequential):
        def __init__(self, extra: int) -> None:
            super().__init__(nn.Linear(20, 3))
            self.register_buffer("extra", torch.zeros(extra, dtype=torch.uint8))

    small, large = (profile(make_subject(lambda n=n: Holding(n)), QUICK)["memory"] for n in (1, 1_000_001))
    assert large["train_peak_bytes"] - small["train_peak_bytes"] == 1_000_000
    assert large["infer_peak_bytes"] - small["infer_peak_bytes"] == 1_000_000
    assert small["train_peak_bytes"] > small["infer_peak_bytes"] > 0
    assert small["method"] == "cpu allocator events"
    assert small["rss_too_coarse"] in (True, None)


def test_carried_state_is_stepped_again_and_again(make_subject: Make, points: Any) -> None:
    task = points()
    gather_all = task.batches

    def batches(split: str, batch_size: int, generator: Any) -> Any:
        whole = [b for b in gather_all(split, batch_size, generator) if b.size == min(batch_size, 32)]
        for place, batch in enumerate(whole):
            batch.continues = place > 0
        return whole

    task.batches = batches
    found = profile(make_subject(Recurrent, task, lambda learner, batch: Carry()(learner.module, batch)), QUICK)
    assert found["train"]["units_per_s"] > 0
    assert found["flops_per_example"]["infer"] == 2 * (20 * 24 + 8 * 24 + 8 * 3)


def test_samplers_are_timed_by_their_samples(make_subject: Make, points: Any) -> None:
    task = points()
    task.signature = Signature(input=Vector(features=20), output=Sample())

    def predict(learner: Any, batch: Batch) -> object:
        return learner.sample(5, torch.Generator().manual_seed(0))

    found = profile(make_subject(Sampler, task, predict), QUICK)
    infer = found["infer"]
    assert infer["units_per_s"] == pytest.approx(median(5 / s for s in infer["s_per_step"]))
    assert found["latency_ms"]["batch_units"] == 5
    assert found["flops_per_example"] == {"train": None, "infer": None}  # parameters, but no product to count


def test_a_learner_without_parameters(make_subject: Make) -> None:
    found = profile(make_subject(Counting), QUICK)
    assert found["params"] == found["model_bytes"] == found["optimizer_bytes"] == 0
    assert found["flops_per_example"] == {"train": 0.0, "infer": 0.0}


def test_evaluation_runs_without_gradients_in_evaluation_mode(make_subject: Make) -> None:
    modes = set()

    def predict(learner: Learner, batch: Batch) -> object:
        modes.add((learner.training, torch.is_grad_enabled()))
        return learner.predict(batch.inputs)

    profile(make_subject(predict=predict), QUICK)
    assert modes == {(False, False)}


@pytest.mark.timing
def test_a_slow_loader_is_flagged(make_subject: Make, points: Any) -> None:
    found = profile(make_subject(task=points(before_batch=lambda: spin(0.003))), QUICK)
    assert "loader_bound" in found["flags"]
    assert found["pipeline"]["units_per_s"] < 0.5 * found["train"]["units_per_s"]


def test_others_on_the_machine_are_flagged(make_subject: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OtherLoad, "share", lambda self, ours: 0.4)
    assert "device_shared" in profile(make_subject(), QUICK)["flags"]
    monkeypatch.setattr(OtherLoad, "share", lambda self, ours: 0.05)
    assert "device_shared" not in profile(make_subject(), QUICK)["flags"]


def test_a_step_that_never_settles_is_flagged(make_subject: Make, cpu_clock: None) -> None:
    class Slowing(Counting):
        pause = 0.001

        def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
            Slowing.pause = min(0.06, Slowing.pause * 1.1)
            spin(Slowing.pause)
            return torch.zeros(())

    assert "warmup_not_settled" in profile(make_subject(Slowing), QUICK)["flags"]


@pytest.mark.timing
def test_a_moody_step_is_flagged(make_subject: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = 0

    def sync() -> None:  # twice in each block, and six times in the calibration after it
        nonlocal waits
        waits += 1

    class Moody(Counting):
        def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
            spin(0.012 if waits // 8 % 2 else 0.001)
            return torch.zeros(())

    monkeypatch.setattr(launch.clock, "device_sync", lambda device: sync)
    flags = profile(make_subject(Moody), QUICK)["flags"]
    assert {"noisy", "unusable"} <= set(flags)


@pytest.mark.parametrize(
    ("spread", "flags"), [(0.02, set()), (0.1, set()), (0.11, {"noisy"}), (0.26, {"noisy", "unusable"})]
)
def test_the_thresholds_of_doubt(spread: float, flags: set[str]) -> None:
    assert launch.doubts(spread) == flags


def test_a_step_that_fails_raises(make_subject: Make) -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        profile(make_subject(lambda: nn.Linear(21, 3)), QUICK)
