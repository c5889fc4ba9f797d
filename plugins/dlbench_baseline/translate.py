"""Baselines of unpaired translation: copying, and any picture of the other domain. Neither has parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers

JOINED_FROM = 1024  # examples
DOMAINS = ("first", "second")


class Identity(Learner):
    """What it is given, unchanged, both ways."""

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        return batch.inputs.new_zeros(())

    def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
        return inputs.clone()


class RandomTarget(Learner):
    """Training examples of the other domain, drawn with equal chances and the same seed in every call; zeros where it
    has seen none. It keeps every example of both domains once."""

    def __init__(self, *, size: tuple[int, ...]) -> None:
        super().__init__()
        for name in DOMAINS:
            self.register_buffer(name, torch.zeros(0, *size))
        self._new: list[tuple[Tensor, Tensor]] = []  # of each batch
        self._num_new = 0
        self.register_state_dict_pre_hook(_join)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        self._new.append((batch.inputs, batch.targets))
        self._num_new += len(batch.inputs)
        if self._num_new > max(len(self.first), JOINED_FROM):  # so joining takes a constant time per example
            _join(self)
        return batch.inputs.new_zeros(())

    def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
        _join(self)
        known = self.first if back else self.second
        if not len(known):
            return torch.zeros_like(inputs)
        drawn = torch.randint(len(known), (len(inputs),), generator=torch.Generator().manual_seed(0))
        return known.index_select(0, drawn.to(known.device))

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The saved sets may be larger or smaller than those here."""
        self._new, self._num_new = [], 0
        for name in DOMAINS:
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _join(learner: Any, *_: Any) -> None:
    """Add what came since to the buffers, less what is there already."""
    if not learner._new:
        return
    for place, name in enumerate(DOMAINS):
        known = getattr(learner, name)
        setattr(learner, name, torch.cat([known, *(pair[place] for pair in learner._new)]).unique(dim=0))
    learner._new, learner._num_new = [], 0
