"""The data room: data root, download with checksum, splits, batches that live on the device."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..contract.sets import Data as Data
from ..contract.sets import DataFile as DataFile
from ..contract.sets import DataSet as DataSet
from ..contract.sets import at_hand as at_hand

if TYPE_CHECKING:
    from .folders import ImageFolder as ImageFolder
    from .tables import CsvTable as CsvTable

_HOMES = {"ImageFolder": "folders", "CsvTable": "tables"}  # with torch, so they come when they are asked for
__all__ = ["CsvTable", "Data", "DataFile", "DataSet", "ImageFolder", "at_hand"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f".{_HOMES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
