"""HyperGCN: each hyperedge becomes a few edges, between its two most different nodes and the mediators.

Yadati et al. 2019, "HyperGCN: A New Method of Training Graph Convolutional Networks on Hypergraphs".

What differs: the authors' code looks for the most different pair along one random direction, here the pair is exact;
and the last layer has no rectifier, as in the paper's formula.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .kept import Kept
from .plain import multipliable

AT_ONCE = 2**22  # numbers of each side that the search for pairs holds at a time
TIED = 1e-4  # squared distances that differ by less than this share count as equal: rounding must not choose

Edges = tuple[Tensor, Tensor]  # (2, E) int64, source then target, and weights (E,)


class HyperGCN(nn.Module):
    """Hypergraph -> logits per node (N, num_classes).

    `inputs` has `.nodes` (N, features), dense or CSR, and `.members` (2, M) int64, node and hyperedge, ascending by
    hyperedge. `mediators`: join a hyperedge's other nodes to its two most different ones. `fast`: choose these once, by
    the input features, rather than in every layer by its signal (FastHyperGCN).
    """

    def __init__(
        self,
        *,
        features: int,
        num_classes: int,
        width: int = 32,
        depth: int = 2,
        dropout: float = 0.5,
        mediators: bool = True,
        fast: bool = False,
    ) -> None:
        super().__init__()
        if depth < 1:
            raise ValueError(f"depth must be at least 1, not {depth}")
        self.dropout, self.mediators, self.fast = dropout, mediators, fast
        sizes = [features, *[width] * (depth - 1), num_classes]
        self.layers = nn.ModuleList(Linear(*size) for size in pairwise(sizes))
        self.kept, self.kept_fast = Kept(), Kept()

    def forward(self, inputs: Any) -> Tensor:
        x = multipliable(inputs.nodes)
        hyperedges = self.kept(lambda: Hyperedges(inputs.members, x.shape[0], inputs.num_hyperedges), inputs.members)
        edges, first = self.fixed_edges(inputs, hyperedges) if self.fast else None, None
        for index, layer in enumerate(self.layers):
            signal = x @ layer.weight  # (N, width), at last (N, num_classes)
            if not self.fast:
                apart = hyperedges.distances(signal)
                first = apart if first is None else first
                edges = hyperedges.edges(apart, first, self.mediators)
            x = propagate(signal, *edges) + layer.bias
            if index < len(self.layers) - 1:
                x = F.dropout(F.relu(x), self.dropout, self.training)
        return x

    def fixed_edges(self, inputs: Any, hyperedges: Hyperedges) -> Edges:
        """The edges by the input features."""
        features = inputs.nodes

        def make() -> Edges:
            apart = hyperedges.distances(features)
            return hyperedges.edges(apart, apart, self.mediators)

        return self.kept_fast(make, features, inputs.members)


class Linear(nn.Module):
    """A weight (before, after), which takes CSR features from the left, and a bias."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.xavier_uniform_(torch.empty(before, after)))
        self.bias = nn.Parameter(torch.zeros(after))


