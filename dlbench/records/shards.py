"""Where the files of a results folder lie: `records/NAME.json`, and `records/AB/NAME.json` in a folder of many.

AB are the first two of the digits at a name's end. A folder is split once it is to hold more than `FLAT` records, and
then has all 256 subfolders; what was in it before stays where it is and is found there. Logs and pictures follow.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

FLAT = 4_000
"""Records that a folder holds before it is split."""
DIGITS = re.compile(r"-([0-9a-f]{2})[0-9a-f]{10}$")
SHARD = re.compile(r"[0-9a-f]{2}")
RECORDS = "records"


def shard_of(name: str) -> str:
    """The subfolder of a name: the first two digits of the digest at its end, or of one made of it."""
    match = DIGITS.search(name)
    return match[1] if match else hashlib.sha256(name.encode()).hexdigest()[:2]


def shard_in(path: Path | str) -> str:
    """The subfolder in which a record's file lies; empty where it lies in none."""
    folder = os.path.basename(os.path.dirname(path))
    return folder if SHARD.fullmatch(folder) else ""


def place_of(root: Path, kind: str, name: str, ending: str) -> Path:
    """The file of this name in `records`, `logs` or `pictures`, whether it exists or not: where it lies already, else
    in its subfolder where the records have one."""
    flat, shard = root / kind / f"{name}{ending}", shard_of(name)
    if not (root / RECORDS / shard).is_dir() or flat.exists():
        return flat
    return root / kind / shard / f"{name}{ending}"


def pictures_of(root: Path, name: str) -> list[Path]:
    """The pictures of a record."""
    folders = {root / "pictures", place_of(root, "pictures", name, "").parent}
    return [path for folder in sorted(folders) for path in sorted(folder.glob(f"{name}--*.png"))]


def picture_at(pictures: Path, file: str) -> Path:
    """A picture in a folder `pictures`, `NAME--PICTURE.png` as its record names it."""
    flat = pictures / file
    return flat if flat.exists() else pictures / shard_of(file.rpartition("--")[0]) / file


def split(root: Path) -> None:
    """Make the subfolders of the records, so that new ones go there."""
    for number in range(256):
        (root / RECORDS / f"{number:02x}").mkdir(parents=True, exist_ok=True)


def is_split(root: Path) -> bool:
    return (root / RECORDS / "00").is_dir()


def files_in(records: Path) -> Iterator[os.DirEntry[str]]:
    """The files of records in a folder `records` and its subfolders, in the order of their names in each."""
    try:
        entries = sorted(os.scandir(records), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.name.endswith(".json"):
            yield entry
        elif SHARD.fullmatch(entry.name) and entry.is_dir():
            yield from files_in(Path(entry.path))


def paths_under(path: Path) -> list[Path]:
    """The files of records in every folder `records` at or under a path."""
    folders = sorted({path, *(folder.parent for folder in path.rglob(RECORDS))})
    return [Path(entry.path) for folder in folders for entry in files_in(folder / RECORDS)]
