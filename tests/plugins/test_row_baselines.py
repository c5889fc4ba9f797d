"""ridge and nearest_neighbour: against scikit-learn, and on series of different lengths."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

import dlbench_baseline
from dlbench import Batch, Classes, Image, Learner, NotApplicable, Series, SeriesBatch, Signature, Vector
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench.errors import UsageError
from dlbench_baseline.rows import as_rows, resize

SPECS = {spec.name: spec for spec in dlbench_baseline.dlbench_models()}
NAMES = ("ridge", "nearest_neighbour")
VECTORS = Signature(input=Vector(features=5), output=Classes(num_classes=3))
SERIES = Signature(input=Series(features=2), output=Classes(num_classes=3))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def points(count: int) -> tuple[Tensor, Tensor]:
    """Three overlapping blobs, far from the origin."""
    targets = torch.arange(count) % 3
    return torch.randn(count, 5) + targets[:, None] * torch.tensor([1.0, 0, -1, 0.5, 0]) + 10, targets


def series(*lengths: int, longest: int = 0, junk: float = 0.0) -> SeriesBatch:
    """Series of these lengths, the same for the same length."""
    values = torch.full((len(lengths), longest or max(lengths), 2), junk)
    for row, length in zip(values, lengths, strict=True):
        row[:length] = torch.randn(length, 2, generator=torch.Generator().manual_seed(length))
    return SeriesBatch(values, torch.tensor(lengths))


def trained(name: str, signature: Signature, batches: list[Batch], **options: Any) -> Learner:
    learner = SPECS[name].build(signature, **options)
    for batch in batches:
        loss = learner.train_step(batch, PartOptimizers(learner, Recipe(), None))
        assert loss.item() == 0
    return learner.eval()


def in_batches(inputs: Tensor, targets: Tensor, size: int = 7) -> list[Batch]:
    return [Batch(inputs=x, targets=y) for x, y in zip(inputs.split(size), targets.split(size), strict=True)]


# --- against scikit-learn ---------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0])
def test_ridge_is_scikit_learns(alpha: float) -> None:
    inputs, targets = points(60)
    other, _ = points(40)
    theirs = RidgeClassifier(alpha=alpha).fit(inputs.double().numpy(), targets.numpy())
    ours = trained("ridge", VECTORS, in_batches(inputs, targets), alpha=alpha)
    np.testing.assert_allclose(
        ours.predict(other), theirs.decision_function(other.double().numpy()), rtol=1e-5, atol=1e-6
    )


def test_nearest_neighbour_is_scikit_learns() -> None:
    inputs, targets = points(60)
    other, _ = points(40)
    theirs = KNeighborsClassifier(1).fit(inputs.numpy(), targets.numpy())
    ours = trained("nearest_neighbour", VECTORS, in_batches(inputs, targets)).predict(other)
    assert ours.argmax(dim=1).tolist() == theirs.predict(other.numpy()).tolist()
    np.testing.assert_allclose(-ours.max(dim=1).values, theirs.kneighbors(other.numpy())[0][:, 0], rtol=1e-4)
    for c in range(3):
        np.testing.assert_allclose(
            -ours[:, c], torch.cdist(other, inputs[targets == c]).min(dim=1).values, rtol=1e-4, atol=1e-4
        )


@pytest.mark.parametrize("name", NAMES)
def test_images_are_vectors(name: str) -> None:
    inputs, targets = points(30)
    image = Signature(input=Image(channels=1, height=5, width=1), output=VECTORS.output)
    flat = trained(name, VECTORS, in_batches(inputs, targets))
    same = trained(name, image, in_batches(inputs.view(-1, 1, 5, 1), targets))
    assert torch.equal(flat.predict(inputs), same.predict(inputs.view(-1, 1, 5, 1)))


# --- series -----------------------------------------------------------------------------------------------


def test_resizing_is_linear_interpolation() -> None:
    inputs = series(1, 2, 5, 9, longest=12, junk=9e9)
    found = resize(inputs.values, inputs.lengths, 7)
    for row, steps, length in zip(found, inputs.values, (1, 2, 5, 9), strict=True):
        places = np.linspace(0, length - 1, 7)
        for column in range(2):
            expected = np.interp(places, np.arange(length), steps[:length, column])
            np.testing.assert_allclose(row[:, column], expected, rtol=1e-5, atol=1e-6)
    full = series(6, 6)
    torch.testing.assert_close(resize(full.values, None, 6), full.values)
    torch.testing.assert_close(resize(full.values, None, 1), full.values[:, :1])


def test_the_mean_over_a_series_is_removed() -> None:
    inputs = series(4, 9)
    rows = as_rows(inputs, 5)
    torch.testing.assert_close(rows.mean(dim=1), torch.zeros(2), rtol=0, atol=1e-6)
    louder = SeriesBatch(inputs.values + 3, inputs.lengths)
    torch.testing.assert_close(as_rows(louder, 5), rows, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_padding_changes_no_answer(name: str) -> None:
    targets = torch.tensor([0, 1, 2])
    plain = trained(name, SERIES, [Batch(inputs=series(3, 5, 7), targets=targets)], frames=4)
    padded = trained(name, SERIES, [Batch(inputs=series(3, 5, 7, longest=30, junk=1e6), targets=targets)], frames=4)
    expected = plain.predict(series(2, 9))
    torch.testing.assert_close(padded.predict(series(2, 9, longest=25, junk=-1e6)), expected)
    for row, length in zip(expected, (2, 9), strict=True):
        torch.testing.assert_close(plain.predict(series(length))[0], row)
        torch.testing.assert_close(plain.predict(SeriesBatch(series(length).values))[0], row)


# --- state ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_what_was_learnt_is_state(name: str) -> None:
    inputs, targets = points(30)
    learner = trained(name, VECTORS, in_batches(inputs, targets))
    expected = learner.predict(inputs)
    assert list(learner.parameters()) == []
    fresh, fuller = SPECS[name].build(VECTORS), trained(name, VECTORS, in_batches(inputs + 1, targets.flip(0), 4) * 2)
    fuller.predict(inputs)
    for other in (fresh, fuller):
        other.load_state_dict(learner.state_dict())
        assert torch.equal(other.predict(inputs), expected)
    assert torch.equal(copy.deepcopy(learner).predict(inputs), expected)


def test_nearest_neighbour_keeps_an_example_once() -> None:
    inputs, targets = points(30)
    twice = trained("nearest_neighbour", VECTORS, in_batches(inputs, targets) + in_batches(inputs, targets, 4))
    assert len(twice.state_dict()["rows"]) == 30
    twice.train_step(Batch(inputs=inputs[:1], targets=1 - targets[:1]), PartOptimizers(twice, Recipe(), None))
    assert len(twice.state_dict()["rows"]) == 31  # the same example with another class
    lengths = (3, 9, 5, 7, 4)
    learner = SPECS["nearest_neighbour"].build(SERIES, frames=6)
    for _ in range(700):
        for order in (lengths, lengths[::-1]):
            batch = Batch(inputs=series(*order), targets=torch.tensor(order) % 3)
            learner.train_step(batch, PartOptimizers(learner, Recipe(), None))
        assert learner._num_new <= 1024 + 10
    assert len(learner.state_dict()["rows"]) == 5


@pytest.mark.parametrize("name", NAMES)
def test_it_goes_on_learning_after_an_answer(name: str) -> None:
    inputs, targets = points(30)
    batches = in_batches(inputs, targets, 10)
    learner = trained(name, VECTORS, batches[:1])
    early = learner.predict(inputs)
    kept = copy.deepcopy(learner.state_dict())
    for batch in batches[1:]:
        learner.train_step(batch, PartOptimizers(learner, Recipe(), None))
    assert not torch.allclose(learner.predict(inputs), early)
    torch.testing.assert_close(learner.predict(inputs), trained(name, VECTORS, batches).predict(inputs))
    learner.load_state_dict(kept)
    assert torch.equal(learner.predict(inputs), early)


@pytest.mark.parametrize("name", NAMES)
def test_before_and_with_classes_that_were_never_seen(name: str) -> None:
    inputs, _ = points(6)
    assert SPECS[name].build(VECTORS).predict(inputs).tolist() == [[0.0] * 3] * 6
    learner = trained(name, VECTORS, [Batch(inputs=inputs, targets=torch.tensor([0, 1] * 3))])
    found = learner.predict(inputs)
    assert found.isfinite().all()
    assert found[:, :2].argmax(dim=1).tolist() == found.argmax(dim=1).tolist()


def test_bad_options_and_examples_that_are_too_large() -> None:
    for name in NAMES:
        with pytest.raises(UsageError, match="at least 1 frame, not 0"):
            SPECS[name].build(SERIES, frames=0)
    with pytest.raises(UsageError, match="needs an alpha above 0"):
        SPECS["ridge"].build(SERIES, alpha=0.0)
    photo = Signature(input=Image(channels=3, height=224, width=224), output=VECTORS.output)
    with pytest.raises(NotApplicable, match="needs examples of at most 8192 numbers, not 150528"):
        SPECS["ridge"].build(photo)
    assert SPECS["nearest_neighbour"].build(photo).rows.shape == (0, 150528)
