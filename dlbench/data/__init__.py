"""The data room: data root, download with checksum, splits, batches that live on the device."""

from __future__ import annotations

from ..contract.sets import Data as Data
from ..contract.sets import DataFile as DataFile
from ..contract.sets import DataSet as DataSet
from ..contract.sets import at_hand as at_hand
