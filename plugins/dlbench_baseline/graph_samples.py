"""Graphs without structure: Erdos & Renyi 1959, "On Random Graphs I", with what can be counted of training graphs."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, GraphBatch, Learner, Optimizers


class ErdosRenyi(Learner):
    """Draws a training graph's number of nodes, and joins each two nodes with the chance of all pairs in training.

    Types of nodes and edges, which are one-hot features, are drawn as often as they come. The loss is the negative log
    likelihood of a batch's sizes and edges in nats a graph, after counting; nodes and edges of graphs with more than
    `nodes_max` nodes don't count.
    """

    def __init__(self, *, nodes_max: int, node_types: int = 1, bond_types: int = 0) -> None:
        super().__init__()
        self.nodes_max, self.bond_types = nodes_max, bond_types
        self.register_buffer("sizes", torch.zeros(nodes_max + 1, dtype=torch.int64))
        self.register_buffer("edges", torch.zeros((), dtype=torch.int64))  # both directions
        self.register_buffer("pairs", torch.zeros((), dtype=torch.int64))  # as well
        self.register_buffer("node_types", torch.zeros(node_types, dtype=torch.float64))
        self.register_buffer("edge_types", torch.zeros(max(1, bond_types), dtype=torch.float64))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            return self.observe(batch.inputs)

    def observe(self, graphs: GraphBatch) -> Tensor:
        """Count a batch; returns the loss."""
        ids = graphs.graph_ids
        counts = torch.zeros(graphs.num_graphs, dtype=torch.int64, device=ids.device)
        counts = counts.index_add_(0, ids, torch.ones_like(ids))
        pairs = (counts * (counts - 1)).sum()
        edges = graphs.edges.shape[1]
        self.sizes.index_add_(0, counts.clamp(max=self.nodes_max), torch.ones_like(counts))
        self.pairs += pairs
        self.edges += edges
        self.node_types += graphs.nodes.sum(dim=0)
        if graphs.edge_features is not None:
            self.edge_types += graphs.edge_features.sum(dim=0)
        chance = self.density().clamp(1e-9, 1 - 1e-9)
        of_edges = edges * chance.log() + (pairs - edges) * (1 - chance).log()
        of_sizes = (self.sizes / self.sizes.sum()).log()[counts.clamp(max=self.nodes_max)].sum()
        return -(of_edges / 2 + of_sizes).float() / graphs.num_graphs

    def density(self) -> Tensor:
        """The share of pairs that are joined, float64."""
        return self.edges.double() / self.pairs.clamp(min=1)

    def sample(self, count: int, generator: torch.Generator) -> GraphBatch:
        """`count` graphs. They are drawn and built on the CPU, then moved."""
        most = self.nodes_max
        sizes = _draw(self.sizes, (count,), generator)
        mask = torch.arange(most) < sizes[:, None]
        joined = torch.rand(count, most, most, generator=generator).triu(1) > 1 - self.density().cpu()
        joined = joined.triu(1) & mask[:, :, None] & mask[:, None, :]
        types = _draw(self.edge_types, joined.shape, generator).triu(1)
        types = types + types.transpose(1, 2)
        graph, target, source = (joined | joined.transpose(1, 2)).nonzero(as_tuple=True)
        numbers = (mask.flatten().cumsum(0) - 1).view_as(mask)
        nodes = F.one_hot(_draw(self.node_types, (int(mask.sum()),), generator), len(self.node_types)).float()
        features = F.one_hot(types[graph, source, target], self.bond_types).float() if self.bond_types else None
        device = self.sizes.device
        return GraphBatch(
            nodes=nodes.to(device),
            edges=torch.stack([numbers[graph, source], numbers[graph, target]]).to(device),
            edge_features=None if features is None else features.to(device),
            graph_ids=torch.repeat_interleave(torch.arange(count), sizes).to(device),
            num_graphs=count,
            by_target=True,
            loopless=True,
        )


def _draw(weights: Tensor, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Numbers of classes, int64 of this shape, as often as their weights say; all alike where none has one."""
    weights = weights.cpu().double()
    shares = torch.where(weights.sum() > 0, weights, torch.ones_like(weights))
    below = (shares / shares.sum()).cumsum(0)
    places = torch.searchsorted(below, torch.rand(shape, generator=generator, dtype=torch.float64), right=True)
    return places.clamp(max=len(below) - 1)
