"""Boxes in the form of PASCAL VOC: an XML file for each picture, and lists of the pictures of each split.

Everingham, Van Gool, Williams, Winn and Zisserman 2010, "The PASCAL Visual Object Classes (VOC) Challenge".
"""

from __future__ import annotations

import io
import math
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.kept import Arrays
from dlbench.data.splits import SPLITS

from .task import Detection, pack

SIDES = ("xmin", "ymin", "xmax", "ymax")
ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
DEEP = ("I", "F", "I;16", "I;16B", "I;16L", "I;16N")  # Pillow's modes of more than 8 bits, which it cuts off

Read = Callable[[str], bytes | None]
"""Gives the content of a file by its path below the folder; None where there is none."""


@dataclass(frozen=True)
class Annotation:
    """What an XML file says of its picture: for each box its class's name and its sides in pixels, (n, 4); and the
    picture's (height, width), None where it doesn't say."""

    names: list[str]
    sides: np.ndarray
    size: tuple[int, int] | None


def voc_folder(
    data: Data, folder: str, *, size: tuple[int, int], classes: Sequence[str] | None = None, each: bool = False
) -> Detection:
    """A task `Image -> Boxes` (metrics `ap50`, `ap75`, `map`) on a folder in the form of PASCAL VOC: `Annotations`,
    `JPEGImages`, and `ImageSets/Main` with train.txt, val.txt and test.txt, the names of their pictures, one a line.

    `folder` is relative to the data root, or absolute. `size` (height, width): what all pictures are resized to.
    `classes`: their names, in this order; None for those in the training split, sorted. `each`: also give every class's
    AP50. Sides are read as they are written. Boxes are cut off at the picture's border, and what has no area then is
    left out: the record's samples say which.

    Raises NoData, with the file, where a picture, an annotation or a list is missing or can't be read, where the two
    don't fit, for a class that isn't known, and where the training split has no boxes.
    """
    root = data.path(folder)

    def read(name: str) -> bytes | None:
        path = root / name
        return path.read_bytes() if path.is_file() else None

    return voc_task(read_voc(read, size=size, classes=classes), each=each, device=data.device)


def voc_task(arrays: Arrays, *, each: bool = False, device: str = "cpu") -> Detection:
    """The task on what `read_voc` returned."""
    splits = {name: (arrays[f"{name}_images"], arrays[f"{name}_boxes"]) for name in SPLITS}
    classes, notes = arrays["classes"].tolist(), arrays["notes"].tolist()
    return Detection(splits, classes=classes, each=each, notes=notes, device=device)


def read_voc(read: Read, *, size: tuple[int, int], classes: Sequence[str] | None = None) -> Arrays:
    """`SPLIT_images` (N, 3, height, width) uint8 and `SPLIT_boxes` (N, limit, 5) float32 of each split; the `classes`,
    by name; `notes` on boxes that were cut off or left out. Raises NoData as `voc_folder` does."""
    names = {split: read_names(_need(read, f"ImageSets/Main/{split}.txt"), split) for split in SPLITS}
    found: dict[str, list[Annotation]] = {}
    for split, members in names.items():
        files = [f"Annotations/{name}.xml" for name in members]
        found[split] = [read_annotation(_need(read, file), file) for file in files]
    known = list(classes or sorted({name for each in found["train"] for name in each.names}))
    if not any(each.names for each in found["train"]):
        raise NoData("no picture in ImageSets/Main/train.txt has a box")
    arrays: Arrays = {}
    notes: list[str] = []
    for split, members in names.items():
        images, boxes = [], []
        for name, annotation in zip(members, found[split], strict=True):
            pixels, whole = read_picture(*_picture(read, name), size=size)
            images.append(pixels)
            boxes.append(shares(annotation, f"Annotations/{name}.xml", whole=whole, classes=known, notes=notes))
        arrays |= {f"{split}_images": np.stack(images), f"{split}_boxes": pack(boxes)}
    return {**arrays, "classes": np.array(known), "notes": np.array(notes, dtype=str)}


def read_names(raw: bytes, split: str) -> list[str]:
    """The first word of each line that isn't empty."""
    names = [line.split()[0] for line in raw.decode("utf-8", errors="replace").splitlines() if line.strip()]
    if not names:
        raise NoData(f"ImageSets/Main/{split}.txt names no pictures")
    return names


