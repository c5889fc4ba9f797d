"""Omniglot: 1,623 handwritten characters of 50 alphabets, each drawn by 20 people. Here are the 964 characters of its
30 background alphabets.

B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum (2015): Human-Level Concept Learning through Probabilistic Program
Induction.
"""

from __future__ import annotations

import io
import lzma
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlbench import NoData, UsageError
from dlbench.data import Data
from dlbench.data.kept import kept
from dlbench.data.verify import digest

from .drawn_files import OMNIGLOT
from .images import ImageClassification

SIDE = 105  # of a published drawing
DRAWERS = 20
HELD_OUT = {"train": range(14), "val": range(14, 16), "test": range(16, 20)}  # drawers, from 0
VERSION = 1  # of the decoded form; raise it when a reader's result changes
AT_ONCE = 1000
PACKED, CHARACTERS = (file.path for file in OMNIGLOT.files)


class Drawings(NamedTuple):
    """`images` (C, 20, size, size) uint8, ink bright: each character by each drawer. `alphabets` (C,): the number of
    the alphabet, ascending."""

    images: np.ndarray
    alphabets: np.ndarray


def load(data: Data, *, size: int) -> ImageClassification:
    """Which of the 964 characters a drawing is: drawers 1 to 14 of each are trained on, 15 and 16 are validation, 17
    to 20 test. `size`: the side that drawings are reduced to, of 105. Raises NoData for missing or damaged files."""
    images = read(data, size).images
    splits = {}
    for split, drawers in HELD_OUT.items():
        labels = np.repeat(np.arange(len(images)), len(drawers))
        splits[split] = (images[:, drawers].reshape(-1, 1, size, size), labels)
    return ImageClassification(splits, num_classes=len(images), device=data.device)


def read(data: Data, size: int) -> Drawings:
    """The background characters, from the cache where they were reduced to this size before."""
    check_size(size)
    parameters = {"version": VERSION, "size": size, "data": digest(OMNIGLOT, data.root, data.cache)}

    def make() -> dict[str, np.ndarray]:
        found = decode(data.path(PACKED), data.path(CHARACTERS), size)
        return {"images": found.images, "alphabets": found.alphabets}

    return Drawings(**kept(data.cache, "vision/omniglot", parameters, make))


def check_size(size: int) -> None:
    """Raises UsageError for a side that drawings can't be reduced to."""
    if not 1 <= size <= SIDE:
        raise UsageError(f"drawings of {SIDE}x{SIDE} can be reduced to a size of 1 to {SIDE}, not {size}")


def decode(packed: Path, characters: Path, size: int) -> Drawings:
    """What the two files hold, reduced to `size`; raises NoData, with the file's name, for other content."""
    rows = read_packed(packed)
    names = read_alphabets(characters)
    if len(rows) != len(names) * DRAWERS:
        raise NoData(f"{packed.name} holds {len(rows)} drawings, but {characters.name} {len(names)} characters")
    images = np.empty((len(rows), size, size), dtype=np.uint8)
    for start in range(0, len(rows), AT_ONCE):
        bits = np.unpackbits(rows[start : start + AT_ONCE], axis=1)[:, : SIDE * SIDE]
        images[start : start + AT_ONCE] = reduced(bits.reshape(-1, SIDE, SIDE), size)
    _, alphabets = np.unique(names, return_inverse=True)
    return Drawings(images.reshape(len(names), DRAWERS, size, size), alphabets.astype(np.uint8))


def read_packed(path: Path) -> np.ndarray:
    """The drawings, a row of packed bits each (N, 1379), 1 for ink."""
    try:
        with lzma.open(path) as stream:
            rows = np.load(io.BytesIO(stream.read()), allow_pickle=False)
    except (OSError, ValueError, EOFError, lzma.LZMAError) as error:
        raise NoData(f"{path.name} can't be read as a compressed array: {error}") from error
    length = -(-SIDE * SIDE // 8)
    if rows.dtype != np.uint8 or rows.ndim != 2 or rows.shape[1] != length or len(rows) % DRAWERS:
        raise NoData(f"{path.name} does not hold rows of {length} bytes, {DRAWERS} for each character")
    return rows


def read_alphabets(path: Path) -> list[str]:
    """The alphabet of each character, in the order of the drawings: alphabets by name, as published."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()[1:]
        rows = [(int(first), alphabet) for first, alphabet, _, _ in (line.split("\t") for line in lines)]
    except (OSError, ValueError) as error:
        raise NoData(
            f"{path.name} is not a table of first_row, alphabet, character and file_prefix: {error}"
        ) from error
    names = [alphabet for _, alphabet in rows]
    if not rows or [first for first, _ in rows] != list(range(0, DRAWERS * len(rows), DRAWERS)):
        raise NoData(f"{path.name} does not name a character for every {DRAWERS} drawings, in their order")
    if names != sorted(names):
        raise NoData(f"{path.name} does not name the alphabets in their order")
    return names


def reduced(bits: np.ndarray, size: int) -> np.ndarray:
    """Drawings (N, 105, 105) of 0 and 1 as shares of ink (N, size, size), 0 to 255: the mean over each pixel's area.
    Every sum is of whole numbers, so that all machines round alike."""
    edges, places = np.arange(size + 1) * SIDE, np.arange(SIDE + 1) * size
    shared = np.minimum(edges[1:, None], places[1:]) - np.maximum(edges[:-1, None], places[:-1])
    weights = shared.clip(min=0).astype(np.float32)  # (size, 105): how far pixels overlap; each row adds up to 105
    ink = (weights @ bits.astype(np.float32) @ weights.T).astype(np.int64)  # exact: at most 105 * 105
    area = SIDE * SIDE
    return ((255 * ink + area // 2) // area).astype(np.uint8)
