"""The constant predictor: it counts the training targets and gives every example the same answer.

Majority class, unigram model, mean: the baseline that a trained model has to beat (as ZeroR in Holte, 1993, "Very
Simple Classification Rules Perform Well on Most Commonly Used Datasets"). It has no parameters and takes no gradient
step; what it counts lies in buffers, so that a saved state holds it.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dlbench import (
    Batch,
    Boxes,
    Embedding,
    Image,
    Learner,
    Mask,
    NodeValue,
    Optimizers,
    OutputKind,
    PixelValue,
    Sample,
    Signature,
    Value,
)

from .boxes import FrequentBoxes


def constant(signature: Signature) -> Learner:
    """The constant predictor for a signature."""
    output = signature.output
    if isinstance(output, Boxes):
        return FrequentBoxes(output=output)
    if isinstance(output, Embedding):
        return SamePlace(output=output)
    if isinstance(output, Sample):
        return MeanExample(size=_example_size(signature))
    if isinstance(output, (Value, NodeValue, PixelValue)):
        return MeanTarget(output=output)
    categories = output.num_classes if hasattr(output, "num_classes") else output.vocab
    return Frequencies(output=output, num_classes=categories)


class Constant(Learner):
    """What the four below share: a step only looks at a batch. The loss it returns is that batch's, after counting."""

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        with torch.no_grad():
            self.observe(batch)
            return self.loss(batch)

    def observe(self, batch: Batch) -> None:
        """Count one training batch."""
        raise NotImplementedError


class Frequencies(Constant):
    """How often each class or token is a target. The loss is the cross-entropy in nats."""

    def __init__(self, *, output: OutputKind, num_classes: int) -> None:
        super().__init__()
        self.output = output
        self.register_buffer("counts", torch.zeros(num_classes, dtype=torch.int64))

    def observe(self, batch: Batch) -> None:
        self.counts += torch.bincount(_counted_targets(batch), minlength=len(self.counts))

    def log_frequencies(self) -> Tensor:
        """Logarithms of the relative frequencies, (num_classes,) float32.

        Where some class was never seen, each such class counts as half a target: that keeps the logarithms finite and
        the order of the classes. Where all were seen, the frequencies are exact.
        """
        counts = self.counts.double()
        counts = torch.where(counts == 0, 0.5, counts)
        return (counts / counts.sum()).log().float()

    def predict(self, inputs: Any, *state: Any) -> Any:
        """The log frequencies as logits, in the output kind's shape; a state is handed back as it came."""
        logits = self.log_frequencies()
        if isinstance(self.output, Mask):
            logits = logits[:, None, None]  # classes stand before the places there
        logits = logits.expand(self.output.shape(inputs))
        return (logits, *state) if state else logits

    def start(self, inputs: Any) -> None:
        """There is nothing to remember."""

    def step(self, token: Tensor, state: None) -> tuple[Tensor, None]:
        """The same log frequencies (N, num_classes) at every place."""
        return self.log_frequencies().expand(len(token), -1), state

    def loss(self, batch: Batch) -> Tensor:
        targets = _counted_targets(batch)
        return -self.log_frequencies()[targets].sum() / max(len(targets), 1)


class MeanTarget(Constant):
    """The mean of the targets. The loss is the squared error."""

    def __init__(self, *, output: OutputKind) -> None:
        super().__init__()
        self.output = output
        self.running = RunningMean(size=())

    def observe(self, batch: Batch) -> None:
        self.running.add(_counted_targets(batch))

    def predict(self, inputs: Any, *state: Any) -> Any:
        """The mean for every example; a state is handed back as it came."""
        values = self.running.mean().expand(self.output.shape(inputs))
        return (values, *state) if state else values

    def loss(self, batch: Batch) -> Tensor:
        targets = _counted_targets(batch)
        return (targets - self.running.mean()).square().sum() / max(len(targets), 1)


class MeanExample(Constant):
    """The mean of the training examples. The loss is the squared error per number in them."""

    def __init__(self, *, size: tuple[int, ...]) -> None:
        super().__init__()
        self.running = RunningMean(size=size)

    def observe(self, batch: Batch) -> None:
        self.running.add(batch.inputs)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` copies of the mean example, (count, *size). Nothing is drawn."""
        mean = self.running.mean()
        return mean.expand(count, *mean.shape).clone()

    def loss(self, batch: Batch) -> Tensor:
        return (batch.inputs - self.running.mean()).square().mean()


class SamePlace(Constant):
    """The same vector, a single zero, for everything: whoever judges embeddings learns from it what the targets alone
    give away. There is nothing to count; the loss is 0."""

    def __init__(self, *, output: Embedding) -> None:
        super().__init__()
        self.output = output
        self.register_buffer("place", torch.zeros(1))

    def observe(self, batch: Batch) -> None:
        """Training batches have no targets."""

    def embed(self, inputs: Any) -> Tensor:
        """Zeros (rows, 1), on the learner's device."""
        return self.place.expand(self.output.rows(inputs), 1).clone()

    def loss(self, batch: Batch) -> Tensor:
        return self.place.sum()


class RunningMean(nn.Module):
    """The mean over the first dimension of all that was added; zero before anything was."""

    def __init__(self, *, size: tuple[int, ...]) -> None:
        super().__init__()
        # sums of many small float32 numbers lose digits; float64 keeps the mean exact to float32
        self.register_buffer("total", torch.zeros(size, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def add(self, values: Tensor) -> None:
        """Add the rows of `values` (N, *size)."""
        self.total += values.double().sum(dim=0)
        self.count += len(values)

    def mean(self) -> Tensor:
        """A float32 tensor of the size."""
        return (self.total / self.count.clamp(min=1)).float()


def _counted_targets(batch: Batch) -> Tensor:
    """The targets that the mask lets count, as one row."""
    if batch.targets is None:
        raise ValueError("the constant model counts targets, and this task's batches have none")
    return batch.targets.flatten() if batch.mask is None else batch.targets[batch.mask]


def _example_size(signature: Signature) -> tuple[int, ...]:
    kind = signature.input
    return (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)
