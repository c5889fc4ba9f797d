"""Where the files of records lie, and how a page names them and what they keep."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from ..results import Record, slug
from ..tables.groups import Group

PNG = b"\x89PNG\r\n\x1a\n"
LARGEST_PICTURE = 256 * 1024


class Places:
    """The files below some results. A page gets no path that says more than where results lie below the current
    folder, or below their own: pages are sent around."""

    def __init__(self, results: Iterable[Path], out: Path) -> None:
        self.page = out.resolve().parent
        self._files: dict[str, list[tuple[Path, Path]]] = {}
        for root in results:
            for path in [root] if root.is_file() else root.rglob("records/*.json"):
                self._files.setdefault(path.stem, []).append((root, path))

    def of(self, suite: str, name: str) -> tuple[str, str] | None:
        """The folder of a record's file: as a command on the current folder names it, and as a link from the page
        (empty where the page lies neither above nor in the results). None where there is no such file."""
        found = self._find(suite, name)
        if found is None:
            return None
        root, path = found
        return str(self._shown(root, path.parent)), self._link(root, path.parent)

    def pictures(self, suite: str, record: Record) -> list[Path]:
        """The files of the pictures that a record keeps and that are there."""
        found = self._find(suite, record.name)
        names = record.get("pictures")
        if found is None or not isinstance(names, list):
            return []
        plain = [name for name in names if isinstance(name, str) and name and Path(name).name == name]
        paths = [found[1].parent.parent / "pictures" / name for name in plain]
        return [path for path in paths if path.is_file() and not path.is_symlink()]

    def _find(self, suite: str, name: str) -> tuple[Path, Path] | None:
        """Of several files of this name that in the suite's published folder, else the first."""
        found = self._files.get(name, [])
        return next((pair for pair in found if slug(suite) in pair[1].parts), found[0] if found else None)

    def _shown(self, root: Path, folder: Path) -> Path:
        here = Path.cwd()
        if folder.resolve().is_relative_to(here):
            return folder.resolve().relative_to(here)
        top = root.resolve() if root.is_dir() else root.resolve().parent
        return Path(top.name) / folder.resolve().relative_to(top)

    def _link(self, root: Path, folder: Path) -> str:
        top = root.resolve() if root.is_dir() else root.resolve().parent
        if not (top.is_relative_to(self.page) or self.page.is_relative_to(top)):
            return ""
        return quote(Path(os.path.relpath(folder.resolve(), self.page)).as_posix())


def hung(groups: Sequence[Group], places: Places, room: int) -> tuple[list[tuple[int, str, str]], list[str]]:
    """The pictures of the first seed of each row that has some, as (row, file name, data URI), in at most `room` bytes
    together; and the names of those that are larger than LARGEST_PICTURE, no PNG, or for which there is no room."""
    shown, left_out = [], []
    for index, group in enumerate(groups):
        files = next((found for cell in group.cells if (found := places.pictures(group.key.suite, cell))), [])
        for path in files:
            uri = _data_uri(path) if path.stat().st_size <= LARGEST_PICTURE else ""
            if uri and len(uri) <= room:
                room -= len(uri)
                shown.append((index, path.name, uri))
            else:
                left_out.append(path.name)
    return shown, left_out


def _data_uri(path: Path) -> str:
    """Empty for what is no PNG."""
    content = path.read_bytes()
    return f"data:image/png;base64,{base64.b64encode(content).decode()}" if content.startswith(PNG) else ""
