"""Logistic regression on the words of and between two marked nominals: the usual floor of relation classification."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers, SyntaxBatch

PARTS = 3  # the first nominal, what lies between, the second
STEPS = 200


class MarkedWords(Learner):
    """How often each word stands in each of the three parts, to logits (B, num_classes).

    It collects one pass over the training split, and fits scikit-learn's `LogisticRegression` on it, of inverse
    regularization `c`, when it is first asked. There is no gradient step and there are no parameters; the loss is 0.
    """

    def __init__(self, *, vocab: int, num_classes: int, c: float = 1.0) -> None:
        super().__init__()
        self.vocab, self.num_classes, self.c = vocab, num_classes, c
        self.features: list[Tensor] = []  # (P, 2): an example of the batch and a feature, per batch
        self.targets: list[Tensor] = []
        self._solution: tuple[Tensor, Tensor] | None = None

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        self.features.append(self._features(batch.inputs).cpu())
        self.targets.append(batch.targets.cpu())
        self._solution = None
        return batch.targets.new_zeros((), dtype=torch.float32)

    def predict(self, inputs: SyntaxBatch) -> Tensor:
        """Logits (B, num_classes)."""
        if self._solution is None:
            self._solution = self.solve()
        weights, biases = (part.to(inputs.ids.device) for part in self._solution)
        rows, features = self._features(inputs).unbind(1)
        logits = biases.expand(len(inputs.ids), -1).clone()
        return logits.index_add(0, rows, weights.index_select(0, features))

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weights (3 vocab, num_classes) and biases (num_classes,), float32; zeros where nothing was seen, and a bias
        that rules out what training lacks."""
        weights = torch.zeros(PARTS * self.vocab, self.num_classes)
        biases = torch.zeros(self.num_classes)
        targets = torch.cat(self.targets) if self.targets else torch.zeros(0, dtype=torch.int64)
        seen = targets.unique()
        if len(seen) < 2:
            return weights, biases.index_fill(0, seen, 1.0)
        model = self._fitted(targets.numpy())
        of_classes = torch.from_numpy(model.coef_).float()  # one row where there are two classes
        own = torch.from_numpy(model.intercept_).float()
        if len(seen) == 2:
            of_classes, own = torch.cat([-of_classes, of_classes]) / 2, torch.cat([-own, own]) / 2
        weights[:, seen] = of_classes.T
        biases.fill_(own.min().item() - 1e3)[seen] = own
        return weights, biases

    def _fitted(self, targets: Any) -> Any:
        import numpy as np
        from scipy.sparse import csr_matrix
        from sklearn.linear_model import LogisticRegression

        sizes = [len(part) for part in self.targets]
        starts = np.repeat(np.cumsum([0, *sizes[:-1]]), [len(part) for part in self.features])
        rows, features = torch.cat(self.features).numpy().T
        shape = (len(targets), PARTS * self.vocab)
        counts = csr_matrix((np.ones(len(rows)), (rows + starts, features)), shape=shape)
        return LogisticRegression(C=self.c, max_iter=STEPS).fit(counts, targets)

    def _features(self, inputs: SyntaxBatch) -> Tensor:
        """(P, 2): a sentence of the batch and the number of a feature, for each word of the three parts."""
        assert inputs.marks is not None
        marks = inputs.marks
        seen = (marks > 0).long().cumsum(1)
        begun = (seen > 0) & (marks == 0)
        ended = seen == seen[:, -1:]
        part = torch.where(marks > 0, (marks - 1) * 2, torch.where(begun & ~ended, 1, -1))  # 0, 1, 2, or -1: outside
        rows, places = (part >= 0).nonzero(as_tuple=True)
        return torch.stack([rows, part[rows, places] * self.vocab + inputs.ids[rows, places]], 1)

    def get_extra_state(self) -> Tensor:
        """A row (P + examples, 3) for each feature, and for each example its class: batch, example, feature or, below
        0, the class."""
        rows = []
        for number, (features, targets) in enumerate(zip(self.features, self.targets, strict=True)):
            own = torch.stack([torch.arange(len(targets)), -1 - targets], 1)
            both = torch.cat([features, own])
            rows.append(torch.cat([torch.full((len(both), 1), number), both], 1))
        return torch.cat(rows) if rows else torch.zeros(0, 3, dtype=torch.int64)

    def set_extra_state(self, state: Tensor) -> None:
        state = state.cpu()
        sizes = torch.bincount(state[:, 0]).tolist()
        parts = [part[:, 1:] for part in state.split(sizes)] if len(state) else []
        self.features = [part[part[:, 1] >= 0] for part in parts]
        self.targets = [-1 - part[part[:, 1] < 0][:, 1] for part in parts]
        self._solution = None
