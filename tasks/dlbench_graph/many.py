"""Tasks on many graphs: something is asked of each graph, of each node, or of each edge."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from dlbench import Batch, GraphBatch, Signature
from dlbench.data.batches import GatheredBatches
from dlbench.data.graphs import BadGraph, GraphSet, check_splits

Level = Literal["graph", "node", "edge"]
Loss = Callable[[Tensor, Tensor], Tensor]
Score = Callable[[list[Tensor], list[Tensor]], float]
JUDGED_AT_ONCE = 128


@dataclass(kw_only=True)
class ManyGraphs:
    """`targets`: one for each graph, node or edge of the set, as `level` says (edges in the set's own order). `splits`:
    train, val and test as indices of graphs, on the same device. `loss(outputs, targets)` is what a batch is trained
    on; `judge` returns `score(outputs, targets)` under the name `metric`, and the mean `loss`.

    The signature's `positions`, the last columns of the nodes, are eigenvectors, whose signs mean nothing: in training
    each gets a random sign in each batch (Dwivedi et al. 2023, "Benchmarking Graph Neural Networks").

    With `folds`, a list of such splits, `fold(i)` is the task on the i-th.
    """

    graphs: GraphSet
    targets: Tensor
    level: Level
    signature: Signature
    splits: Mapping[str, Tensor]
    metric: str
    score: Score
    loss_of: Loss
    folds: Sequence[Mapping[str, Tensor]] = ()

    alias: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        for splits in self.folds or [self.splits]:
            check_splits(splits, len(self.graphs), self.alias)
        rows = {"graph": len(self.graphs), "node": len(self.graphs.nodes), "edge": self.graphs.edges.shape[1]}
        if len(self.targets) != rows[self.level]:
            raise BadGraph(f"there are {len(self.targets)} targets for {rows[self.level]} {self.level}s")

    def fold(self, index: int) -> ManyGraphs:
        """The task on the splits of one fold."""
        return type(self)(**{**vars(self), "splits": self.folds[index], "folds": ()})

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        """`batch_size` counts graphs."""
        chosen = self.splits[split]
        return GatheredBatches(
            len(chosen), batch_size, generator,
            lambda index, nodes, edges: self._gather(chosen[index], generator, nodes, edges),
            str(chosen.device), self.graphs.sizes_of(chosen),
        )  # fmt: skip

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        return self.loss_of(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        outputs, targets, loss = [], [], 0.0
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            output = learner.predict(batch)
            loss += float(self.loss(output, batch)) * batch.size
            outputs.append(output)
            targets.append(batch.targets)
        return {self.metric: self.score(outputs, targets), "loss": loss / len(self.splits[split])}

    def _gather(self, index: Tensor, generator: torch.Generator | None, num_nodes: int, num_edges: int) -> Batch:
        found = self.graphs.gather(index, num_nodes, num_edges)
        rows = {"graph": index, "node": found.nodes, "edge": found.edges}[self.level]
        graphs = found.graphs
        if generator is not None and self.signature.input.positions:
            graphs = flip_signs(graphs, self.signature.input.positions, generator)
        return Batch(inputs=graphs, targets=self.targets.index_select(0, rows), size=len(index))


def flip_signs(graphs: GraphBatch, positions: int, generator: torch.Generator) -> GraphBatch:
    """The batch with a random sign for each of the last `positions` columns of its nodes."""
    columns = graphs.nodes.shape[1]
    signs = torch.ones(columns)
    signs[columns - positions :] = torch.randint(0, 2, (positions,), generator=generator) * 2.0 - 1
    return graphs._replace(nodes=graphs.nodes * signs.to(graphs.nodes.device, non_blocking=True))
