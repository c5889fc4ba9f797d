"""Many graphs whose edges change with time, and the task of labelling their nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, DynamicGraphBatch, Signature
from dlbench.data.batches import GatheredBatches
from dlbench.data.graphs import BadGraph, GraphSet, check_splits

JUDGED_AT_ONCE = 128


class DynamicGraphSet:
    """As `dlbench.data.graphs.GraphSet`, with `times` (E,), the step from 0 to `num_steps` - 1 of each edge. An edge
    that is there at several steps is listed for each.

    Raises BadGraph as GraphSet does, and on a time outside the steps.
    """

    def __init__(
        self,
        *,
        node_counts: Any,
        nodes: Any,
        edge_counts: Any,
        edges: Any,
        times: Any,
        num_steps: int,
        device: str = "cpu",
    ) -> None:
        times = np.asarray(times)
        if len(times) != np.asarray(edges).shape[1]:
            raise BadGraph(f"there are {len(times)} times for {np.asarray(edges).shape[1]} edges")
        if len(times) and (times.min() < 0 or times.max() >= num_steps):
            at = int(np.nonzero((times < 0) | (times >= num_steps))[0][0])
            raise BadGraph(f"edge {at} is there at step {times[at]}, but the steps are 0 to {num_steps - 1}")
        self.num_steps = num_steps
        self.graphs = GraphSet(
            node_counts=node_counts, nodes=nodes, edge_counts=edge_counts, edges=edges, device=device
        )
        self.times = torch.from_numpy(times.astype(np.int64))[self.graphs.edge_order].to(device)
        graph = np.repeat(np.arange(len(self.graphs)), np.asarray(edge_counts))
        at = np.bincount(graph * num_steps + times, minlength=len(self.graphs) * num_steps)
        self._by_step = torch.from_numpy(at.reshape(-1, num_steps))  # edges of each graph at each step, on the CPU

    def __len__(self) -> int:
        return len(self.graphs)

    def sizes_of(self, chosen: Tensor) -> tuple[Tensor, ...]:
        """As `GraphSet.sizes_of`, and the edges of each graph at each step (G, num_steps)."""
        return *self.graphs.sizes_of(chosen), self._by_step[chosen.cpu()]

    def gather(
        self, index: Tensor, num_nodes: int | None = None, num_edges: int | None = None,
        step_sizes: list[int] | None = None,
    ) -> tuple[DynamicGraphBatch, Tensor]:  # fmt: skip
        """The graphs `index` (B,) as one batch, in this order, and which of the set's nodes it holds. The numbers are
        totals over `sizes_of`."""
        found = self.graphs.gather(index, num_nodes, num_edges)
        times = self.times.index_select(0, found.edges)
        order = times.argsort(stable=True)
        batch = DynamicGraphBatch(
            nodes=found.graphs.nodes,
            edges=found.graphs.edges.index_select(1, order),
            times=times.index_select(0, order),
            num_steps=self.num_steps,
            graph_ids=found.graphs.graph_ids,
            num_graphs=found.graphs.num_graphs,
            step_sizes=step_sizes,
        )
        return batch, found.nodes


@dataclass(kw_only=True)
class DynamicGraphs:
    """`labels` (N,) int64, of all nodes of the set; `splits`: train, val and test as indices of graphs."""

    graphs: DynamicGraphSet
    labels: Tensor
    signature: Signature
    splits: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        check_splits(self.splits, len(self.graphs))

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        """`batch_size` counts graphs."""
        chosen = self.splits[split]
        return GatheredBatches(
            len(chosen), batch_size, generator, lambda index, *sizes: self._gather(chosen[index], *sizes),
            str(chosen.device), self.graphs.sizes_of(chosen),
        )  # fmt: skip

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy of all nodes."""
        assert batch.targets is not None
        return F.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        right, loss, count = torch.zeros((), dtype=torch.int64, device=self.labels.device), 0.0, 0
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            outputs = learner.predict(batch)
            right += (outputs.argmax(dim=1) == batch.targets).sum()
            loss += float(self.loss(outputs, batch)) * len(outputs)
            count += len(outputs)
        return {"accuracy": right.item() / count, "loss": loss / count}

    def _gather(self, index: Tensor, *sizes: Any) -> Batch:
        inputs, nodes = self.graphs.gather(index, *sizes)
        return Batch(inputs=inputs, targets=self.labels.index_select(0, nodes), size=len(index))
