"""Batches gathered by index."""

from __future__ import annotations

from itertools import chain
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from dlbench import Batch, GraphBatch, TokenBatch, Vector
from dlbench.data.batches import GatheredBatches, joined, judged_at_once
from dlbench.data.examples import Examples
from dlbench.data.images import ImageClassification
from dlbench.data.sequences import BucketedBatches
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


GIB = 1 << 30


@pytest.mark.parametrize(
    ("memory", "allowed", "numbers", "expected"),
    [
        (80 * GIB, 1.0, 3 * 32 * 32, 1600),  # a small image on a large card: eight times as many
        (8 * GIB, 1.0, 3 * 32 * 32, 200),  # never fewer than on a CPU
        (16 * GIB, 1.0, 3 * 32 * 32, 341),  # as many as a sixteenth of the card holds
        (16 * GIB, 0.5, 3 * 16 * 16, 682),  # of which a cell may take half
        (80 * GIB, 1.0, 3 * 224 * 224, 200),
    ],
)
def test_on_cuda_as_many_are_judged_at_once_as_the_card_has_room_for(
    monkeypatch: pytest.MonkeyPatch, memory: int, allowed: float, numbers: int, expected: int
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=memory))
    monkeypatch.setattr(torch.cuda, "get_per_process_memory_fraction", lambda device: allowed, raising=False)
    assert judged_at_once(200, numbers, "cuda:0") == expected
    assert judged_at_once(200, numbers, "cpu") == 200
    monkeypatch.delattr(torch.cuda, "get_per_process_memory_fraction")
    assert judged_at_once(200, numbers, "cuda:0") == 200  # nobody knows what may be used


class Looking:
    """Predicts the first class, and notes how many it was shown at once."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def predict(self, batch: Batch) -> torch.Tensor:
        self.sizes.append(batch.size)
        return torch.tensor([1.0, 0.0]).repeat(batch.size, 1)


@pytest.mark.parametrize("room", ["images", "examples"])
def test_tasks_of_the_core_judge_as_many_at_once_as_there_is_room_for(
    room: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.arange(20) % 2
    if room == "images":
        pixels = np.arange(20 * 48).reshape(20, 3, 4, 4).astype(np.uint8)
        task: Any = ImageClassification(dict.fromkeys(("train", "val", "test"), (pixels, labels)), num_classes=2)
    else:
        rows = np.arange(20)
        task = Examples(
            input=Vector(features=48), inputs=np.zeros((20, 48)), targets=labels, num_classes=2,
            splits={"train": rows, "val": rows, "test": rows},
        )  # fmt: skip
    once, parts = Looking(), Looking()
    expected = task.judge(once, "val")
    asked: list[int] = []

    def few(least: int, numbers: int, device: str) -> int:
        asked.append(numbers)
        return 7

    monkeypatch.setattr(f"dlbench.data.{room}.judged_at_once", few)
    assert task.judge(parts, "val") == pytest.approx(expected)
    assert (once.sizes, parts.sizes, asked) == ([20], [7, 7, 6], [48])


class Moves(TorchDispatchMode):
    """Counts the permutations that are drawn, and what is moved to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        self.seen += [name] if name in ("randperm", "_to_copy") else []
        return func(*args, **(kwargs or {}))


def test_a_pass_draws_its_order_once_and_moves_it_once() -> None:
    """`meta` is any device that isn't the CPU."""
    generator = torch.Generator().manual_seed(0)
    gathered = GatheredBatches(1000, 10, generator, lambda index: Batch(index, size=len(index)), "meta")
    with Moves() as moves:
        batches = [*gathered]
    assert moves.seen == ["randperm", "_to_copy"]
    assert [batch.inputs.device.type for batch in batches] == ["meta"] * 100
    lengths = torch.arange(1, 1001)
    bucketed = BucketedBatches(lengths, 10, generator, lambda index: Batch(index.there, size=len(index)), device="meta")
    with Moves() as moves:
        batches = [*bucketed]
    assert moves.seen == ["randperm", "randperm", "_to_copy"]  # of the examples, and of their batches
    assert [batch.inputs.device.type for batch in batches] == ["meta"] * 100
