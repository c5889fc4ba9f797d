"""Peak memory against tensors of known size."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from dlbench.measure.memory import peak_bytes, resident_peak_bytes

MIB = 2**20


class Holder(nn.Module):
    """A network that also holds a buffer of so many bytes."""

    def __init__(self, extra_bytes: int) -> None:
        super().__init__()
        self.layer = nn.Linear(50, 40)
        if extra_bytes:
            self.register_buffer("extra", torch.empty(extra_bytes, dtype=torch.uint8))


def train(extra_bytes: int) -> nn.Module:
    network = Holder(extra_bytes)
    optimizer = torch.optim.Adam(network.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        network.layer(torch.ones(64, 50)).square().sum().backward()
        optimizer.step()
    return network


@pytest.mark.parametrize("extra", [1, 1000, 12_345, 8 * MIB])
def test_a_model_that_holds_n_bytes_more_reads_n_bytes_more(extra: int) -> None:
    assert peak_bytes(lambda: train(extra)) - peak_bytes(lambda: train(0)) == extra


def test_the_peak_is_what_lives_at_once() -> None:
    def work() -> None:
        first = torch.empty(1000, dtype=torch.uint8)
        second = torch.empty(500, dtype=torch.uint8)
        del first
        third = torch.empty(700, dtype=torch.uint8)
        del second, third

    assert peak_bytes(work) == 1500


def test_backward_holds_what_forward_saved() -> None:
    rows, columns = 64, 100
    weight = torch.zeros(columns, requires_grad=True)

    def work() -> None:
        (torch.ones(rows, columns) * weight).exp().sum().backward()

    # the ones and exp's result are saved, the product is not; backward adds a gradient of the same shape
    table = 4 * rows * columns
    assert 3 * table <= peak_bytes(work) < 4 * table + 10_000


def test_what_was_alive_before_neither_counts_nor_is_taken_off() -> None:
    alive = [torch.empty(5 * MIB, dtype=torch.uint8) for _ in range(3)]

    def work() -> None:
        alive.clear()
        alive.append(torch.empty(MIB, dtype=torch.uint8))

    assert peak_bytes(work) == MIB


def test_memory_that_outlives_one_count_does_not_disturb_the_next() -> None:
    """The profiler remembers sizes by address, from session to session; addresses are used again."""
    for _ in range(5):
        kept: list[torch.Tensor] = []
        assert peak_bytes(lambda into=kept: into.extend(torch.empty(4096, dtype=torch.uint8) for _ in range(50))) == (
            50 * 4096
        )
        kept.clear()
        kept.extend(torch.empty(2048, dtype=torch.uint8) for _ in range(100))
        assert peak_bytes(lambda into=kept: (into.clear(), torch.empty(10, dtype=torch.uint8))) == 10


def test_the_same_work_gives_the_same_peak() -> None:
    assert len({peak_bytes(lambda: train(0)) for _ in range(5)}) == 1


def test_an_error_inside_comes_out() -> None:
    def work() -> None:
        raise MemoryError("no more")

    with pytest.raises(MemoryError, match="no more"):
        peak_bytes(work)
    assert peak_bytes(lambda: torch.empty(10, dtype=torch.uint8)) == 10


def test_resident_memory_sees_a_large_tensor() -> None:
    peak = resident_peak_bytes(lambda: torch.ones(64 * MIB, dtype=torch.uint8))
    if peak is None:
        pytest.skip("resetting the high-water mark is not permitted here")
    assert peak == pytest.approx(64 * MIB, rel=0.03)
