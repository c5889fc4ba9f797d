"""Text files as lists of lines, with errors that say where. No torch."""

from __future__ import annotations

import codecs
import gzip
import zlib
from pathlib import Path

from dlbench import NoData


def read_lines(path: Path, *, encoding: str = "utf-8", blank: bool = False) -> list[str]:
    """The lines without their ends; a name that ends in `.gz` is unpacked. Only a line feed ends a line: Latin-1 has
    characters that Python's `splitlines` takes for one.

    Raises NoData as `read_text` does, and for a line without words unless `blank` allows it, naming it.
    """
    lines = read_text(path, encoding=encoding).split("\n")
    if not lines[-1]:
        lines.pop()
    if not blank and (empty := next((n for n, line in enumerate(lines, start=1) if not line.strip()), 0)):
        raise NoData(f"{place(path, empty)} is empty: every line must hold words")
    return [line.rstrip("\r") for line in lines]


def read_text(path: Path, *, encoding: str = "utf-8") -> str:
    """The whole file, unpacked where its name ends in `.gz`. Raises NoData where it is no whole gzip file, is empty, or
    has bytes that don't decode; the last names the line. A byte order mark at the top is none of its text."""
    raw = path.read_bytes()
    if path.suffix == ".gz":
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise NoData(f"{path.name} is not a whole gzip file: fetch it again ({error})") from error
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not raw:
        raise NoData(f"{path.parent.name}/{path.name} is empty: fetch it again")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        before = raw.count(b"\n", 0, error.start)
        byte = error.start - raw.rfind(b"\n", 0, error.start)
        raise NoData(f"{place(path, before + 1)}: byte {byte} is not {encoding}; fetch the file again") from error


def place(path: Path, number: int) -> str:
    """How an error names a line, counted from 1: with the file's folder, as files of several splits share names."""
    return f"{path.parent.name}/{path.name}, line {number}"
