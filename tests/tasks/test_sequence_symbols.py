"""Generated languages: the embedded Reber grammar, nested lists, and sequences written backwards."""

from __future__ import annotations

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dlbench_sequence
from dlbench import Batch, TokenBatch
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench_sequence.generated import grammar, listops
from dlbench_sequence.generated.expressions import SYMBOLS, draw_trees

SPECS = {spec.name: spec for spec in dlbench_sequence.dlbench_tasks()}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
SPLITS = ("train", "val", "test")
SMALL = {"num_train": 300, "num_val": 40, "num_test": 200}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


class Judged:
    """A learner as a task sees it."""

    def __init__(self, predict: Any = None, write: Any = None) -> None:
        self._predict, self._write = predict, write

    def predict(self, batch: Batch) -> Tensor:
        found: Tensor = self._predict(batch.inputs)
        return found

    def generate(self, batch: Batch, *, beam: int = 1) -> tuple[Tensor, Tensor]:
        assert beam == 1
        found: tuple[Tensor, Tensor] = self._write(batch.inputs)
        return found


# --- Reber ------------------------------------------------------------------------------------------------

EDGES = {  # the diagram of the inner grammar, read off once more: state -> symbol -> state
    0: {"B": 1},
    1: {"T": 2, "P": 3},
    2: {"S": 2, "X": 4},
    3: {"T": 3, "V": 5},
    4: {"X": 3, "S": 6},
    5: {"P": 4, "V": 6},
    6: {"E": 7},
}


def successors(prefix: str) -> set[str]:
    """What may follow a prefix of the embedded grammar."""
    if len(prefix) < 3:
        return {0: {"B"}, 1: {"T", "P"}, 2: {"B"}}[len(prefix)]
    state, rest = 1, prefix[3:]
    for index, symbol in enumerate(rest):
        if state == 7:
            tail = rest[index:]
            assert tail == prefix[1]
            return {"E"}
        state = EDGES[state][symbol]
    return {prefix[1]} if state == 7 else set(EDGES[state])


def texts(task: Any, split: str) -> list[str]:
    """The strings of a split, after a look at what a batch says of them."""
    found = []
    for batch in task.batches(split, 50, None):
        for row, size, targets, mask, legal in zip(
            batch.inputs.ids, batch.inputs.lengths, batch.targets, batch.mask, batch.legal, strict=True
        ):
            text = "".join(grammar.SYMBOLS[symbol] for symbol in [*row[:size], targets[size - 1]])
            assert torch.equal(row[1:size], targets[: size - 1])
            assert mask.sum() == size
            assert mask[:size].all()
            for place in range(int(size)):
                allowed = {symbol for bit, symbol in enumerate(grammar.SYMBOLS) if legal[place] >> bit & 1}
                assert allowed == successors(text[: place + 1])
                assert text[place + 1] in allowed
            found.append(text)
        assert batch.size == batch.mask.sum()
    return found


def test_reber_strings_follow_the_grammar_and_come_as_twins() -> None:
    task = SPECS["reber"].load(DATA, **SMALL)
    for split, count in zip(SPLITS, (300, 40, 200), strict=True):
        found = texts(task, split)
        assert len(found) == count
        assert all(text[1] == text[-2] and 9 <= len(text) <= 40 for text in found)
        for frame in "TP":
            assert sum(text[1] == frame for text in found) == count // 2
        other = {"T": "P", "P": "T"}
        twins = sorted(text[0] + other[text[1]] + text[2:-2] + other[text[1]] + "E" for text in found)
        assert twins == sorted(found)


def test_reber_walks_have_the_lengths_that_the_share_says() -> None:
    assert grammar.share(9, 9) == pytest.approx(2 * 0.5**3)  # BTBTXSETE and BTBPVVETE, and their twins
    assert grammar.share(0, 400) == pytest.approx(1.0, abs=1e-12)
    walks = grammar.walk(40_000, 60, np.random.RandomState(3))
    for shortest, longest in ((9, 9), (10, 12), (13, 30)):
        share = ((walks.lengths + 6 >= shortest) & (walks.lengths + 6 <= longest)).mean()
        expected = grammar.share(shortest, longest)
        assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / 40_000)


