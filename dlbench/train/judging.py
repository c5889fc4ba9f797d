"""Judging: what a task may call on a learner, and the checks on what comes back."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.guard import Guard
from ..contract.kinds import Signature
from ..contract.learner import Batch, Carry, Learner, Supervised, Task, check_outputs, map_tensors
from ..contract.specs import Metric
from ..contract.values import batch_size_of
from ..data.batches import joined
from ..decoding import generate
from ..errors import ContractError, Diverged, WrongShape
from .execution import Execution

_ROUNDING = 1e-6
SAMPLE_BATCH = 500
"""The most examples that a model draws at a time: what they need is bounded whatever a task asks for."""


class Evaluator:
    """The verbs of the output kind and nothing else; one lives for one pass over a split. `judged` counts the examples
    that were predicted: the rows of the targets, and no more than the batches say that they hold."""

    def __init__(
        self, learner: Learner, signature: Signature, execution: Execution, guard: Guard | None = None
    ) -> None:
        """`guard`: what is known of the learner from earlier passes."""
        self._learner, self._signature, self._execution = learner, signature, execution
        self._carry = Carry()
        self._carry.copies = execution.reuses_outputs
        self.judged = 0
        self._guard = guard or Guard()

    def predict(self, batch: Batch) -> Any:
        """The outputs for a batch, in float32, of the shape that the output kind asks for."""
        verb = self._verb("predict")
        with self._execution.autocast():
            outputs = self._guard(lambda given: self._carry(verb, given), batch)
        self._carry.commit()
        outputs = map_tensors(outputs, self._execution.kept)
        check_outputs(outputs, self._signature.output, batch.inputs)
        self.judged += 0 if batch.targets is None else min(batch.size, len(batch.targets))
        return outputs

    def embed(self, batch: Batch) -> Any:
        """A vector for each node or graph of a batch (rows, D), in float32."""
        with self._execution.autocast():
            vectors = map_tensors(self._guard(self._verb("embed"), batch.inputs), self._execution.kept)
        rows = self._signature.output.rows(batch.inputs)  # type: ignore[attr-defined]
        if not isinstance(vectors, Tensor) or vectors.dim() != 2 or len(vectors) != rows:
            got = tuple(vectors.shape) if isinstance(vectors, Tensor) else type(vectors).__name__
            raise WrongShape(f"embed returned {got}, but {self._signature.output} needs ({rows}, D) for this batch")
        return vectors

    def detect(self, batch: Batch) -> Tensor:
        """What was found in each image of a batch, float32 (B, K, 6); see `Boxes`."""
        with self._execution.autocast():
            found = map_tensors(self._guard(self._verb("detect"), batch.inputs), self._execution.kept)
        count = batch_size_of(batch.inputs)
        if not isinstance(found, Tensor) or found.dim() != 3 or (len(found), found.shape[2]) != (count, 6):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise WrongShape(f"detect returned {got}, but {self._signature.output} needs ({count}, K, 6) here")
        self.judged += batch.size
        return found

    def attend(self, batch: Batch) -> Tensor:
        """Where a model looks in each image of a batch while it writes, float32 (B, U, rows, columns)."""
        with self._execution.autocast():
            return map_tensors(self._guard(self._verb("attend"), batch.inputs), self._execution.kept)  # type: ignore[no-any-return]

    def offers(self, name: str) -> bool:
        """Whether the model has a verb of the output kind that not every model has."""
        self._allow(name)
        return callable(self._find(name))

    def generate(
        self, batch: Batch, *, beam: int = 1, length_penalty: float = 1.0, max_length: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """What the model writes for each input of a batch: ids (B, L) and lengths (B,); see `dlbench.decoding`."""
        self._allow("generate")
        options = {"beam": beam, "length_penalty": length_penalty, "max_length": max_length}

        def write(inputs: Any) -> tuple[Tensor, Tensor]:
            return generate(self._learner, inputs, self._signature.output, **options)  # type: ignore[arg-type]

        with self._execution.autocast():
            return self._guard(write, batch.inputs)

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Any:
        """`count` new examples, in float32, drawn `SAMPLE_BATCH` at a time; each of its class where the output kind is
        `ConditionalSample`."""
        verb, drawn = self._verb("sample"), []
        for start in range(0, count, SAMPLE_BATCH):
            part = slice(start, min(start + SAMPLE_BATCH, count))
            asked = () if classes is None else (classes[part].clone(),)
            with self._execution.autocast():
                examples = map_tensors(verb(part.stop - part.start, generator, *asked), self._execution.kept)
            drawn.append(examples)
            if (got := batch_size_of(examples)) != part.stop - part.start:
                raise WrongShape(f"sample returned {got} examples where {part.stop - part.start} were asked for")
        return drawn[0] if len(drawn) == 1 else joined(drawn)

    def log_density(self, batch: Batch) -> Tensor:
        """The log density of each example of a batch, or a lower bound of it, in nats, float32 (B,)."""
        with self._execution.autocast():
            found = map_tensors(self._guard(self._verb("log_density"), batch.inputs), self._execution.kept)
        count = batch_size_of(batch.inputs)
        if not isinstance(found, Tensor) or tuple(found.shape) != (count,):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise WrongShape(f"log_density returned {got} instead of {(count,)}")
        return found

    def translate(self, batch: Batch, *, back: bool = False) -> Any:
        """The inputs of a batch, examples of the first domain, as examples of the second; `back`: the other way."""
        verb = self._verb("translate")
        with self._execution.autocast():
            translated = map_tensors(
                self._guard(lambda given: verb(given, back=back), batch.inputs), self._execution.kept
            )
        check_outputs(translated, self._signature.output, batch.inputs, verb="translate")
        return translated

    def __getattr__(self, name: str) -> Any:
        """Another verb, as a kind from a plugin may have it: also under autocast, also with float32 results."""
        verb = self._verb(name)

        def call(*inputs: Any, **options: Any) -> Any:
            with self._execution.autocast():
                outputs = self._guard(lambda given: verb(*given, **options), inputs)
            return map_tensors(outputs, self._execution.kept)

        return call

    def _allow(self, name: str) -> None:
        if name not in self._signature.output.verbs:
            verbs = ", ".join(self._signature.output.verbs)
            raise AttributeError(f"a task on {self._signature.output} may call {verbs}, not {name}")

    def _find(self, name: str) -> Any:
        """A verb of the learner, or of the plain module that the core made one of."""
        plain = self._learner.module if isinstance(self._learner, Supervised) else None
        return getattr(self._learner, name, getattr(plain, name, None))

    def _verb(self, name: str) -> Any:
        self._allow(name)
        verb = self._find(name)
        if not callable(verb):
            raise TypeError(f"the model has no {name}(), which {self._signature.output} asks for")
        return verb


def judge(learner: Learner, task: Task, split: str, execution: Execution, **more: Any) -> dict[str, float]:
    """`judge_and_count`, without the count."""
    return judge_and_count(learner, task, split, execution, **more)[0]


def judge_and_count(
    learner: Learner, task: Task, split: str, execution: Execution, *,
    needed: Iterable[Metric] = (), others: Iterable[Metric] = (), guard: Guard | None = None,
) -> tuple[dict[str, float], int]:  # fmt: skip
    """A task's metrics of a learner over a split, in evaluation mode, and how many examples were predicted for it; 0
    where the task asks for something else. Raises Diverged where a metric isn't finite, and ContractError where one
    isn't a number, where one of those `needed` is missing, or where one that the task declares (`needed` or `others`)
    as a fraction lies outside 0 to 1."""
    evaluator = Evaluator(learner, task.signature, execution, guard)
    with _evaluation(learner):
        found = task.judge(evaluator, split)
    for metric in needed:
        if metric.name not in found:
            raise ContractError(f"judge left out the metric {metric.name}: it returned {', '.join(found) or 'nothing'}")
    scores = {name: _number(name, value, split) for name, value in found.items()}
    for metric in (*needed, *others):
        value = scores.get(metric.name, 0.0)
        if metric.unit == "fraction" and not -_ROUNDING <= value <= 1 + _ROUNDING:
            raise ContractError(f"{metric.name} on {split} is {value:g}, but a fraction lies between 0 and 1")
    return scores, evaluator.judged


def _number(name: str, value: Any, split: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{name} on {split} is {value!r}, not a number") from error
    if not math.isfinite(number):
        raise Diverged(f"{name} on {split} is {number}")
    return number


def samples(learner: Learner, task: Task, execution: Execution) -> list[str]:
    """The texts that a task wants its record to keep; most want none."""
    take = getattr(task, "samples", None)
    if not callable(take):
        return []
    with _evaluation(learner):
        return [str(text) for text in take(Evaluator(learner, task.signature, execution))]


def pictures(learner: Learner, task: Task, execution: Execution) -> dict[str, Any]:
    """What a task can draw of a learner: images (H, W, 3) uint8 by name; most can draw nothing. Raises ContractError
    where they are something else."""
    draw = getattr(task, "pictures", None)
    if not callable(draw):
        return {}
    with _evaluation(learner):
        drawn = {
            str(name): np.asarray(image) for name, image in draw(Evaluator(learner, task.signature, execution)).items()
        }
    for name, image in drawn.items():
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not re.fullmatch(r"[\w-]+", name):
            raise ContractError(f"the picture {name!r} must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
    return drawn


@contextmanager
def _evaluation(learner: Learner) -> Iterator[None]:
    was_training = learner.training
    learner.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        learner.train(was_training)
