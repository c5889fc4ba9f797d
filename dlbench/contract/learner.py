"""What the core trains and what it trains on: `Batch`, `Task`, `Learner`, `Supervised`, `Regularizer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import WrongShape
from .kinds import OutputKind, Signature
from .schedule import Progress


@dataclass(slots=True)
class Batch:
    """What one step sees.

    `inputs`: the input kind's runtime value, as `forward` gets it. `targets`: as the output kind fixes them; None
    where there are none. `mask`: bool, shaped like the targets: which predictions count; None for all of them. In
    training batches of nodes or edges, targets outside it are hidden (`dlbench.data.batches.hide`). `size`:
    how many of the task's unit it holds (images, tokens, nodes), masked ones left out. `continues`: None where batches
    stand alone; else whether this one goes on where the last ended, and then the model is called as
    `forward(inputs, state) -> (outputs, state)` with `state` None at a start. `index`: int64, which examples of the
    split these are; None where nobody says, as after a regularizer has made others of them.
    """

    inputs: Any
    targets: Tensor | None = None
    mask: Tensor | None = None
    size: int = 0
    continues: bool | None = None
    index: Tensor | None = None


class Batches(Protocol):
    """The batches of one pass; `len` is their number."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...


class Task(Protocol):
    """A loaded task. One may have `samples(learner) -> list[str]`: a few texts that its record keeps, made after
    judging on the test split; `pictures(learner) -> dict[str, array]`: images (H, W, 3) uint8 by name, drawn then where
    `--keep pictures` asks for them; `warnings(metrics) -> flags`: what a row must say of a model with these metrics on
    the test split, such as `copies` or `collapsed`; and `checksums`: by name, the sha256 of what it made itself and
    judges by, for the record. Tasks with folds also have `fold(index) -> Task`, and may have `combine(folds)`, for
    protocols that choose across folds: of what each fold left, a dict with `metrics` {split: {metric: value}} and
    `curve`, it makes the list of metrics that they report in the end. The cell's are their mean.
    """

    signature: Signature

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Batches:
        """The batches of `train`, `val` or `test`, on the task's device. `generator` (on the CPU) shuffles and draws;
        None means in order, as for judging."""
        ...

    def loss(self, outputs: Any, batch: Batch) -> Tensor:
        """A scalar: the mean over what the mask lets count."""
        ...

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """Metrics over a whole split. `learner` offers the verbs of the output kind and nothing else, each on a whole
        batch (`predict(batch)`: the core hands the model `batch.inputs`, and its carried state) or on nothing
        (`sample(count, generator)`). It is in evaluation mode, without gradients."""
        ...


class Optimizers(Protocol):
    """What a `train_step` gets: the optimizers of the learner's parts. `progress` says how far training is, for steps
    that change on the way."""

    progress: Progress

    def rates(self) -> Iterable[tuple[list[nn.Parameter], float]]:
        """Of each optimizer's groups the parameters, and the learning rate of this step."""
        ...

    def minimize(self, loss: Tensor | Callable[[], Tensor], part: str | None = None) -> Tensor:
        """One optimizer step on a scalar loss, or on a closure that computes it (needed by optimizers that evaluate
        it several times). `part`: only that part's parameters get gradients and move. Under autocast a closure keeps
        it, and all the rest leaves it. Returns the loss, detached."""
        ...


class Learner(nn.Module):
    """A network together with its own loss, or its own step. Override as little as you need: `loss`, or `train_step`;
    and the verbs of the output kind (`predict(inputs)`, `sample(count, generator)`). `generate` is made of `start` and
    `step` (see `dlbench.decoding`), or of `predict` alone."""

    def loss(self, batch: Batch) -> Tensor:
        """The scalar to minimize."""
        raise NotImplementedError(f"{type(self).__name__} defines neither loss nor train_step")

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """One step; returns the loss for the curve, detached."""
        return optimizers.minimize(lambda: self.loss(batch))

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """Named groups of parameters that a recipe can set apart (`discriminator.lr`) and a step can minimize alone.
        Of a learner that is made of learners, names are paths: `0/discriminator`. A recipe's key holds for the last
        name of a path, `minimize(part="0")` for all below it. Such a learner has them as `members`, each with the verbs
        of the output kind: the record keeps what each scores on test."""
        return {"all": self.parameters()}


