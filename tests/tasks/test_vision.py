"""The vision tasks: real files where the data root is at hand, small made ones for everything that can be wrong."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import dlbench_vision
from dlbench import Classes, DataSet, Image, NoData
from dlbench.contract.choice import option_defaults
from dlbench.contract.recipe import resolve
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench_baseline.constant import constant
from dlbench_vision.files import FASHION_MNIST, MNIST
from dlbench_vision.idx import read_idx, read_pair
from dlbench_vision.images import ImageClassification

ELSEWHERE = {"digits_fit", "depth", "shifted", "images:*", "robustness", "segmentation", "detection", "captioning"}
TASKS = {
    spec.name: spec
    for spec in dlbench_vision.dlbench_tasks()
    if spec.output_kind is Classes and spec.name not in ELSEWHERE
}
SUITES = {suite.name: suite for suite in dlbench_vision.dlbench_suites() if suite.name not in ELSEWHERE}
"""Those without tests of their own."""
SPLITS = ("train", "val", "test")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def data_root() -> Path:
    given = os.environ.get("DLBENCH_DATA")
    root = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    if not (root / "vision").is_dir():
        pytest.skip("no data root: set DLBENCH_DATA")
    return root


@pytest.fixture(scope="session")
def real(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    return Data(root=data_root, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def nowhere(tmp_path: Path) -> Data:
    return Data(root=tmp_path / "root", cache=tmp_path / "cache")


@pytest.fixture(scope="session")
def mnist(real: Data) -> ImageClassification:
    _need(real, "mnist")
    return TASKS["mnist"].load(real)


@pytest.fixture(scope="module")
def digits() -> ImageClassification:
    return TASKS["digits"].load(Data(root=Path("none"), cache=Path("none")))


def _need(data: Data, name: str, **options: Any) -> None:
    files = TASKS[name].files(options)
    missing = [file.path for file in files.files if not (data.root / file.path).is_file()]
    if missing:
        pytest.skip(f"{missing[0]} is not in the data root")


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


def constant_score(task: ImageClassification) -> float:
    """What the real constant model gets after one pass over the training split."""
    model = constant(task.signature)
    for batch in task.batches("train", 5000, None):
        model.train_step(batch, None)
    return task.judge(Predicts(model), "test")["accuracy"]


# --- specifications ---------------------------------------------------------------------------------------


def test_the_tasks_say_what_they_are() -> None:
    assert set(TASKS) >= {"digits", "mnist", "fashion_mnist", "cifar10"}
    for spec in (TASKS[name] for name in ("digits", "mnist", "fashion_mnist", "cifar10")):
        assert (spec.input_kind, spec.output_kind, spec.unit, spec.metric.name) == (Image, Classes, "image", "accuracy")
        floor = spec.floor_of({})
        assert 0.1 <= floor < 0.12
        assert spec.reference is None or floor < spec.reference.value < 1
        resolve([("task", spec.recipe)])


def test_options_are_those_of_the_loader() -> None:
    options = {name: option_defaults(TASKS[name].load) for name in ("digits", "mnist", "fashion_mnist")}
    assert options == {"digits": {"shuffle_labels": False}, "mnist": {}, "fashion_mnist": {}}


def test_suites_name_these_tasks_and_hold_valid_settings() -> None:
    assert set(SUITES) >= {"vision", "cifar10_published", "cifar10_speed"}
    for suite in SUITES.values():
        assert suite.seeds == 3
        for block in suite.blocks:
            assert set(block.tasks) <= set(TASKS)
            resolve([("suite", block.set)])
    used = {(model, task) for block in SUITES["vision"].blocks for model in block.models for task in block.tasks}
    assert {("constant", name) for name in ("digits", "mnist", "fashion_mnist", "cifar10")} <= used
    assert {("resnet20", "cifar10"), ("timm:resnet18", "cifar10"), ("lenet5", "mnist")} <= used


def test_a_row_of_a_suite_is_named_once() -> None:
    for suite in SUITES.values():
        rows = [(m, t, block.variant) for block in suite.blocks for m in block.models for t in block.tasks]
        assert len(rows) == len(set(rows))


def test_planning_loads_neither_torch_nor_numpy() -> None:
    code = (
        "import sys, dlbench_vision as v; list(v.dlbench_tasks()); list(v.dlbench_suites());"
        "sys.exit(bool({'torch', 'numpy', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- files ------------------------------------------------------------------------------------------------


def test_files_have_checksums_and_addresses() -> None:
    for dataset in (MNIST, FASHION_MNIST):
        assert (
            len({file.path for file in dataset.files}) == len({f.sha256 for f in dataset.files}) == len(dataset.files)
        )
        for file in dataset.files:
            assert len(file.sha256) == 64
            assert set(file.sha256) <= set("0123456789abcdef")
            assert file.urls
            assert all(url.startswith("http") and url.endswith(file.path.rpartition("/")[2]) for url in file.urls)


@pytest.mark.parametrize("dataset", [MNIST, FASHION_MNIST], ids=lambda dataset: dataset.name)
def test_the_files_at_hand_have_the_published_checksums(data_root: Path, dataset: DataSet, tmp_path: Path) -> None:
    found = state(dataset, data_root, tmp_path)
    assert not found.paths("differs")
    if not found.paths("verified"):
        pytest.skip(f"no file of {dataset.name} is in the data root")


def test_missing_files_are_no_data(nowhere: Data) -> None:
    for name in ("mnist", "fashion_mnist"):
        with pytest.raises(NoData, match="missing"):
            TASKS[name].load(nowhere)


# --- digits -----------------------------------------------------------------------------------------------


def test_digits_is_split_by_class(digits: ImageClassification) -> None:
    assert str(digits.signature) == "image[1,8,8] -> classes[10]"
    counts = {split: np.bincount(labels_of(digits, split)) for split in SPLITS}
    assert {split: count.sum() for split, count in counts.items()} == {"train": 1077, "val": 360, "test": 360}
    whole = sum(counts.values())
    assert whole.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    for count in counts.values():
        assert np.abs(count - whole * count.sum() / 1797).max() < 1


def test_the_split_of_digits_never_changes(digits: ImageClassification) -> None:
    from sklearn.datasets import load_digits

    images = load_digits().images.astype(np.float32)
    pixels = {split: inputs_of(digits, split) for split in SPLITS}
    # as many different images over the three splits as in the whole set: no image is in two
    assert len(torch.cat(list(pixels.values())).unique(dim=0)) == len(np.unique(images, axis=0))
    assert pixels["train"].mean().abs() < 1e-6
    digest = hashlib.sha256(b"".join(labels_of(digits, split).astype("<i8").tobytes() for split in SPLITS))
    assert digest.hexdigest()[:16] == "cce4ed9252b293c1"


def test_constant_scores_the_floor_on_digits(digits: ImageClassification) -> None:
    assert constant_score(digits) == TASKS["digits"].floor


def test_shuffled_labels_keep_images_and_counts(digits: ImageClassification, nowhere: Data) -> None:
    shuffled = TASKS["digits"].load(nowhere, shuffle_labels=True)
    again = TASKS["digits"].load(nowhere, shuffle_labels=True)
    for split in SPLITS:
        assert torch.equal(inputs_of(shuffled, split), inputs_of(digits, split))
        labels = labels_of(shuffled, split)
        assert np.array_equal(np.bincount(labels), np.bincount(labels_of(digits, split)))
        assert np.array_equal(labels, labels_of(again, split))
        # two labels agree by chance: 10 % give or take four standard errors
        share = (labels == labels_of(digits, split)).mean()
        assert abs(share - 0.1) < 4 * np.sqrt(0.09 / len(labels))
    assert constant_score(shuffled) == TASKS["digits"].floor


def nearest_mean_score(task: ImageClassification) -> float:
    """Test accuracy of the classifier that picks the nearest class mean."""
    inputs, labels = inputs_of(task, "train").flatten(1), labels_of(task, "train")
    means = torch.stack([inputs[labels == k].mean(0) for k in range(10)])
    return task.judge(Predicts(lambda images: -torch.cdist(images.flatten(1), means)), "test")["accuracy"]


def test_digits_can_be_learned_and_shuffled_digits_can_not(digits: ImageClassification, nowhere: Data) -> None:
    assert nearest_mean_score(digits) > 0.85
    shuffled = nearest_mean_score(TASKS["digits"].load(nowhere, shuffle_labels=True))
    assert abs(shuffled - 0.1) < 3 * np.sqrt(0.09 / 360)


def test_the_recipe_of_digits_is_enough_for_an_mlp(digits: ImageClassification) -> None:
    """The task's own recipe, in a plain loop with half its epochs, judged on validation."""
    recipe = resolve([("task", TASKS["digits"].recipe)]).recipe
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(model.parameters(), lr=recipe.lr)
    batches = digits.batches("train", recipe.batch_size, torch.Generator().manual_seed(0))
    epochs = int(recipe.budget[1]) // 2
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * len(batches))
    for _ in range(epochs):
        for batch in batches:
            optimizer.zero_grad()
            digits.loss(model(batch.inputs), batch).backward()
            optimizer.step()
            cosine.step()
    assert digits.judge(Predicts(model), "val")["accuracy"] > 0.96


