"""GraphVAE under its bound: Simonovsky & Komodakis 2018, after Kingma & Welling 2014."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, GraphBatch, Learner

from .dense import DenseGraphs, ordered, to_dense, to_graphs
from .graphvae import GraphVAE, choose, divergence


class GraphVAELearner(Learner):
    """`features`: columns of the nodes, one-hot types. `edge_features`: columns of the edges, one-hot types, or 0.
    `beta`: weight of the divergence (1: the bound). `greedy`: samples take what is most probable given the code, as the
    paper's do, rather than draw. `options`: of `GraphVAE`."""

    def __init__(
        self, *, features: int, edge_features: int = 0, order: str = "cardinality", beta: float = 1.0,
        greedy: bool = False, **options: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        self.features, self.edge_features = features, edge_features
        self.order, self.beta, self.greedy = order, beta, greedy
        self.network = GraphVAE(node_types=features, bond_types=max(1, edge_features), **options)

    def loss(self, batch: Batch) -> Tensor:
        """The negative bound, in nats a graph."""
        likelihood, apart = self.terms(batch.inputs)
        return (self.beta * apart - likelihood).mean()

    def terms(self, graphs: GraphBatch) -> tuple[Tensor, Tensor]:
        """The two terms of the bound for each graph in an order of its nodes, in nats, (B,) each: the log likelihood
        given a drawn code, and the divergence. Their difference is at most the log probability of the ordered graph, on
        average over codes."""
        dense = ordered(to_dense(graphs, self.network.nodes_max), self.order)
        pairs = self.network.pairs(dense.bonds)
        mean, log_var = self.network.encode(dense.nodes, pairs, dense.sizes)
        code = mean + torch.randn_like(mean) * (log_var / 2).exp()
        decoded = self.network.decode(code)
        return self.network.log_likelihood(decoded, dense.nodes, pairs, dense.sizes), divergence(mean, log_var)

    def sample(self, count: int, generator: torch.Generator) -> GraphBatch:
        """`count` graphs from what `generator` draws on the CPU."""
        network = self.network
        nodes_max, pairs = network.nodes_max, len(network.rows)
        device = network.rows.device
        code = torch.randn(count, network.latent, generator=generator)
        uniform = torch.rand(count, 1 + nodes_max + pairs, generator=generator).to(device)
        decoded = network.decode(code.to(device))
        sizes = self._take(decoded.sizes, uniform[:, 0]) + 1
        types = decoded.sizes.new_zeros(count, nodes_max, dtype=torch.int64)
        if network.node_types:
            types = self._take(decoded.types, uniform[:, 1 : nodes_max + 1])
        bonds = types.new_zeros(count, nodes_max, nodes_max)
        bonds[:, network.rows, network.columns] = self._take(decoded.bonds, uniform[:, nodes_max + 1 :])
        nodes = F.one_hot(types, self.features).float()
        return to_graphs(DenseGraphs(nodes, bonds + bonds.transpose(1, 2), sizes), self.edge_features)

    def _take(self, logits: Tensor, uniform: Tensor) -> Tensor:
        return logits.argmax(dim=-1) if self.greedy else choose(logits, uniform)
