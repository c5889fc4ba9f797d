"""What an extra cell costs before its own first line, in a fork server that holds torch, timm and torch_geometric."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import psutil
import pytest

from dlbench.data.root import default_cache
from dlbench.execute.local import LocalExecutor, Message
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Request, plan
from dlbench.results import Results

LIMIT_S = 0.2
CELLS = 15
PRELOAD = ("timm", "torch_geometric", "sklearn.datasets", "sklearn.model_selection")
PLUGIN = """
import json, time
print(json.dumps([time.monotonic(), time.process_time()]), flush=True)

from dlbench import Classes, Image, ModelSpec, NotApplicable

def build(signature):
    raise NotApplicable("only its start is of interest")

def dlbench_models():
    yield ModelSpec(name="first_line", build=build, accepts=[(Image, Classes)])
"""


class Silent:
    """A display that shows nothing."""

    def started(self, *_: object) -> None: ...

    progress = finished = skipped = begins = started


@pytest.fixture
def job(tmp_path: Path) -> Message:
    """A cell of a model whose file says when it is read."""
    file = tmp_path / "aaa_first_line.py"
    file.write_text(PLUGIN)
    catalog = discover([str(file)])
    cache = default_cache()
    request = Request(
        models=("first_line",), tasks=("digits",), seeds=1, profiles=False, data_root=tmp_path, cache=cache
    )
    (cell,) = plan(catalog, request).cells
    runner = Runner(
        catalog=catalog, results=Results(tmp_path / "results"), display=Silent(), limits=Limits(),
        data_root=tmp_path, cache=cache, command="",
    )  # fmt: skip
    return runner._message(cell)


def launches(executor: LocalExecutor, job: Message) -> Iterator[tuple[float, float]]:
    """(wall, processor) seconds up to the first line of the model's file, launch by launch; the server's share of the
    work, the fork itself, is counted as well."""
    while True:
        before, start = server_cpu_s(), time.monotonic()
        (done,) = executor.run([job], lambda point: None)
        assert done["result"]["status"] == "skip", done
        first, child_cpu = json.loads(Path(job["log"]).read_text().splitlines()[0])
        yield first - start, child_cpu + server_cpu_s() - before


def server_cpu_s() -> float:
    """Processor seconds of the fork server, the only child of this process."""
    return sum(sum(child.cpu_times()[:2]) for child in psutil.Process().children())


def test_launch(benchmark, job: Message) -> None:
    with LocalExecutor(PRELOAD) as executor:
        found = launches(executor, job)
        next(found)  # starts the server, which imports torch
        readings = [next(found) for _ in range(CELLS)]
        benchmark.pedantic(next, (found,), rounds=5)
    wall, cpu = (median(values) for values in zip(*readings, strict=True))
    benchmark.extra_info |= {"wall_ms": round(1e3 * wall, 1), "cpu_ms": round(1e3 * cpu, 1), "limit_ms": 1e3 * LIMIT_S}
    assert cpu <= LIMIT_S, benchmark.extra_info
    assert min(wall for wall, _ in readings) <= LIMIT_S, benchmark.extra_info
