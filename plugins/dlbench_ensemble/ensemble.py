"""Several networks of one architecture, each trained by itself, whose mean answers.

Lars Kai Hansen and Peter Salamon, 1990, "Neural Network Ensembles". The squared error of the mean is the mean squared
error less the spread of the members around it: Anders Krogh and Jesper Vedelsby, 1995, "Neural Network Ensembles, Cross
Validation, and Active Learning".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, NotApplicable, Optimizers, OutputKind, Progress

from .mean import mean_of


class Ensemble(Learner):
    """The mean of its `members`, of their probabilities where classes are asked for.

    All see the same batches in the same order and differ in their first weights and in what they draw. Each takes its
    own step in every step of the whole, by optimizers of its own, so that it becomes what it would have become alone,
    with its own clipping, schedule and penalties; parameters, time and memory are those of all together. The loss of a
    step is the mean of theirs.
    """

    def __init__(self, members: Sequence[Learner], output: OutputKind) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.output = output
        self._looked = False

    def predict(self, *inputs: Any) -> Tensor:
        return mean_of([member.predict(*inputs) for member in self.members], self.output)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """`0/all`, `1/all`, ...: the parts of each member."""
        return {
            f"{i}/{name}": parameters
            for i, member in enumerate(self.members)
            for name, parameters in member.parts().items()
        }

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        before = None if self._looked else _versions(batch.inputs)
        losses = []
        for i, member in enumerate(self.members):
            losses.append(member.train_step(self.seen_by(i, batch), Below(optimizers, str(i), member)))
            if before is not None:
                _refuse_changes(before, batch)
                before, self._looked = None, True
        return torch.stack(losses).mean()

    def seen_by(self, member: int, batch: Batch) -> Batch:
        """What one member gets to see of a batch."""
        return batch


class Below:
    """The optimizers of one member: `part` is one of its own parts, None all of them."""

    def __init__(self, optimizers: Optimizers, path: str, member: Learner) -> None:
        self._optimizers, self._path, self._member = optimizers, path, member

    @property
    def progress(self) -> Progress:
        return self._optimizers.progress

    def rates(self) -> Iterator[tuple[list[nn.Parameter], float]]:
        own = {id(p) for p in self._member.parameters()}
        return ((group, lr) for group, lr in self._optimizers.rates() if id(group[0]) in own)

    def minimize(self, loss: Tensor | Callable[[], Tensor], part: str | None = None) -> Tensor:
        return self._optimizers.minimize(loss, self._path if part is None else f"{self._path}/{part}")


def _versions(inputs: Any) -> list[int]:
    parts = inputs if isinstance(inputs, tuple) else (inputs,)
    return [part._version for part in parts if isinstance(part, Tensor)]


def _refuse_changes(before: list[int], batch: Batch) -> None:
    if _versions(batch.inputs) != before:
        raise NotApplicable(
            "needs a model that leaves its inputs as they are: this one changes what the next would see"
        )
