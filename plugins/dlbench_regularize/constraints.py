"""Bounds: on the norm of what comes into a unit, and on each entry of a gradient."""

from __future__ import annotations

import torch
from torch import nn

from dlbench import Learner, NotApplicable, Optimizers, Regularizer, Signature, UsageError

from .layers import weights_of


class MaxNorm(Regularizer):
    """After each step, scale down the weights that come into a unit (a row of a linear or recurrent layer, a filter of
    a convolution) wherever their norm is above `limit`.

    Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov (2014), "Dropout: A Simple Way to Prevent Neural
    Networks from Overfitting", section 5.1, where limits are 3 to 4. Biases, norms and embeddings are left alone.
    """

    def __init__(self, *, limit: float = 3.0) -> None:
        if limit <= 0:
            raise UsageError(f"max_norm needs a limit above 0, not {limit}")
        self.limit = limit
        self._weights: list[tuple[nn.Parameter, int]] = []

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        self._weights = [(w.parameter, w.unit) for w in weights_of(learner) if w.parameter.requires_grad]
        if not self._weights:
            raise NotApplicable("max_norm needs linear, convolutional or recurrent layers, and this model has none")

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        for weight, unit in self._weights:
            rest = [d for d in range(weight.dim()) if d != unit]
            norms = torch.linalg.vector_norm(weight, dim=rest, keepdim=True)
            weight.mul_(self.limit / norms.clamp_min(self.limit))  # exactly 1 within the limit


class ClipValue(Regularizer):
    """Bound each entry of every gradient to `limit` either way. The recipe's `clip`, which bounds the norm, comes after
    it."""

    def __init__(self, *, limit: float = 1.0) -> None:
        if limit <= 0:
            raise UsageError(f"clip_value needs a limit above 0, not {limit}")
        self.limit = limit

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        nn.utils.clip_grad_value_(parameters, self.limit)
