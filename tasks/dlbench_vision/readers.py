"""A task on images of your own: a folder for each class."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlbench import NoData
from dlbench.data import Data
from dlbench.data.splits import SPLITS, complete

from .images import ImageClassification, Split

ENDINGS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


def image_folder(
    data: Data, folder: str, *, size: tuple[int, int] | None = None, grey: bool = False
) -> ImageClassification:
    """A task `Image -> Classes` (metrics `accuracy`, `cross_entropy`) on `folder`/CLASS/*.png, or on the same below
    `folder`/train, val and test; a split that isn't there is a tenth of train, drawn with the classes in proportion.
    `folder` is relative to the data root, or absolute; formats are Pillow's. `size` (height, width): what all images
    are resized to; None: they have one size already. `grey`: one channel in place of three.

    Raises NoData, naming the file, for one that is no image or of another size, and where a folder has none.
    """
    root = data.path(folder)
    folders = {split: root / split for split in SPLITS if (root / split).is_dir()} or {"train": root}
    classes = sorted(path.name for path in folders["train"].iterdir() if path.is_dir()) if "train" in folders else []
    if len(classes) < 2:
        raise NoData(f"{folders.get('train', root / 'train')} needs a folder for each of at least two classes")
    found = {split: _read(path, classes, size, grey) for split, path in folders.items()}
    found = complete(found, lambda part, index: (part[0][index], part[1][index]), lambda part: part[1])
    return ImageClassification(found, num_classes=len(classes), device=data.device)


def _read(folder: Path, classes: list[str], size: tuple[int, int] | None, grey: bool) -> Split:
    images, labels = [], []
    for label, name in enumerate(classes):
        paths = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not paths:
            raise NoData(f"{folder / name} holds no images")
        for path in paths:
            images.append(_image(path, size, grey))
            if images[-1].shape != images[0].shape:
                height, width = images[-1].shape[1:]
                raise NoData(f"{path} is of another size than the others, {height} x {width}: give a size to resize to")
        labels += [label] * len(paths)
    return np.stack(images), np.array(labels, dtype=np.int64)


def _image(path: Path, size: tuple[int, int] | None, grey: bool) -> np.ndarray:
    """(C, H, W) uint8."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as image:
            shown = image.convert("L" if grey else "RGB")
    except (UnidentifiedImageError, OSError) as error:
        raise NoData(f"{path} is no image: {error}") from error
    if size is not None:
        shown = shown.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels = np.asarray(shown)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)
