"""Folders in the form of PASCAL VOC: what is read, what is cut off or left out, what is refused with the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlbench import NoData
from dlbench.data import Data
from dlbench_vision.readers import voc_folder

SIDES = "<xmin>{0}</xmin><ymin>{1}</ymin><xmax>{2}</xmax><ymax>{3}</ymax>"
BOX = f"<object><name>{{name}}</name><bndbox>{SIDES}</bndbox></object>"
SIZE = (20, 40)  # height, width


class Folder:
    """One that is whole: a picture in each split, left half black, right half white, with one box."""

    def __init__(self, root: Path) -> None:
        self.root = root / "set"
        for folder in ("Annotations", "JPEGImages", "ImageSets/Main"):
            (self.root / folder).mkdir(parents=True)
        for split, name in {"train": "a", "val": "b", "test": "c"}.items():
            (self.root / "ImageSets" / "Main" / f"{split}.txt").write_text(f"{name}\n\n")
            self.annotate(name, [("cat", 0, 0, 20, 10)])
            self.picture(name)
        self.data = Data(root=root, cache=root / "cache")

    def annotate(self, name: str, boxes: list[tuple[Any, ...]], *, size: str | None = None) -> None:
        size = "<size><width>40</width><height>20</height></size>" if size is None else size
        text = "".join(BOX.format(*sides, name=label) for label, *sides in boxes)
        (self.root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{size}{text}</annotation>")

    def picture(self, name: str, *, mode: str = "RGB", size: tuple[int, int] = SIZE, ending: str = "png") -> None:
        pixels = np.zeros(size, np.uint8)
        pixels[:, size[1] // 2 :] = 255
        made = Image.fromarray(pixels)
        made = Image.fromarray(pixels.astype(np.uint16) * 257) if mode == "I;16" else made.convert(mode)
        made.save(self.root / "JPEGImages" / f"{name}.{ending}")

    def load(self, **options: Any) -> Any:
        return voc_folder(self.data, "set", **{"size": (10, 20), **options})

    def boxes(self, split: str, **options: Any) -> list[list[float]]:
        rows = self.load(**options)._splits[split][1][0]
        return [[round(value, 6) for value in row] for row in rows[rows[:, 4] >= 0].tolist()]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_a_whole_folder(folder: Folder) -> None:
    folder.annotate("a", [("dog", 10, 5, 30, 15), ("cat", 0, 0, 40, 20)])
    task = folder.load(each=True)
    assert (str(task.signature), task.classes, task.notes) == ("image[3,10,20] -> boxes[2,2]", ("cat", "dog"), ())
    assert folder.boxes("train") == [[0.25, 0.25, 0.75, 0.75, 1], [0, 0, 1, 1, 0]]
    assert folder.boxes("val") == [[0, 0, 0.5, 0.5, 0]]
    assert folder.boxes("val", classes=["dog", "cat"]) == [[0, 0, 0.5, 0.5, 1]]
    pixels = task._splits["train"][0][0]
    assert (int(pixels[:, :, :10].max()), int(pixels[:, :, 10:].min())) == (0, 255)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "LA"])
def test_pictures_of_any_colours_become_three_channels(folder: Folder, mode: str) -> None:
    folder.picture("a", mode=mode)
    pixels = folder.load()._splits["train"][0][0]
    assert pixels.shape == (3, 10, 20)
    assert (int(pixels[:, :, :10].max()), int(pixels[:, :, 10:].min())) == (0, 255)


def test_cmyk_is_read_and_the_ending_may_be_jpeg(folder: Folder) -> None:
    (folder.root / "JPEGImages" / "a.png").unlink()
    folder.picture("a", mode="CMYK", ending="jpeg")
    pixels = folder.load()._splits["train"][0][0].int()
    assert int(pixels[:, :, 12:].min()) - int(pixels[:, :, :8].max()) > 200


def test_boxes_beyond_the_picture_are_cut_off_and_those_without_area_left_out(folder: Folder) -> None:
    folder.annotate(
        "a",
        [
            ("cat", -10, 5, 20, 30),
            ("cat", 7, 7, 7, 9),
            ("cat", 41, 0, 60, 20),
            ("cat", 20, 10, 10, 5),
            ("cat", 1, 2, 3, 4),
        ],
    )
    assert folder.boxes("train") == [[0, 0.25, 0.5, 1, 0], [0.025, 0.1, 0.075, 0.2, 0]]
    cut, *left = folder.load().samples(None)
    assert cut == "Annotations/a.xml: the box -10 5 20 30 of cat was cut off at the picture's border"
    assert [note.split(" of cat ")[1] for note in left] == ["has no area in its picture and was left out"] * 3


def test_a_picture_without_boxes_is_one_but_a_training_split_without_any_is_none(folder: Folder) -> None:
    folder.annotate("b", [])
    assert folder.boxes("val") == []
    folder.annotate("a", [])
    for classes in (None, ["cat"]):
        with pytest.raises(NoData, match=r"no picture in ImageSets/Main/train\.txt has a box"):
            folder.load(classes=classes)


def test_annotations_that_are_refused(folder: Folder) -> None:
    def refused(message: str, **options: Any) -> None:
        with pytest.raises(NoData, match=message):
            folder.load(**options)

    folder.annotate("b", [("cow", 0, 0, 20, 10)])
    refused(r"Annotations/b\.xml has the class 'cow', which isn't among cat")
    folder.annotate("b", [("cat", 0, 0, 20, 10), ("cat", "x", 0, 20, 10)])
    refused(r"Annotations/b\.xml: object 2 has 'x' as xmin, which is no number")
    folder.annotate("b", [("cat", 0, 0, "nan", 10)])
    refused(r"object 1 has 'nan' as xmax")
    folder.annotate("b", [("", 0, 0, 20, 10)])
    refused(r"Annotations/b\.xml: object 1 has no name")
    folder.annotate("b", [], size="<object><name>cat</name></object>")
    refused(r"object 1 has 'nothing' as xmin")
    folder.annotate("b", [], size="<size><width>20</width><height>40</height></size>")
    refused(r"Annotations/b\.xml is about a picture of 20x40 pixels, but its picture has 40x20")
    path = folder.root / "Annotations" / "b.xml"
    path.write_text("<annotation><object>")
    refused(r"Annotations/b\.xml is no XML: ")
    path.write_text("<html></html>")
    refused(r"Annotations/b\.xml is no annotation: it starts with <html>")
    path.unlink()
    refused(r"Annotations/b\.xml is missing")


def test_a_size_of_nought_is_none(folder: Folder) -> None:
    folder.annotate("a", [("cat", 0, 0, 20, 10)], size="<size><width>0</width><height>0</height></size>")
    assert folder.boxes("train") == [[0, 0, 0.5, 0.5, 0]]


def test_pictures_and_lists_that_are_refused(folder: Folder) -> None:
    picture = folder.root / "JPEGImages" / "c.png"
    for content in (picture.read_bytes()[:60], b"no picture"):
        picture.write_bytes(content)
        with pytest.raises(NoData, match=r"JPEGImages/c\.png can't be read as a picture"):
            folder.load()
    folder.picture("c", mode="I;16")
    with pytest.raises(NoData, match=r"JPEGImages/c\.png has more than 8 bits a channel"):
        folder.load()
    picture.unlink()
    with pytest.raises(NoData, match=r"Annotations/c\.xml has no picture JPEGImages/c\.jpg"):
        folder.load()
    (folder.root / "ImageSets" / "Main" / "val.txt").write_text("\n")
    with pytest.raises(NoData, match=r"ImageSets/Main/val\.txt names no pictures"):
        folder.load()
    (folder.root / "ImageSets" / "Main" / "val.txt").unlink()
    with pytest.raises(NoData, match=r"ImageSets/Main/val\.txt is missing"):
        folder.load()
