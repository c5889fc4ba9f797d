"""Stochastic weight averaging: the mean of the weights over the last part of training, judged in their place."""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Learner, Optimizers, Progress, Regularizer, Signature, UsageError

from .ema import copy_learner


class SWA(Regularizer):
    """From the step on at which `share` of the budget is spent, the mean of the weights after each step; before it, the
    weights themselves.

    Izmailov, Podoprikhin, Garipov, Vetrov and Wilson (2018), "Averaging Weights Leads to Wider Optima and Better
    Generalization". What differs: they average once an epoch, and compute batch norm's statistics anew by a pass over
    the training data with the averaged weights. Here the running statistics are averaged like the weights, over the
    same steps; counters are the newest. The mean over a constant or a cyclical rate gains; over one that has gone down
    there is little left to average.
    """

    def __init__(self, *, share: float = 0.75) -> None:
        if not 0 <= share < 1:
            raise UsageError(f"swa needs a share of at least 0 and below 1, not {share}")
        self.share = share
        self._progress = Progress()
        self._copy: Learner | None = None
        self._count = 0
        self._mine: list[Tensor] = []
        self._theirs: list[Tensor] = []
        self._stepped = False  # since counters were copied last

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        self._progress = optimizers.progress

    def after_step(self, learner: Learner) -> None:
        if self._progress.share < self.share:
            return
        self._count += 1
        self._stepped = True
        if self._copy is None:
            self._begin(learner)
            return
        with torch.no_grad():
            torch._foreach_lerp_(self._mine, self._theirs, 1 / self._count)

    def eval_learner(self, learner: Learner) -> Learner:
        """The averaged copy, in the mode (training or evaluation) of `learner`; `learner` itself before averaging.
        Between two steps it stays as it is, so that a state loaded into it to be judged is not changed."""
        if self._copy is None:
            return learner
        if self._stepped:
            self._stepped = False
            with torch.no_grad():
                for mine, theirs in zip(self._copy.buffers(), learner.buffers(), strict=True):
                    if not theirs.is_floating_point():
                        mine.copy_(theirs)
        return self._copy.train(learner.training)

    def _begin(self, learner: Learner) -> None:
        self._copy = copy_learner(learner).requires_grad_(False)
        pairs = [*zip(self._copy.parameters(), learner.parameters(), strict=True)]
        pairs = [(mine, theirs) for mine, theirs in pairs if theirs.requires_grad]
        moving = [*pairs, *zip(self._copy.buffers(), learner.buffers(), strict=True)]
        moving = [(mine, theirs) for mine, theirs in moving if theirs.is_floating_point()]
        self._mine, self._theirs = [mine for mine, _ in moving], [theirs.detach() for _, theirs in moving]
