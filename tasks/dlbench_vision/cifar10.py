"""CIFAR-10: 60,000 colour images of 32x32, ten classes.

A. Krizhevsky (2009): Learning Multiple Layers of Features from Tiny Images.
"""

from __future__ import annotations

import io
import pickle
import tarfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from dlbench import DataSet, NoData
from dlbench.data import Data, at_hand
from dlbench.data.kept import kept
from dlbench.data.splits import stratified_split
from dlbench.data.verify import digest

from .cifar10_files import CIFAR10, CIFAR10_ARCHIVE, CIFAR10_FOLDER, CIFAR10_SHEETS
from .converted import converted
from .images import ImageClassification, Split, hold_out_last

NUM_VAL = 5000
NUM_CLASSES = 10
PIXELS = 3 * 32 * 32
TRAIN_BATCHES = tuple(f"data_batch_{k}" for k in range(1, 6))
SHEET = (25, 40)  # rows and columns of images on one sheet
SMALL = {"train": 10_000, "val": 2_000}
SMALL_SEED = 0
SMALL_VERSION = 1  # of the small part; raise it when it is another


def load(data: Data, *, dataset: DataSet) -> ImageClassification:
    """The published set, whichever form of it `dataset` names: the last 5,000 training images are validation.

    Raises NoData for missing or damaged files."""
    return ImageClassification(splits_of(read(data, dataset)), num_classes=NUM_CLASSES, device=data.device)


def load_small(data: Data, *, dataset: DataSet) -> ImageClassification:
    """A fixed part of the published set: 10,000 of the images that `load` trains on and 2,000 of its validation
    images, each with the classes in proportion, drawn from a seed of the task's own, and the whole test set.

    Raises NoData for missing or damaged files."""

    def choose() -> dict[str, np.ndarray]:
        splits = splits_of(read(data, dataset))
        parts = {name: small_part(splits[name], count) for name, count in SMALL.items()} | {"test": splits["test"]}
        return {f"{name}_{what}": part[k] for name, part in parts.items() for k, what in enumerate(PAIR)}

    parameters = {"version": SMALL_VERSION, "data": digest(dataset, data.root, data.cache)}
    arrays = kept(data.cache, "vision/cifar10_small", parameters, choose)
    splits = {name: (arrays[f"{name}_images"], arrays[f"{name}_labels"]) for name in (*SMALL, "test")}
    return ImageClassification(splits, num_classes=NUM_CLASSES, device=data.device)


PAIR = ("images", "labels")


def splits_of(arrays: dict[str, np.ndarray]) -> dict[str, Split]:
    """`train`, `val` and `test` of the arrays that `read` gives."""
    splits = hold_out_last(arrays["train_images"], arrays["train_labels"], NUM_VAL)
    return {**splits, "test": (arrays["test_images"], arrays["test_labels"])}


def small_part(split: Split, count: int) -> Split:
    """`count` images of a split in their order, always the same, with the classes in proportion."""
    images, labels = split
    index, _ = stratified_split(labels, (count, len(labels) - count), SMALL_SEED)
    return images[index], labels[index]


def read(data: Data, dataset: DataSet) -> dict[str, np.ndarray]:
    """`train_images` (50000, 3, 32, 32), `train_labels` (50000,), `test_images` and `test_labels` of 10,000 each, all
    uint8 and in the published order, from whichever form is at hand."""
    return converted(data, dataset, lambda data, dataset: READERS[at_hand(dataset, data.root).name](data))


def read_archive(data: Data) -> dict[str, np.ndarray]:
    """The arrays in the published `cifar-10-python.tar.gz`."""
    path = data.path(CIFAR10_ARCHIVE.files[0].path)
    found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name.rpartition("/")[2]
                if member.isfile() and name in (*TRAIN_BATCHES, "test_batch"):
                    stream = archive.extractfile(member)
                    assert stream is not None
                    found[name] = read_batch(stream.read(), f"{name} in {path.name}")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise NoData(f"{path.name} is not a whole tar archive: {error}") from error
    if absent := sorted({*TRAIN_BATCHES, "test_batch"} - found.keys()):
        raise NoData(f"{path.name} does not hold {', '.join(absent)}")
    return _joined(found)


def read_folder(data: Data) -> dict[str, np.ndarray]:
    """The arrays in the unpacked folder `cifar-10-batches-py`."""
    found = {}
    for file in CIFAR10_FOLDER.files:
        path = data.path(file.path)
        if path.name in (*TRAIN_BATCHES, "test_batch"):
            found[path.name] = read_batch(path.read_bytes(), path.name)
    return _joined(found)


