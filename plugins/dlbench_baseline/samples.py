"""Baselines that draw examples: noise, the training examples again, one Gaussian, a Gaussian on each example.

They say what a generator is worth that learns nothing, that learns everything by heart, or that knows no more than
means and covariances. None has parameters or a loss.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers

from .collected import Fields, fingerprints, joined, packed, unpacked

JOINED_FROM = 1024  # examples
PREFIX = "kept_"


class Noise(Learner):
    """Examples of `shape` that have nothing to do with the data: uniform between -1 and 1, or standard normal."""

    def __init__(self, *, shape: tuple[int, ...], uniform: bool) -> None:
        super().__init__()
        self.shape, self.uniform = shape, uniform
        self.register_buffer("zero", torch.zeros(()))

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        return self.zero.clone()

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """(count, *shape), whatever class is asked for."""
        if self.uniform:
            return (2 * torch.rand(count, *self.shape, generator=generator) - 1).to(self.zero.device)
        return torch.randn(count, *self.shape, generator=generator).to(self.zero.device)


class Bootstrap(Learner):
    """Training examples, drawn with replacement (Efron 1979, "Bootstrap Methods: Another Look at the Jackknife").

    It keeps each example once, with the number of times that it came, so that it may see them again and again. `blank`:
    a runtime value of one example, for what is drawn before any was seen.
    """

    counts: Tensor
    classes: Tensor

    def __init__(self, *, blank: Any) -> None:
        super().__init__()
        fields = packed(blank)
        for name, tensor in fields.items():
            self.register_buffer(PREFIX + name, tensor)
        self.register_buffer("counts", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("classes", torch.zeros(1, dtype=torch.int64))
        self._new: list[tuple[Any, Tensor | None]] = []  # one batch each
        self._num_new = 0
        self.register_state_dict_pre_hook(_join)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        self._new.append((batch.inputs, batch.targets))
        self._num_new += len(batch.inputs) if isinstance(batch.inputs, Tensor) else batch.inputs.batch_size
        if self._num_new > max(len(self.counts), JOINED_FROM):  # so joining takes a constant time per example
            _join(self)
        return torch.zeros((), device=self.counts.device)

    def fields(self) -> Fields:
        """All examples that were seen."""
        _join(self)
        return {name.removeprefix(PREFIX): b for name, b in self.named_buffers() if name.startswith(PREFIX)}

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Any:
        """`count` examples; of the `classes`, where any was seen that is."""
        fields = self.fields()
        index = torch.zeros(count, dtype=torch.int64, device=self.counts.device)
        for rows, chosen in self.by_class(count, classes):
            ends = self.counts[chosen].cumsum(0)
            drawn = torch.rand(len(rows), generator=generator, dtype=torch.float64).to(ends.device) * ends[-1]
            index[rows] = chosen[torch.searchsorted(ends, drawn, right=True).clamp(max=len(ends) - 1)]
        return unpacked({name: tensor[index] for name, tensor in fields.items()})

    def by_class(self, count: int, classes: Tensor | None) -> Iterator[tuple[Tensor, Tensor]]:
        """Which of `count` places ask for the same class, and which examples are of it: all, where none is."""
        every = torch.arange(len(self.counts), device=self.counts.device)
        if classes is None:
            yield torch.arange(count, device=self.counts.device), every
            return
        for number in classes.unique():
            chosen = every[self.classes == number]
            yield (classes == number).nonzero()[:, 0], chosen if len(chosen) else every

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The saved examples may be more or fewer, or longer, than those here."""
        self._new, self._num_new = [], 0
        for name, buffer in list(self.named_buffers()):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, buffer.new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


class KernelDensity(Bootstrap):
    """Training examples with Gaussian noise of the standard deviation `width` (Parzen 1962, "On Estimation of a
    Probability Density Function and Mode")."""

    def __init__(self, *, blank: Tensor, width: float) -> None:
        super().__init__(blank=blank)
        self.width = width

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        examples = super().sample(count, generator, classes)
        return examples + self.width * torch.randn(examples.shape, generator=generator).to(examples.device)


class Gaussian(Bootstrap):
    """One Gaussian, of each class its own, with the mean and the whole covariance of the training examples.

    Sums of their deviations from the mean with standard normal weights, over the root of their number, have that
    distribution, so no covariance, of which a picture's takes gigabytes, is ever needed.
    """

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        examples = self.fields()["examples"]
        found = examples.new_zeros(count, *examples.shape[1:])
        for rows, chosen in self.by_class(count, classes):
            kept, shares = examples[chosen].flatten(1), self.counts[chosen].to(examples.dtype)
            shares = shares / shares.sum().clamp(min=1)
            mean = shares @ kept
            weights = torch.randn(len(rows), len(kept), generator=generator).to(kept.device)
            drawn = mean + (weights * shares.sqrt()) @ (kept - mean)
            found[rows] = drawn.unflatten(1, examples.shape[1:])
        return found


def _join(learner: Any, *_: Any) -> None:
    """Add the batches that came since to the buffers: new examples once, and the numbers of those that came again."""
    if not learner._new:
        return
    new, learner._new, learner._num_new = learner._new, [], 0
    parts, classes, counts = [learner.fields()], [learner.classes], [learner.counts]
    for inputs, targets in new:
        parts.append(packed(inputs))
        size = len(next(iter(parts[-1].values())))
        classes.append(learner.classes.new_zeros(size) if targets is None else targets)
        counts.append(learner.counts.new_ones(size))
    seen = torch.cat(counts) > 0  # the blank one isn't
    labels, numbers = torch.cat(classes)[seen], torch.cat(counts)[seen]
    fields = {name: tensor[seen] for name, tensor in joined(parts).items()}
    distinct, place = fingerprints({**fields, "class": labels}).unique(return_inverse=True)
    order = torch.arange(len(place), device=place.device)
    firsts = torch.full_like(distinct, len(place)).scatter_reduce(0, place, order, "amin")
    learner.counts = torch.zeros_like(distinct).scatter_add(0, place, numbers)
    learner.classes = labels[firsts]
    for name, tensor in fields.items():
        setattr(learner, PREFIX + name, tensor[firsts])
