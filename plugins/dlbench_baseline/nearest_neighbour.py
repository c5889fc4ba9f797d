"""The nearest neighbour rule: the class of the training example at the smallest distance (Cover and Hart 1967, "Nearest
Neighbor Pattern Classification")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers

from .rows import as_rows

JOINED_FROM = 1024  # examples


class NearestNeighbour(Learner):
    """Vectors, images or series, as rows of numbers, to scores (B, num_classes): how near, in Euclidean distance, the
    nearest training example of each class is, negative.

    It keeps all of the training set, each example once however often it comes. `frames`: the steps that a series is
    resized to. It has no parameters and no loss.
    """

    def __init__(self, *, features: int, num_classes: int, frames: int = 24) -> None:
        super().__init__()
        self.num_classes, self.frames = num_classes, frames
        self.register_buffer("rows", torch.zeros(0, features))
        self.register_buffer("classes", torch.zeros(0, dtype=torch.int64))
        self._new: list[tuple[Tensor, Tensor]] = []  # one batch each
        self._num_new = 0
        self.register_state_dict_pre_hook(_join)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        assert batch.targets is not None
        rows = as_rows(batch.inputs, self.frames).detach()
        self._new.append((rows, batch.targets))
        self._num_new += len(rows)
        if self._num_new > max(len(self.rows), JOINED_FROM):  # so joining takes a constant time per example
            _join(self)
        return rows.new_zeros(())

    def predict(self, inputs: Any) -> Tensor:
        """Scores (B, num_classes). A class that was never seen is as far away as the farthest one; all are 0 where
        nothing was seen."""
        _join(self)
        rows = as_rows(inputs, self.frames)
        distances = torch.cdist(rows, self.rows)  # (B, N)
        nearest = rows.new_full((len(rows), self.num_classes), torch.inf)
        nearest = nearest.scatter_reduce(1, self.classes.expand(len(rows), -1), distances, "amin")
        farthest = nearest.where(nearest.isfinite(), 0).amax(dim=1, keepdim=True)
        return -nearest.where(nearest.isfinite(), farthest)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The saved set may be larger or smaller than the one here."""
        self._new, self._num_new = [], 0
        for name in ("rows", "classes"):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _join(learner: Any, *_: Any) -> None:
    """Add the batches that came since to the buffers, less what is there already."""
    if not learner._new:
        return
    pairs = [(learner.rows, learner.classes), *learner._new]
    both = torch.cat([torch.cat([rows, classes[:, None].to(rows.dtype)], dim=1) for rows, classes in pairs])
    both = both.unique(dim=0)
    learner.rows, learner.classes = both[:, :-1].contiguous(), both[:, -1].long()
    learner._new, learner._num_new = [], 0
