"""The data room: data root, download with checksum, splits, batches that live on the device."""

from __future__ import annotations

from .root import Data as Data
from .sets import DataFile as DataFile
from .sets import DataSet as DataSet