# --- MNIST and Fashion-MNIST ------------------------------------------------------------------------------


def test_mnist_has_the_published_counts(mnist: ImageClassification) -> None:
    assert str(mnist.signature) == "image[1,28,28] -> classes[10]"
    train, val, test = (np.bincount(labels_of(mnist, split), minlength=10) for split in SPLITS)
    assert (train.sum(), val.sum(), test.sum()) == (55_000, 5_000, 10_000)
    assert (train + val).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert test.tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_constant_scores_the_floor_on_mnist(mnist: ImageClassification) -> None:
    assert constant_score(mnist) == TASKS["mnist"].floor == 0.1135


def test_mnist_is_normalised_by_its_training_split(mnist: ImageClassification) -> None:
    # 0.1307 and 0.3081 of 255 are the figures in common use, over all 60,000 images
    assert mnist._mean.item() / 255 == pytest.approx(0.1307, abs=5e-4)
    assert 1 / mnist._scale.item() / 255 == pytest.approx(0.3081, abs=5e-4)
    inputs = inputs_of(mnist, "train")
    assert inputs.mean(dtype=torch.float64).abs() < 1e-5
    assert abs(inputs.square_().mean(dtype=torch.float64).item() - 1) < 1e-5


def test_mnist_validation_is_the_end_of_the_training_file(mnist: ImageClassification, real: Data) -> None:
    labels = read_idx(real.path("vision/mnist/train-labels-idx1-ubyte.gz"), 1)
    assert np.array_equal(labels_of(mnist, "train"), labels[:55_000])
    assert np.array_equal(labels_of(mnist, "val"), labels[55_000:])
    assert labels[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]


def test_fashion_mnist_test_files(data_root: Path) -> None:
    folder = data_root / "vision" / "fashion-mnist"
    if not (folder / "t10k-images-idx3-ubyte.gz").is_file():
        pytest.skip("the test images of Fashion-MNIST are not in the data root")
    images, labels = read_pair(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
    assert images.shape == (10_000, 1, 28, 28)
    assert np.bincount(labels).tolist() == [1000] * 10
