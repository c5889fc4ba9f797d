"""What the public training loop costs beside the same loop written by hand."""

from __future__ import annotations

import time

import pytest

from dlbench.plan.catalog import discover
from images import random_task
from loops import Resident, race

SMALL, LARGE = 0.03, 0.005
"""The largest share of a step of about 0.3 ms, and of one of about 5 ms (on a core that nobody shares)."""


@pytest.mark.benchmark(timer=time.process_time)
def test_overhead_per_step(benchmark) -> None:
    """The overhead doesn't depend on the network, so it is read off the small step, where it can be seen, and stated as
    a share of both."""
    catalog = discover()
    digits, mnist = (Resident(random_task(1, side), size) for side, size in ((8, 32), (28, 64)))
    large = race(catalog, "lenet5", mnist, steps=100, batch_size=64)
    small = benchmark.pedantic(
        race, (catalog, "mlp[width=32]", digits), {"steps": 4000, "batch_size": 32}, rounds=1, warmup_rounds=0
    )
    overhead = small.overhead_s()
    benchmark.extra_info |= {
        "overhead_us": round(1e6 * overhead, 1),
        "small_step_ms": round(1e3 * small.step_s(), 3), "share_of_small_step": round(overhead / small.step_s(), 4),
        "large_step_ms": round(1e3 * large.step_s(), 3), "share_of_large_step": round(overhead / large.step_s(), 5),
    }  # fmt: skip
    assert overhead <= SMALL * small.step_s(), benchmark.extra_info
    assert overhead <= LARGE * large.step_s(), benchmark.extra_info
