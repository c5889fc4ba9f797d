"""Batches gathered by index."""

from __future__ import annotations

from itertools import chain

import pytest
import torch

from dlbench import Batch, GraphBatch, TokenBatch
from dlbench.data.batches import GatheredBatches, joined
from dlbench.errors import ContractError

VALUES = torch.arange(10) * 10


def gather(index: torch.Tensor) -> Batch:
    return Batch(inputs=VALUES[index], size=len(index))


def passes(batches: GatheredBatches) -> list[list[int]]:
    return [batch.inputs.tolist() for batch in batches]


def test_in_order_without_a_generator() -> None:
    batches = GatheredBatches(10, 4, None, gather)
    assert len(batches) == 3
    assert passes(batches) == [[0, 10, 20, 30], [40, 50, 60, 70], [80, 90]]
    assert [batch.size for batch in batches] == [4, 4, 2]


def test_each_pass_is_another_permutation() -> None:
    batches = GatheredBatches(10, 4, torch.Generator().manual_seed(0), gather)
    first, second = (list(chain.from_iterable(passes(batches))) for _ in range(2))
    assert sorted(first) == sorted(second) == VALUES.tolist()
    assert first != second


def test_the_generator_decides_the_order() -> None:
    torch.manual_seed(5)
    first = passes(GatheredBatches(10, 3, torch.Generator().manual_seed(7), gather))
    torch.manual_seed(6)
    assert passes(GatheredBatches(10, 3, torch.Generator().manual_seed(7), gather)) == first


def test_one_batch_may_hold_everything() -> None:
    batches = GatheredBatches(10, 100, None, gather)
    assert len(batches) == 1
    assert passes(batches) == [VALUES.tolist()]


def test_whole_batches_leave_no_empty_one() -> None:
    assert len(GatheredBatches(10, 5, None, gather)) == len(passes(GatheredBatches(10, 5, None, gather))) == 2


@pytest.mark.parametrize("generator", [None, torch.Generator()])
def test_small_batches_of_rows_are_gathered_several_at_once_and_are_the_same(generator: torch.Generator | None) -> None:
    rows, targets = torch.rand(1000, 16), torch.arange(1000)
    calls = []

    def noting(index: torch.Tensor) -> Batch:
        calls.append(len(index))
        return Batch(inputs=rows[index], targets=targets[index], size=len(index))

    found = []
    for row_bytes in (0, 64):
        if generator is not None:
            generator.manual_seed(3)
        found.append([*GatheredBatches(1000, 32, generator, noting, row_bytes=row_bytes)])
    assert calls == [32] * 31 + [8] + [1000]
    for one, other in zip(*found, strict=True):
        same = (one.inputs.equal(other.inputs), one.targets.equal(other.targets), one.index.equal(other.index))
        assert (*same, one.size, other.inputs.data_ptr() % 64) == (True, True, True, other.size, 0)
    found[1][0].inputs.zero_()
    assert found[1][1].inputs.equal(found[0][1].inputs)


def test_large_or_odd_batches_and_those_on_another_device_are_gathered_one_by_one() -> None:
    at_once = [
        GatheredBatches(1000, size, None, gather, device, row_bytes=row_bytes).at_once
        for size, row_bytes, device in ((32, 4096, "cpu"), (7, 100, "cpu"), (32, 64, "cuda:0"), (32, 64, "cpu"))
    ]
    assert at_once == [1, 1, 1, 32]


def test_a_batch_is_told_the_sums_of_its_examples() -> None:
    counts, table = torch.arange(10), torch.stack([torch.arange(10), torch.ones(10, dtype=torch.int64)], dim=1)
    seen = []

    def noting(index: torch.Tensor, total: int, columns: list[int]) -> Batch:
        seen.append((index.tolist(), total, columns))
        return gather(index)

    batches = GatheredBatches(10, 4, torch.Generator().manual_seed(0), noting, sums=(counts, table))
    assert [size for batch in batches for size in [batch.size]] == [4, 4, 2]
    assert [(total, columns) for _, total, columns in seen] == [(sum(i), [sum(i), len(i)]) for i, _, _ in seen]
    assert all(type(total) is int for _, total, _ in seen)


def test_tokens_are_joined_at_the_longest_width() -> None:
    short, long = TokenBatch(torch.tensor([[1, 2]])), TokenBatch(torch.tensor([[3, 4, 5]]), torch.tensor([2]))
    both = joined([short, long])
    assert both.ids.tolist() == [[1, 2, 0], [3, 4, 5]]
    assert both.lengths.tolist() == [2, 2]


def test_graphs_are_joined_as_one_that_holds_them_all() -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    pair = GraphBatch(torch.ones(2, 1), edges, torch.ones(2, 3), torch.zeros(2, dtype=torch.int64), 1, loopless=True)
    two = joined([pair, pair._replace(loopless=False)])
    assert two.edges.tolist() == [[0, 1, 2, 3], [1, 0, 3, 2]]
    assert two.graph_ids.tolist() == [0, 0, 1, 1]
    assert (two.num_graphs, two.edge_features.shape, two.loopless) == (2, (4, 3), False)
    assert joined([pair._replace(edge_features=None)] * 2).edge_features is None


def test_other_values_cannot_be_joined() -> None:
    with pytest.raises(ContractError, match="several dict"):
        joined([{}, {}])
