"""The proximal step of an L1 penalty, which makes weights exactly zero."""

from __future__ import annotations

import torch

from dlbench import Learner, Optimizers, Regularizer, Signature, UsageError


class ProximalL1(Regularizer):
    """After each step move every parameter towards zero by learning rate times `rate`, and no further than zero.

    Under plain gradient descent this is the iterative soft-thresholding of Daubechies, Defrise and De Mol (2004), whose
    fixed points minimize the loss plus `rate` times the sum of absolute values. Under other optimizers, whose steps
    have another scale than the learning rate's, the threshold is the same but the balance with the loss isn't. Acts on
    the same parameters as `l1`: all of them, biases and normalisation included. In a step that minimizes some parts
    only, the others are moved too.
    """

    def __init__(self, *, rate: float = 1e-4) -> None:
        if rate < 0:
            raise UsageError(f"proximal_l1 needs a rate of at least 0, not {rate}")
        self.rate = rate
        self._optimizers: Optimizers | None = None

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        self._optimizers = optimizers

    @torch.no_grad()
    def after_step(self, learner: Learner) -> None:
        assert self._optimizers is not None
        for parameters, lr in self._optimizers.rates():
            threshold = lr * self.rate
            inner = list(torch._foreach_clamp_max(parameters, threshold))
            torch._foreach_clamp_min_(inner, -threshold)
            torch._foreach_sub_(parameters, inner)  # x - x is exactly 0
