"""Rows of different lengths: what a batch holds, and which rows stand together."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dlbench import Batch
from dlbench.data.sequences import BucketedBatches, Index, Ragged


def indices(count: int, batch_size: int, seed: int | None, *, pool: int = 50) -> tuple[Tensor, list[Tensor]]:
    lengths = torch.randint(1, 60, (count,), generator=torch.Generator().manual_seed(1))
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    found: list[Tensor] = []

    def gather(index: Index) -> Batch:
        assert torch.equal(index.host, index.there)
        found.append(index.host)
        return Batch(inputs=index.there, size=len(index))

    batches = BucketedBatches(lengths, batch_size, generator, gather, pool=pool)
    assert len(list(batches)) == len(batches)
    return lengths, found


def padding(lengths: Tensor, batches: list[Tensor]) -> float:
    """The share of the places that are padding."""
    places = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - int(lengths.sum()) / places


def test_padded_rows_are_the_rows_and_zeros() -> None:
    rows = [[3, 1, 4], [1], [5, 9]]
    ragged = Ragged(rows)
    values, lengths = ragged.padded(torch.tensor([2, 0, 1]))
    assert values.tolist() == [[5, 9, 0], [3, 1, 4], [1, 0, 0]]
    assert lengths.tolist() == [2, 3, 1]
    assert ragged.padded(torch.tensor([1]))[0].tolist() == [[1]]
    assert ragged.padded(torch.tensor([1]), to=4)[0].tolist() == [[1, 0, 0, 0]]
    assert len(ragged) == 3


def test_an_index_of_both_sides_gives_the_same_rows_and_their_sizes() -> None:
    ragged, chosen = Ragged([[3, 1, 4], [1], [5, 9]]), torch.tensor([2, 0])
    both = Index(chosen, chosen.clone())
    assert all(map(torch.equal, ragged.padded(both), ragged.padded(chosen)))
    assert ragged.sizes(both) == [2, 3]
    assert len(both) == 2


def test_rows_of_steps_keep_their_numbers() -> None:
    values, lengths = Ragged([[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]], dtype=torch.float32).padded(torch.tensor([0, 1]))
    assert values.tolist() == [[[1.0, 2.0], [0.0, 0.0]], [[3.0, 4.0], [5.0, 6.0]]]
    assert values.dtype == torch.float32
    assert lengths.tolist() == [1, 2]


def test_an_empty_row_is_an_error_that_names_it() -> None:
    with pytest.raises(ValueError, match="row 1 is empty"):
        Ragged([[1], [], [2]])


@pytest.mark.parametrize("seed", [None, 0, 1])
def test_a_pass_holds_every_row_once(seed: int | None) -> None:
    _, batches = indices(1003, 8, seed, pool=5)
    assert torch.cat(batches).sort().values.tolist() == list(range(1003))
    assert sorted(map(len, batches)) == [3, *[8] * 125]


def test_rows_of_about_one_length_stand_together_in_random_order() -> None:
    lengths, bucketed = indices(4000, 16, 0)
    plain = indices(4000, 16, 0, pool=1)[1]
    assert padding(lengths, bucketed) < 0.05 < 0.4 < padding(lengths, plain)
    first = [int(lengths[batch].max()) for batch in bucketed]
    assert first != sorted(first)
    assert first != sorted(first, reverse=True)


def test_company_changes_from_pass_to_pass_and_repeats_with_the_seed() -> None:
    def company(seed: int) -> set[tuple[int, ...]]:
        return {tuple(sorted(batch.tolist())) for batch in indices(4000, 16, seed)[1]}

    assert company(0) == company(0)
    assert len(company(0) & company(1)) < 5


def test_judging_begins_with_the_longest() -> None:
    lengths, batches = indices(100, 16, None)
    ordered = lengths[torch.cat(batches)]
    assert ordered.tolist() == sorted(lengths.tolist(), reverse=True)


def test_batches_say_which_rows_they_hold_unless_they_did_already() -> None:
    def plain(index: Index) -> Batch:
        return Batch(inputs=index.there, size=len(index))

    def own(index: Index) -> Batch:
        return Batch(inputs=index.there, size=len(index), index=index.there + 100)

    lengths = torch.arange(1, 20)
    for batch in BucketedBatches(lengths, 4, torch.Generator().manual_seed(0), plain):
        assert torch.equal(batch.index, batch.inputs)
    for batch in BucketedBatches(lengths, 4, None, own):
        assert torch.equal(batch.index, batch.inputs + 100)
