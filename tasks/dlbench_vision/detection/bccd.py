"""Blood cells under the microscope: 364 pictures with boxes around red cells, white cells and platelets.

The BCCD data set, github.com/Shenggan/BCCD_Dataset (2017).
"""

from __future__ import annotations

import tarfile

from dlbench import DataSet, NoData, UsageError
from dlbench.data import Data
from dlbench.data.kept import Arrays, kept
from dlbench.data.unpack import BROKEN
from dlbench.data.verify import digest

from .task import Detection
from .voc import read_voc, voc_task

CLASSES = ("RBC", "WBC", "Platelets")
SIDE = (480, 640)  # height and width of all pictures
VERSION = 1  # of the arrays in the cache


def load(data: Data, *, reduce: int, dataset: DataSet) -> Detection:
    """The official splits, of pictures reduced by `reduce` each way. Raises NoData for a missing or damaged archive,
    UsageError for a number that doesn't divide the sides."""
    if reduce < 1 or SIDE[0] % reduce or SIDE[1] % reduce:
        raise UsageError(f"bccd is reduced by a whole number that divides 640 and 480, not {reduce}")
    parameters = {"version": VERSION, "data": digest(dataset, data.root, data.cache), "reduce": reduce}
    arrays = kept(data.cache, "vision/bccd", parameters, lambda: read_archive(data, dataset, reduce))
    return voc_task(arrays, each=True, device=data.device)


def read_archive(data: Data, dataset: DataSet, reduce: int) -> Arrays:
    """What `read_voc` makes of the archive, the only file of the data set. Nothing is written to disk."""
    path = data.path(dataset.files[0].path)
    members: dict[str, bytes] = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (stream := archive.extractfile(member)) is not None:
                    members[member.name.removeprefix("./").removeprefix("BCCD/")] = stream.read()
    except (*BROKEN, OSError) as error:
        raise NoData(f"{path.name} is not a whole tar archive: {error or type(error).__name__}") from error
    try:
        return read_voc(members.get, size=(SIDE[0] // reduce, SIDE[1] // reduce), classes=CLASSES)
    except NoData as error:
        raise NoData(f"in {path.name}, {error}") from error
