"""`emoji_style` and any two folders: which pictures are read, hidden pairs, what is refused and why."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import dlbench_generation
from dlbench.data import Data
from dlbench.data.folders import read_unlabelled
from dlbench.data.root import default_cache
from dlbench.errors import NoData, UsageError
from dlbench_generation.unpaired.emoji import domains, read
from workshop import cell

SPECS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}
FAMILY = SPECS["unpaired:*"]


# --- emoji ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawings(data_root: Path) -> Any:
    return read(Data(root=data_root, cache=default_cache()), SPECS["emoji_style"].files({}))


def test_copying_and_random_targets_err_as_the_data_set_says(drawings: Any) -> None:
    """The figures of its README: 0.0763 and 0.1555, over all rows. A random target's is the mean over all pairs."""
    first, second, classes = drawings
    assert first.shape == second.shape == (3786, 3, 32, 32)
    assert len(np.unique(classes)) == 10
    a, b = (style.reshape(3786, -1).astype(np.float64) / 255 for style in (first, second))
    assert ((a - b) ** 2).mean() == pytest.approx(0.0763, abs=5e-5)
    random = (a**2).mean() + (b**2).mean() - 2 * (a.mean(0) * b.mean(0)).mean()
    assert random == pytest.approx(0.1555, abs=5e-4)


def test_no_emoji_is_in_two_places(drawings: Any) -> None:
    count = len(drawings[0])
    rows = np.arange(count)
    marked = np.stack([rows % 256, rows // 256], axis=1).astype(np.uint8).reshape(count, 2, 1, 1)
    found = domains(marked, marked, drawings[2])

    def numbers(pictures: np.ndarray) -> set[int]:
        return {int(low) + 256 * int(high) for low, high in pictures.reshape(-1, 2)}

    train = found.splits["train"]
    groups = [numbers(train.first), numbers(train.second), *(numbers(found.splits[s].first) for s in ("val", "test"))]
    assert sum(map(len, groups)) == len(set.union(*groups)) == count
    assert {row % 10 for row in groups[0]} == {0, 1, 2, 4}
    assert {row % 10 for row in groups[1]} == {5, 6, 8, 9}
    assert {row % 10 for row in groups[3]} == {3}
    for split in ("val", "test"):
        assert np.array_equal(found.splits[split].first, found.splits[split].second)
    assert numbers(found.lessons[1].pictures) == groups[0] | groups[1]


def test_missing_emoji_are_no_data(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="noto32"):
        SPECS["emoji_style"].open(Data(root=tmp_path, cache=tmp_path), {})


# --- two folders ------------------------------------------------------------------------------------------


def paint(path: Path, side: int = 8, bright: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    seed = zlib.crc32(path.name.encode())
    pixels = np.random.RandomState(seed).randint(0, 100, (side, side, 3)) + 150 * bright
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture
def data(tmp_path: Path) -> Data:
    """Thirty dark pictures, and twenty bright ones in folders of splits."""
    for number in range(30):
        paint(tmp_path / "data" / "dark" / f"{number // 10}" / f"{number}.png")
    for split, count in (("train", 20), ("test", 4)):
        for number in range(count):
            paint(tmp_path / "data" / "bright" / split / f"{number}.png", bright=True)
    return Data(root=tmp_path / "data", cache=tmp_path / "cache")


def test_all_pictures_of_a_folder_are_read_and_some_held_out(data: Data) -> None:
    dark, bright = read_unlabelled(data, "dark"), read_unlabelled(data, "bright", size=6, grey=True)
    assert {split: part.shape for split, part in dark.items()} == {
        "train": (24, 3, 8, 8), "val": (3, 3, 8, 8), "test": (3, 3, 8, 8),
    }  # fmt: skip
    assert {split: part.shape for split, part in bright.items()} == {
        "train": (18, 1, 6, 6), "val": (2, 1, 6, 6), "test": (4, 1, 6, 6),
    }  # fmt: skip
    assert len({part.tobytes() for split in dark.values() for part in split}) == 30


def test_two_folders_are_a_task(data: Data) -> None:
    ran = cell("identity", f"unpaired:{data.root}/dark,{data.root}/bright", {"budget.steps": 2})
    found = ran["metrics"]["test"]
    assert found["cycle_error"] == 0
    assert found["accepted"] == found["accepted_back"] == 0
    ran = cell("random_target", f"unpaired:{data.root}/dark,{data.root}/bright[size=8]", {"budget.steps": 2})
    assert ran["metrics"]["test"]["accepted"] == 1
    assert ran["metrics"]["test"]["frechet_folders"] < found["frechet_folders"] / 4


def refused(data: Data, member: str, kind: type[Exception], said: str, **options: Any) -> None:
    with pytest.raises(kind, match=said):
        FAMILY.load(data, member=member, **options)


def test_what_is_no_pair_of_folders_is_refused_by_name(data: Data) -> None:
    refused(data, "dark", UsageError, "needs two folders with a comma between, not 'dark'")
    refused(data, "dark,dark", UsageError, "needs two folders")
    refused(data, "dark,bright,dark", UsageError, "needs two folders")
    refused(data, "dark,nowhere", NoData, "nowhere is missing from the data root")
    refused(data, "dark,bright", UsageError, "can't be resized to 0 x 0", size=0)
    (data.root / "empty").mkdir()
    refused(data, "dark,empty", NoData, "empty holds no pictures")
    for number in range(20):
        paint(data.root / "large" / f"{number}.png", side=10)
    refused(data, "dark,large", NoData, "dark of 8 x 8 and large of 10 x 10: give a size to resize to")
    assert FAMILY.load(data, member="dark,large", size=9).signature.input.height == 9
    for number in range(5):
        paint(data.root / "few" / f"{number}.png")
    refused(data, "dark,few", NoData, "5 examples are too few")
    for number in range(10):
        paint(data.root / "ten" / f"{number}.png")
    refused(data, "ten,dark", NoData, "ten has 1 pictures in val: needs 2 or more")


def test_a_broken_picture_is_named(data: Data) -> None:
    broken = data.root / "dark" / "0" / "3.png"
    broken.write_bytes(broken.read_bytes()[:60])
    refused(data, "dark,bright", NoData, r"dark/0/3\.png can't be read as a picture")
    broken.unlink()
    (data.root / "dark" / "notes.txt").write_text("not a picture")
    refused(data, "dark,bright", NoData, r"notes\.txt is no picture")


def test_constant_pictures_give_numbers(data: Data) -> None:
    """Nothing varies in either folder, so there is no spread to compare with."""
    for name, shade in (("black", 0), ("white", 255)):
        for number in range(20):
            path = data.root / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            Image.new("RGB", (8, 8), (shade,) * 3).save(path)
    ran = cell("random_target", f"unpaired:{data.root}/black,{data.root}/white", {"budget.steps": 2})
    assert ran["metrics"]["test"]["frechet_folders"] == pytest.approx(0, abs=1e-6)
    assert torch.tensor(list(ran["metrics"]["test"].values())).isfinite().all()
