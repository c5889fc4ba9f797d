"""Trains pairs of model and task on the pretend device with their steps as graphs, under `driver.python`. Reads a JSON
list of [task, model, precision] and writes a line of JSON per pair: how many steps were replayed, or why none can be.

A recording runs the step and refuses one in which the host waits, as CUDA does. A replay does nothing.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable

import pairs
import pretend
import torch

from dlbench.contract.choice import Choice
from dlbench.contract.runtime import Runtime
from dlbench.errors import NotApplicable
from dlbench.plan.catalog import discover
from dlbench.train import capture, watch
from dlbench.train.cell import _run_fold, open_bench
from workshop import message, planned


class Refusing:
    """A graph that holds nothing, and refuses what CUDA's refuse."""

    def record(self, function: Callable[[], None]) -> None:
        before = pretend.SYNCS.copy()
        function()
        if waits := pretend.SYNCS - before:
            raise RuntimeError(f"CUDA error: not permitted when stream is capturing: {', '.join(waits)}")

    def replay(self) -> None: ...


def main(asked: list[tuple[str, str, str]]) -> None:
    warnings.simplefilter("ignore")
    capture.Graph = Refusing  # type: ignore[misc,assignment]
    capture._memory = lambda values: []  # type: ignore[assignment]  # the pretend tensors have none on the device
    watch._drawn = dict  # type: ignore[assignment]  # and no generator
    streams: list[object] = []
    torch.cuda.Stream = lambda device: "a stream of its own"  # type: ignore[misc,assignment]
    torch.cuda.set_stream = streams.append  # type: ignore[assignment]
    catalog, settings = discover([pairs.TINY]), {"budget.steps": 7, "evaluate_every": 7, "batch_size": 2}
    for task, model, precision in asked:
        runtime = Runtime(device="cuda:0", precision=precision, cuda_graph=True)
        name = str(Choice(task, tuple(sorted(pairs.TASKS[task].items()))))
        made = planned(pairs.smaller(catalog, model), name, settings, among=catalog, runtime=runtime)
        try:
            with pretend.Device():
                bench = open_bench(message(made, catalog))
                _run_fold(bench, 0, 0, lambda point: None)
            found = {"replayed": bench.execution.replayed, "streams": len(streams)}
        except NotApplicable as reason:
            found = {"reason": str(reason)}
        print(json.dumps({"model": model, "precision": precision, **found}), flush=True)


if __name__ == "__main__":
    main(json.load(sys.stdin))
