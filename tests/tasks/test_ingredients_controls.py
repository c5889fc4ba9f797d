"""Controls: labels that say nothing are learnt by heart and leave the test score at chance."""

from __future__ import annotations

import pytest
import torch

import dlbench_ingredients
from dlbench import UsageError
from dlbench.data import Data
from dlbench.testing import check_task, report
from dlbench_ingredients.shuffled import Shuffled
from dlbench_vision.digits import load as load_digits
from workshop import cell

SPEC = {spec.name: spec for spec in dlbench_ingredients.dlbench_tasks()}["shuffled"]


def opened(tmp_path, **options) -> Shuffled:
    return SPEC.open(Data(root=tmp_path, cache=tmp_path, device="cpu"), options)


def test_labels_of_training_and_validation_are_permuted_once_and_those_of_test_are_true(tmp_path) -> None:
    true = load_digits(Data(root=tmp_path, cache=tmp_path, device="cpu"))
    found, again, other = (opened(tmp_path, **more)._task for more in ({}, {}, {"seed": 1}))
    for split in ("train", "val", "test"):
        images, labels = found.examples(split)
        assert torch.equal(images, true.examples(split)[0])
        assert torch.equal(labels, again.examples(split)[1])
        assert torch.equal(labels.sort().values, true.examples(split)[1].sort().values)
        same = (labels == true.examples(split)[1]).double().mean().item()
        assert same == 1 if split == "test" else same < 0.2
    assert not torch.equal(found.examples("train")[1], other.examples("train")[1])


def test_training_may_take_the_first_few_images(tmp_path) -> None:
    few, whole = opened(tmp_path, images=50)._task, load_digits(Data(root=tmp_path, cache=tmp_path, device="cpu"))
    images, labels = few.examples("train")
    assert torch.equal(images, whole.examples("train")[0][:50])
    assert torch.equal(labels.sort().values, whole.examples("train")[1][:50].sort().values)
    assert len(few.examples("val")[1]) == 360


def test_the_task_keeps_to_its_contract() -> None:
    findings = check_task(SPEC)
    assert len(findings) > 10
    assert all(finding.ok for finding in findings), report(findings)


def test_the_nearest_neighbour_knows_all_labels_by_heart_and_is_at_chance_over_permutations() -> None:
    """It is as good as any at learning by heart. One permutation's score lies further from chance than a coin's would,
    because neighbours agree; so the spread is measured over permutations."""
    found = [cell("nearest_neighbour", f"shuffled[seed={seed}]")["metrics"]["test"] for seed in range(12)]
    assert all(scores["train_error"] == 0 for scores in found)
    scores = torch.tensor([each["accuracy"] for each in found], dtype=torch.float64)
    assert abs(scores.mean().item() - 0.1) < 3 * scores.std().item() / len(scores) ** 0.5
    assert cell("nearest_neighbour", "digits")["metrics"]["test"]["accuracy"] > 0.95


@pytest.mark.parametrize("options", ["task=cora", "images=-1", "seed=-1", "sede=1"])
def test_a_wrong_option_is_a_usage_error(options: str) -> None:
    with pytest.raises(UsageError):
        cell("constant", f"shuffled[{options}]")