class Carry:
    """Calls a network on a batch and carries its state from segment to segment, detached. The state moves on with
    `commit`, so that an optimizer may evaluate a segment several times."""

    copies = False
    """Whether a network's state lies where its next call writes, so that a copy must be carried; the core sets it."""

    def __init__(self) -> None:
        self._state: Any = None
        self._next: Any = None

    def __call__(self, forward: Callable[..., Any], batch: Batch) -> Any:
        if batch.continues is None:
            return forward(batch.inputs)
        outputs, state = forward(batch.inputs, self._state if batch.continues else None)
        self._next = map_tensors(state, lambda t: t.detach().clone()) if self.copies else detach(state)
        return outputs

    def commit(self) -> None:
        """This segment is done: the next one goes on from its end."""
        self._state = self._next


class Supervised(Learner):
    """What the core makes of a plain module: the module's outputs under the task's loss."""

    def __init__(
        self, module: nn.Module, task_loss: Callable[[Any, Batch], Tensor], output: OutputKind | None = None
    ) -> None:
        """`output`: what the first outputs in training are checked against, so that no loss gets what it can't read."""
        super().__init__()
        self._output = output
        self.module = module
        self._task_loss = task_loss
        self._carry = Carry()

    def copy_states(self) -> None:
        """From now on, carry a copy of the network's state: its next call writes where it lies."""
        self._carry.copies = True

    def predict(self, *inputs: Any) -> Any:
        return self.module(*inputs)

    def loss(self, batch: Batch) -> Tensor:
        outputs = self._carry(self.module, batch)
        if self._output is not None:
            check_outputs(outputs, self._output, batch.inputs, verb="forward")
            self._output = None
        return self._task_loss(outputs, batch)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        loss = super().train_step(batch, optimizers)
        self._carry.commit()
        return loss

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        own = getattr(self.module, "parts", None)
        return own() if callable(own) else super().parts()


class Regularizer:
    """Six optional places to act in training; each default does nothing."""

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        """Act once before training, on the device: keep what later places need, or raise NotApplicable, with what is
        needed, for a learner or a signature that this isn't for."""

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        """Change a training batch. `generator` is on the CPU and belongs to the cell's seed."""
        return batch

    def penalty(self, parameters: list[nn.Parameter]) -> Tensor | float:
        """Added to the loss of the part that owns these parameters."""
        return 0.0

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Change gradients in place, after unscaling and before clipping."""

    def after_step(self, learner: Learner) -> None:
        """Act once after each training step."""

    def eval_learner(self, learner: Learner) -> Learner:
        """The learner to judge in place of the trained one, as weight averaging does."""
        return learner


def check_outputs(outputs: Any, kind: OutputKind, inputs: Any, *, verb: str = "predict") -> None:
    """Raise WrongShape unless the outputs for these inputs are real numbers of the shape that the kind asks for."""
    expected = kind.shape(inputs)
    if expected is None:
        return
    got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
    if not kind.fits(got, inputs):
        raise WrongShape(f"{verb} returned {got}, but {kind} needs {expected} for this batch")
    if outputs.is_complex():
        raise WrongShape(f"{verb} returned complex numbers, but {kind} needs real ones")


def overrides(regularizers: Iterable[Regularizer], method: str) -> list[Any]:
    """The bound methods of those regularizers that define `method` themselves."""
    base = getattr(Regularizer, method)
    return [getattr(r, method) for r in regularizers if getattr(type(r), method) is not base]


def detach(value: Any) -> Any:
    """The same tensors without their history, in tuples, lists and dicts alike."""
    return map_tensors(value, lambda tensor: tensor.detach())


def map_tensors(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to every tensor in a runtime value, keeping its structure."""
    if isinstance(value, Tensor):
        return function(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, function) for item in value))
    if isinstance(value, (tuple, list)):
        return type(value)(map_tensors(item, function) for item in value)
    if isinstance(value, dict):
        return {key: map_tensors(item, function) for key, item in value.items()}
    return value
