"""Small linear regressions whose penalized solution has a closed form.

The loss that is trained is half the mean squared error. The penalty is the recipe's business: a regularizer, or a
weight decay. Judged is the whole: 1/2 mean (X w - y)^2 plus strength / 2 |w|^2 (ridge) or strength |w|_1 (lasso).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, Objective, Signature, UsageError, Vector

from .searching import Draws

EXAMPLES, FEATURES, SEED = 64, 16, 21
ZERO = 8
"""So many of the weights that the examples were made with are zero."""


@dataclass(frozen=True)
class Problem:
    """Rows X (N, D), answers y (N,), the solution w (D,), and the penalty of weights, in float64."""

    rows: np.ndarray
    answers: np.ndarray
    solution: np.ndarray
    penalty: Callable[[np.ndarray], float]

    @property
    def from_zero(self) -> float:
        """How far the solution is from where the search begins."""
        return float(np.linalg.norm(self.solution))

    def objective(self, weights: np.ndarray) -> float:
        """What the solution makes least."""
        return float(0.5 * np.mean((self.rows @ weights - self.answers) ** 2) + self.penalty(weights))


@cache
def ridge(strength: float) -> Problem:
    """Curvatures from 1/30 to 1; (X'X / N + strength I) w = X'y / N (Hoerl and Kennard, 1970)."""
    _check("ridge", strength)
    rows, answers = _drawn(np.geomspace(1 / 30, 1, FEATURES))
    moments = rows.T @ rows / EXAMPLES + strength * np.eye(FEATURES)
    solution = np.linalg.solve(moments, rows.T @ answers / EXAMPLES)
    return Problem(rows, answers, solution, lambda w: 0.5 * strength * float(np.sum(w**2)))


@cache
def lasso(strength: float) -> Problem:
    """Orthogonal columns, X'X / N = I, where the solution is the soft threshold of X'y / N (Tibshirani, 1996)."""
    _check("lasso", strength)
    rows, answers = _drawn(np.ones(FEATURES))
    plain = rows.T @ answers / EXAMPLES
    solution = np.sign(plain) * np.maximum(np.abs(plain) - strength, 0.0)
    return Problem(rows, answers, solution, lambda w: strength * float(np.sum(np.abs(w))))


class Regression:
    """A problem as a task whose model is the point of its weights. `distance`: to the solution; `gap`: of the penalized
    objective; `zeros`: how many weights are exactly 0."""

    def __init__(self, problem: Problem, *, device: str) -> None:
        self.problem, self.device = problem, device
        self._rows = torch.tensor(problem.rows, dtype=torch.float32, device=device)
        self._answers = torch.tensor(problem.answers, dtype=torch.float32, device=device)
        self.signature = Signature(input=Vector(features=FEATURES), output=Objective(start=(0.0,) * FEATURES))

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Draws:
        """There is no noise: every step sees all examples."""
        return Draws(FEATURES, 1, None, noise=0.0, device=self.device, count=1)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return 0.5 * (self._rows @ outputs - self._answers).square().mean()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        (batch,) = self.batches(split, 1, None)
        weights = learner.predict(batch).double().cpu().numpy()
        problem = self.problem
        gap = problem.objective(weights) - problem.objective(problem.solution)
        return {
            "distance": float(np.linalg.norm(weights - problem.solution)),
            "gap": max(0.0, gap) if gap == gap else gap,
            "zeros": float(np.sum(weights == 0)),
        }


def _drawn(curvature: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose X'X / N has these eigenvalues, on random axes where they differ, and answers with noise."""
    generator = np.random.default_rng(SEED)
    left = np.linalg.qr(generator.standard_normal((EXAMPLES, FEATURES)))[0]
    axes = np.linalg.qr(generator.standard_normal((FEATURES, FEATURES)))[0]
    rows = np.sqrt(EXAMPLES) * (left * np.sqrt(curvature)) @ axes.T
    true = np.concatenate([np.linspace(-2, 2, FEATURES - ZERO), np.zeros(ZERO)])
    return rows, rows @ true + 0.5 * generator.standard_normal(EXAMPLES)


def _check(name: str, strength: float) -> None:
    if strength < 0:
        raise UsageError(f"{name} needs a strength of at least 0, not {strength}")
