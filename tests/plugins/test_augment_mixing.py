"""Mixup, CutMix and label smoothing: shares that are exact, and the losses that take them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from augmentparts import MIXING, SIGNATURE, build, images, learner, seeded, started
from torch import Tensor

from dlbench import (
    Batch,
    Classes,
    Graph,
    GraphClasses,
    Image,
    Learner,
    NotApplicable,
    Signature,
    UsageError,
    Value,
    Vector,
)
from dlbench.data import Data
from dlbench.plan.catalog import discover
from dlbench_augment.mixing import probabilities, shares
from workshop import cell

CATALOG = discover(["dlbench_augment", "dlbench_ingredients"])


def batch(count: int = 64, **more: Any) -> Batch:
    """Each image is filled with its own number, so that what it is made of can be read off."""
    inputs = torch.arange(1.0, count + 1).view(count, 1, 1, 1).expand(count, 3, 9, 9).clone()
    return Batch(inputs, torch.arange(count) % 5, size=count, index=torch.arange(count), **more)


@pytest.mark.parametrize("name", MIXING)
def test_targets_become_probabilities_and_the_tasks_batch_stays(name: str) -> None:
    given = batch()
    inputs, targets = given.inputs.clone(), given.targets.clone()
    got = started(name).on_batch(given, seeded())
    assert got.targets.shape == (64, 5)
    torch.testing.assert_close(got.targets.sum(1), torch.ones(64))
    assert got.targets.min() >= 0
    assert torch.equal(given.inputs, inputs)
    assert torch.equal(given.targets, targets)
    assert torch.isfinite(F.cross_entropy(torch.randn(64, 5), got.targets))
    assert got.size == 64
    again = started(name).on_batch(given, seeded())
    assert torch.equal(got.inputs, again.inputs)
    assert torch.equal(got.targets, again.targets)


def test_mixup_mixes_image_and_target_in_the_same_share() -> None:
    generator = seeded(3)
    got = started("mixup[alpha=1.0]").on_batch(batch(), generator)
    twin = seeded(3)
    order = torch.randperm(64, generator=twin)
    share = torch.from_numpy(shares(1.0, 64, twin)).float()
    numbers = torch.arange(1.0, 65.0)
    torch.testing.assert_close(got.inputs[:, 0, 0, 0], share * numbers + (1 - share) * numbers[order])
    hard = F.one_hot(torch.arange(64) % 5, 5).float()
    torch.testing.assert_close(got.targets, share[:, None] * hard + (1 - share)[:, None] * hard[order])
    assert len(share.unique()) > 60  # one for each image
    assert got.index is None


def test_cutmix_shares_are_the_areas_that_are_left() -> None:
    got = started("cutmix").on_batch(batch(), seeded(1))
    order = torch.randperm(64, generator=seeded(1))
    own = (got.inputs[:, 0] == torch.arange(1.0, 65.0).view(64, 1, 1)).flatten(1).float().mean(1)
    other = (got.inputs[:, 0] == (order + 1.0).view(64, 1, 1)).flatten(1).float().mean(1)
    same = order == torch.arange(64)
    torch.testing.assert_close((own + other)[~same], torch.ones(int((~same).sum())))
    hard = F.one_hot(torch.arange(64) % 5, 5).float()
    expected = own[:, None] * hard + (1 - own)[:, None] * hard[order]
    torch.testing.assert_close(got.targets[~same], expected[~same])
    assert 0.2 < float((own > 0.5).float().mean()) < 0.9
    assert got.index is None


def test_label_smoothing_is_its_formula_and_equals_torchs() -> None:
    given = batch()
    got = started("label_smoothing[epsilon=0.2]").on_batch(given, seeded())
    assert got.inputs is given.inputs
    assert got.index is given.index
    expected = F.one_hot(given.targets, 5) * 0.8 + 0.04
    torch.testing.assert_close(got.targets, expected)
    logits = torch.randn(64, 5, generator=seeded())
    torch.testing.assert_close(
        F.cross_entropy(logits, got.targets), F.cross_entropy(logits, given.targets, label_smoothing=0.2)
    )


def test_shares_are_of_the_beta_distribution() -> None:
    for alpha in (0.2, 1.0, 4.0):
        drawn = shares(alpha, 40_000, seeded())
        variance = 1 / (4 * (2 * alpha + 1))
        assert drawn.mean() == pytest.approx(0.5, abs=4 * (variance / 40_000) ** 0.5)
        assert drawn.var() == pytest.approx(variance, rel=0.05)


def test_what_is_soft_already_is_mixed_further() -> None:
    smoothed = started("label_smoothing[epsilon=0.5]").on_batch(batch(), seeded())
    got = started("mixup").on_batch(smoothed, seeded())
    torch.testing.assert_close(got.targets.sum(1), torch.ones(64))
    assert float(got.targets.min()) >= 0.1 - 1e-6
    assert probabilities(got.targets, 5) is got.targets


# --- what they are for ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MIXING)
def test_they_need_a_class_for_each_example(name: str) -> None:
    with pytest.raises(NotApplicable, match=f"{name} is for one class an example, not for value"):
        started(name, Signature(input=Image(channels=3, height=9, width=9), output=Value()))
    with pytest.raises(UsageError, match=f"{name} works on batches with a class"):
        build(name).on_batch(Batch(images()), seeded())


def test_only_label_smoothing_is_for_more_than_images() -> None:
    vectors = Signature(input=Vector(features=3), output=Classes(num_classes=2))
    started("label_smoothing", vectors)
    started("label_smoothing", Signature(input=Graph(node_features=3), output=GraphClasses(num_classes=2)))
    for name in ("mixup", "cutmix"):
        with pytest.raises(NotApplicable, match=f"{name} is for images, not for vector"):
            started(name, vectors)


@pytest.mark.parametrize("name", MIXING)
def test_a_loss_of_whole_classes_is_named(name: str) -> None:
    def picked(outputs: Tensor, batch: Batch) -> Tensor:
        return F.nll_loss(outputs.log_softmax(1), batch.targets)

    with pytest.raises(NotApplicable, match=r"needs a loss that takes probabilities .* as cross_entropy does"):
        started(name, of=learner(picked))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("digits", {}), ("digits_rows", {}), ("csl", {}), ("digits_small", {}),
        ("listops", {"length": 16, "min_length": 8, "num_train": 64, "num_val": 16, "num_test": 16}),
    ],
)  # fmt: skip
def test_losses_of_classes_take_probabilities(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    task = CATALOG.task(name).open(Data(root=tmp_path, cache=tmp_path), options)
    task = task.fold(0) if hasattr(task, "fold") else task
    started("label_smoothing", task.signature, learner(task.loss))


def test_examples_behind_a_mask_are_not_mixed() -> None:
    with pytest.raises(UsageError, match="this one's mask hides some"):
        started("mixup").on_batch(batch(mask=torch.ones(64, dtype=torch.bool)), seeded())


class Counting(Learner):
    def train_step(self, batch: Batch, optimizers: Any) -> Tensor:
        return torch.zeros(())


@pytest.mark.parametrize("name", MIXING)
def test_a_model_with_its_own_step_is_named(name: str) -> None:
    with pytest.raises(NotApplicable, match="Counting takes its own step on whole classes"):
        started(name, of=Counting())
    off = {"mixup": "alpha", "cutmix": "alpha", "label_smoothing": "epsilon"}[name]
    started(f"{name}[{off}=0.0]", of=Counting())


def test_the_signature_says_how_many_classes() -> None:
    assert started("mixup").num_classes == SIGNATURE.output.num_classes


@pytest.mark.parametrize("text", ["mixup", "cutmix", "label_smoothing", "rotation,mixup,label_smoothing"])
def test_a_network_learns_from_soft_targets_and_its_losses_stay_finite(text: str) -> None:
    found = cell("lenet5", "digits", {"regularizers": text, "budget.steps": 60}, among=CATALOG)
    losses = [point["loss"] for curve in found["curves"] for point in curve]
    assert all(0 < loss < 3 for loss in losses)
    assert found["metrics"]["val"]["accuracy"] > 0.2