def knows_the_grammar(inputs: TokenBatch, remembers: bool = True) -> Tensor:
    logits = torch.full((*inputs.ids.shape, 7), -60.0)
    for row, (ids, size) in enumerate(zip(inputs.ids.tolist(), inputs.lengths.tolist(), strict=True)):
        text = "".join(grammar.SYMBOLS[symbol] for symbol in ids[:size])
        for place in range(size):
            allowed = successors(text[: place + 1])
            if not remembers and text[place] == "E":
                allowed = {"T", "P"}
            for symbol in allowed:
                logits[row, place, grammar.SYMBOLS.index(symbol)] = 0.0
    return logits


def test_reber_optimum_and_memoryless_figure() -> None:
    task = SPECS["reber"].load(DATA, **SMALL)
    scores = task.judge(Judged(knows_the_grammar), "test")
    assert scores["outer_accuracy"] == SPECS["reber"].bound
    assert scores["legal"] == 1.0
    assert scores["excess"] == pytest.approx(0.0, abs=2e-5)  # it knows nothing of the limit of 40 symbols
    scores = task.judge(Judged(lambda inputs: knows_the_grammar(inputs, remembers=False)), "test")
    assert scores["outer_accuracy"] == SPECS["reber"].floor
    assert scores["excess"] > 0.05


def test_reber_excess_counts_from_the_limited_grammar() -> None:
    """Between 9 and 10 symbols there are few strings: their own frequencies are the best that can be said of them."""
    task = SPECS["reber"].load(DATA, length=10, num_train=4000, num_val=2, num_test=2)
    found = texts(task, "train")
    assert {len(text) for text in found} == {9, 10}
    counts = np.unique(found, return_counts=True)[1]
    entropy = -(counts / len(found) * np.log(counts / len(found))).sum()
    places = sum(len(text) - 1 for text in found) / len(found)
    assert task.best["train"] == pytest.approx(entropy / places, abs=0.01)


def test_reber_limits() -> None:
    task = SPECS["reber"].load(DATA, min_length=20, length=30, **SMALL)
    assert {len(text) for text in texts(task, "train")} <= set(range(20, 31))
    assert task.signature.input.length == 29
    with pytest.raises(UsageError, match="length must be at least 9, not 8"):
        SPECS["reber"].load(DATA, length=8)
    with pytest.raises(UsageError, match="of all strings have between 200 and 210 symbols"):
        SPECS["reber"].load(DATA, min_length=200, length=210)


def test_reber_padding_counts_nowhere() -> None:
    task = SPECS["reber"].load(DATA, **SMALL)
    (batch,) = task.batches("train", 300, torch.Generator().manual_seed(0))
    outputs = torch.randn(*batch.targets.shape, 7)
    loss = task.loss(outputs, batch)
    assert not batch.mask.all()
    assert loss.item() == pytest.approx(
        nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask]).item()
    )
    outputs[~batch.mask] = 7.0
    assert task.loss(outputs, batch).item() == pytest.approx(loss.item())


# --- nested lists -----------------------------------------------------------------------------------------


def read(words: list[str], depth: int = 1) -> tuple[int, int, int, list[int]]:
    """Read one expression off the front of the words, which are used up: its value, depth, and how many arguments its
    operators have."""
    word = words.pop(0)
    if word.isdigit():
        return int(word), depth, 0, []
    values, deepest, counts = [], depth, []
    while words[0] != "]":
        value, below, _, inner = read(words, depth + 1)
        values.append(value)
        deepest = max(deepest, below)
        counts += inner
    words.pop(0)
    functions = {
        "[MIN": min,
        "[MAX": max,
        "[MED": lambda numbers: int(statistics.median(numbers)),
        "[SM": lambda numbers: sum(numbers) % 10,
    }
    return int(functions[word](values)), deepest, len(values), [*counts, len(values)]


def check_expressions(task: Any, split: str, *, length: range, depth: int, arguments: int) -> list[str]:
    found, depths, counts = [], set(), set()
    for batch in task.batches(split, 64, None):
        lengths = (
            [batch.inputs.ids.shape[1]] * len(batch.targets) if batch.inputs.lengths is None else batch.inputs.lengths
        )
        for ids, size, label in zip(batch.inputs.ids, lengths, batch.targets.tolist(), strict=True):
            words = [SYMBOLS[symbol] for symbol in ids[: int(size)]]
            found.append(" ".join(words))
            assert len(words) in length
            value, deepest, _, inner = read(words)
            assert not words
            assert value == label
            depths.add(deepest)
            counts |= set(inner)
    assert max(depths) == depth
    assert counts == set(range(2, arguments + 1))
    return found


