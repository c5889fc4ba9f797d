"""Tables of one example per row, read from CSV files."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contract.kinds import Vector
from ..contract.sets import Data
from ..errors import NoData, unknown
from .examples import Examples
from .splits import SPLITS, complete

if TYPE_CHECKING:
    import pandas as pd


class CsvTable(Examples):
    """A task `Vector -> Classes` (metrics `accuracy`, `cross_entropy`), or `Vector -> Value` with `classes=False`
    (`mae`, `rmse`), on the rows of CSV files with a header. `files`: one, of which a tenth is held out for val and a
    tenth for test, or one for each of train, val and test (val may be missing); relative to the data root, or absolute.
    `target`: the column to tell. A number is judged in its own unit. `drop`: columns to leave out.

    Columns of numbers are standardised with mean and deviation of the training rows, and a missing one is the mean;
    columns of other values are one-hot over the values of the training rows. Classes are those of the training rows, in
    sorted order. Raises NoData for a file or a target that can't be read, UsageError for an unknown column.
    """

    def __init__(
        self, data: Data, files: str | Mapping[str, str], target: str, *, classes: bool = True,
        drop: Collection[str] = (), separator: str = ",",
    ) -> None:  # fmt: skip
        paths = {"train": files} if isinstance(files, str) else files
        frames = {split: _read(data.path(path), separator, [target, *drop]) for split, path in paths.items()}
        frames = complete(
            frames, lambda frame, index: frame.iloc[index], lambda frame: frame[target].to_numpy(), stratify=classes
        )
        inputs, features = _encode({split: frames[split].drop(columns=[target, *drop]) for split in SPLITS})
        found, num_classes, scale = _targets([frames[split][target] for split in SPLITS], classes)
        ends = np.cumsum([len(frames[split]) for split in SPLITS])
        splits = dict(zip(SPLITS, np.split(np.arange(ends[-1]), ends[:-1]), strict=True))
        super().__init__(
            input=Vector(features=features), inputs=inputs, targets=found, splits=splits, num_classes=num_classes,
            scale=scale, device=data.device,
        )  # fmt: skip


def _read(path: Path, separator: str, needed: list[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(path, sep=separator)
    except (ValueError, UnicodeDecodeError) as error:
        raise NoData(f"can't read {path.name} as a table: {' '.join(str(error).split())}") from error
    for column in needed:
        if column not in frame:
            raise unknown(f"column of {path.name}", column, list(frame.columns))
    if (missing := frame[needed[0]].isna()).any():
        raise NoData(f"{path.name}, line {int(missing.to_numpy().nonzero()[0][0]) + 2} has no {needed[0]}")
    return frame


def _encode(frames: Mapping[str, pd.DataFrame]) -> tuple[Any, int]:
    """All rows (N, features), train first, then val and test."""
    import pandas as pd

    train, columns = frames["train"], []
    for name in train.columns:
        parts = [frames[split][name] for split in SPLITS]
        if all(pd.api.types.is_numeric_dtype(part) for part in parts):
            mean, deviation = float(train[name].mean()), float(train[name].std(ddof=0))
            values = np.concatenate([part.to_numpy(dtype=np.float64, na_value=np.nan) for part in parts])
            columns.append(np.nan_to_num((values - mean) / (deviation or 1.0), nan=0.0)[:, None])
        else:
            values = np.concatenate([part.astype(str).to_numpy(dtype=object) for part in parts])
            known = sorted(set(train[name].astype(str)))
            columns.append(values[:, None] == np.array(known, dtype=object)[None])
    if not columns:
        raise NoData("the table has no column beside its target")
    rows = np.concatenate(columns, axis=1).astype(np.float32)
    return rows, rows.shape[1]


def _targets(parts: list[pd.Series], classes: bool) -> tuple[Any, int | None, float]:
    """Of all rows: classes by number and how many there are, or standardised numbers and what 1 is worth."""
    if not classes:
        try:
            values = [part.to_numpy(dtype=np.float64) for part in parts]
        except ValueError as error:
            raise NoData(f"the column {parts[0].name} isn't of numbers: {error}") from error
        deviation = float(values[0].std()) or 1.0
        return (np.concatenate(values) - values[0].mean()) / deviation, None, deviation
    known = {value: number for number, value in enumerate(sorted(set(parts[0])))}
    for part in parts[1:]:
        if strange := sorted(set(part) - set(known)):
            raise NoData(f"the {parts[0].name} {strange[0]!r} is in no training row")
    return [known[value] for part in parts for value in part], len(known), 1.0