class Hyperedges:
    """`members` (2, M): node and hyperedge, ascending by hyperedge, each once; `num_nodes`, `num_hyperedges` (H). A
    hyperedge with fewer than two nodes gives no edges."""

    def __init__(self, members: Tensor, num_nodes: int, num_hyperedges: int) -> None:
        sizes = torch.bincount(members[1], minlength=num_hyperedges)
        starts = sizes.cumsum(0) - sizes
        self.joining = int((sizes > 1).sum())  # how many hyperedges give edges
        kept = (sizes > 1)[members[1]]
        self.nodes, self.owner = members[:, kept]  # (M',)
        self.num_nodes, self.num_hyperedges = num_nodes, num_hyperedges
        self.scale = 1 / (2 * sizes - 3).clamp(min=1).float()  # (H,)
        partners = sizes[self.owner]
        first = torch.repeat_interleave(torch.arange(len(self.nodes), device=members.device), partners)
        ends = partners.cumsum(0)
        step = torch.arange(len(first), device=members.device) - torch.repeat_interleave(ends - partners, partners)
        owner = self.owner[first]
        pairs = torch.stack([self.nodes[first], members[0, starts[owner] + step]])
        upper = pairs[0] < pairs[1]
        self.pairs, self.pair_owner = pairs[:, upper], owner[upper]  # (2, P), (P,): every pair within a hyperedge

    @torch.no_grad()
    def distances(self, signal: Tensor) -> Tensor:
        """Squared distances between the signals (N, D) of each pair, (P,). CSR signals are made dense."""
        dense = (signal.to_dense() if signal.layout == torch.sparse_csr else signal).float()
        chunk = max(AT_ONCE // max(dense.shape[1], 1), 1)
        parts = self.pairs.split(chunk, dim=1)
        return torch.cat([(dense.index_select(0, a) - dense.index_select(0, b)).square().sum(dim=1) for a, b in parts])

    @torch.no_grad()
    def edges(self, apart: Tensor, first: Tensor, mediators: bool) -> Edges:
        """Edges, both directions, by the pairs' distances (see `extremes`). With mediators the 2 |e| - 3 edges of a
        hyperedge e weigh 1 together; without, its one edge does. A pair of nodes that several hyperedges join is listed
        for each."""
        one, other = self.extremes(apart, first)  # (H,)
        if not mediators:
            chosen = self.owner.unique()
            pair = torch.stack([one[chosen], other[chosen]])
            weights = torch.ones(pair.shape[1], device=pair.device)
        else:
            a, b = one[self.owner], other[self.owner]
            count = len(self.nodes) - self.joining  # each has one member a and another one b
            to_a = places(self.nodes != a, count)
            to_b = places((self.nodes != a) & (self.nodes != b), count - self.joining)
            pair = torch.cat([torch.stack([self.nodes, a])[:, to_a], torch.stack([self.nodes, b])[:, to_b]], dim=1)
            weights = self.scale[torch.cat([self.owner[to_a], self.owner[to_b]])]
        return torch.cat([pair, pair.flip(0)], dim=1), weights.repeat(2)

    def extremes(self, apart: Tensor, first: Tensor) -> Tensor:
        """The pair of nodes in each hyperedge that is farthest apart, (2, H); zeros for a hyperedge without pairs.

        Two nodes joined to nothing but one hyperedge have equal states after a layer, so equals are common. Of equals
        the pair that was farthest apart in the first layer (`first`) is taken, then the one that is listed first.
        """
        tied = apart >= (1 - TIED) * self._largest(apart)[self.pair_owner]
        first = torch.where(tied, first, -1)
        chosen = first == self._largest(first)[self.pair_owner]
        number = torch.arange(len(apart), device=apart.device)
        number = torch.where(chosen, number, len(apart))
        found = number.new_full((self.num_hyperedges,), len(apart)).scatter_reduce(0, self.pair_owner, number, "amin")
        return torch.cat([self.pairs, self.pairs.new_zeros(2, 1)], dim=1)[:, found]

    def _largest(self, values: Tensor) -> Tensor:
        """The largest value (P,) of each hyperedge, (H,); values are at least -1."""
        return values.new_full((self.num_hyperedges,), -1).scatter_reduce(0, self.pair_owner, values, "amax")


def places(mask: Tensor, count: int) -> Tensor:
    """Where the `count` true ones of a mask (M,) stand, ascending: (count,). Without that number the host would have to
    wait for a GPU to learn it."""
    if mask.device.type == "cpu":
        return mask.nonzero().squeeze(1)
    return mask.logical_not().to(torch.uint8).argsort(stable=True)[:count]


def propagate(x: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
    """Each node's weighted mean of itself (weight 1) and its neighbours, normalised by the root of the product of both
    ends' total weights (Kipf & Welling 2017): x (N, D) -> (N, D). Totals are of the weights' type, the sum over
    neighbours is of x's: autocast casts neither."""
    source, target = edges
    scale = weights.new_ones(x.shape[0]).index_add(0, target, weights).rsqrt()
    weights = (weights * scale[source] * scale[target]).to(x.dtype)
    own = x * scale.square()[:, None].to(x.dtype)
    return own.index_add(0, target, x.index_select(0, source) * weights[:, None])