def _joined(found: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, np.ndarray]:
    return {
        "train_images": np.concatenate([found[name][0] for name in TRAIN_BATCHES]),
        "train_labels": np.concatenate([found[name][1] for name in TRAIN_BATCHES]),
        "test_images": found["test_batch"][0],
        "test_labels": found["test_batch"][1],
    }


def read_batch(raw: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 3, 32, 32) and labels (N,), uint8, of one pickled batch; raises NoData, with the name, for a pickle
    of anything else. No code of the pickle is run."""
    try:
        content = _BatchUnpickler(io.BytesIO(raw), encoding="bytes").load()
    except Exception as error:  # a damaged pickle can raise nearly anything
        raise NoData(f"{name} is not a CIFAR-10 batch: {error}") from error
    if not isinstance(content, dict) or not {b"data", b"labels"} <= content.keys():
        raise NoData(f"{name} is not a CIFAR-10 batch: it lacks data or labels")
    pixels, labels = content[b"data"], content[b"labels"]
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8 or pixels.shape[1:] != (PIXELS,):
        raise NoData(f"{name} does not hold rows of {PIXELS} bytes")
    if not isinstance(labels, list) or not all(type(k) is int and 0 <= k < NUM_CLASSES for k in labels):
        raise NoData(f"{name} has labels outside 0..{NUM_CLASSES - 1}")
    if len(labels) != len(pixels):
        raise NoData(f"{name} holds {len(pixels)} images but {len(labels)} labels")
    return pixels.reshape(-1, 3, 32, 32), np.array(labels, dtype=np.uint8)


class _BatchUnpickler(pickle.Unpickler):
    """Knows plain containers, numbers, bytes, and arrays of numbers; refuses every other name."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return _empty_array
        if (module, name) == ("numpy", "ndarray"):
            return np.ndarray
        if (module, name) == ("numpy", "dtype"):
            return _number_dtype
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in the older pickle protocols
            return _encode_latin1
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def _empty_array(*_: Any) -> np.ndarray:
    return np.empty(0, dtype=np.uint8)


def _number_dtype(code: str | bytes, *_: Any) -> np.dtype[Any]:
    dtype = np.dtype(code.decode("ascii") if isinstance(code, bytes) else code)
    if dtype.kind not in "biuf":
        raise pickle.UnpicklingError(f"it asks for an array of {dtype}")
    return dtype


def _encode_latin1(text: str, encoding: str | bytes = "latin1") -> bytes:
    if encoding not in ("latin1", b"latin1"):
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")


def read_sheets(data: Data) -> dict[str, np.ndarray]:
    """The arrays in the sixty pictures of 1,000 images each and the two files of labels."""
    paths = [data.path(file.path) for file in CIFAR10_SHEETS.files]
    arrays = {}
    for part in ("train", "test"):
        sheets = [path for path in paths if path.name.startswith(part) and path.suffix == ".webp"]
        images = np.empty((len(sheets) * SHEET[0] * SHEET[1], 3, 32, 32), dtype=np.uint8)
        for place, path in zip(np.split(images, len(sheets)), sheets, strict=True):
            place[:] = read_sheet(path)
        labels = next(path for path in paths if path.name == f"{part}_labels.npy")
        arrays |= {f"{part}_images": images, f"{part}_labels": read_labels(labels, len(images))}
    return arrays


def read_sheet(path: Path) -> np.ndarray:
    """The images (1000, 3, 32, 32) of one picture, row by row; raises NoData for another or a damaged picture."""
    from PIL import Image

    rows, columns = SHEET
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))  # (H, W, 3)
    except (OSError, ValueError) as error:
        raise NoData(f"{path.name} can't be read as a picture: {error}") from error
    if pixels.shape != (rows * 32, columns * 32, 3):
        raise NoData(f"{path.name} has {pixels.shape[1]}x{pixels.shape[0]} pixels, not {columns * 32}x{rows * 32}")
    return pixels.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, 32, 32)


def read_labels(path: Path, count: int) -> np.ndarray:
    """`count` labels from a .npy file; raises NoData for another content."""
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise NoData(f"{path.name} can't be read as an array: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.shape != (count,) or labels.dtype != np.uint8:
        raise NoData(f"{path.name} does not hold {count} labels of one byte")
    if labels.max() >= NUM_CLASSES:
        raise NoData(f"{path.name} holds the label {labels.max()}, but there are {NUM_CLASSES} classes")
    return labels


READERS = {
    CIFAR10.name: read_archive,
    CIFAR10_ARCHIVE.name: read_archive,
    CIFAR10_FOLDER.name: read_folder,
    CIFAR10_SHEETS.name: read_sheets,
}
