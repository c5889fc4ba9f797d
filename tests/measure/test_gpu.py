"""Clock and memory on a CUDA device, against what CUDA itself says."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch

from dlbench.contract.specs import ProfileProtocol
from dlbench.measure import clock
from dlbench.measure.energy import Energy
from dlbench.measure.environment import fingerprint
from dlbench.measure.memory import held_on_card, peak_bytes
from dlbench.profile.launch import profile

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda:0"
MIB = 2**20


@pytest.mark.parametrize("size", [1, 512, 513, 3 * MIB, 100 * MIB + 7])
def test_a_known_tensor_is_read_to_the_byte(size: int) -> None:
    def work() -> torch.Tensor:
        return torch.empty(size, dtype=torch.uint8, device=DEVICE)

    assert peak_bytes(work, DEVICE) == size
    held = held_on_card(DEVICE)
    assert held["reserved_peak_bytes"] is not None
    assert held["reserved_peak_bytes"] >= size
    assert held["process_bytes"] is None or held["process_bytes"] > held["reserved_peak_bytes"]


def test_what_was_alive_before_does_not_count() -> None:
    alive = torch.empty(10 * MIB, dtype=torch.uint8, device=DEVICE)
    assert peak_bytes(lambda: torch.empty(MIB, dtype=torch.uint8, device=DEVICE), DEVICE) == MIB
    del alive


def sleeping(cycles: int) -> Callable[[], int]:
    def step() -> int:
        torch.cuda._sleep(cycles)
        return 1

    return step


def test_the_wall_clock_waits_for_the_device_and_agrees_with_events() -> None:
    sync = clock.device_sync(DEVICE)
    blocks = clock.time_blocks(sleeping(2_000_000), rounds=5, block_s=0.1, sync=sync, device=DEVICE)
    assert median(blocks.wall_s) == pytest.approx(median(blocks.device_s), rel=0.02)
    start = time.perf_counter()
    for _ in range(50):
        torch.cuda._sleep(2_000_000)
    torch.cuda.synchronize()
    assert median(blocks.wall_s) == pytest.approx((time.perf_counter() - start) / 50, rel=0.05)


def test_three_sleeps_take_three_times_as_long() -> None:
    sync = clock.device_sync(DEVICE)
    once, thrice = (
        clock.time_blocks(sleeping(cycles), rounds=5, block_s=0.1, sync=sync, device=DEVICE)
        for cycles in (2_000_000, 6_000_000)
    )
    assert median(thrice.wall_s) / median(once.wall_s) == pytest.approx(3, rel=0.03)


@pytest.mark.parametrize("count", [50, 3000])
def test_a_queue_that_the_host_cannot_fill_shows(count: int) -> None:
    """Also where a step has more launches than the queue holds."""
    small = torch.zeros(8, device=DEVICE)
    sync = clock.device_sync(DEVICE)

    def launches() -> int:
        for _ in range(count):
            small.add_(1)
        return 1

    def heavy() -> int:
        torch.cuda._sleep(20_000_000)
        return 1

    def host_bound(step: Callable[[], int], launched: int) -> float:
        wall = median(clock.time_blocks(step, rounds=5, block_s=0.1, sync=sync, device=DEVICE).wall_s)
        work = clock.device_work(step, sync)
        assert work is not None
        assert work.launches == launched
        return wall / work.busy_s

    assert host_bound(launches, count) > 1.25
    assert host_bound(heavy, 1) == pytest.approx(1, rel=0.05)


def test_a_whole_profile(make_subject: Any) -> None:
    found = profile(make_subject(device=DEVICE), ProfileProtocol(rounds=5, block_s=0.05, warmup_s=0.1))
    assert found["memory"]["method"] == "cuda requested bytes"
    assert found["memory"]["reserved_peak_bytes"] > found["memory"]["train_peak_bytes"]
    assert 0 < found["device"]["busy_share"] < 0.8
    assert found["device"]["launches_per_step"] > 5
    assert len(found["train"]["device_s_per_step"]) == len(found["train"]["s_per_step"])
    assert found["memory"]["train_peak_bytes"] > found["model_bytes"]
    assert "launch_bound" in found["flags"]  # a step of some microseconds on the device
    assert found["flops_per_example"]["infer"] == 2 * (20 * 16 + 16 * 3)


def test_energy_over_two_seconds() -> None:
    energy = Energy(DEVICE, torch.cuda.synchronize)
    if not energy.available:
        pytest.skip("this GPU has no energy counter")
    with energy:
        end = time.perf_counter() + 2.2
        while time.perf_counter() < end:
            torch.cuda._sleep(1_000_000)
            torch.cuda.synchronize()
    assert energy.joules is not None
    assert 20 < energy.joules / 2.2 < 1000  # watts


def test_the_environment_names_the_gpu() -> None:
    found = fingerprint(DEVICE)
    assert found["gpu"] == torch.cuda.get_device_name(0)
    assert found["gpu_state"]["temperature_c"] > 0
    assert found["cuda"] == torch.version.cuda
