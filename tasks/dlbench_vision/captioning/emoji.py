"""`emoji_captions`: drawings and their Unicode names."""

from __future__ import annotations

import lzma
from collections import Counter
from pathlib import Path

import numpy as np

from dlbench import DataSet, NoData
from dlbench.data import Data

from ..converted import converted
from .task import Captioned, CaptionTask
from .vocabulary import Vocabulary

GRID, SIDE = (60, 64), 32  # rows and columns of drawings on a sheet, and their side in pixels
COLUMNS = ["row", "code_points", "caption", "category", "subcategory", "skin"]
OUT = {3: "test", 7: "val"}  # by the last digit of the row


def load(data: Data, *, dataset: DataSet, beam: int, samples: int) -> CaptionTask:
    """Raises NoData for missing or damaged files."""
    sheet, table = (data.path(file.path) for file in dataset.files)
    captions = read_captions(table)
    images = converted(data, dataset, lambda *_: {"images": read_sheet(sheet)})["images"]
    if len(captions) > len(images):
        raise NoData(f"{table.name} has {len(captions)} captions, but {sheet.name} only {len(images)} drawings")
    rows: dict[str, list[int]] = {"train": [], "val": [], "test": []}
    for row in range(len(captions)):
        rows[OUT.get(row % 10, "train")].append(row)
    if not all(rows.values()):
        raise NoData(f"{table.name} has {len(captions)} captions, too few to hold some out")
    splits = {name: Captioned(images[index], [captions[row] for row in index]) for name, index in rows.items()}
    counts = Counter(word for row in rows["train"] for word in captions[row])
    longest = max(len(captions[row]) for name in ("train", "val") for row in rows[name])
    return CaptionTask(
        splits, vocabulary=Vocabulary(sorted(counts, key=lambda word: (-counts[word], word))), length=longest + 1,
        beam=beam, samples=samples, device=data.device,
    )  # fmt: skip


def read_captions(path: Path) -> list[list[str]]:
    """The words of every caption, colons and commas among them, in the order of the table. Raises NoData, naming file
    and row, for a table of another form or a caption without words."""
    try:
        lines = lzma.decompress(path.read_bytes()).decode("utf-8").splitlines()
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise NoData(f"{path.name} can't be read as a table: {error}") from error
    if not lines or lines[0].split("\t") != COLUMNS:
        raise NoData(f"{path.name} doesn't begin with the columns {', '.join(COLUMNS)}")
    captions = []
    for row, line in enumerate(lines[1:]):
        fields = line.split("\t")
        if len(fields) != len(COLUMNS) or fields[0] != str(row):
            raise NoData(f"{path.name}, row {row}: it is not {len(COLUMNS)} fields of which the first is {row}")
        words = split_words(fields[2])
        if not words:
            raise NoData(f"{path.name}, row {row}: the caption is empty; every picture needs words")
        captions.append(words)
    return captions


def split_words(caption: str) -> list[str]:
    """What blanks separate; a colon and a comma are words of their own."""
    return caption.replace(":", " :").replace(",", " ,").split()


def read_sheet(path: Path) -> np.ndarray:
    """The drawings (3840, 3, 32, 32) on a sheet, row by row; raises NoData for another or a damaged picture."""
    from PIL import Image

    rows, columns = GRID
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB"))  # (H, W, 3)
    except (OSError, ValueError) as error:
        raise NoData(f"{path.name} can't be read as a picture: {error}") from error
    if pixels.shape != (rows * SIDE, columns * SIDE, 3):
        raise NoData(f"{path.name} has {pixels.shape[1]}x{pixels.shape[0]} pixels, not {columns * SIDE}x{rows * SIDE}")
    return pixels.reshape(rows, SIDE, columns, SIDE, 3).transpose(0, 2, 4, 1, 3).reshape(-1, 3, SIDE, SIDE)
