"""Gaussian noise on gradients, with a variance that falls over the steps."""

from __future__ import annotations

import torch
from torch import nn

from dlbench import Regularizer, UsageError


class GradientNoise(Regularizer):
    """Add normal noise with variance sd^2 / (1 + t)^decay to every gradient at step t = 0, 1, ...

    The paper's eta is sd^2 (it tries 0.01, 0.3 and 1) and its decay is 0.55; 0 keeps the variance. Steps are counted
    for each part of the learner by itself. The noise comes from torch's global generator, which the cell's seed sets.
    """

    def __init__(self, *, sd: float = 0.1, decay: float = 0.55) -> None:
        if sd < 0 or decay < 0:
            raise UsageError("gradient_noise needs sd and decay of at least 0")
        self.sd, self.decay = sd, decay
        self._steps: dict[int, int] = {}

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        part = id(parameters[0])
        t = self._steps.get(part, 0)
        self._steps[part] = t + 1
        sd = self.sd * (1 + t) ** (-0.5 * self.decay)
        for p in parameters:
            if p.grad is not None:
                p.grad.add_(torch.randn_like(p.grad), alpha=sd)
