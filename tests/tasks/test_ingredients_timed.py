"""Tasks on which optimizers are timed: the splits and scores of the tasks that they are made of."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import dlbench_ingredients
from dlbench.data import Data
from dlbench_ingredients.timed import load_characters_loss, load_digits_loss
from dlbench_language.modelling.declare import load_shakespeare_char
from dlbench_vision import load_digits

SPECS = {spec.name: spec for spec in dlbench_ingredients.dlbench_tasks()}


@pytest.fixture
def data(data_root: Path) -> Data:
    return Data(root=data_root, cache=Path("no-cache"))


def test_digits_loss_is_digits(data: Data) -> None:
    for split in ("train", "val"):
        mine, theirs = (
            next(iter(task.batches(split, 64, torch.Generator().manual_seed(0))))
            for task in (load_digits_loss(data), load_digits(data))
        )
        assert torch.equal(mine.inputs, theirs.inputs)
        assert torch.equal(mine.targets, theirs.targets)


def test_characters_loss_is_shakespeare_in_windows_of_sixteen(data: Data) -> None:
    mine, theirs = load_characters_loss(data), load_shakespeare_char(data, length=16)
    first, second = (next(iter(t.batches("train", 4, torch.Generator().manual_seed(0)))) for t in (mine, theirs))
    assert first.inputs.ids.shape == (4, 16)
    assert torch.equal(first.inputs.ids, second.inputs.ids)


@pytest.mark.parametrize(("name", "target"), [("digits_loss", 0.2), ("characters_loss", 2.3)])
def test_each_has_a_milestone_on_what_is_lowered(name: str, target: float) -> None:
    spec = SPECS[name]
    assert (spec.metric.name, spec.metric.higher_is_better, spec.milestones) == ("cross_entropy", False, (target,))
