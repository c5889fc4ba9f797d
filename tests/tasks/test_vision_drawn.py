"""USPS and Omniglot: splits and counts of the real sets, and readers that refuse what is damaged."""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlbench_vision
from dlbench import NoData
from dlbench.contract.recipe import resolve
from dlbench.contract.sets import DataSet
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.errors import UsageError
from dlbench_baseline.constant import constant
from dlbench_baseline.nearest_neighbour import NearestNeighbour
from dlbench_vision import omniglot, usps
from dlbench_vision.drawn_files import OMNIGLOT, OMNIGLOT_ONESHOT, USPS
from dlbench_vision.images import ImageClassification

TASKS = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def real(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    if state(USPS, data_root, None).status == "missing" or state(OMNIGLOT_ONESHOT, data_root, None).status == "missing":
        pytest.skip("USPS or Omniglot is not in the data root")
    return Data(root=data_root, cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def digits(real: Data) -> ImageClassification:
    return TASKS["usps"].load(real)


@pytest.fixture(scope="module")
def characters(real: Data) -> ImageClassification:
    return TASKS["omniglot"].load(real)


class Predicts:
    """What a task sees of a learner."""

    def __init__(self, learner: Any) -> None:
        self.learner = learner

    @torch.no_grad()
    def predict(self, batch: Any) -> torch.Tensor:
        return self.learner.predict(batch.inputs)


def trained(learner: Any, task: ImageClassification) -> Predicts:
    """A learner that only counts, after one pass."""
    for batch in task.batches("train", 5000, None):
        learner.train_step(batch, None)
    return Predicts(learner)


def labels_of(task: ImageClassification, split: str) -> np.ndarray:
    return task._splits[split][1].numpy()


def images_of(task: ImageClassification, split: str) -> np.ndarray:
    return task._splits[split][0].numpy()


@pytest.mark.parametrize("dataset", [USPS, OMNIGLOT, OMNIGLOT_ONESHOT], ids=lambda dataset: dataset.name)
def test_the_files_at_hand_have_their_checksums(real: Data, dataset: DataSet) -> None:
    assert state(dataset, real.root, real.cache).status == "verified"


def test_missing_files_are_no_data_and_say_how_they_are_made(tmp_path: Path) -> None:
    from dlbench.data.fetch import fetch

    nowhere = Data(root=tmp_path, cache=tmp_path / "cache")
    for name in ("usps", "omniglot", "omniglot_oneshot"):
        resolve([("task", TASKS[name].recipe)])
        with pytest.raises(NoData, match="missing"):
            TASKS[name].load(nowhere)
    with pytest.raises(NoData, match=r"put vision/usps/usps_train\.npz and 1 more into .*cran/ElemStatLearn"):
        fetch(USPS, tmp_path)


# --- USPS -------------------------------------------------------------------------------------------------


def test_usps_has_the_published_counts(digits: ImageClassification) -> None:
    assert str(digits.signature) == "image[1,16,16] -> classes[10]"
    train, val, test = (np.bincount(labels_of(digits, split), minlength=10) for split in SPLITS)
    assert (train.sum(), val.sum(), test.sum()) == (6291, 1000, 2007)
    assert (train + val).tolist() == [1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644]
    assert test.tolist() == [359, 264, 198, 166, 200, 160, 170, 147, 166, 177]
    # The file is in no order of classes: its end has all of them, about as often as the rest.
    assert np.abs(val / 1000 - train / 6291).max() < 0.03
    assert (images_of(digits, "test").min(), images_of(digits, "test").max()) == (0, 255)  # background and ink


def test_constant_scores_the_floor_of_usps(digits: ImageClassification) -> None:
    scores = digits.judge(trained(constant(digits.signature), digits), "test")
    assert scores["accuracy"] == TASKS["usps"].floor_of({}) == 359 / 2007


def test_the_nearest_neighbour_of_usps_is_as_measured_elsewhere(real: Data) -> None:
    """5.63 % error of one nearest neighbour among all 7,291 training images, on numbers that aren't rounded."""
    train, test = (usps.read(real.path(f"vision/usps/usps_{part}.npz")) for part in ("train", "test"))
    whole = ImageClassification({"train": train, "val": test, "test": test}, num_classes=10)
    learner = trained(NearestNeighbour(features=256, num_classes=10), whole)
    assert 1 - whole.judge(learner, "test")["accuracy"] == pytest.approx(0.0563, abs=5e-4)


def archive(path: Path, **changes: Any) -> Path:
    arrays = {"x": np.full((3, 16, 16), -1000, np.int16), "y": np.array([0, 9, 5], np.uint8)} | changes
    np.savez(path, **{name: values for name, values in arrays.items() if values is not None})
    return path


def test_thousandths_become_shades(tmp_path: Path) -> None:
    ink = np.zeros((3, 16, 16), np.int16)
    ink[0, 0, :5] = [-1000, 1000, 0, 3, -996]
    images, labels = usps.read(archive(tmp_path / "x.npz", x=ink))
    assert images.shape == (3, 1, 16, 16)
    assert images[0, 0, 0, :5].tolist() == [0, 255, 128, 128, 1]
    assert labels.tolist() == [0, 9, 5]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"x": None}, "can't be read as arrays x and y"),
        ({"x": np.zeros((3, 16, 16), np.float32)}, "does not hold images of 16x16 in thousandths"),
        ({"x": np.zeros((3, 16, 15), np.int16)}, "does not hold images of 16x16"),
        ({"x": np.full((3, 16, 16), -32768, np.int16)}, "ink beyond -1000..1000"),
        ({"y": np.zeros(2, np.uint8)}, "3 images but labels"),
        ({"y": np.zeros(3, np.int64)}, "3 images but labels"),
        ({"y": np.array([0, 10, 1], np.uint8)}, "labels beyond 0..9"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(NoData, match=rf"usps_x\.npz .*{message}"):
        usps.read(archive(tmp_path / "usps_x.npz", **changes))


def test_a_damaged_npz_is_refused(tmp_path: Path) -> None:
    content = archive(tmp_path / "usps_x.npz").read_bytes()
    for damaged in (content[: len(content) // 2], b"an error page", b""):
        (tmp_path / "usps_x.npz").write_bytes(damaged)
        with pytest.raises(NoData, match=r"usps_x\.npz can't be read"):
            usps.read(tmp_path / "usps_x.npz")


# --- Omniglot ---------------------------------------------------------------------------------------------


def test_omniglot_is_split_by_drawers(real: Data, characters: ImageClassification) -> None:
    assert str(characters.signature) == "image[1,28,28] -> classes[964]"
    for split, drawers in zip(SPLITS, (14, 2, 4), strict=True):
        assert np.bincount(labels_of(characters, split)).tolist() == [drawers] * 964
    drawings = omniglot.read(real, 28)
    assert drawings.images.shape == (964, 20, 28, 28)
    assert np.array_equal(images_of(characters, "val")[:2, 0], drawings.images[0, 14:16])
    assert np.array_equal(images_of(characters, "test")[-4:, 0], drawings.images[963, 16:])
    counts = np.bincount(drawings.alphabets)
    assert (len(counts), counts.max(), counts.min(), counts.sum()) == (30, 55, 14, 964)


def test_constant_scores_the_floor_of_omniglot(characters: ImageClassification) -> None:
    scores = characters.judge(trained(constant(characters.signature), characters), "test")
    assert scores["accuracy"] == TASKS["omniglot"].floor_of({}) == 1 / 964
    assert TASKS["omniglot"].floor_of({"size": 14}) == 1 / 964


def test_drawings_are_reduced_by_averaging_areas() -> None:
    bits = (np.random.default_rng(0).random((3, 105, 105)) < 0.1).astype(np.uint8)
    assert np.array_equal(omniglot.reduced(bits, 105), bits * 255)
    means = bits.reshape(3, 35, 3, 35, 3).mean(axis=(2, 4))  # 3 x 3 pixels make one
    assert np.abs(omniglot.reduced(bits, 35) - 255 * means).max() <= 0.5
    # 28 doesn't divide 105: a pixel is 3.75 wide, by areas as after magnifying by 4, where one is 15 wide
    means = bits.repeat(4, axis=1).repeat(4, axis=2).reshape(3, 28, 15, 28, 15).mean(axis=(2, 4))
    assert np.abs(omniglot.reduced(bits, 28) - 255 * means).max() <= 0.5 + 1e-9
    assert omniglot.reduced(np.ones((1, 105, 105), np.uint8), 28).min() == 255


def test_a_size_that_can_not_be_is_refused(real: Data) -> None:
    for name in ("omniglot", "omniglot_oneshot"):
        for size in (0, 106):
            with pytest.raises(UsageError, match=f"a size of 1 to 105, not {size}"):
                TASKS[name].load(real, size=size)


def test_reduced_drawings_are_kept_by_size(real: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    omniglot.read(real, 28)
    monkeypatch.setattr(omniglot, "decode", None)  # not called again
    assert omniglot.read(real, 28).images.dtype == np.uint8
    with pytest.raises(TypeError):
        omniglot.read(real, 14)


def made(folder: Path, rows: np.ndarray | None = None, table: str | None = None) -> tuple[Path, Path]:
    """Two characters by 20 drawers each."""
    content = io.BytesIO()
    np.save(content, np.zeros((40, 1379), np.uint8) if rows is None else rows)
    (folder / "packed.npy.xz").write_bytes(lzma.compress(content.getvalue()))
    lines = "first_row\talphabet\tcharacter\tfile_prefix\n0\tA\tc1\t1\n20\tB\tc1\t2\n"
    (folder / "names.tsv").write_text(lines if table is None else table)
    return folder / "packed.npy.xz", folder / "names.tsv"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rows": np.zeros((40, 1378), np.uint8)}, r"packed\.npy\.xz does not hold rows of 1379 bytes"),
        ({"rows": np.zeros((41, 1379), np.uint8)}, r"packed\.npy\.xz does not hold rows of 1379 bytes, 20 for each"),
        ({"rows": np.zeros((60, 1379), np.uint8)}, r"packed\.npy\.xz holds 60 drawings, but names\.tsv 2 characters"),
        ({"table": "x\n0\tA\tc1\n"}, r"names\.tsv is not a table"),
        ({"table": "x\n0\tA\tc1\t1\n21\tA\tc2\t1\n"}, r"names\.tsv does not name a character for every 20"),
        ({"table": "x\n"}, r"names\.tsv does not name a character for every 20"),
        ({"table": "x\n0\tB\tc1\t1\n20\tA\tc2\t1\n"}, r"names\.tsv does not name the alphabets in their order"),
    ],
)
def test_other_drawings_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    assert omniglot.decode(*made(tmp_path), 28).alphabets.tolist() == [0, 1]
    with pytest.raises(NoData, match=message):
        omniglot.decode(*made(tmp_path, **changes), 28)


def test_damaged_drawings_are_refused(tmp_path: Path) -> None:
    packed, names = made(tmp_path)
    content = packed.read_bytes()
    for damaged in (content[:-20], b"an error page", b""):
        packed.write_bytes(damaged)
        with pytest.raises(NoData, match=r"packed\.npy\.xz can't be read as a compressed array"):
            omniglot.decode(packed, names, 28)
