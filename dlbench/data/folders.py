"""Pictures of your own: a task on a folder for each class, and all that a folder holds, without classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..contract.sets import Data
from ..errors import NoData, UsageError
from .images import ImageClassification, Split
from .pictures import read_picture
from .splits import SPLITS, complete

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})
LEFT_BEHIND = frozenset(
    {"thumbs.db", "desktop.ini"}
)  # by systems that show folders; so are names that begin with a dot


class ImageFolder(ImageClassification):
    """A task `Image -> Classes` (metrics `accuracy`, `cross_entropy`) on `folder`/CLASS/*.png, or on the same below
    `folder`/train, val and test; a split that isn't there is a tenth of train, drawn with the classes in proportion,
    always in the same way. `folder` is relative to the data root, or absolute; formats are Pillow's. `size`: a side, or
    (height, width), to which pictures are resized and cut (see `read_picture`); None: they have one size already.
    `grey`: one channel in place of three. The classes are the folders' names in sorted order.

    Raises NoData, naming file or folder, where one is no picture or of another size, where a class has none, and where
    there is one class alone; UsageError for a size that can't be.
    """

    def __init__(
        self, data: Data, folder: str, *, size: int | tuple[int, int] | None = None, grey: bool = False
    ) -> None:
        sides = _sides(size)
        folders = _splits(data.path(folder))
        self.classes = _classes(folders["train"])
        for path in folders.values():
            if missing := sorted(set(self.classes) ^ set(_folders(path))):
                raise NoData(f"{path / missing[0]}: train and {path.name} must have folders for the same classes")
        found: dict[str, Split] = {}
        for split, path in folders.items():
            found[split] = _read(path, self.classes, sides, grey, next(iter(found.values()), None))
        found = complete(found, lambda part, index: (part[0][index], part[1][index]), lambda part: part[1])
        super().__init__(found, num_classes=len(self.classes), device=data.device)


def read_unlabelled(
    data: Data, folder: str, *, size: int | tuple[int, int] | None = None, grey: bool = False
) -> dict[str, NDArray[np.uint8]]:
    """All pictures (N, C, H, W) below `folder`, whatever its folders are called, by split: those of its train, val and
    test; a split that isn't there is a tenth of train, always the same. `folder`, `size` and `grey` as for
    `ImageFolder`. Raises what that raises."""
    sides = _sides(size)
    shape: tuple[int, ...] | None = None
    found: dict[str, NDArray[np.uint8]] = {}
    for split, path in _splits(data.path(folder)).items():
        found[split] = np.stack(_read_all(_pictures(path), sides, grey, shape))
        shape = found[split].shape[1:]
    return complete(found, lambda part, index: part[index], lambda part: np.arange(len(part)), stratify=False)


def _sides(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    sides = (size, size) if isinstance(size, int) else size
    if sides is not None and min(sides) < 1:
        raise UsageError(f"pictures can't be resized to {sides[0]} x {sides[1]} pixels")
    return sides


def _splits(root: Path) -> dict[str, Path]:
    """The folders of the splits that there are; where there are none, all is train's."""
    folders = {split: root / split for split in SPLITS if (root / split).is_dir()}
    if not folders:
        return {"train": root}
    if "train" not in folders:
        raise NoData(f"{root} has a folder {next(iter(folders))}, but none that is called train")
    if others := sorted(set(_folders(root)) - set(SPLITS)):
        raise NoData(f"{root / others[0]} stands beside train: the splits are called train, val and test")
    return folders


def _classes(train: Path) -> list[str]:
    classes = _folders(train)
    if len(classes) < 2:
        raise NoData(f"{train} needs a folder for each of at least two classes, not {len(classes)}")
    return classes


def _folders(path: Path) -> list[str]:
    return sorted(inner.name for inner in path.iterdir() if inner.is_dir() and not inner.name.startswith("."))


def _read(folder: Path, classes: list[str], size: tuple[int, int] | None, grey: bool, other: Split | None) -> Split:
    """All pictures of a split, of the size of those of the `other`."""
    images: list[NDArray[np.uint8]] = []
    labels: list[int] = []
    shape = None if other is None else other[0].shape[1:]
    for label, name in enumerate(classes):
        paths = _pictures(folder / name)
        images += _read_all(paths, size, grey, shape)
        shape = images[0].shape
        labels += [label] * len(paths)
    return np.stack(images), np.array(labels, dtype=np.int64)


def _read_all(
    paths: list[Path], size: tuple[int, int] | None, grey: bool, shape: tuple[int, ...] | None
) -> list[NDArray[np.uint8]]:
    """The pictures of these files, all of one shape: this one, where others were read before."""
    images: list[NDArray[np.uint8]] = []
    for path in paths:
        images.append(read_picture(path, size=size, grey=grey))
        shape = shape or images[0].shape
        if images[-1].shape != shape:
            sizes = " and ".join(f"{height} x {width}" for _, height, width in (images[-1].shape, shape))
            raise NoData(f"{path} is of another size than those before it, {sizes}: give a size to resize to")
    return images


def _pictures(folder: Path) -> list[Path]:
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_left_behind(path, folder))
    for path in paths:
        if path.suffix.lower() not in ENDINGS:
            raise NoData(f"{path} is no picture ({', '.join(sorted(ENDINGS))}): it doesn't belong in a class's folder")
    if not paths:
        raise NoData(f"{folder} holds no pictures")
    return paths


def _is_left_behind(path: Path, folder: Path) -> bool:
    parts = path.relative_to(folder).parts
    return path.name.lower() in LEFT_BEHIND or any(part.startswith(".") for part in parts)
