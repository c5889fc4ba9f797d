"""Sums through shared memory, in three processes."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from dlbench.errors import ContractError
from dlbench.train.board import PLACE, Board

SIZE = 3
LONG = 2 * PLACE // 4 + 5


def in_all(work: Callable[[Board, int], None]) -> None:
    """Run a function in SIZE processes with a board; an assertion that fails in one fails here."""
    memory, bells = os.memfd_create("board"), [os.eventfd(0, os.EFD_SEMAPHORE) for _ in range(SIZE)]
    pids = []
    for rank in range(SIZE):
        if not (pid := os.fork()):
            signal.alarm(20)  # where another has failed, this one would wait for it
            try:
                work(Board(rank, memory, bells), rank)
            except BaseException as error:
                os.write(2, f"process {rank}: {error!r}\n".encode())
                os._exit(1)
            os._exit(0)
        pids.append(pid)
    codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
    for descriptor in (memory, *bells):
        os.close(descriptor)
    assert codes == [0] * SIZE


def numbers(rank: int, count: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(rank)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.complex64])
def test_all_have_the_sum_in_the_processes_order(dtype: torch.dtype) -> None:
    def work(board: Board, rank: int) -> None:
        for count in (1, 7, 2 * PLACE // dtype.itemsize + 3):
            own = numbers(rank, count, dtype)
            board.sum(own)
            assert torch.equal(own, sum((numbers(r, count, dtype) for r in (1, 2)), numbers(0, count, dtype)))

    in_all(work)


def test_pieces_are_gathered_and_sums_scattered() -> None:
    def work(board: Board, rank: int) -> None:
        for count in (5, LONG):
            gathered = torch.empty(SIZE * count)
            board.gather(gathered, numbers(rank, count))
            assert torch.equal(gathered, torch.cat([numbers(r, count) for r in range(SIZE)]))
            chunk = torch.empty(count)
            board.scatter_sum(chunk, numbers(rank, SIZE * count))
            whole = numbers(0, SIZE * count) + numbers(1, SIZE * count) + numbers(2, SIZE * count)
            assert torch.equal(chunk, whole.chunk(SIZE)[rank])

    in_all(work)


def test_a_process_that_is_early_overwrites_nothing() -> None:
    def work(board: Board, rank: int) -> None:
        for turn in range(60):
            if turn % SIZE == rank:
                time.sleep(0.002)
            value = torch.full((1000,), float(10**rank * (turn + 1)))
            board.sum(value)
            assert value.eq(111 * (turn + 1)).all(), turn

    in_all(work)


def test_processes_that_have_gone_apart_are_told() -> None:
    def work(board: Board, rank: int) -> None:
        board.sum(torch.ones(4))
        with pytest.raises(ContractError, match="gone apart"):
            board.sum(torch.ones(4 + rank % 2))
        with pytest.raises(ContractError, match="gone apart"):
            board.gather(torch.ones(12), torch.ones(4), rank)

    in_all(work)
