"""Exponential moving average of the weights, judged in place of the trained ones."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from dlbench import Learner, Regularizer, UsageError


class EMA(Regularizer):
    """After the first step the average is the weights; after each further one, decay * average + (1 - decay) * weights.

    The learner that is judged is a copy with the averaged parameters and the trained learner's newest buffers (batch
    norm's running statistics, counters). With `decay` 0.999 the average looks back over about a thousand steps: budgets
    that are not much longer need a smaller decay.
    """

    def __init__(self, *, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise UsageError(f"ema needs a decay of at least 0 and below 1, not {decay}")
        self._average_into = get_ema_multi_avg_fn(decay)
        self._copy: Learner | None = None
        self._pairs: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._stepped = False  # since buffers were copied last

    def after_step(self, learner: Learner) -> None:
        self._stepped = True
        if self._copy is None:
            self._start(learner)
        else:
            self._average_into(*self._pairs, None)

    def eval_learner(self, learner: Learner) -> Learner:
        """The averaged copy, in the mode (training or evaluation) of `learner`; `learner` itself before any step.

        Between two steps it stays as it is, so that a state loaded into it to be judged is not changed.
        """
        if self._copy is None:
            return learner
        if self._stepped:
            self._stepped = False
            with torch.no_grad():
                for mine, theirs in zip(self._copy.buffers(), learner.buffers(), strict=True):
                    mine.copy_(theirs)
        return self._copy.train(learner.training)

    def _start(self, learner: Learner) -> None:
        self._copy = copy_learner(learner).requires_grad_(False)
        pairs = list(zip(self._copy.parameters(), learner.parameters(), strict=True))
        trained = [(mine, theirs.detach()) for mine, theirs in pairs if theirs.requires_grad]
        self._pairs = ([mine for mine, _ in trained], [theirs for _, theirs in trained])


def copy_learner(learner: Learner) -> Learner:
    """A deep copy of the network. Whatever is no part of it but only lends it a method, as a task lends its loss, is
    shared and not copied with all its data."""
    shared: dict[int, Any] = {}
    for module in learner.modules():
        for value in vars(module).values():
            owner = getattr(value, "__self__", None)
            if callable(value) and owner is not None and not isinstance(owner, nn.Module):
                shared[id(owner)] = owner
    return deepcopy(learner, shared)
