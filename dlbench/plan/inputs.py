"""What a job read that its name can't cover: files that were opened, modules that were imported while it ran.

A name is made while planning, from sources and declared data. A program can reach further: a path that it puts
together, a module that it imports by a computed name, a file of the data root that its task doesn't declare. The child
watches for those (`Watch`); the record keeps their checksums (`kept`); and a record whose files have changed since no
longer counts as done (`changed`). Files are named below a root (the plugin's folder, the data root, ...), never by
this machine's folders, wherever one of the roots holds them. No torch.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from ..contract.sets import folders_of
from ..data.verify import HashCache
from .sources import is_installed, root_of

ABSENT = "absent"
SYSTEM = ("/proc/", "/sys/", "/dev/", "/etc/", "/usr/", "/lib/", "/lib64/", "/opt/", "/run/", "/var/")
PASSING = ("__pycache__", "torchinductor_", ".triton", ".nv", "matplotlib", "fontconfig")
"""Parts of paths under which libraries keep what they compiled."""
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
CORE = str(Path(__file__).resolve().parents[1]) + os.sep
STANDARD = os.path.dirname(os.__file__) + os.sep

Roots = list[tuple[str, Path]]


class Watch:
    """Notes every file that Python opens in this process, and what was imported; it can't be taken off again, so it is
    for a child with one job."""

    def __init__(self) -> None:
        self.started = time.time()
        self._opened: dict[str, None] = {}
        self._written: set[str] = set()
        self._before = set(sys.modules)
        sys.addaudithook(self._see)

    def _see(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        path, mode, flags = arguments
        try:
            name = os.path.abspath(os.fsdecode(path))
        except (OSError, TypeError, ValueError):
            return
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & WRITING):
            self._written.add(name)
        elif name not in self._written:
            self._opened[name] = None

    def collected(self, plugins: Iterable[ModuleType]) -> None:
        """The plugins are imported: what they imported from their own packages is known from their sources."""
        packages = {module.__name__.partition(".")[0] for module in plugins}
        own = {name for name in sys.modules if name.partition(".")[0] in packages}
        self._before |= own
        for name in own:
            self._opened.pop(getattr(sys.modules[name], "__file__", None) or "", None)

    def report(self, data_root: str, cache: str) -> dict[str, Any]:
        """Absolute paths of the files that could matter, and when the watch began."""
        files = [getattr(sys.modules[name], "__file__", None) for name in sorted(set(sys.modules) - self._before)]
        found = dict.fromkeys([*(file for file in files if file), *self._opened])
        homes = [os.path.abspath(folder) for folder in folders_of(Path(data_root))]
        system = [folder for folder in SYSTEM if not any(home.startswith(folder) for home in homes)]
        passing = (os.path.abspath(cache) + os.sep, CORE, STANDARD, *system)
        kept = [file for file in found if file not in self._written and _matters(file, passing)]
        return {"started": self.started, "files": kept}


def _matters(file: str, passing: tuple[str, ...]) -> bool:
    return not file.startswith(passing) and not any(part in file for part in PASSING)


def roots_of(plugins: Iterable[str], data_root: Path) -> Roots:
    """Where a job's files may lie: beside its plugins (targets of sources), in the data root, on the path, at home."""
    roots: Roots = []
    for target in plugins:
        if target.endswith(".py"):
            roots.append(("plugin", Path(target).resolve().parent))
        elif file := getattr(sys.modules.get(target), "__file__", None):
            roots.append(("plugin", (root_of(Path(file)) or Path(file)).parent))
    roots += [("data", folder) for folder in folders_of(Path(data_root))]
    roots += [("path", Path(entry)) for entry in sys.path if entry and not is_installed(Path(entry) / "x")]
    return [*dict.fromkeys(roots), ("folder", Path.cwd()), ("home", Path.home())]


def kept(report: Mapping[str, Any], covered: Iterable[Path], roots: Roots, hashes: HashCache) -> dict[str, Any]:
    """What the record keeps of a child's report: `files` (name below a root -> sha256, or `absent`), and `edited`, the
    covered or read files that changed while the job ran, which make it never done."""
    known = {str(path) for path in covered}
    reported = [text for text in report["files"] if not _of_library(text)]
    files, edited = {}, []
    for text in reported:
        label, path = label_of(Path(text), roots), Path(text)
        if text not in known and (path.is_file() or label.startswith(("plugin:", "data:"))):
            files[label] = _checksum(path, hashes)
    for text in {*known, *reported}:
        if _changed_at(text) > report["started"]:
            edited.append(label_of(Path(text), roots))
    return {"files": files, **({"edited": sorted(edited)} if edited else {})}


def changed(inputs: Mapping[str, Any], roots: Roots, hashes: HashCache) -> list[str]:
    """The names of the files that aren't what they were when the job read them."""
    now = {}
    for label in inputs.get("files", {}):
        found = {_checksum(path, hashes) for path in places(label, roots)} - {ABSENT}
        now[label] = found or {ABSENT}
    return [*inputs.get("edited", []), *(label for label, sums in now.items() if inputs["files"][label] not in sums)]


def label_of(path: Path, roots: Roots) -> str:
    """The file's name below the first root that holds it."""
    for tag, root in roots:
        if path.is_relative_to(root):
            return f"{tag}:{path.relative_to(root).as_posix()}"
    return f"file:{path}"


def places(label: str, roots: Roots) -> list[Path]:
    """Where a file of this name may lie today."""
    tag, _, relative = label.partition(":")
    return [Path(relative)] if tag == "file" else [root / relative for kind, root in roots if kind == tag]


@cache
def _of_library(file: str) -> bool:
    return is_installed(Path(file))


def _checksum(path: Path, hashes: HashCache) -> str:
    try:
        return hashes.sha256(path)
    except OSError:
        return ABSENT


def _changed_at(path: str) -> float:
    try:
        return os.stat(path).st_ctime
    except OSError:
        return 0.0
