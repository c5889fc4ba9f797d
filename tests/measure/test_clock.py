"""The clock against known times. CPU time is compared, so that other processes don't matter."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from statistics import mean, median

import pytest
import torch

from dlbench.measure import clock
from dlbench.measure.clock import choose_steps, iqr_over_median, settle_limit, steady, time_blocks, warm_up

pytestmark = pytest.mark.timing


def no_sync() -> None:
    pass


def spin(seconds: float) -> int:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return 1


def test_a_known_time_is_read_within_one_per_cent() -> None:
    took: list[float] = []

    def step() -> int:
        start = time.process_time()
        spin(0.002)
        took.append(time.process_time() - start)
        return 1

    blocks = time_blocks(step, rounds=5, block_s=0.02, sync=no_sync, limit_s=0)
    timed = took[-5 * blocks.steps :]  # after those that chose the length
    assert mean(blocks.cpu_s) == pytest.approx(mean(timed), rel=0.01)
    assert 0.002 <= min(blocks.cpu_s) < 0.0021
    assert all(wall >= 0.99 * cpu for wall, cpu in zip(blocks.wall_s, blocks.cpu_s, strict=True))


def test_units_per_second_counts_what_steps_return(cpu_clock: None) -> None:
    sizes = iter([7, 3] * 100_000)

    def step() -> int:
        spin(0.001)
        return next(sizes)

    blocks = time_blocks(step, rounds=5, block_s=0.04, sync=no_sync)
    assert blocks.units_per_s == pytest.approx(5 / 0.001, rel=0.05)
    assert all(4.5 <= units / blocks.steps <= 5.5 for units in blocks.units)


def test_three_times_the_work_costs_three_times_as_much() -> None:
    """The work is mostly spinning: a neighbour on the same core changes what a matrix product costs by 10 %."""
    network, point = torch.nn.Linear(8, 8), torch.randn(1, 8)

    def step(times: int) -> Callable[[], int]:
        def run() -> int:
            with torch.no_grad():
                for _ in range(times):
                    network(point)
                    spin(0.002)
            return 1

        return run

    once: list[float] = []
    thrice: list[float] = []
    for _ in range(4):  # in turns; others can only add, so the least is the step's own
        for times, found in ((1, once), (3, thrice)):
            found += time_blocks(step(times), rounds=1, block_s=0.01, sync=no_sync, limit_s=0).cpu_s
    assert min(thrice) / min(once) == pytest.approx(3, rel=0.03)


def test_the_clock_costs_less_than_a_thousandth_of_a_small_step() -> None:
    small_step_s = 0.3e-3
    blocks = time_blocks(lambda: 1, rounds=9, block_s=0.02, sync=no_sync, limit_s=0)
    assert 0 < min(blocks.cpu_s) < 1e-3 * small_step_s


def test_a_stable_step_gets_exactly_its_rounds(cpu_clock: None) -> None:
    blocks = time_blocks(lambda: spin(0.001), rounds=5, block_s=0.02, sync=no_sync)
    assert len(blocks.wall_s) == len(blocks.cpu_s) == len(blocks.units) == 5
    assert blocks.spread < clock.STABLE
    assert blocks.steps * 0.001 >= 0.02
    assert blocks.device_s == []


def test_an_unstable_step_is_timed_until_the_limit_and_keeps_every_block(cpu_clock: None) -> None:
    waits = 0

    def sync() -> None:  # before and after each block
        nonlocal waits
        waits += 1

    def moody() -> int:
        return spin(0.003 if waits // 2 % 2 else 0.001)

    blocks = time_blocks(moody, rounds=3, block_s=0.01, sync=sync, limit_s=1.0)
    assert len(blocks.wall_s) > 3
    assert blocks.spread > clock.UNUSABLE


def test_batches_of_different_sizes_are_no_noise(cpu_clock: None) -> None:
    sizes = iter([1, 3] * 1000)

    def step() -> int:
        size = next(sizes)
        spin(0.02 * size)
        return size

    blocks = time_blocks(step, rounds=6, block_s=1e-4, sync=no_sync, limit_s=0)
    assert blocks.steps <= 3
    assert blocks.spread < clock.STABLE
    assert blocks.units_per_s == pytest.approx(50, rel=0.02)


def test_the_device_is_waited_for_once_per_block_and_not_per_step() -> None:
    waits = 0

    def sync() -> None:
        nonlocal waits
        waits += 1

    blocks = time_blocks(lambda: spin(1e-5), rounds=3, block_s=0.01, sync=sync, limit_s=0)
    assert blocks.steps > 100
    assert waits < 2 * 3 + 2 * 20  # before and after each block, and in the trials that choose its length


def test_a_step_longer_than_a_block_is_a_block(cpu_clock: None) -> None:
    assert choose_steps(lambda: spin(0.03), 0.005, no_sync) == 1


def test_limits() -> None:
    assert settle_limit(7, 0.2) == pytest.approx(2.1)
    assert settle_limit(5, 0.05) == 0.0


def test_spread() -> None:
    assert iqr_over_median([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)


def test_warm_up_settles_on_a_steady_step(cpu_clock: None) -> None:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return spin(0.002)

    assert warm_up(step, warmup_s=0.05, sync=no_sync)
    assert steps >= 10


def test_warm_up_waits_for_a_step_that_becomes_faster(cpu_clock: None) -> None:
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return spin(0.002 + 0.02 * 0.9**steps)

    assert warm_up(step, warmup_s=0.05, sync=no_sync, limit_s=5)
    assert steps > 20


def test_warm_up_says_so_where_a_step_never_settles(cpu_clock: None) -> None:
    duration = 0.001

    def step() -> int:
        nonlocal duration
        duration *= 1.1
        return spin(duration)

    assert not warm_up(step, warmup_s=0.05, sync=no_sync, limit_s=0.5)


def test_steady_runs_two_steps_more_and_gives_collection_back() -> None:
    steps: list[int] = []

    def fail_inside() -> None:
        with steady(lambda: steps.append(1), no_sync):
            assert len(steps) == 2
            assert not gc.isenabled()
            assert gc.get_freeze_count() > 0
            raise RuntimeError

    assert gc.isenabled()
    with pytest.raises(RuntimeError):
        fail_inside()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_single_steps_go_on_until_there_are_enough(cpu_clock: None) -> None:
    found = clock.time_single_steps(lambda: spin(0.001), seconds=0.01, sync=no_sync, least=30, limit_s=1.0)
    assert len(found) == 30
    assert median(found) == pytest.approx(0.001, rel=0.02)
    assert 2 <= len(clock.time_single_steps(lambda: spin(0.01), seconds=0.01, sync=no_sync, limit_s=0.05)) < 10
