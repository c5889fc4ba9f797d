"""What a piece of a plugin is made of: the texts, data files and packages that it can reach. Read as files, never
imported.

From a top-level name, a `Walk` follows what the name uses of its own module, and every module of its own package, of
other plugins, or of a folder that isn't an installed package, whole and transitively. The standard library and the
core stay out; installed packages are noted by name, because their version stands for their text.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from ..data.verify import Stamp, stamp_of

CORE = "dlbench"
INSTALLED = frozenset({"site-packages", "dist-packages"})
MOST_DATA_FILES = 2000  # of a package: one with more keeps a data set, which is the data root's business
LARGEST_DATA_FILE = 64 << 20
DOTTED = re.compile(r"\.*[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


class Walk:
    """Collects texts, the `files` they stand in, and the names of the installed packages that they `need`."""

    def __init__(self) -> None:
        self._texts: dict[tuple[Path, str], str] = {}
        self.needs: set[str] = set()

    @property
    def files(self) -> frozenset[Path]:
        return frozenset(file for file, _ in self._texts)

    @property
    def texts(self) -> list[tuple[str, str, str]]:
        """(file, name, text) in a fixed order; no folder of this machine is in them."""
        return sorted((label_of(file), name, text) for (file, name), text in self._texts.items())

    def name(self, file: Path, name: str) -> None:
        """Follow a top-level name of a module; a name that the module doesn't show to the eye takes all of it."""
        source, tree = parse(file)
        top = top_level(tree)
        if name not in top:
            self.module(file)
            return
        wanted = [name, *(["*"] if "*" in top else [])]
        while wanted:
            current = wanted.pop()
            if (file, current) in self._texts or current not in top:
                continue
            self._texts[file, current] = "\n".join(_text(source, node) for node in top[current])
            for node in top[current]:
                self._reach(node, file)
                wanted += sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)})

    def module(self, file: Path) -> None:
        """Follow a whole module."""
        if (file, "") in self._texts:
            return
        source, tree = parse(file)
        self._texts[file, ""] = source
        self._reach(tree, file)

    def _reach(self, node: ast.AST, file: Path) -> None:
        for found in imports(node, file):
            if isinstance(found, Path):
                self.module(found)
            else:
                self.needs.add(found)
        for data in _data_named(node, file):
            self._texts[data, ""] = hashlib.sha256(data.read_bytes()).hexdigest()


@cache
def root_of(file: Path) -> Path | None:
    """The folder of the top-level package that holds a module, or data below it; None for a single file."""
    folder, root = file.parent, None
    while file.suffix != ".py" and folder != folder.parent and not (folder / "__init__.py").is_file():
        folder = folder.parent
    while (folder / "__init__.py").is_file():
        root, folder = folder, folder.parent
    return root


def label_of(file: Path) -> str:
    """A file's path below the folder that holds its package (or the file itself)."""
    root = root_of(file)
    return file.name if root is None else file.relative_to(root.parent).as_posix()


def is_installed(path: Path) -> bool:
    """Whether a file belongs to an installed package that is no plugin, so that a version stands for it."""
    parts = path.parts
    places = [i for i, part in enumerate(parts) if part in INSTALLED]
    if not places or places[-1] + 1 >= len(parts):
        return bool(places)
    return parts[places[-1] + 1].removesuffix(".py") not in plugin_packages()


@cache
def plugin_packages() -> frozenset[str]:
    """The top-level packages of all installed distributions that provide plugins, but for the core."""
    from importlib.metadata import entry_points

    names: set[str] = set()
    for owner in {point.dist.name: point.dist for point in entry_points(group=CORE) if point.dist}.values():
        for file in owner.files or ():
            first = file.parts[0]
            if file.suffix == ".py" and first not in ("..", "/"):
                names.add(first.removesuffix(".py"))
    names |= {point.module.partition(".")[0] for point in entry_points(group=CORE)}
    return frozenset(names - {CORE})


def imports(node: ast.AST, file: Path) -> Iterator[Path | str]:
    """What the imports under a node lead to: files to follow, or names of installed packages. A text that is a dotted
    name of the own package counts as an import, because `importlib` may be given it."""
    root = root_of(file)
    for child in ast.walk(node):
        if isinstance(child, ast.ImportFrom) and child.level:
            base = file.parent
            for _ in range(child.level - 1):
                base = base.parent
            yield from _existing(base, (child.module or "").split("."), [alias.name for alias in child.names])
        elif isinstance(child, ast.ImportFrom):
            yield from _absolute(child.module or "", file, [alias.name for alias in child.names])
        elif isinstance(child, ast.Import):
            for alias in child.names:
                yield from _absolute(alias.name, file, [])
        elif isinstance(child, ast.Constant) and root is not None and _is_dotted(child.value):
            text = str(child.value)
            if text.startswith("."):
                yield from _existing(file.parent, text.lstrip(".").split("."), [])
            elif text.startswith(root.name + "."):
                yield from _existing(root, text.split(".")[1:], [])


