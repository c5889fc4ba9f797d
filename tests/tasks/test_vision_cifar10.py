"""CIFAR-10: three forms of one content, what tells a changed one apart, and the small part."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlbench_vision
from dlbench import NoData
from dlbench.contract.choice import option_defaults
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.contract.sets import DataSet
from dlbench.data import Data
from dlbench.data.verify import digest, state
from dlbench.errors import UsageError
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Request, plan
from dlbench_vision.cifar10 import read, read_archive, read_folder, small_part
from dlbench_vision.cifar10_files import (
    BATCHES,
    CIFAR10,
    CIFAR10_ARCHIVE,
    CIFAR10_FOLDER,
    CIFAR10_SHEETS,
    CIFAR10_SOURCES,
    FOLDER,
)
from dlbench_vision.images import ImageClassification

TASKS = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}
SPLITS = ("train", "val", "test")
MD5 = {
    "data_batch_1": "c99cafc152244af753f735de768cd75f",
    "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
    "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
    "data_batch_4": "634d18415352ddfa80567beed471001a",
    "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    "test_batch": "40351d587109b95175f43aff81a1287e",
    "batches.meta": "5ff9c542aee3614f3951f8cda6e48888",
}


@pytest.fixture
def nowhere(tmp_path: Path) -> Data:
    return Data(root=tmp_path / "root", cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def real(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """The sheets, and a cache."""
    if state(CIFAR10_SHEETS, data_root, None).status == "missing":
        pytest.skip("the sheets of CIFAR-10 are not in the data root")
    return Data(root=data_root, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def sheets(real: Data) -> dict[str, np.ndarray]:
    """The whole set, read from the sheets as the task reads it."""
    return read(real, CIFAR10_SHEETS)


@pytest.fixture(scope="module")
def official(real: Data, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A data root with the seven official files only."""
    home = tmp_path_factory.mktemp("official")
    script = real.path("vision/cifar10/make_official.py")
    target = home / FOLDER.rpartition("/")[0]
    subprocess.run([sys.executable, script, target], check=True, capture_output=True)
    return Data(root=home, cache=home / "cache")


def labels_of(task: ImageClassification, split: str) -> np.ndarray:
    return torch.cat([batch.targets for batch in task.batches(split, 5000, None)]).numpy()


# --- the tasks --------------------------------------------------------------------------------------------


def test_the_two_tasks_read_the_same_files_and_know_their_floor() -> None:
    for name in ("cifar10", "cifar10_small"):
        spec = TASKS[name]
        assert option_defaults(spec.load) == {"source": "auto"}
        assert set(spec.datasets) == set(CIFAR10_SOURCES.values())
        for source, dataset in CIFAR10_SOURCES.items():
            assert spec.files({"source": source}) is dataset
            assert spec.floor_of({"source": source}) == 0.1
        with pytest.raises(UsageError, match="did you mean 'sheets'"):
            spec.files({"source": "sheet"})


def test_the_published_recipe_of_cifar10() -> None:
    recipe = resolve([("task", TASKS["cifar10"].recipe)]).recipe
    assert recipe.budget == ("epochs", 200)
    assert str(recipe.optimizer) == "sgd[momentum=0.9]"
    assert dict(recipe.schedule.options) == {"milestones": "100-150", "gamma": 0.1}
    assert [str(item) for item in recipe.regularizers] == ["crop_flip[pad=4]"]


def test_files_have_checksums_and_the_archive_an_address() -> None:
    for dataset in CIFAR10_SOURCES.values():
        assert len({f.path for f in dataset.files}) == len({f.sha256 for f in dataset.files}) == len(dataset.files)
        assert all(len(file.sha256) == 64 for file in dataset.files)
        assert all(bool(file.urls) == file.path.endswith(".tar.gz") for file in dataset.files)
    assert [len(dataset.files) for dataset in CIFAR10_SOURCES.values()] == [1, 1, 7, 62]


def test_missing_files_are_no_data(nowhere: Data) -> None:
    for name in ("cifar10", "cifar10_small"):
        with pytest.raises(NoData, match="cifar10: 1 of 1 files missing"):
            TASKS[name].load(nowhere)


# --- three forms of one content ---------------------------------------------------------------------------


def packed(folder: Path, target: Path) -> Path:
    """An archive as the published one: the seven files in their folder."""
    target.parent.mkdir(parents=True)
    with tarfile.open(target, "w:gz", compresslevel=0) as archive:
        archive.add(folder, "cifar-10-batches-py")
    return target


def test_sheets_folder_and_archive_hold_the_same(
    real: Data, sheets: dict[str, np.ndarray], official: Data, nowhere: Data
) -> None:
    found = {name: hashlib.md5((official.root / FOLDER / name).read_bytes()).hexdigest() for name in BATCHES}
    assert found == MD5  # as published, and as torchvision checks them
    packed(official.root / FOLDER, nowhere.root / CIFAR10_ARCHIVE.files[0].path)
    for arrays in (read_folder(official), read_archive(nowhere)):
        assert arrays.keys() == sheets.keys()
        for name, values in arrays.items():
            assert values.dtype == sheets[name].dtype == np.uint8
            assert np.array_equal(values, sheets[name]), name
    # and so the same row: what is at hand has one name and one digest
    assert state(CIFAR10, official.root, None).dataset is CIFAR10_FOLDER
    assert state(CIFAR10, official.root, None).status == "verified"
    assert digest(CIFAR10, official.root, None) == digest(CIFAR10, real.root, real.cache)
    catalog = discover()
    names = set()
    for data in (official, real):
        asked = Request(
            models=("constant",), tasks=("cifar10",), seeds=(0,), runtime=Runtime(), data_root=data.root,
            cache=data.cache,
        )  # fmt: skip
        planned = plan(catalog, asked)
        names.add(tuple((job.name, job.square, job.no_data) for job in planned.jobs))
    assert len(names) == 1


