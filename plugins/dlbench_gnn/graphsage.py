"""GraphSAGE: Hamilton, Ying & Leskovec 2017, "Inductive Representation Learning on Large Graphs".

The layer is PyTorch Geometric's. Differs: `mean` averages after the product with the weights where that is narrower,
which is the same; `max` has a backward pass of its own, as torch's is slow; `lstm` runs over each node's neighbours
alone, where PyG goes on over padding, so that a node's result would depend on the largest degree in its batch.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch_geometric.nn import SAGEConv
from torch_geometric.nn.aggr import Aggregation

from .structure import Structure, largest

AGGREGATORS = ("mean", "max", "lstm")


class SAGELayer(nn.Module):
    """x (N, before), dense or, where `sparse`, CSR -> (N, after).

    `aggregator`: `mean`; `max`, after a linear layer with ReLU; `lstm`, over the neighbours in a random order in
    training and in the edges' order in evaluation, where the result so depends on how nodes are numbered. It takes
    `after` columns: of wider input, what a linear layer makes of it. `normalize`: rows of length 1, as published.
    `activated`: then a rectifier, before what follows the layer, as in Dwivedi et al. 2023.
    """

    def __init__(
        self,
        before: int,
        after: int,
        last: bool = False,
        *,
        aggregator: str = "mean",
        normalize: bool = False,
        activated: bool = False,
    ) -> None:
        super().__init__()
        if aggregator not in AGGREGATORS:
            raise ValueError(f"aggregator is one of {', '.join(AGGREGATORS)}, not {aggregator!r}")
        self.out_features, self.aggregator, self.normalize = after, aggregator, normalize
        self.activated = activated
        self.narrow = nn.Linear(before, after) if aggregator == "lstm" and before > after else None
        self.sparse = aggregator == "mean" or self.narrow is not None
        units = after if self.narrow is not None else before
        own = {"mean": "mean", "max": LargestNeighbour(), "lstm": LSTMOverNeighbours(units)}[aggregator]
        self.conv = SAGEConv(units, after, aggr=own, project=aggregator == "max", normalize=normalize)

    def forward(self, x: Tensor, structure: Structure) -> Tensor:
        y = self._rows(x, structure)
        return y.relu() if self.activated else y

    def _rows(self, x: Tensor, structure: Structure) -> Tensor:
        if self.aggregator == "mean":
            return self._mean(x, structure)
        if self.narrow is not None:
            x = structure.linear(x, self.narrow.weight) + self.narrow.bias
        return self.conv(x, structure.edges)

    def _mean(self, x: Tensor, structure: Structure) -> Tensor:
        neighbours, own = self.conv.lin_l, self.conv.lin_r
        if x.layout == torch.sparse_csr or x.shape[1] > self.out_features:
            both = structure.linear(x, torch.cat([neighbours.weight, own.weight]))
            far, near = both.chunk(2, dim=1)
            y = structure.propagate(far, "mean") + neighbours.bias + near
        else:
            y = neighbours(structure.propagate(x, "mean")) + own(x)
        return F.normalize(y, dim=1) if self.normalize else y


class LargestNeighbour(Aggregation):
    """The largest value of each column; 0 for a node without neighbours."""

    def forward(self, x: Tensor, index: Tensor, ptr: object = None, dim_size: int = 0, dim: int = -2) -> Tensor:
        return largest(x, index, dim_size)


class LSTMOverNeighbours(Aggregation):
    """The last state of an LSTM over each node's neighbours; 0 for a node without neighbours."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(units, units)

    def reset_parameters(self) -> None:
        self.lstm.reset_parameters()

    def forward(self, x: Tensor, index: Tensor, ptr: object = None, dim_size: int = 0, dim: int = -2) -> Tensor:
        out = x.new_zeros(dim_size, self.lstm.hidden_size)
        if not len(index):
            return out
        order, sizes, nodes = in_steps(index, dim_size, shuffle=self.training)
        _, (last, _) = self.lstm(PackedSequence(x.index_select(0, order), sizes))
        return out.to(last.dtype).index_copy(0, nodes, last[0])


def in_steps(index: Tensor, num_nodes: int, shuffle: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Sequences of all nodes side by side, without padding, for edges into the nodes `index` (E,).

    Returns the edges (E,), first the first ones of all nodes, then the second ones, ...; how many each step has, on the
    CPU; and the nodes with neighbours, those with the most first, which is their order within a step.
    """
    numbers = torch.arange(max(len(index), num_nodes), device=index.device)
    order = torch.randperm(len(index), device=index.device) if shuffle else numbers[: len(index)]
    order = order[index[order].argsort(stable=True)]
    counts = torch.bincount(index, minlength=num_nodes)
    nodes = counts.argsort(descending=True, stable=True)
    rank = torch.empty_like(nodes)
    rank[nodes] = numbers[:num_nodes]
    target = index[order]
    step = numbers[: len(index)] - (counts.cumsum(0) - counts)[target]
    order = order[(step * num_nodes + rank[target]).argsort()]
    return order, torch.bincount(step).cpu(), nodes[: int((counts > 0).sum())]
