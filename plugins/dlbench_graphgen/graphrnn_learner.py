"""GraphRNN under its likelihood: You et al. 2018."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, GraphBatch, Learner

from .dense import DenseGraphs, ordered, to_dense, to_graphs
from .graphrnn import GraphRNN


class GraphRNNLearner(Learner):
    """Each step sees graphs in a new order, breadth first from a random node. `options`: of `GraphRNN`."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self.network = GraphRNN(**options)

    def loss(self, batch: Batch) -> Tensor:
        """The negative log likelihood, in nats a graph."""
        dense = ordered(to_dense(batch.inputs, self.network.nodes_max), "bfs")
        return -self.network.log_likelihood(dense.bonds, dense.sizes).mean()

    def sample(self, count: int, generator: torch.Generator) -> GraphBatch:
        """`count` graphs from what `generator` draws on the CPU."""
        network = self.network
        uniform = torch.rand(count, network.nodes_max - 1, network.window, generator=generator)
        adjacency, sizes = network.draw(uniform.to(network.back.device))
        return to_graphs(DenseGraphs(torch.ones_like(adjacency[..., :1]).float(), adjacency, sizes))