def test_the_whole_set_and_its_splits(real: Data, sheets: dict[str, np.ndarray]) -> None:
    task = TASKS["cifar10"].load(real, source="sheets")
    assert str(task.signature) == "image[3,32,32] -> classes[10]"
    train, val, test = (labels_of(task, split) for split in SPLITS)
    assert (len(train), len(val), len(test)) == (45_000, 5_000, 10_000)
    assert np.bincount(train[:10_000]).tolist() == [1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981]
    assert np.bincount(np.concatenate([train, val])).tolist() == [5000] * 10
    assert np.bincount(test).tolist() == [1000] * 10
    assert np.array_equal(val, sheets["train_labels"][45_000:])
    # red, green and blue of the training images: near the figures in common use, 0.4914, 0.4822, 0.4465 of 255
    assert (task._mean.flatten() / 255).tolist() == pytest.approx([0.4914, 0.4822, 0.4465], abs=1e-3)
    assert (1 / task._scale.flatten() / 255).tolist() == pytest.approx([0.2470, 0.2435, 0.2616], abs=1e-3)
    kept = [path for path in (real.cache / "vision").iterdir() if "sheets" in path.name]
    assert [path.suffix for path in kept] == [".npz"]  # read once, by the fixture


def test_the_small_part_never_changes(real: Data, sheets: dict[str, np.ndarray], monkeypatch: Any) -> None:
    whole = TASKS["cifar10"].load(real, source="sheets")
    task = TASKS["cifar10_small"].load(real, source="sheets")
    assert [len(task._splits[split][1]) for split in SPLITS] == [10_000, 2_000, 10_000]
    for split in ("train", "val"):
        # no image in common with the other split, of this task or the whole one
        assert rows(task, split) <= rows(whole, split)
        counts, part = (np.bincount(of._splits[split][1].numpy()) for of in (whole, task))
        assert np.abs(part - counts * part.sum() / counts.sum()).max() < 1
    assert torch.equal(task._splits["test"][0], whole._splits["test"][0])
    told = hashlib.sha256(b"".join(labels_of(task, split).astype("<i8").tobytes() for split in ("train", "val")))
    assert told.hexdigest()[:16] == "3119df5800e23bb6"
    monkeypatch.setattr("dlbench_vision.cifar10.read", None)  # the second time only the part itself is read
    again = TASKS["cifar10_small"].load(real, source="sheets")
    assert all(torch.equal(a[0], b[0]) for a, b in zip(again._splits.values(), task._splits.values(), strict=True))


def rows(task: ImageClassification, split: str) -> set[int]:
    """The images of a split, each as a number."""
    return {hash(image.tobytes()) for image in task._splits[split][0].numpy()}


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_changed_byte_of_the_folder_is_named(official: Data, tmp_path: Path, name: str) -> None:
    linked(official.root, tmp_path, CIFAR10_FOLDER, f"{FOLDER}/{name}")
    refuses(tmp_path, f"{FOLDER}/{name}")


@pytest.mark.parametrize("name", ["train_07.webp", "test_first1000.webp", "test_labels.npy"])
def test_a_changed_byte_of_the_sheets_is_named(real: Data, tmp_path: Path, name: str) -> None:
    linked(real.root, tmp_path, CIFAR10_SHEETS, f"vision/cifar10/{name}")
    refuses(tmp_path, f"vision/cifar10/{name}")


def test_an_archive_with_another_checksum_is_named(official: Data, tmp_path: Path) -> None:
    """The published archive isn't at hand; one that was packed from its files holds the same, and is told apart."""
    packed(official.root / FOLDER, tmp_path / CIFAR10_ARCHIVE.files[0].path)
    refuses(tmp_path, CIFAR10_ARCHIVE.files[0].path)


def linked(root: Path, target: Path, dataset: DataSet, changed: str) -> None:
    """The set's files as links, but one as a copy with one byte changed."""
    for file in dataset.files:
        path = target / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        if file.path != changed:
            path.symlink_to(root / file.path)
            continue
        content = bytearray((root / file.path).read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)


def refuses(root: Path, path: str) -> None:
    request = Request(
        models=("constant",), tasks=("cifar10",), seeds=(0,), runtime=Runtime(), data_root=root, cache=root / "cache"
    )
    (job,) = plan(discover(), request).cells
    assert job.no_data == f"{path} doesn't have the published sha256: give --unverified-data to run on it"


def test_a_part_too_large_is_refused() -> None:
    images, labels = np.zeros((20, 3, 1, 1), np.uint8), np.arange(20) % 10
    with pytest.raises(ValueError, match="train_size"):
        small_part((images, labels), 30)
