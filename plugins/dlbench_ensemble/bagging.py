"""Bagging: each member of an ensemble is trained on a bootstrap of the training examples.

Leo Breiman, 1996, "Bagging Predictors"; in the form for streams of examples of Nikunj Oza and Stuart Russell, 2001,
"Online Bagging and Boosting".

What differs: Breiman draws as many examples as there are, with replacement, for which a learner would have to know how
many there are. As Oza and Russell do, each example is in each member's set a number of times that is drawn from the
Poisson distribution of mean 1, which is what the drawing comes to for many examples: 1 - 1/e, 63.2 %, are in it. The
counts follow from a hash of the example's number and the member's salt, so that they are the same in every epoch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, NotApplicable, OutputKind

from .ensemble import Ensemble

MOST = 10
"""Copies of one example; more come with probability 1e-8."""
BELOW = [sum(math.exp(-1) / math.factorial(k) for k in range(count + 1)) for count in range(MOST)]
"""The probability of at most 0, 1, 2, ... copies."""


class Bagging(Ensemble):
    """An ensemble each of whose members sees its own bootstrap.

    A member's batch is filled up to the batch's size with copies of those examples that are in its set, in proportion
    to their counts, by systematic sampling from a random start: so shapes stay the same in every step. Batches must say
    which examples they hold (`Batch.index`). One that holds none of a member's examples is shown as it is; that is for
    one batch of B in e^B.
    """

    def __init__(self, members: Sequence[Learner], output: OutputKind) -> None:
        super().__init__(members, output)
        self.register_buffer("salts", torch.randint(2**62, (len(members),)))
        self.register_buffer("below", torch.tensor(BELOW, dtype=torch.float64))

    def counts(self, member: int, index: Tensor) -> Tensor:
        """How often each of these examples (N,) is in a member's set, int64 (N,)."""
        return (uniform(index + self.salts[member])[:, None] > self.below).sum(1)

    def seen_by(self, member: int, batch: Batch) -> Batch:
        if batch.index is None:
            raise NotApplicable(
                "bagging needs batches that say which training examples they hold: this task's don't, or a regularizer "
                "has made others of them"
            )
        chosen = systematic(self.counts(member, batch.index))
        return replace(
            batch,
            inputs=_rows(batch.inputs, chosen),
            targets=None if batch.targets is None else batch.targets.index_select(0, chosen),
            mask=None if batch.mask is None else batch.mask.index_select(0, chosen),
            index=batch.index.index_select(0, chosen),
        )


def systematic(counts: Tensor) -> Tensor:
    """As many places as there are `counts` (N,), int64 (N,) and ascending: each as often as its count over the mean
    count says, rounded up or down and right in expectation, so never where it is 0. Where all are 0, each once."""
    count = len(counts)
    ends = torch.where(counts.sum() > 0, counts, torch.ones_like(counts)).cumsum(0).double()  # (N,)
    start = torch.rand((), device=counts.device, dtype=torch.float64)
    marks = (torch.arange(count, device=counts.device) + start) * (ends[-1] / count)
    return torch.searchsorted(ends, marks, right=True).clamp_max(count - 1)


def uniform(numbers: Tensor) -> Tensor:
    """For each whole number (N,) one from 0 to below 1, float64, by the mixing function of Steele, Lea and Flood (2014,
    "Fast Splittable Pseudorandom Number Generators"): the same on every device."""
    z = numbers * -7046029254386353131  # the odd number next to 2^64 over the golden ratio, as a signed one
    z = (z ^ _shifted(z, 30)) * -4658895280553007687
    z = (z ^ _shifted(z, 27)) * -7723592293110705685
    return _shifted(z ^ _shifted(z, 31), 11).double() * 2.0**-53


def _shifted(z: Tensor, bits: int) -> Tensor:
    """To the right, with zeros coming in."""
    return z.bitwise_right_shift(bits) & ((1 << (64 - bits)) - 1)


def _rows(inputs: Any, chosen: Tensor) -> Any:
    """Some of the examples of a tensor, or of a tuple of tensors with one row for each example."""
    if isinstance(inputs, Tensor):
        return inputs.index_select(0, chosen)
    parts = [None if part is None else part.index_select(0, chosen) for part in inputs]
    return type(inputs)(*parts) if hasattr(inputs, "_fields") else type(inputs)(parts)
