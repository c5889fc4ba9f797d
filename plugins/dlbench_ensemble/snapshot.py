"""Snapshot ensembles: copies of one network at the ends of the cycles of its learning rate, whose mean is judged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlbench import Learner, NotApplicable, Optimizers, OutputKind, Progress, Regularizer, Signature, UsageError
from dlbench_regularize.ema import copy_learner

from .mean import can_be_averaged, mean_of


class Snapshot(Regularizer):
    """Keep a copy of the learner at the end of each of `cycles` equal parts of the budget, and judge the mean of the
    answers of those taken so far; before the first, the learner as it is.

    Huang, Li, Pleiss, Liu, Hopcroft and Weinberger (2017), "Snapshot Ensembles: Train 1, Get M for Free". It goes with
    the schedule `cyclic_cosine` of as many cycles. Memory is held for all copies from the start, and the parameters of
    a record are those of all of them.
    """

    def __init__(self, *, cycles: int = 5) -> None:
        if cycles < 1:
            raise UsageError(f"snapshot needs at least one cycle, not {cycles}")
        self.cycles = cycles
        self._progress = Progress()
        self._judged: Snapshots | None = None
        self._stepped = False  # since the weights were copied last

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        if not can_be_averaged(signature.output):
            raise NotApplicable(f"snapshot averages classes and numbers, not {signature.output}")
        self._progress = optimizers.progress
        self._judged = Snapshots([copy_learner(learner) for _ in range(self.cycles)], signature.output)
        self._judged.requires_grad_(False)

    def after_step(self, learner: Learner) -> None:
        assert self._judged is not None
        self._stepped = True
        step, share, taken = self._progress.step, self._progress.share, self._judged.taken
        if not step or not share or taken == self.cycles:
            return
        steps = step / share  # in the whole budget, at the pace so far
        if (step + 1.5) * self.cycles >= (taken + 1) * steps:  # no later step comes nearer to the cycle's end
            self._judged.take(learner)

    def eval_learner(self, learner: Learner) -> Learner:
        """The snapshots together, in the mode of `learner`. Between two steps they stay as they are, so that a state
        loaded into them to be judged is not changed."""
        assert self._judged is not None
        if self._stepped and not self._judged.taken:
            self._judged.show(learner)
        self._stepped = False
        return self._judged.train(learner.training)


class Snapshots(Learner):
    """Copies of a learner, of which the first `taken` count: their mean answers. While none is taken, the first one."""

    def __init__(self, copies: Sequence[Learner], output: OutputKind) -> None:
        super().__init__()
        self.copies = nn.ModuleList(copies)
        self.output = output
        self.taken = 0

    @property
    def members(self) -> list[nn.Module]:
        return list(self.copies)[: max(1, self.taken)]

    def predict(self, *inputs: Any) -> Tensor:
        return mean_of([member.predict(*inputs) for member in self.members], self.output)

    def show(self, learner: Learner) -> None:
        """The learner's weights and statistics in the place of the next copy, which isn't taken by that."""
        with torch.no_grad():
            for mine, theirs in (
                (self.copies[self.taken].parameters(), learner.parameters()),
                (self.copies[self.taken].buffers(), learner.buffers()),
            ):
                for one, other in zip(mine, theirs, strict=True):
                    one.copy_(other)

    def take(self, learner: Learner) -> None:
        self.show(learner)
        self.taken += 1

    def get_extra_state(self) -> int:
        return self.taken

    def set_extra_state(self, state: int) -> None:
        self.taken = state
