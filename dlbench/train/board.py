"""Sums over the processes of one machine, through memory that they share.

Gloo hands each message from thread to thread, which takes a few tenths of a millisecond, and milliseconds where there
are no more cores than processes. Here a process writes on its place of a board, rings, sleeps until all have, and reads
the others' places: a few microseconds. Two boards take turns: who writes on one again knows that all have read it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..errors import ContractError

PLACE = 2**20
"""Bytes of a process's place: longer tensors go piece by piece."""
COUNT = 8
"""Bytes in which it says what it shows and how much."""


class Board:
    """One process's view of the boards."""

    def __init__(self, rank: int, memory: int, bells: Sequence[int]) -> None:
        """`memory`: a file in memory, which all have open. `bells`: an eventfd of each, which counts as semaphores do;
        the first process hears on its own when another has written, each other one when all have."""
        self._rank, self._size, self._bells, self._turn = rank, len(bells), bells, 0
        places, counts = 2 * self._size * PLACE, 2 * self._size * COUNT
        os.ftruncate(memory, places + counts)
        self._memory = mmap.mmap(memory, places + counts)
        self._counts = memoryview(self._memory)[places:].cast("q")
        self._places: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}

    def sum(self, tensor: Tensor) -> None:
        """Add up a contiguous tensor in place, in the processes' order, so that all have the same to the last bit."""
        for piece in self._pieces(tensor):
            first, *others = self._show(piece)
            piece.copy_(first)
            for other in others:
                piece.add_(other)

    def gather(self, into: Tensor, own: Tensor, what: int = 0) -> None:
        """Put what each process has, flat and of one length, behind each other. `what`: a number that says of what
        these are, by which processes notice that they mean different things."""
        for pieces in zip(*map(self._pieces, (own, *into.chunk(self._size))), strict=True):
            for place, piece in zip(self._show(pieces[0], what), pieces[1:], strict=True):
                piece.copy_(place)

    def scatter_sum(self, into: Tensor, own: Tensor, what: int = 0) -> None:
        """Give each process its chunk of the sum of all. `what`: see `gather`."""
        for rank, chunk in enumerate(own.chunk(self._size)):
            for piece, target in zip(self._pieces(chunk), self._pieces(into), strict=True):
                places = self._show(piece, what)
                if rank == self._rank:
                    target.copy_(places[0])
                    for other in places[1:]:
                        target.add_(other)

    def _pieces(self, tensor: Tensor) -> Iterator[Tensor]:
        yield from tensor.view(-1).split(PLACE // tensor.element_size())  # type: ignore[no-untyped-call]

    def _show(self, piece: Tensor, what: int = 0) -> list[Tensor]:
        """What each process shows, once all do. Raises ContractError where it isn't the same thing, or equally much."""
        self._turn = 1 - self._turn
        places = self._of(piece.dtype)[self._turn]
        count = piece.numel()
        places[self._rank][:count].copy_(piece)
        counts = self._counts[self._turn * self._size :][: self._size]
        counts[self._rank] = what * 2 * PLACE + count * piece.element_size()
        if self._rank:
            os.eventfd_write(self._bells[0], 1)
            os.eventfd_read(self._bells[self._rank])
        else:
            for _ in self._bells[1:]:
                os.eventfd_read(self._bells[0])
            for bell in self._bells[1:]:
                os.eventfd_write(bell, 1)
        if len({*counts}) > 1:
            raise ContractError("what it computes has gone apart between the processes that train it")
        return [place[:count] for place in places]

    def _of(self, dtype: torch.dtype) -> tuple[list[Tensor], list[Tensor]]:
        if dtype not in self._places:
            count = 2 * self._size * PLACE // dtype.itemsize
            whole = torch.frombuffer(self._memory, dtype=dtype, count=count).view(2, self._size, -1)
            self._places[dtype] = ([*whole[0]], [*whole[1]])
        return self._places[dtype]
