"""Rules of thumb for graphs that a network has to beat: how many neighbours a node has, how near an edge's ends are.

Neither takes a gradient step, and neither has parameters.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch, GraphBatch, Learner, Optimizers


class DegreeThreshold(Learner):
    """Classifies a node by its share of neighbours: its degree over the number of other nodes in its graph.

    In stochastic block models the classes differ in their expected degrees, so that counting neighbours answers most of
    what such a task asks (the set PATTERN of Dwivedi et al. 2023, "Benchmarking Graph Neural Networks").

    Training counts, for each of `bins` equal intervals of the share, the nodes of each class. With two classes the
    answer is one threshold, the one with the largest balanced accuracy on these counts; with more it is the class that
    is most likely in the interval when all classes weigh the same, where an interval without nodes answers as the
    nearest one that has some. The loss is the share of wrong answers in a batch, after counting.
    """

    def __init__(self, *, num_classes: int, bins: int = 200) -> None:
        super().__init__()
        if bins < 1:
            raise ValueError(f"bins must be at least 1, not {bins}")
        self.register_buffer("counts", torch.zeros(bins, num_classes, dtype=torch.int64))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            rows = getattr(batch.inputs, "rows_of", lambda nodes: nodes)  # of sentences, whose targets are padded
            mask = slice(None) if batch.mask is None else rows(batch.mask)
            targets = rows(batch.targets)[mask]
            places = self.places(batch.inputs)[mask] * self.counts.shape[1] + targets
            self.counts += torch.bincount(places, minlength=self.counts.numel()).view_as(self.counts)
            wrong = self.predict(batch.inputs)[mask].argmax(dim=1) != targets
            return wrong.float().sum() / max(len(targets), 1)

    def predict(self, inputs: GraphBatch) -> Tensor:
        """Logits (N, num_classes): 1 for the answer, 0 for the rest."""
        return self.answers()[self.places(inputs)]

    def places(self, graphs: GraphBatch) -> Tensor:
        """The interval of each node's share of neighbours, (N,) int64."""
        bins = self.counts.shape[0]
        return (neighbour_share(graphs) * bins).long().clamp(max=bins - 1)

    def answers(self) -> Tensor:
        """The logits of each interval, (bins, num_classes)."""
        shares = self.counts.double() / self.counts.sum(dim=0).clamp(min=1)
        classes = _threshold(shares) if shares.shape[1] == 2 else _likeliest(shares)
        return torch.nn.functional.one_hot(classes, shares.shape[1]).float()


class NearestEdges(Learner):
    """Says yes (class 1) to an edge that leads from a node to one of its `k` nearest neighbours; with `either`, also to
    one that leads from such a neighbour to the node.

    Lengths are the first edge feature, and neighbours count in either direction. With k = 2 it is the rule of thumb for
    tours (the set TSP of Dwivedi et al. 2023, "Benchmarking Graph Neural Networks"). There is nothing to learn; the
    loss is the share of wrong answers.
    """

    def __init__(self, *, k: int = 2, either: bool = False) -> None:
        super().__init__()
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        self.k, self.either = k, either

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        return (self.predict(batch.inputs).argmax(dim=1) != batch.targets).float().mean()

    def predict(self, inputs: GraphBatch) -> Tensor:
        """Logits (E, 2): 1 for the answer, 0 for the other."""
        near = near_edges(inputs, self.k, self.either)
        return torch.stack([~near, near], dim=1).float()


def neighbour_share(graphs: GraphBatch) -> Tensor:
    """Edges into each node from other nodes, over the number of other nodes in its graph: (N,) float, at most 1."""
    source, target = graphs.edges
    degrees = torch.bincount(target[source != target], minlength=graphs.nodes.shape[0])
    others = torch.bincount(graphs.graph_ids, minlength=graphs.num_graphs)[graphs.graph_ids] - 1
    return (degrees / others.clamp(min=1)).clamp(max=1)


def near_edges(graphs: GraphBatch, k: int, either: bool) -> Tensor:
    """Whether an edge's target is one of its source's `k` nearest neighbours, or with `either` its source one of its
    target's; (E,) bool."""
    source, target = graphs.edges
    lengths = graphs.edge_features[:, 0]
    lengths = torch.where(source == target, torch.inf, lengths)  # nobody is their own neighbour
    count, num_edges = graphs.nodes.shape[0], len(source)
    both = torch.cat([source * count + target, target * count + source])
    pairs, place = both.unique(return_inverse=True)  # ascending, so by node
    shortest = lengths.new_full(pairs.shape, torch.inf).scatter_reduce(0, place, lengths.repeat(2), "amin")
    order = shortest.argsort(stable=True)
    order = order[(pairs[order] // count).argsort(stable=True)]  # by node, then by length
    sizes = torch.bincount(pairs // count, minlength=count)
    starts = sizes.cumsum(0) - sizes
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order), device=order.device) - starts[pairs[order] // count]
    near = (rank < k) & shortest.isfinite()
    return near[place[:num_edges]] | (near[place[num_edges:]] & either)


def _threshold(shares: Tensor) -> Tensor:
    """Each interval's class by the best threshold, from the classes' shares in it (bins, 2): (bins,) int64."""
    below = torch.cat([shares.new_zeros(1, 2), shares.cumsum(dim=0)])  # (bins + 1, 2): what lies below each threshold
    ahead = below[:, 0] - below[:, 1]  # balanced accuracy is (1 + this) / 2 where class 0 is below, (1 - this) / 2 else
    best = ahead.abs().argmax()
    above = torch.arange(len(shares), device=shares.device) >= best
    return torch.where(ahead[best] >= 0, above, ~above).long()


def _likeliest(shares: Tensor) -> Tensor:
    """Each interval's class by the largest share; (bins,) int64."""
    seen = shares.sum(dim=1) > 0
    places = torch.arange(len(shares), device=shares.device)
    away = (places[:, None] - places).abs() + len(
        shares
    ) * ~seen  # (bins, bins): the columns that were seen are nearest
    return shares.argmax(dim=1)[away.argmin(dim=1)]
