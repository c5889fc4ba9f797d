"""Ridge classifier: linear regression on the classes, its weights kept small (Hoerl and Kennard 1970, "Ridge
Regression: Biased Estimation for Nonorthogonal Problems").

A class's target is 1 for its own examples and -1 for others, and the largest answer wins, as in scikit-learn's
`RidgeClassifier`. The training set isn't kept: its moments, which are summed up over one pass, are all that the
solution needs.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers

from .rows import as_rows


class Ridge(Learner):
    """Vectors, images or series, as rows of `features` numbers, to scores (B, num_classes) between about -1 and 1.

    It minimizes the sum of squared errors plus `alpha` times the sum of squared weights, biases left out. `frames`: the
    steps that a series is resized to. It has no parameters and no loss.
    """

    def __init__(self, *, features: int, num_classes: int, alpha: float = 100.0, frames: int = 24) -> None:
        super().__init__()
        self.alpha, self.frames = alpha, frames
        size = features + num_classes
        # Of examples and targets side by side: how many, their sum, and the sum of their products.
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("total", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("products", torch.zeros(size, features, dtype=torch.float64))
        self._solution: tuple[Tensor, Tensor] | None = None
        self.register_load_state_dict_post_hook(_forget)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        with torch.no_grad():
            rows = as_rows(batch.inputs, self.frames).double()  # (B, features)
            num_classes = len(self.total) - rows.shape[1]
            targets = 2 * torch.nn.functional.one_hot(batch.targets, num_classes).double() - 1
            both = torch.cat([rows, targets], dim=1)
            self.count += len(rows)
            self.total += both.sum(dim=0)
            self.products += both.T @ rows
            _forget(self)
            return rows.new_zeros(())

    def predict(self, inputs: Any) -> Tensor:
        """Scores (B, num_classes)."""
        if self._solution is None:
            self._solution = self.solve()
        weights, biases = self._solution
        return (as_rows(inputs, self.frames).double() @ weights + biases).float()

    def solve(self) -> tuple[Tensor, Tensor]:
        """Weights (features, num_classes) and biases (num_classes,), float64; zeros where nothing was seen."""
        features = self.products.shape[1]
        mean = self.total / self.count.clamp(min=1)
        centred = self.products - self.count * mean[:, None] * mean[:features]
        penalty = self.alpha * torch.eye(features, dtype=centred.dtype, device=centred.device)
        weights = torch.linalg.solve(centred[:features] + penalty, centred[features:].T)
        return weights, mean[features:] - mean[:features] @ weights


def _forget(learner: Any, *_: Any) -> None:
    """What was solved before holds no longer."""
    learner._solution = None
