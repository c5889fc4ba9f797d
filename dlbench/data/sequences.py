"""Sequences of different lengths: kept flat on the device, padded per batch, put together with others as long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.learner import Batch
from .batches import indexed

POOL = 50
"""Batches whose examples are sorted by length together: enough to waste little on padding, few enough that a batch's
company changes from pass to pass."""


@dataclass(frozen=True, slots=True)
class Index:
    """Which rows a batch holds: the same numbers (B,) on the CPU, where sizes are read, and on the device."""

    host: Tensor
    there: Tensor

    def __len__(self) -> int:
        return len(self.host)


class Ragged:
    """Rows of different lengths in one tensor, as tokens (N,) or as steps of several numbers (N, F). `lengths` (R,) is
    on the CPU, so that no batch waits for the device."""

    def __init__(self, rows: Sequence[Any], *, dtype: torch.dtype = torch.int64, device: str = "cpu") -> None:
        """`rows`: lists or arrays, none of them empty. Raises ValueError naming the first that is."""
        arrays = [np.asarray(row) for row in rows]
        self.lengths = torch.tensor([len(array) for array in arrays], dtype=torch.int64)
        if len(arrays) and not bool(self.lengths.all()):
            raise ValueError(f"row {int((self.lengths == 0).nonzero()[0])} is empty")
        flat = np.concatenate(arrays) if arrays else np.zeros(0)
        self.values = torch.from_numpy(flat).to(dtype).to(device)  # (N,) or (N, F)
        self.starts = (self.lengths.cumsum(0) - self.lengths).to(device)
        self._lengths = self.lengths.to(device)

    def __len__(self) -> int:
        return len(self.lengths)

    def sizes(self, index: Index) -> list[int]:
        """The lengths of these rows as numbers."""
        return self.lengths[index.host].tolist()

    def padded(self, index: Index | Tensor, *, to: int | None = None) -> tuple[Tensor, Tensor]:
        """The rows of an index, or of a CPU tensor (B,): values (B, T) or (B, T, F), filled up with zeros, and lengths
        (B,), both on the device. T is the longest of them, or `to`."""
        if isinstance(index, Tensor):
            index = Index(index, index.to(self.values.device))
        longest = to or int(self.lengths[index.host].max())
        lengths = self._lengths[index.there]
        places = torch.arange(longest, device=self.values.device)  # (T,)
        within = places < lengths[:, None]  # (B, T)
        values = self.values[(self.starts[index.there, None] + places).clamp(max=len(self.values) - 1)]
        within = within if values.dim() == 2 else within[..., None]
        return values.masked_fill(~within, 0), lengths


class BucketedBatches:
    """The batches of one pass over examples of these `lengths` (R,), each made by `gather(index)`, whose index lies on
    the CPU and on `device`: there all indices of a pass are moved at once, so that no step waits for its own.

    `generator` (CPU) shuffles: examples of about the same length come together, in batches whose order is random. None:
    longest first, so that judging wastes nothing on padding. The last, shorter batch is kept. `pool` batches are sorted
    together; 1 gives plain shuffling.
    """

    def __init__(
        self, lengths: Tensor, batch_size: int, generator: torch.Generator | None, gather: Callable[[Index], Batch],
        *, device: str | torch.device = "cpu", pool: int = POOL,
    ) -> None:  # fmt: skip
        self.lengths, self.batch_size, self.generator = lengths, batch_size, generator
        self.gather, self.device, self.pool = gather, device, pool

    def __len__(self) -> int:
        return -(-len(self.lengths) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        return map(self._gathered, self.indices())

    def indices(self) -> list[Index]:
        """Which examples each batch holds."""
        chosen = self._draw()
        there = torch.cat(chosen).to(self.device, non_blocking=True) if chosen else torch.empty(0)
        return list(map(Index, chosen, torch.split(there, [len(part) for part in chosen])))

    def _gathered(self, index: Index) -> Batch:
        return indexed(self.gather(index), index.there)

    def _draw(self) -> list[Tensor]:
        if self.generator is None:
            order = self.lengths.argsort(descending=True, stable=True)
            return list(torch.split(order, self.batch_size))
        batches: list[Tensor] = []
        shuffled = torch.randperm(len(self.lengths), generator=self.generator)
        for pooled in torch.split(shuffled, self.batch_size * self.pool):
            ordered = pooled[self.lengths[pooled].argsort(stable=True)] if self.pool > 1 else pooled
            batches += torch.split(ordered, self.batch_size)
        return [batches[place] for place in torch.randperm(len(batches), generator=self.generator).tolist()]