def test_listops_values_agree_with_another_reader() -> None:
    task = SPECS["listops"].load(DATA, num_train=1500, num_val=100, num_test=500)
    parts = [check_expressions(task, split, length=range(20, 101), depth=5, arguments=5) for split in ("train", "test")]
    assert len(set(parts[0]) | set(parts[1])) == 2000
    assert all(word in " ".join(parts[0]) for word in SYMBOLS)


def test_listops_of_the_long_range_arena() -> None:
    task = SPECS["listops"].load(
        DATA, length=1999, min_length=501, max_depth=10, max_args=10, num_train=1, num_val=1, num_test=600
    )
    check_expressions(task, "test", length=range(501, 2000), depth=10, arguments=10)
    assert task.rows["test"].lengths.double().mean().item() == pytest.approx(1062, abs=60)  # 4 standard errors
    shares = task.labels["test"].bincount(minlength=10) / 600
    expected = torch.tensor([0.173, 0.094, 0.075, 0.075, 0.091, 0.087, 0.078, 0.075, 0.077, 0.174])
    assert ((shares - expected).abs() < 4 * (expected * (1 - expected) / 600).sqrt()).all()


def test_listops_keeps_the_published_share_of_draws() -> None:
    roots = [
        draw_trees(8192, max_depth=10, max_args=10, random=np.random.RandomState(seed))[0].sizes for seed in range(2)
    ]
    sizes = np.concatenate(roots)
    assert ((sizes > 500) & (sizes < 2000)).mean() == pytest.approx(0.083, abs=0.01)
    assert (sizes == 1).mean() == pytest.approx(0.75, abs=0.015)


def test_listops_floor_and_test_split() -> None:
    spec = SPECS["listops"]
    task = spec.load(DATA)
    majority = task.labels["train"].bincount().argmax()
    assert (task.labels["test"] == majority).double().mean().item() == pytest.approx(spec.floor, abs=1e-9)
    other = spec.load(DATA, num_train=5)
    assert torch.equal(other.rows["test"].values, task.rows["test"].values)


def test_listops_limits() -> None:
    with pytest.raises(UsageError, match="min_length must not be above the length 30, but is 31"):
        SPECS["listops"].load(DATA, length=30, min_length=31)
    with pytest.raises(UsageError, match="too few expressions of 4 to 4 symbols within depth 2 and 2 arguments"):
        SPECS["listops"].load(DATA, length=4, min_length=4, max_depth=2, max_args=2)
    with pytest.raises(UsageError, match="max_args must be at least 2"):
        SPECS["listops"].load(DATA, max_args=1)


def test_listops_values_of_all_small_lists() -> None:
    """All lists of two digits and four operators: 400 expressions, no more."""
    taken: set[bytes] = set()
    rows, values = listops.draw(
        400, lengths=range(4, 5), max_depth=2, max_args=2, taken=taken, random=np.random.RandomState(0)
    )
    assert len({tuple(row) for row in rows}) == 400
    for row, value in zip(rows, values, strict=True):
        assert read([SYMBOLS[symbol] for symbol in row])[0] == value


# --- backwards --------------------------------------------------------------------------------------------


def backwards(inputs: TokenBatch, *, extra: int = 0, wrong: bool = False) -> tuple[Tensor, Tensor]:
    ids = torch.full((len(inputs.ids), inputs.ids.shape[1] + extra), 3)
    for row, (source, size) in enumerate(zip(inputs.ids, inputs.lengths, strict=True)):
        ids[row, :size] = source[:size].flip(0)
        if wrong:
            ids[row, size - 1] = (ids[row, size - 1] + 1) % 10
    return ids, inputs.lengths.clone()


def certain(inputs: TokenBatch) -> Tensor:
    """The logits of one that knows what comes next, taught by the source alone."""
    logits = torch.zeros(*inputs.previous.shape, 12)
    for row, (source, size) in enumerate(zip(inputs.ids, inputs.lengths, strict=True)):
        for place, token in enumerate([*source[:size].flip(0), torch.tensor(11)]):
            logits[row, place, token] = 100.0
    return logits


def test_reverse_batches_teach_what_stands_before() -> None:
    task = SPECS["reverse"].load(DATA, **SMALL)
    seen = set()
    for batch in task.batches("train", 32, torch.Generator().manual_seed(0)):
        ids, lengths, _, previous, sizes = batch.inputs
        assert sizes == lengths.tolist()
        assert batch.size == batch.mask.sum() == (lengths + 1).sum()
        for row in range(len(ids)):
            size = int(lengths[row])
            seen.add(size)
            written = [*ids[row, :size].flip(0).tolist(), 11]
            assert batch.targets[row][batch.mask[row]].tolist() == written
            assert previous[row, : size + 1].tolist() == [10, *written[:-1]]
            assert not batch.mask[row, size + 1 :].any()
    assert seen == set(range(1, 11))
    output = task.signature.output
    assert (output.vocab, output.length, output.start, output.end) == (12, 11, 10, 11)


