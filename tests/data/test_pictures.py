"""Pictures and folders of them: what each form of file becomes, which splits are drawn, what is refused, and why."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import dlbench_vision
from dlbench import NoData, UsageError
from dlbench.data import Data, ImageFolder
from dlbench.data.pictures import read_picture
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Request, plan
from dlbench.results import Results

RAMP = np.arange(12, dtype=np.uint8).reshape(3, 4) * 20  # 3 high, 4 wide


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(root=tmp_path, cache=tmp_path / "cache")


def paint(path: Path, shade: int = 200, size: tuple[int, int] = (6, 4)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)
    return path


def two_classes(folder: Path, count: int = 10) -> Path:
    for shade, name in ((200, "red"), (20, "dark")):
        for number in range(count):
            paint(folder / name / f"{number}.png", shade)
    return folder


def sizes(task: Any) -> dict[str, int]:
    return {s: sum(b.size for b in task.batches(s, 100, None)) for s in ("train", "val", "test")}


# --- one picture ------------------------------------------------------------------------------------------


def test_a_grey_picture_has_three_equal_channels_or_one(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    colour = read_picture(tmp_path / "a.png")
    assert colour.dtype == np.uint8
    assert (colour == RAMP).all()
    assert colour.shape == (3, 3, 4)
    assert (read_picture(tmp_path / "a.png", grey=True) == RAMP[None]).all()


def test_cmyk_becomes_red_green_and_blue(tmp_path: Path) -> None:
    Image.new("CMYK", (5, 2), (0, 255, 255, 0)).save(tmp_path / "a.tif")  # no cyan: red
    assert read_picture(tmp_path / "a.tif")[:, 0, 0].tolist() == [255, 0, 0]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    red, green, blue = read_picture(tmp_path / "a.jpg")[:, 4, 4].astype(int)
    assert red > 245
    assert max(green, blue) < 10


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_brought_to_eight_and_none_is_cut_off(tmp_path: Path, ending: str) -> None:
    Image.fromarray(RAMP.astype(np.uint16) * 257).save(tmp_path / f"a.{ending}")
    assert (read_picture(tmp_path / f"a.{ending}", grey=True) == RAMP).all()
    assert (read_picture(tmp_path / f"a.{ending}") == RAMP).all()


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_numbers_of_32_bits_are_refused(tmp_path: Path, kind: Any) -> None:
    Image.fromarray(RAMP.astype(kind)).save(tmp_path / "a.tif")
    with pytest.raises(NoData, match=r"a\.tif holds numbers of 32 bits"):
        read_picture(tmp_path / "a.tif")


def test_a_palette_shows_its_colours_and_what_is_transparent_is_white(tmp_path: Path) -> None:
    picture = Image.new("P", (4, 2), 0)
    picture.putpalette([250, 0, 0, 0, 240, 0])
    picture.putpixel((0, 0), 1)
    picture.save(tmp_path / "plain.png")
    shown = read_picture(tmp_path / "plain.png")
    assert shown[:, 0, 0].tolist() == [0, 240, 0]
    assert shown[:, 1, 1].tolist() == [250, 0, 0]
    picture.save(tmp_path / "hole.png", transparency=0)
    shown = read_picture(tmp_path / "hole.png")
    assert shown[:, 0, 0].tolist() == [0, 240, 0]
    assert shown[:, 1, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 0, 0, 51)), ("LA", (0, 51))])
def test_half_transparent_black_is_grey(tmp_path: Path, mode: str, colour: Any) -> None:
    Image.new(mode, (4, 2), colour).save(tmp_path / "a.png")
    assert set(read_picture(tmp_path / "a.png").ravel().tolist()) == {204}  # 255 - 51


def test_a_picture_stands_upright_as_its_exif_data_say(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown a quarter clockwise
    Image.fromarray(RAMP).save(tmp_path / "a.png", exif=exif)
    assert (read_picture(tmp_path / "a.png", grey=True)[0] == np.rot90(RAMP, k=-1)).all()


@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "gif", "webp", "tif"])
def test_a_truncated_picture_is_refused(tmp_path: Path, ending: str) -> None:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(256, size=(40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(stream, format={"jpg": "jpeg", "tif": "tiff"}.get(ending, ending))
    (tmp_path / f"a.{ending}").write_bytes(stream.getvalue()[: len(stream.getvalue()) // 2])
    with pytest.raises(NoData, match=rf"a\.{ending} can't be read as a picture: \w"):
        read_picture(tmp_path / f"a.{ending}")


def test_a_picture_is_resized_with_its_proportions_and_cut_around_its_centre(tmp_path: Path) -> None:
    pixels = np.zeros((10, 30), dtype=np.uint8)
    pixels[:, 10:20] = 255  # the middle third
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", size=(5, 5), grey=True) > 200).all()
    wide = read_picture(tmp_path / "a.png", size=(10, 20), grey=True)[0]
    assert wide[0].tolist() == [0] * 5 + [255] * 10 + [0] * 5


# --- folders of them --------------------------------------------------------------------------------------


def test_without_splits_tenths_are_drawn_with_the_classes_in_proportion(data: Data) -> None:
    two_classes(data.root / "set", count=20)
    task = ImageFolder(data, "set")
    assert sizes(task) == {"train": 32, "val": 4, "test": 4}
    assert task.classes == ["dark", "red"]
    for split in ("val", "test"):
        (batch,) = task.batches(split, 9, None)
        assert batch.targets.tolist().count(1) == 2
        assert ((batch.inputs[:, 0].mean((1, 2)) > 0) == (batch.targets == 1)).all()
    (again,) = ImageFolder(data, str(data.root / "set")).batches("test", 9, None)
    assert torch.equal(again.inputs, batch.inputs)


def test_folders_of_splits_are_used_and_what_is_missing_is_drawn(data: Data) -> None:
    two_classes(data.root / "set" / "train")
    two_classes(data.root / "set" / "test", count=1)
    task = ImageFolder(data, "set", size=3, grey=True)
    assert sizes(task) == {"train": 18, "val": 2, "test": 2}
    kind = task.signature.input
    assert (kind.channels, kind.height, kind.width) == (1, 3, 3)
    two_classes(data.root / "set" / "val", count=3)
    assert sizes(ImageFolder(data, "set")) == {"train": 20, "val": 6, "test": 2}


def test_what_systems_leave_behind_is_no_part_of_a_class(data: Data) -> None:
    two_classes(data.root / "set")
    for name in ("red/.DS_Store", "red/Thumbs.db", ".git/config", "red/.cache/1.png", "readme.txt"):
        (data.root / "set" / name).parent.mkdir(exist_ok=True)
        (data.root / "set" / name).write_text("no picture")
    assert sum(sizes(ImageFolder(data, "set")).values()) == 20


def refused(data: Data, reason: str, **options: Any) -> None:
    with pytest.raises(NoData, match=reason):
        ImageFolder(data, "set", **options)


def test_other_files_among_pictures_are_refused_by_name(data: Data) -> None:
    folder = two_classes(data.root / "set")
    (folder / "red" / "notes.txt").write_text("all of them are red")
    refused(data, r"set/red/notes\.txt is no picture \(\.bmp, .*\): it doesn't belong in a class's folder")
    (folder / "red" / "notes.txt").rename(folder / "red" / "notes.png")
    refused(data, r"set/red/notes\.png can't be read as a picture: cannot identify")


def test_two_sizes_need_a_size_to_resize_to(data: Data) -> None:
    folder = two_classes(data.root / "set")
    paint(folder / "red" / "odd.png", size=(5, 7))
    refused(data, r"red/odd\.png is of another size than those before it, 7 x 5 and 4 x 6: give a size to resize to")
    assert ImageFolder(data, "set", size=4).signature.input.height == 4
    (folder / "red" / "odd.png").unlink()
    (data.root / "other").mkdir()
    folder.rename(data.root / "other" / "train")
    two_classes(data.root / "other" / "test", count=1)
    paint(data.root / "other" / "test" / "red" / "odd.png", size=(5, 7))
    with pytest.raises(NoData, match=r"test/red/odd\.png is of another size"):
        ImageFolder(data, "other")
    with pytest.raises(UsageError, match="resized to 0 x 0"):
        ImageFolder(data, "other", size=0)


def test_one_class_an_empty_one_and_one_that_a_split_lacks_are_refused(data: Data) -> None:
    folder = data.root / "set"
    paint(folder / "red" / "1.png")
    refused(data, "set needs a folder for each of at least two classes, not 1")
    (folder / "dark").mkdir()
    refused(data, "set/dark holds no pictures")
    paint(folder / "dark" / "1.png")
    refused(data, "2 examples are too few")
    for path in ("train/red", "train/dark", "test/red", "test/blue"):
        paint(data.root / "split" / path / "1.png")
    with pytest.raises(NoData, match="split/test/blue: train and test must have folders for the same classes"):
        ImageFolder(data, "split")
    paint(data.root / "split" / "valid" / "red" / "1.png")
    with pytest.raises(NoData, match="split/valid stands beside train: the splits are called train, val and test"):
        ImageFolder(data, "split")
    paint(data.root / "late" / "test" / "red" / "1.png")
    with pytest.raises(NoData, match="has a folder test, but none that is called train"):
        ImageFolder(data, "late")
    with pytest.raises(NoData, match="nowhere is missing from the data root"):
        ImageFolder(data, "nowhere")


# --- the family of tasks ----------------------------------------------------------------------------------


class Quiet:
    """A display that shows nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def test_a_folder_is_a_task_and_its_record_names_each_picture_that_was_read(tmp_path: Path) -> None:
    two_classes(tmp_path / "data" / "my" / "pictures")
    catalog = discover()
    asked = Request(
        models=("constant",), tasks=("images:my/pictures[size=4]",), seeds=1, profiles=False,
        data_root=tmp_path / "data", cache=tmp_path / "cache",
    )  # fmt: skip
    made = plan(catalog, asked)
    assert made.skips == []
    runner = Runner(
        catalog=catalog, results=Results(tmp_path / "runs"), display=Quiet(), limits=Limits(timeout_s=120),
        data_root=tmp_path / "data", cache=tmp_path / "cache", command="test",
    )  # fmt: skip
    (record,) = runner.run(made)
    assert (record.status, record["reason"]) == ("ok", "")
    assert record["task"]["floor"] is None
    pictures = [name for name in record["inputs"]["files"] if name.endswith(".png")]
    assert len(pictures) == 20, record["inputs"]


def test_the_family_is_declared() -> None:
    (spec,) = (spec for spec in dlbench_vision.dlbench_tasks() if spec.name == "images:*")
    assert spec.floor is None
    assert spec.files({}) is None
