"""The class that the image classification tasks share, on small made arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from dlbench_vision.images import ImageClassification, channel_statistics, hold_out_last

SPLITS = ("train", "val", "test")


class Predicts:
    """What a task sees of a learner: `predict(batch)`."""

    def __init__(self, module: Any) -> None:
        self.module = module

    @torch.no_grad()
    def predict(self, batch: Any) -> torch.Tensor:
        module = self.module.predict if hasattr(self.module, "predict") else self.module
        return module(batch.inputs)


def labels_of(task: ImageClassification, split: str) -> np.ndarray:
    return torch.cat([batch.targets for batch in task.batches(split, 5000, None)]).numpy()


def inputs_of(task: ImageClassification, split: str) -> torch.Tensor:
    return torch.cat([batch.inputs for batch in task.batches(split, 5000, None)])


def small_task(num_train: int = 300) -> ImageClassification:
    generator = np.random.default_rng(0)
    splits = {}
    for name, count in {"train": num_train, "val": 40, "test": 2345}.items():
        splits[name] = (
            generator.integers(0, 256, (count, 3, 4, 5), dtype=np.uint8),
            generator.integers(0, 7, count, dtype=np.uint8),
        )
    return ImageClassification(splits, num_classes=7)


def test_the_signature_holds_the_sizes() -> None:
    assert str(small_task().signature) == "image[3,4,5] -> classes[7]"


def test_training_images_are_normalised_per_channel() -> None:
    inputs = inputs_of(small_task(), "train").double()
    assert inputs.mean((0, 2, 3)).abs().max() < 1e-6
    assert (inputs.std((0, 2, 3), correction=0) - 1).abs().max() < 1e-6


def test_statistics_equal_those_of_numpy() -> None:
    images = np.random.default_rng(1).integers(0, 256, (5000, 2, 3, 3), dtype=np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean((0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(std, images.std((0, 2, 3)), rtol=1e-12)
    assert channel_statistics(np.zeros((2, 1, 1, 1), dtype=np.uint8))[1].tolist() == [1.0]


def test_batches_pair_each_image_with_its_label() -> None:
    images = np.arange(200, dtype=np.uint8).reshape(200, 1, 1, 1)
    labels = np.arange(200) % 10
    task = ImageClassification(dict.fromkeys(SPLITS, (images, labels)), num_classes=10)
    in_order = inputs_of(task, "train").flatten()
    seen = []
    for batch in task.batches("train", 32, torch.Generator().manual_seed(0)):
        assert batch.size == len(batch.inputs) == len(batch.targets)
        assert batch.inputs.dtype == torch.float32
        assert batch.targets.dtype == torch.int64
        assert torch.equal(batch.inputs.flatten(), in_order[torch.isin(in_order, batch.inputs)][ranks(batch.inputs)])
        seen += [
            (int(torch.searchsorted(in_order, x)), int(k))
            for x, k in zip(batch.inputs.flatten(), batch.targets, strict=True)
        ]
    assert sorted(seen) == [(i, i % 10) for i in range(200)]
    assert seen != sorted(seen)


def ranks(values: torch.Tensor) -> torch.Tensor:
    return values.flatten().argsort().argsort()


def test_judging_is_over_examples() -> None:
    task = small_task()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(60, 7))
    scores = task.judge(Predicts(model), "test")  # 2,345 images: two whole batches and a shorter one
    with torch.no_grad():
        logits = model(inputs_of(task, "test")).double()
    targets = torch.from_numpy(labels_of(task, "test"))
    assert scores["accuracy"] == (logits.argmax(1) == targets).double().mean().item()
    assert scores["cross_entropy"] == pytest.approx(nn.functional.cross_entropy(logits, targets).item(), rel=1e-6)


def test_a_model_that_knows_the_answers_gets_one() -> None:
    task = small_task()

    class Knows:
        def predict(self, batch: Any) -> torch.Tensor:
            return 50.0 * nn.functional.one_hot(batch.targets, 7)

    assert task.judge(Knows(), "val") == {"accuracy": 1.0, "cross_entropy": pytest.approx(0, abs=1e-6)}


def test_a_model_without_a_number_shows_in_the_metrics() -> None:
    class Nan:
        def predict(self, batch: Any) -> torch.Tensor:
            return torch.full((len(batch.inputs), 7), float("nan"))

    assert np.isnan(small_task().judge(Nan(), "val")["cross_entropy"])


def test_the_loss_is_the_mean_cross_entropy() -> None:
    task = small_task()
    batch = next(iter(task.batches("train", 16, None)))
    loss = task.loss(torch.zeros(16, 7), batch)
    assert loss.item() == pytest.approx(np.log(7))


def test_images_take_a_byte_per_value_on_the_device() -> None:
    assert small_task()._splits["train"][0].dtype == torch.uint8


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((5, 1, 2, 2), np.float32), np.zeros(5, int), "must be uint8"),
        (np.zeros((5, 2, 2), np.uint8), np.zeros(5, int), "must be uint8"),
        (np.zeros((5, 1, 2, 2), np.uint8), np.zeros(4, int), "5 images but labels"),
        (np.zeros((5, 1, 2, 2), np.uint8), np.full(5, 3), r"0\.\.2"),
        (np.zeros((5, 1, 2, 2), np.uint8), np.full(5, -1), r"0\.\.2"),
        (np.zeros((0, 1, 2, 2), np.uint8), np.zeros(0, int), "0 images"),
    ],
)
def test_wrong_arrays_are_refused(images: np.ndarray, labels: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageClassification(dict.fromkeys(SPLITS, (images, labels)), num_classes=3)


@pytest.mark.parametrize("count", [0, 10, 11])
def test_something_must_be_left_to_train_on(count: int) -> None:
    with pytest.raises(ValueError, match="of 10 images"):
        hold_out_last(np.zeros((10, 1, 1, 1), np.uint8), np.zeros(10), count)
