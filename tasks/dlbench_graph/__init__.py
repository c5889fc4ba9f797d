"""Graph tasks: `sbm_small`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dlbench import Graph, Metric, NodeClasses, TaskSpec
from dlbench.data import Data


def load_sbm_small(data: Data, *, sampler: str = "full", hops: int = 2, fanout: int | None = None) -> Any:
    """`sampler`: `full`, or `neighbour` with the nodes up to `hops` steps from a batch's seed nodes and, in training,
    at most `fanout` drawn neighbours per node (None: all of them)."""
    from .sbm import make_task

    return make_task(sampler=sampler, hops=hops, fanout=fanout, device=data.device)


def dlbench_tasks() -> Iterable[TaskSpec]:
    yield TaskSpec(
        name="sbm_small",
        input_kind=Graph,
        output_kind=NodeClasses,
        load=load_sbm_small,
        unit="nodes",
        metric=Metric(name="accuracy"),
        floor=0.3,
        recipe={"optimizer": "adam", "lr": 0.01, "weight_decay": 5e-4, "batch_size": 40, "budget.epochs": 100},
        description="Four communities of a generated graph of 600 nodes with weak node features, 80 nodes labelled.",
    )
