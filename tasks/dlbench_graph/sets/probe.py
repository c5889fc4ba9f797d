"""`mutag_probe`: vectors for whole graphs, learned without labels and judged by a linear classifier.

The protocol of Sun et al. 2020, "InfoGraph: Unsupervised and Semi-supervised Graph-Level Representation Learning via
Mutual Information Maximization": the model is trained on all graphs without their labels, then a support vector machine
is cross-validated on the vectors. Differs: the machine is linear, its C is chosen among four inside each training part,
and no epoch is chosen by the test figure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Embedding, Graph, Signature
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches
from dlbench.data.graphs import GraphSet

from .tu import SEED, node_features
from .tu_reader import read

JUDGED_AT_ONCE = 128
FOLDS, INNER_FOLDS = 10, 5
PENALTIES = (0.1, 1.0, 10.0, 100.0)


@dataclass(kw_only=True)
class GraphProbe:
    """All splits hold all graphs, and batches have no targets. `classes` (G,) are for judging alone."""

    graphs: GraphSet
    classes: NDArray[np.int64]
    signature: Signature

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        """`batch_size` counts graphs."""
        device, count = str(self.graphs.nodes.device), len(self.graphs)
        sizes = self.graphs.sizes_of(torch.arange(count))
        return GatheredBatches(count, batch_size, generator, self._gather, device, sizes)

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        raise TypeError("a task on embeddings has no loss: the model brings its own")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` of the linear classifier. test: on each fold's held-out graphs. val: the inner cross-validation
        with the chosen C, so within the training parts; but each label is in most training parts, so a choice made by
        this figure has seen all labels, and the recipe takes the last state instead."""
        vectors = [learner.embed(batch).double().cpu() for batch in self.batches(split, JUDGED_AT_ONCE, None)]
        inner, outer = probe(torch.cat(vectors).numpy(), self.classes)
        return {"accuracy": outer if split == "test" else inner}

    def _gather(self, index: Tensor, num_nodes: int, num_edges: int) -> Batch:
        return Batch(inputs=self.graphs.gather(index, num_nodes, num_edges).graphs, size=len(index))


def load(data: Data, *, member: str) -> GraphProbe:
    """The set `member`, read from graph/tu/`member`/raw of the data root. Raises NoData for missing or broken files."""
    found = read(data.path(f"graph/tu/{member}/raw"), member)
    nodes = node_features(found, attributes=True)
    columns = np.concatenate([found.edge_labels, found.edge_attributes], axis=1)
    graphs = GraphSet(
        node_counts=found.node_counts, nodes=nodes, edge_counts=found.edge_counts, edges=found.edges,
        edge_features=columns if columns.shape[1] else None, device=data.device,
    )  # fmt: skip
    signature = Signature(
        input=Graph(node_features=nodes.shape[1], edge_features=columns.shape[1]), output=Embedding(level="graphs")
    )
    return GraphProbe(graphs=graphs, classes=found.classes, signature=signature)


def probe(vectors: NDArray[np.float64], classes: NDArray[np.int64]) -> tuple[float, float]:
    """Accuracy of a linear support vector machine on vectors (G, D), averaged over 10 stratified folds: on the training
    parts (by inner 5-fold cross-validation, which chooses C) and on the held-out parts. Nothing is random."""
    from sklearn.model_selection import StratifiedKFold

    kernel = linear_kernel(vectors)
    inner, outer = [], []
    for train, test in StratifiedKFold(FOLDS, shuffle=True, random_state=SEED).split(classes, classes):
        parts = list(StratifiedKFold(INNER_FOLDS, shuffle=True, random_state=SEED).split(train, classes[train]))
        scores = [
            float(np.mean([_accuracy(kernel, classes, train[a], train[b], penalty) for a, b in parts]))
            for penalty in PENALTIES
        ]
        best = int(np.argmax(scores))  # the smallest C among equals
        inner.append(scores[best])
        outer.append(_accuracy(kernel, classes, train, test, PENALTIES[best]))
    return float(np.mean(inner)), float(np.mean(outer))


def linear_kernel(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Inner products (G, G) of the vectors, each column brought to mean 0 and variance 1 (one without variance to 0),
    over the number of columns: so that C means the same for every width. Uses no labels."""
    spread = vectors.std(axis=0)
    varied = spread > 1e-6 * np.abs(vectors).max(axis=0, initial=0.0)
    columns = (vectors[:, varied] - vectors[:, varied].mean(axis=0)) / spread[varied]
    return np.asarray(columns @ columns.T / vectors.shape[1])


def _accuracy(
    kernel: NDArray[np.float64], classes: NDArray[np.int64], train: NDArray[Any], test: NDArray[Any], penalty: float
) -> float:
    from sklearn.svm import SVC

    machine = SVC(C=penalty, kernel="precomputed").fit(kernel[np.ix_(train, train)], classes[train])
    return float((machine.predict(kernel[np.ix_(test, train)]) == classes[test]).mean())
