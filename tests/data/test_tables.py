"""Tables: what columns become, which rows are in which split, in which unit numbers are judged, what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlbench import Batch, Classes, NoData, UsageError, Value, Vector
from dlbench.data import CsvTable, Data
from dlbench.data.examples import Examples
from dlbench.data.splits import complete, draw_split
from dlbench.errors import ContractError


class Judged:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def predict(self, batch: Batch) -> torch.Tensor:
        return self.answer(batch)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    (tmp_path / "train.csv").write_text("id,size,colour,kind\n1,1.0,red,b\n2,3.0,blue,a\n3,,red,a\n4,2,blue,b\n")
    (tmp_path / "val.csv").write_text("id,size,colour,kind\n5,4.0,green,a\n")
    (tmp_path / "test.csv").write_text("id,size,colour,kind\n6,2.0,red,b\n7,0,blue,b\n")
    rows = "\n".join(f"{i};{'ab'[i % 2]};{10 * i}" for i in range(40))
    (tmp_path / "one.csv").write_text("x;kind;price\n" + rows + "\n")
    return Data(root=tmp_path, cache=tmp_path)


FILES = {"train": "train.csv", "val": "val.csv", "test": "test.csv"}


def test_numbers_are_standardised_as_in_training_and_others_are_one_hot(data: Data) -> None:
    task = CsvTable(data, FILES, target="kind", drop=["id"])
    assert (task.signature.input, task.signature.output) == (Vector(features=3), Classes(num_classes=2))
    spread = np.std([1, 3, 2])
    (train,) = task.batches("train", 10, None)
    expected = [[-1 / spread, 0, 1], [1 / spread, 1, 0], [0, 0, 1], [0, 1, 0]]  # size, blue, red
    torch.testing.assert_close(train.inputs, torch.tensor(expected, dtype=torch.float32))
    assert train.targets.tolist() == [1, 0, 0, 1]
    (val,) = task.batches("val", 10, None)
    torch.testing.assert_close(val.inputs, torch.tensor([[2 / spread, 0, 0]], dtype=torch.float32))  # green is unknown
    (test,) = task.batches("test", 10, None)
    assert test.targets.tolist() == [1, 1]


def test_one_file_is_split_with_the_classes_in_proportion_and_always_the_same(data: Data) -> None:
    task = CsvTable(data, "one.csv", target="kind", drop=["price"], separator=";")
    sizes = {split: len(index) for split, index in task.splits.items()}
    assert sizes == {"train": 32, "val": 4, "test": 4}
    for split in sizes:
        (batch,) = task.batches(split, 40, None)
        assert batch.targets.float().mean() == 0.5
    again = CsvTable(data, "one.csv", target="kind", drop=["price"], separator=";")
    assert torch.equal(again.inputs, task.inputs)


def test_a_missing_val_is_a_tenth_of_train_and_test_stays(data: Data) -> None:
    read = {"train": list(range(20)), "test": [99]}
    found = complete(read, lambda part, at: [part[i] for i in at], lambda part: [i % 2 for i in part])
    assert [len(found[split]) for split in ("train", "val", "test")] == [18, 2, 1]
    assert sorted(found["train"] + found["val"]) == list(range(20))
    with pytest.raises(UsageError, match="needs train, train and test, or train, val and test, not val, test"):
        complete({"val": [1], "test": [2]}, lambda p, i: p, list)
    with pytest.raises(UsageError, match="not train, dev"):
        complete({"train": [1], "dev": [2]}, lambda p, i: p, list)


def test_numbers_are_judged_in_their_own_unit(data: Data) -> None:
    task = CsvTable(data, "one.csv", target="price", classes=False, drop=["kind"], separator=";")
    assert task.signature.output == Value()
    (train,) = task.batches("train", 40, None)
    assert train.targets.mean().item() == pytest.approx(0, abs=1e-6)
    assert train.targets.std(correction=0).item() == pytest.approx(1)
    off = Judged(lambda batch: batch.targets + 3 / task.scale)
    assert task.judge(off, "test") == {"mae": pytest.approx(3, rel=1e-4), "rmse": pytest.approx(3, rel=1e-4)}


def test_classes_are_judged_by_accuracy_and_nats(data: Data) -> None:
    task = CsvTable(data, FILES, target="kind", drop=["id"])
    found = task.judge(Judged(lambda batch: torch.zeros(len(batch.targets), 2)), "test")
    assert found == {"accuracy": 0.0, "cross_entropy": pytest.approx(np.log(2))}


def test_what_is_no_table_is_refused(data: Data) -> None:
    with pytest.raises(UsageError, match=r"column of train\.csv 'knd'; did you mean 'kind'"):
        CsvTable(data, FILES, target="knd")
    with pytest.raises(NoData, match=r"train\.csv, line 4 has no size"):
        CsvTable(data, FILES, target="size", classes=False)
    with pytest.raises(NoData, match="column kind isn't of numbers"):
        CsvTable(data, FILES, target="kind", classes=False)
    with pytest.raises(NoData, match="the colour 'green' is in no training row"):
        CsvTable(data, FILES, target="colour")
    with pytest.raises(NoData, match="missing"):
        CsvTable(data, "none.csv", target="x")
    (data.root / "empty.csv").write_text("")
    with pytest.raises(NoData, match=r"can't read empty\.csv as a table"):
        CsvTable(data, "empty.csv", target="x")
    with pytest.raises(NoData, match="too few"):
        CsvTable(data, "train.csv", target="kind")


def test_splits_that_leave_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="below 1 together"):
        draw_split([0, 1] * 10, 0.5, 0.5)
    with pytest.raises(NoData, match="classes in proportion"):
        draw_split([0] * 19 + [1], 0.1)
    train, val = draw_split(range(20), 0.1, stratify=False)
    assert sorted([*train, *val]) == list(range(20))


def test_targets_that_cannot_be_are_refused() -> None:
    parts: dict[str, Any] = {"input": Vector(features=1), "splits": {}, "inputs": torch.zeros(2, 1)}
    with pytest.raises(ContractError, match="classes from 0 to 1"):
        Examples(**parts, targets=[0, 2], num_classes=2)
    with pytest.raises(ContractError, match="3 targets for 2 examples"):
        Examples(**parts, targets=[0, 1, 1], num_classes=2)
