"""A training step as a CUDA graph: recorded once, and replayed for every batch of the shape that the first one has. Any
other batch takes the step as always.

A graph repeats what the device was asked to do, with the numbers and at the places in memory of that time. So batches
are copied to where it reads, learning rates are tensors that are changed in place, what else it reads is kept alive,
and what a step does in Python, which a graph leaves out, is looked for before: see `watch`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ..contract.guard import strided
from ..contract.learner import Batch, Learner, Regularizer, overrides
from ..contract.optimizers import PartOptimizers
from ..errors import NotApplicable
from .execution import Execution
from .watch import Watch

Compute = Callable[[Batch], Tensor]
WARM = 3
"""Steps on batches of one shape that are taken as always: the first works on a copy, the second makes what is made once
for a batch that comes again, and the third is watched."""
PATIENCE = 50
"""Steps after which batches that differ from the first one are taken for batches that all differ."""


class Graph:
    """What a device was asked to do while a function ran. Nothing is done meanwhile but by `replay`."""

    def __init__(self) -> None:
        self._graph = torch.cuda.CUDAGraph()

    def record(self, function: Callable[[], None]) -> None:
        """Raises what `function` raises: ending a recording that failed raises as well."""
        failed: list[Exception] = []
        try:
            with torch.cuda.graph(self._graph, stream=torch.cuda.current_stream()):
                try:
                    function()
                except Exception as error:
                    failed.append(error)
                    raise
        except Exception as error:
            raise (failed or [error])[0] from None

    def replay(self) -> None:
        self._graph.replay()


class StepGraph:
    """Takes the steps of one learner, by its graph where that can be. Raises NotApplicable where it never can."""

    def __init__(
        self, learner: Learner, optimizers: PartOptimizers, regularizers: list[Regularizer], execution: Execution
    ) -> None:
        for act in overrides(regularizers, "on_gradients"):
            name = type(act.__self__).__name__
            raise NotApplicable(f"{name} changes gradients in Python, which a CUDA graph would do once")
        self._optimizers, self._execution = optimizers, execution
        self._watch = Watch(learner, regularizers, optimizers)
        self._steps, self._alike = 0, 0
        self._last: Taken | None = None
        self._recorded: Recorded | None = None

    def __call__(self, compute: Compute, batch: Batch) -> Tensor:
        """The loss of a batch before the step, in memory that the next step writes to."""
        taken = Taken(batch, self._execution.is_cuda)
        self._steps += 1
        if self._recorded is not None:
            if not self._recorded.fits(taken):
                return compute(batch)
            self._execution.replayed += 1
            return self._recorded(taken)
        if self._last is not None and taken.form != self._last.form:
            if self._steps > PATIENCE:
                raise NotApplicable("its batches differ in shape or size, and a CUDA graph repeats one of them")
            return compute(batch)
        last, self._last = self._last, taken
        self._alike += 1
        if self._alike < WARM or last is None:
            return compute(batch)
        if self._alike == WARM:
            with self._watch:
                return compute(batch)
        self._watch.check()
        self._recorded = Recorded(compute, taken, last)
        self._execution.captured += 1
        self._execution.replayed += 1
        return self._recorded.replay()


class Recorded:
    """A step that was recorded on a batch. Of that batch's inputs those that the one before it held too, as those of
    one whole graph, are read where they lie; all others are copied to where the graph reads them."""

    def __init__(self, compute: Compute, taken: Taken, before: Taken) -> None:
        self.form = taken.form
        pairs = zip(taken.inputs, before.inputs, strict=True)
        self._same = [place for place, (one, other) in enumerate(pairs) if one is other]
        same = {id(taken.tensors[place]) for place in self._same}
        memo: dict[int, Any] = {id(t): t if id(t) in same else t.detach().clone() for t in taken.tensors}
        self._held = [memo[id(tensor)] for tensor in taken.tensors]
        batch = copy.deepcopy(taken.batch, memo)
        self._moved = [place for place in range(len(self._held)) if place not in self._same]
        self._targets = [part for place in self._moved for part in strided(self._held[place])]
        self._graph, self._alive, losses = Graph(), Alive(), list[Tensor]()

        def step() -> None:
            with self._alive:
                losses.append(compute(batch))

        try:
            self._graph.record(step)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            said = str(error).strip().partition("\n")[0]
            raise NotApplicable(f"its step can't be recorded as a CUDA graph: {said}") from error
        self._loss = losses[0]

    def fits(self, taken: Taken) -> bool:
        """Whether the graph is of batches like this one."""
        return taken.form == self.form and all(taken.tensors[place] is self._held[place] for place in self._same)

    def __call__(self, taken: Taken) -> Tensor:
        """A step on this batch."""
        if self._targets:
            sources = [part for place in self._moved for part in strided(taken.tensors[place])]
            torch._foreach_copy_(self._targets, sources)
        return self.replay()

    def replay(self) -> Tensor:
        """A step on what lies where the graph reads."""
        self._graph.replay()
        return self._loss


class Taken:
    """A batch taken apart: its tensors, those of its inputs first, and its `form`, which is all else that a step may
    read of it in Python."""

    def __init__(self, batch: Batch, on_cuda: bool = False) -> None:
        self.batch, self._on_cuda = batch, on_cuda
        self.tensors: list[Tensor] = []
        self.form: list[Any] = []
        self._take(batch.inputs)
        self.inputs = self.tensors[:]
        self._take((batch.targets, batch.mask, batch.index, batch.size))
        if batch.continues is not None:
            raise NotApplicable("it carries its state from batch to batch in Python, where a CUDA graph can't find it")

    def _take(self, value: Any) -> None:
        if isinstance(value, Tensor):
            self.tensors.append(value)
            self.form.append((value.dtype, value.layout, *(part.shape for part in (value, *strided(value)))))
            if self._on_cuda and value.device.type == "cpu":  # numbers that Python can read, as lengths for packing are
                self.form.append(value.tolist())
        elif isinstance(value, (tuple, list)):
            self.form.append((type(value), len(value)))
            for item in value:
                self._take(item)
        elif isinstance(value, dict):
            self.form.append(tuple(value))
            self._take([*value.values()])
        elif is_dataclass(value) and not isinstance(value, type):
            self.form.append(type(value))
            self._take([getattr(value, field.name) for field in fields(value)])
        elif hasattr(value, "__dict__") and not callable(value):  # such as PyTorch Geometric's Data
            self.form.append(type(value))
            self._take(vars(value))
        else:
            self.form.append(value.tolist() if isinstance(value, np.ndarray) else value)


class Alive(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Holds every tensor that operators read and that none of them made: a graph reads there again and again, whoever
    else has let go of it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._read: dict[int, Tensor] = {}
        self._made: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for key, tensor in _memory((args, kwargs)):
            if key not in self._made:
                self._read.setdefault(key, tensor)
        result = func(*args, **(kwargs or {}))
        self._made.update(key for key, _ in _memory(result))
        return result


def _memory(values: Any) -> Iterable[tuple[int, Tensor]]:
    """Every tensor in arguments or results, and where it lies."""
    for leaf in tree_leaves(values):
        if isinstance(leaf, Tensor):
            for part in strided(leaf):
                yield part.untyped_storage().data_ptr(), part
