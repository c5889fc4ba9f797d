"""Reading lists of molecules as SMILES, and how they are split. No torch, no RDKit."""

from __future__ import annotations

import csv
import lzma
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dlbench import DataSet, NoData
from dlbench.data import Data

from .files import MOSES, QM9, ZINC

Splits = dict[str, list[str]]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A set of molecules. `scaffolds`: its molecules have rings enough to compare their frameworks."""

    name: str
    files: DataSet
    read: Callable[[Data], Splits]
    scaffolds: bool = False


def read_qm9(data: Data) -> Splits:
    """Of each ten rows the last is test, the one before it validation: the list is ordered by size, so no split may
    go by position."""
    found: Splits = {"train": [], "val": [], "test": []}
    for row, text in enumerate(_column(data.path(QM9.files[0].path), "smiles")):
        found[{9: "test", 8: "val"}.get(row % 10, "train")].append(text)
    return found


def read_zinc(data: Data) -> Splits:
    """10,000 / 1,000 / 1,000, as the file says."""
    path = data.path(ZINC.files[0].path)
    found: Splits = {"train": [], "val": [], "test": []}
    for split, text in zip(_column(path, "split"), _column(path, "smiles"), strict=True):
        found[split].append(text)
    return found


def read_moses(data: Data) -> Splits:
    """Of the training rows every twentieth is validation; the test rows are those of MOSES."""
    train, test = (_column(data.path(file.path), "SMILES") for file in MOSES.files)
    return {
        "train": [text for row, text in enumerate(train) if row % 20 != 19],
        "val": train[19::20],
        "test": test,
    }


def _column(path: Path, name: str) -> list[str]:
    """A column of a CSV file, which may be packed. Raises NoData where it can't be read or has no such column."""
    opened = lzma.open if path.suffix == ".xz" else open
    try:
        with opened(path, "rt", encoding="utf-8", newline="") as file:
            return [row[name] for row in csv.DictReader(file)]
    except KeyError as error:
        raise NoData(f"{path} has no column {name}; fetch it again") from error
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError, csv.Error) as error:
        raise NoData(f"{path} can't be read: {error}") from error


SOURCES = {
    "qm9": Source(name="qm9", files=QM9, read=read_qm9),
    "zinc": Source(name="zinc", files=ZINC, read=read_zinc, scaffolds=True),
    "moses": Source(name="moses", files=MOSES, read=read_moses, scaffolds=True),
}