def read_annotation(raw: bytes, file: str) -> Annotation:
    """What stands in an XML file; none of its boxes is judged yet."""
    try:
        root = ElementTree.fromstring(raw)
    except ElementTree.ParseError as error:
        raise NoData(f"{file} is no XML: {error}") from error
    if root.tag != "annotation":
        raise NoData(f"{file} is no annotation: it starts with <{root.tag}>")
    names, sides = [], []
    for count, element in enumerate(root.iter("object"), start=1):
        name = (element.findtext("name") or "").strip()
        if not name:
            raise NoData(f"{file}: object {count} has no name")
        names.append(name)
        sides.append([_number(element.findtext(f"bndbox/{side}"), f"{file}: object {count}", side) for side in SIDES])
    height, width = (root.findtext(f"size/{side}") for side in ("height", "width"))
    size = None
    if height is not None and width is not None:
        size = (round(_number(height, file, "height")), round(_number(width, file, "width")))
    return Annotation(names, np.array(sides, dtype=np.float64).reshape(-1, 4), size if size and all(size) else None)


def shares(
    annotation: Annotation, file: str, *, whole: tuple[int, int], classes: Sequence[str], notes: list[str]
) -> np.ndarray:
    """The boxes (n, 5) of a picture of `whole` = (height, width) pixels. What is cut off or left out is added to
    `notes`."""
    if annotation.size not in (None, whole):
        said = "{1}x{0}".format(*annotation.size or ())
        raise NoData(f"{file} is about a picture of {said} pixels, but its picture has {whole[1]}x{whole[0]}")
    rows = []
    for name, sides in zip(annotation.names, annotation.sides, strict=True):
        if name not in classes:
            raise NoData(f"{file} has the class {name!r}, which isn't among {', '.join(classes)}")
        cut = np.clip(sides, 0, [whole[1], whole[0]] * 2)
        left, top, right, bottom = cut
        text = f"{file}: the box {' '.join(f'{side:g}' for side in sides)} of {name}"
        if right <= left or bottom <= top:
            notes.append(f"{text} has no area in its picture and was left out")
            continue
        if not np.array_equal(cut, sides):
            notes.append(f"{text} was cut off at the picture's border")
        rows.append([left / whole[1], top / whole[0], right / whole[1], bottom / whole[0], classes.index(name)])
    return np.array(rows, dtype=np.float32).reshape(-1, 5)


def read_picture(raw: bytes, file: str, *, size: tuple[int, int]) -> tuple[np.ndarray, tuple[int, int]]:
    """A picture (3, height, width) uint8 of this size, averaged over areas where it shrinks, and the size that it
    had. It isn't turned as its EXIF data may ask: boxes are about the pixels as they are stored."""
    from PIL import Image

    height, width = size
    try:
        with Image.open(io.BytesIO(raw)) as picture:
            if picture.mode in DEEP:
                raise NoData(f"{file} has more than 8 bits a channel")
            whole = (picture.height, picture.width)
            shrinks = picture.height >= height and picture.width >= width
            resampling: Any = Image.Resampling.BOX if shrinks else Image.Resampling.BILINEAR
            shown = picture.convert("RGB").resize((width, height), resampling)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise NoData(f"{file} can't be read as a picture: {error}") from error
    return np.asarray(shown).transpose(2, 0, 1), whole


def _picture(read: Read, name: str) -> tuple[bytes, str]:
    """The content and the path of a picture with any of the usual endings."""
    for ending in ENDINGS:
        if (raw := read(f"JPEGImages/{name}{ending}")) is not None:
            return raw, f"JPEGImages/{name}{ending}"
    raise NoData(f"Annotations/{name}.xml has no picture JPEGImages/{name}.jpg")


def _need(read: Read, name: str) -> bytes:
    if (raw := read(name)) is None:
        raise NoData(f"{name} is missing")
    return raw


def _number(text: str | None, place: str, what: str) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise NoData(f"{place} has {(text or '').strip() or 'nothing'!r} as {what}, which is no number")
    return number
