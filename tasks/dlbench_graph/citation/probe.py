"""Node vectors learned without labels, judged by a linear probe.

Veličković, Fedus, Hamilton, Liò, Bengio & Hjelm 2019, "Deep Graph Infomax": a logistic regression from the frozen
vectors of the labelled nodes to their classes; its accuracy on other nodes says how good the vectors are.

Differs from it: the probe is fitted to its optimum with an L2 penalty fixed beforehand (C = 1, on the vectors as they
are, as PyTorch Geometric's example does), where the paper takes 100 steps of Adam and repeats that 50 times. So the
figure has no randomness of its own.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, Embedding, Graph, GraphBatch, Signature
from dlbench.data import Data
from dlbench.data.graphs import check_splits

from .arrays import to_indices
from .planetoid import read

INVERSE_PENALTY, MAX_ITERATIONS = 1.0, 1000


@dataclass(kw_only=True)
class NodeProbe:
    """Embed nodes. Every batch, of any split, is the whole graph without targets; `size` is its number of nodes.

    `judge` fits a probe on the training nodes and reports its `accuracy` on the split's. `labels` (N,) int64; `splits`:
    train, val and test as indices of nodes, all on one device. Raises BadGraph on splits that overlap.
    """

    graph: GraphBatch
    labels: Tensor
    splits: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        check_splits(self.splits, len(self.labels))
        self.signature = Signature(
            input=Graph(node_features=self.graph.nodes.shape[1], single=True), output=Embedding(level="nodes")
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> list[Batch]:
        """One batch; `batch_size` means nothing here."""
        if split not in self.splits:
            raise KeyError(split)
        return [Batch(inputs=self.graph, size=self.graph.nodes.shape[0])]

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """There is none: a model that learns without labels is a `Learner` with a loss of its own."""
        raise TypeError("a task of the kind embedding has no loss: its model must be a Learner that brings its own")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        (batch,) = self.batches(split, 1, None)
        vectors = learner.embed(batch)
        fitted, asked = self.splits["train"], self.splits[split]
        guesses = probe(vectors[fitted], self.labels[fitted], vectors[asked])
        if guesses is None:
            return {"accuracy": float("nan")}
        return {"accuracy": (guesses == self.labels[asked]).double().mean().item()}


def probe(vectors: Tensor, labels: Tensor, others: Tensor) -> Tensor | None:
    """The classes that a logistic regression, fitted on `vectors` (n, D) and `labels` (n,), gives to `others` (m, D):
    (m,) int64. None where a vector isn't finite. All are divided by one number, so that the unit of an embedding, which
    a penalty would feel, means nothing: the fitted ones get a mean squared length of 1."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    given, asked = (part.double().cpu().numpy() for part in (vectors, others))
    if not np.isfinite(given).all() or not np.isfinite(asked).all():
        return None
    scale = np.sqrt((given**2).sum(axis=1).mean()) or 1.0
    given, asked = given / scale, asked / scale
    model = LogisticRegression(C=INVERSE_PENALTY, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(given, labels.cpu().numpy())
    return torch.from_numpy(model.predict(asked)).to(labels.device)


def load_cora(data: Data, *, features: str) -> NodeProbe:
    """Cora with its public split; `features`: `csr` or `dense`."""
    found = read(data, "cora")
    return NodeProbe(
        graph=found.graph(features=features, device=data.device),
        labels=torch.from_numpy(found.labels).to(data.device),
        splits=to_indices(found.splits, data.device),
    )
