"""Judging: what a task may call on a learner, and the checks on what comes back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from .decoding import generate
from .errors import Diverged
from .execution import Execution
from .kinds import Signature
from .learner import Batch, Carry, Learner, Task, map_tensors


class WrongShape(ValueError):
    """A verb returned another shape than the output kind asks for."""


class Evaluator:
    """The verbs of the output kind and nothing else; one lives for one pass over a split. `judged` counts the examples
    that were predicted: the rows of the targets, and no more than the batches say that they hold."""

    def __init__(self, learner: Learner, signature: Signature, execution: Execution) -> None:
        self._learner, self._signature, self._execution = learner, signature, execution
        self._carry = Carry()
        self.judged = 0

    def predict(self, batch: Batch) -> Any:
        """The outputs for a batch, in float32, of the shape that the output kind asks for."""
        with self._execution.autocast():
            outputs = self._carry(self._verb("predict"), batch)
        self._carry.commit()
        outputs = map_tensors(outputs, _as_float32)
        self.check_shape(outputs, batch)
        self.judged += 0 if batch.targets is None else min(batch.size, len(batch.targets))
        return outputs

    def embed(self, batch: Batch) -> Any:
        """A vector for each node or graph of a batch (rows, D), in float32."""
        with self._execution.autocast():
            vectors = map_tensors(self._verb("embed")(batch.inputs), _as_float32)
        rows = self._signature.output.rows(batch.inputs)  # type: ignore[attr-defined]
        if not isinstance(vectors, Tensor) or vectors.dim() != 2 or len(vectors) != rows:
            got = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise WrongShape(f"embed returned {got}, but {self._signature.output} needs ({rows}, D) for this batch")
        return vectors

    def generate(
        self, batch: Batch, *, beam: int = 1, length_penalty: float = 1.0, max_length: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the model writes for each input of a batch: ids (B, L) and lengths (B,); see `dlbench.decoding`."""
        self._allow("generate")
        options = {"beam": beam, "length_penalty": length_penalty, "max_length": max_length}
        with self._execution.autocast():
            return generate(self._learner, batch.inputs, self._signature.output, **options)  # type: ignore[arg-type]

    def sample(self, count: int, generator: torch.Generator) -> Any:
        """`count` new examples, in float32."""
        with self._execution.autocast():
            samples = self._verb("sample")(count, generator)
        return map_tensors(samples, _as_float32)

    def __getattr__(self, name: str) -> Any:
        """Another verb, as a kind from a plugin may have it: also under autocast, also with float32 results."""
        verb = self._verb(name)

        def call(*inputs: Any, **options: Any) -> Any:
            with self._execution.autocast():
                outputs = verb(*inputs, **options)
            return map_tensors(outputs, _as_float32)

        return call

    def check_shape(self, outputs: Any, batch: Batch) -> None:
        """Raise WrongShape unless the outputs have the shape that the output kind asks for."""
        expected = self._signature.output.shape(batch.inputs)
        if expected is None:
            return
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        if got != expected:
            raise WrongShape(f"predict returned {got}, but {self._signature.output} needs {expected} for this batch")

    def _allow(self, name: str) -> None:
        if name not in self._signature.output.verbs:
            verbs = ", ".join(self._signature.output.verbs)
            raise AttributeError(f"a task on {self._signature.output} may call {verbs}, not {name}")

    def _verb(self, name: str) -> Any:
        self._allow(name)
        verb = getattr(self._learner, name, None)
        if not callable(verb):
            raise TypeError(f"the model has no {name}(), which {self._signature.output} asks for")
        return verb


def judge(learner: Learner, task: Task, split: str, execution: Execution) -> dict[str, float]:
    """A task's metrics of a learner over a split, in evaluation mode; raises Diverged where one isn't finite."""
    return judge_and_count(learner, task, split, execution)[0]


def judge_and_count(learner: Learner, task: Task, split: str, execution: Execution) -> tuple[dict[str, float], int]:
    """The same, and how many examples were predicted for it; 0 where the task asks for something else."""
    evaluator = Evaluator(learner, task.signature, execution)
    with _evaluation(learner):
        metrics = task.judge(evaluator, split)
    for name, value in metrics.items():
        if not math.isfinite(value):
            raise Diverged(f"{name} on {split} is {value}")
    return {name: float(value) for name, value in metrics.items()}, evaluator.judged


def samples(learner: Learner, task: Task, execution: Execution) -> list[str]:
    """The texts that a task wants its record to keep; most want none."""
    take = getattr(task, "samples", None)
    if not callable(take):
        return []
    with _evaluation(learner):
        return [str(text) for text in take(Evaluator(learner, task.signature, execution))]


@contextmanager
def _evaluation(learner: Learner) -> Iterator[None]:
    was_training = learner.training
    learner.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        learner.train(was_training)


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