def _is_dotted(value: object) -> bool:
    return isinstance(value, str) and "." in value and DOTTED.fullmatch(value) is not None


def _absolute(dotted: str, file: Path, names: list[str]) -> Iterator[Path | str]:
    first, *rest = dotted.split(".")
    root = root_of(file)
    if first == CORE or first in sys.stdlib_module_names:
        return
    place = root if root is not None and first == root.name else _find(first, tuple(sys.path))
    if place is None:  # a neighbour, which the file may put on the path while it runs
        neighbour = (root or file).parent / first
        place = neighbour if neighbour.is_dir() else neighbour.with_suffix(".py")
        if not place.exists():
            return
    if is_installed(place):
        yield first
    elif place.is_dir():
        yield from _existing(place, rest, names)
    elif place.suffix == ".py":
        yield place


@cache
def _find(name: str, path: tuple[str, ...]) -> Path | None:
    """The folder of a top-level package, or the file of a top-level module. `path` only keys the cache."""
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin and spec.has_location else None


def _existing(base: Path, dotted: Iterable[str], names: list[str]) -> Iterator[Path]:
    dotted = [part for part in dotted if part]
    place = base.joinpath(*dotted)
    candidates = [place.with_suffix(".py") if dotted else place / "__init__.py"]
    candidates += [place / "__init__.py"] if dotted else []
    modules = [path for name in names for path in (place / f"{name}.py", place / name / "__init__.py")]
    found = [path for path in modules if path.is_file()]
    if dotted or len(found) < len(names) or not names:
        # `from . import x` names the module x alone, not the whole package's front door
        found += [path for path in candidates if path.is_file()]
    yield from found


def _data_named(node: ast.AST, file: Path) -> Iterator[Path]:
    """The files beside the module, or anywhere in its package, that a text under the node names."""
    known = _data_files(root_of(file) or file)
    for child in ast.walk(node) if known else ():
        if isinstance(child, ast.Constant) and isinstance(child.value, str) and "." in child.value:
            yield from known.get(child.value.rsplit("/", 1)[-1], ())


@cache
def _data_files(place: Path) -> dict[str, list[Path]]:
    """Name -> the files with that name which are no modules: in a whole package, or beside a single file."""
    found: dict[str, list[Path]] = {}
    for count, path in enumerate(place.rglob("*") if place.is_dir() else place.parent.iterdir()):
        if count > MOST_DATA_FILES:
            break
        if path.suffix not in (".py", ".pyc") and path.is_file() and path.stat().st_size <= LARGEST_DATA_FILE:
            found.setdefault(path.name, []).append(path)
    return found


def top_level(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """The statements that make each name of a module what it is: its definitions, and what changes it afterwards.
    Imports of everything stand under `*`."""
    names: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        for name in sorted(_made(node)):
            names.setdefault(name, []).append(node)
    return names


def _made(node: ast.stmt) -> set[str]:
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return {node.name}
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    made = {name for child in ast.walk(node) if (name := _written(child))}
    for child in ast.walk(node):  # definitions under if, try, with, for
        if child is not node and isinstance(
            child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
        ):
            made |= _made(child)
        elif isinstance(child, ast.Call):  # setattr(Net, ...): a call may change whatever it is given
            made |= {n.id for n in ast.walk(child) if isinstance(n, ast.Name)} if _is_bare(node) else set()
    return made


def _is_bare(node: ast.stmt) -> bool:
    """Whether a statement is there for what it does, not for the name that it assigns."""
    return not isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign))


def _written(node: ast.AST) -> str | None:
    """The name that a piece of a statement writes to: `x = ..`, `x[..] = ..`, `x.y = ..`, `x.append(..)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        node = node.value.func
    elif not isinstance(getattr(node, "ctx", None), ast.Store):
        return None
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _text(source: str, node: ast.stmt) -> str:
    """The whole lines of a statement, its decorators included."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return "\n".join(source.split("\n")[first - 1 : node.end_lineno])


@cache
def _parsed(file: Path, stamp: Stamp) -> tuple[str, ast.Module]:
    data = file.read_bytes()
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    source = io.TextIOWrapper(io.BytesIO(data), encoding, newline=None).read()
    return source, ast.parse(source)


def parse(file: Path) -> tuple[str, ast.Module]:
    """A source file's text, in whatever encoding Python reads it, and its tree."""
    return _parsed(file, stamp_of(file))