@pytest.mark.parametrize("extra", [0, 1])
def test_reverse_of_a_perfect_writer(extra: int) -> None:
    task = SPECS["reverse"].load(DATA, **SMALL)
    scores = task.judge(Judged(certain, lambda inputs: backwards(inputs, extra=extra)), "test")
    assert scores["exact_match"] == SPECS["reverse"].bound
    assert scores["cross_entropy"] == pytest.approx(0.0, abs=1e-6)


def test_reverse_forgives_nothing() -> None:
    task = SPECS["reverse"].load(DATA, **SMALL)

    def score(write: Any) -> float:
        found: float = task.judge(Judged(certain, write), "test")["exact_match"]
        return found

    def longer(inputs: TokenBatch) -> tuple[Tensor, Tensor]:
        ids, lengths = backwards(inputs, extra=1)
        return ids, lengths + 1

    def shorter(inputs: TokenBatch) -> tuple[Tensor, Tensor]:
        ids, lengths = backwards(inputs)
        return ids, lengths - 1

    def nothing(inputs: TokenBatch) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(inputs.ids), 0, dtype=torch.int64), torch.zeros(len(inputs.ids), dtype=torch.int64)

    assert [score(write) for write in (longer, shorter, nothing)] == [0.0, 0.0, 0.0]
    assert score(lambda inputs: backwards(inputs, wrong=True)) == SPECS["reverse"].floor == 0.0
    palindromes = np.mean([row == row[::-1] for row in sources(task, "test")])
    same = score(lambda inputs: (inputs.ids, inputs.lengths))
    assert same == pytest.approx(palindromes)
    assert 0.1 < same < 0.3  # the single symbols, and few more


def sources(task: Any, split: str) -> list[list[int]]:
    return [
        ids[:size].tolist()
        for batch in task.batches(split, 64, None)
        for ids, size in zip(batch.inputs.ids, batch.inputs.lengths, strict=True)
    ]


def test_no_sequence_of_reverse_is_in_two_splits() -> None:
    task = SPECS["reverse"].load(DATA)
    splits = {split: sources(task, split) for split in SPLITS}
    assert {split: len(rows) for split, rows in splits.items()} == {"train": 20_000, "val": 500, "test": 1000}
    distinct = {split: set(map(tuple, rows)) for split, rows in splits.items()}
    assert sum(map(len, distinct.values())) == len(set().union(*distinct.values()))
    for rows in splits.values():  # lengths are as likely as before, but for the shortest, of which there are few
        longer = [len(row) for row in rows if len(row) > 3]
        shares = np.bincount(longer, minlength=11)[4:] / len(longer)
        assert (np.abs(shares - 1 / 7) < 4 * np.sqrt(6 / 49 / len(longer))).all(), shares


@pytest.mark.parametrize("options", [{"length": 1, "vocab": 2}, {"length": 2, "vocab": 2}])
def test_too_few_sequences_for_three_splits_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="too few sequences for three splits that share none: raise one of them"):
        SPECS["reverse"].load(DATA, **options)


def test_reverse_shows_samples() -> None:
    task = SPECS["reverse"].load(DATA, **SMALL)
    shown = task.samples(Judged(write=backwards))
    assert len(shown) == 5
    for text in shown:
        source, answer = text.split(" -> ")
        assert source.split() == answer.split()[::-1]


def test_reverse_loss_is_over_written_tokens() -> None:
    task = SPECS["reverse"].load(DATA, **SMALL)
    batch = next(iter(task.batches("train", 32, torch.Generator().manual_seed(0))))
    outputs = torch.randn(*batch.targets.shape, 12)
    expected = nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask]).item()
    assert task.loss(outputs, batch).item() == pytest.approx(expected)


@pytest.mark.parametrize(("name", "value"), [("length", 0), ("beam", 0), ("vocab", 1), ("num_val", 0)])
def test_reverse_limits(name: str, value: int) -> None:
    with pytest.raises(UsageError, match=f"{name} must be"):
        SPECS["reverse"].load(DATA, **{name: value})
