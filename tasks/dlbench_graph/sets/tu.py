"""Classify whole graphs of the TU Dortmund collection, in cross-validation.

Two protocols. `nested`: a fold is tested on graphs that neither trained the model nor chose its epoch (as in Errica et
al. 2020, "A Fair Comparison of Graph Neural Networks for Graph Classification", without their search of settings).
`published`: that of Xu et al. 2019, "How Powerful are Graph Neural Networks?", which has no test set: the validation
curves of all folds are averaged, and the best point of that average is reported. It is optimistic: the epoch is chosen
on the graphs that are reported.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from dlbench import Graph, GraphClasses, Signature, UsageError, unknown
from dlbench.data import Data
from dlbench.data.graphs import GraphSet
from dlbench.data.splits import stratified_split

from ..many import ManyGraphs
from ..positions import add_positions
from ..scores import accuracy
from .tu_reader import TUGraphs, one_hot, read

MAX_DEGREE = 255  # of nodes without labels; those with more neighbours share its column
SEED = 0

Splits = Mapping[str, torch.Tensor]


class PublishedFolds(ManyGraphs):
    """Folds whose validation graphs are also the test graphs."""

    alias = ("val", "test")

    def combine(self, folds: Sequence[Mapping[str, Any]]) -> list[dict[str, dict[str, float]]]:
        """Each fold's metrics, as val and as test, at the point where the mean accuracy of all folds is best, the first
        of several. A fold that ended early stays at its last point."""
        curves = [[point["val"] for point in fold["curve"]] for fold in folds]
        points = [[curve[min(at, len(curve) - 1)] for curve in curves] for at in range(max(map(len, curves)))]
        best = max(points, key=lambda metrics: sum(metric["accuracy"] for metric in metrics))
        return [{"val": dict(metrics), "test": dict(metrics)} for metrics in best]


def load(data: Data, *, member: str, protocol: str, folds: int, attributes: bool, pe: int) -> ManyGraphs:
    """The set `member`, read from graph/tu/`member`/raw of the data root.

    `attributes`: append the nodes' attributes, where there are some, unscaled. `pe`: eigenvectors to add. Raises NoData
    for missing or broken files, UsageError for an unknown protocol or a number of folds that can't be.
    """
    kinds = {"nested": ManyGraphs, "published": PublishedFolds}
    if protocol not in kinds:
        raise unknown("protocol", protocol, kinds)
    found = read(data.path(f"graph/tu/{member}/raw"), member)
    nodes = node_features(found, attributes=attributes)
    nodes = add_positions(nodes, found.node_counts, found.edge_counts, found.edges, pe, data.cache)
    columns = np.concatenate([found.edge_labels, found.edge_attributes], axis=1)
    parts = fold_splits(found.classes, folds, protocol, data.device)
    return kinds[protocol](
        graphs=GraphSet(
            node_counts=found.node_counts, nodes=nodes, edge_counts=found.edge_counts, edges=found.edges,
            edge_features=columns if columns.shape[1] else None, device=data.device,
        ),
        targets=torch.from_numpy(found.classes).to(data.device),
        level="graph",
        signature=Signature(
            input=Graph(node_features=nodes.shape[1], edge_features=columns.shape[1], positions=pe),
            output=GraphClasses(num_classes=int(found.classes.max()) + 1),
        ),
        splits=parts[0],
        metric="accuracy",
        score=accuracy,
        loss_of=cross_entropy,
        folds=parts,
    )  # fmt: skip


def node_features(graphs: TUGraphs, *, attributes: bool) -> NDArray[np.float32]:
    """Labels one-hot, then attributes. Where there are none of them, the number of neighbours, one-hot: a column for
    each that occurs up to 255, and one for all above (Xu et al. have no such limit)."""
    parts = [graphs.node_labels, graphs.node_attributes] if attributes else [graphs.node_labels]
    features = np.concatenate(parts, axis=1)
    if features.shape[1]:
        return features
    starts = np.repeat(graphs.node_counts.cumsum() - graphs.node_counts, graphs.edge_counts)
    degrees = np.bincount(graphs.edges[1] + starts, minlength=len(features))
    return one_hot(np.minimum(degrees, MAX_DEGREE + 1)[:, None])


def fold_splits(classes: NDArray[np.int64], folds: int, protocol: str, device: str = "cpu") -> list[Splits]:
    """Stratified folds, shuffled with seed 0 as in the code of Xu et al. Fold i tests on its own part; validation is
    that part again (`published`), or (`nested`) a stratified draw of as many of the other graphs."""
    from sklearn.model_selection import StratifiedKFold

    smallest = int(np.bincount(classes).min())
    least = 2 if protocol == "published" else 3  # a fold to test on, one to validate on, one to train on
    if isinstance(folds, bool) or not isinstance(folds, int) or not least <= folds <= smallest:
        raise UsageError(
            f"option 'folds' needs a whole number from {least} to {smallest}, the graphs of the smallest class, "
            f"not {folds!r}"
        )
    result: list[Splits] = []
    for rest, test in StratifiedKFold(folds, shuffle=True, random_state=SEED).split(classes, classes):
        if protocol == "published":
            shared = torch.from_numpy(test).to(device)
            result.append({"train": torch.from_numpy(rest).to(device), "val": shared, "test": shared})
            continue
        sizes = (len(rest) - len(test), len(test))
        train, val = (rest[part] for part in stratified_split(classes[rest], sizes, seed=SEED))
        named = {"train": train, "val": val, "test": test}
        result.append({name: torch.from_numpy(index).to(device) for name, index in named.items()})
    return result
