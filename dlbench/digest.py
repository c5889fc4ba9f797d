"""A digest of the sources that define a model or a task, so that an edited model never shows old numbers.

Sources are read as files, never imported. From the function that builds, the digest follows what the function uses of
its own module (its text, and the top-level names that it mentions) and every module of its own package that it
imports, whole and transitively.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any


def source_digest(function: Callable[..., Any]) -> str:
    """The digest of a builder or loader: 16 hex digits. A partial's bound arguments count too."""
    bound: dict[str, Any] = {}
    while isinstance(function, partial):
        bound = {**{str(i): value for i, value in enumerate(function.args)}, **function.keywords, **bound}
        function = function.func
    name = getattr(function, "__qualname__", type(function).__qualname__).partition(".")[0]
    module = sys.modules.get(function.__module__)
    file = inspect.getsourcefile(module) if module is not None else None
    if module is None or file is None:
        return hashlib.sha256(repr((function.__module__, name, bound)).encode()).hexdigest()[:16]
    package = _package_root(Path(file), getattr(module, "__package__", "") or "")
    texts = _function_texts(Path(file), name, package)
    return hashlib.sha256(
        "\0".join([*texts, *(f"{key}={_bound_text(bound[key])}" for key in sorted(bound))]).encode()
    ).hexdigest()[:16]


def _bound_text(value: Any) -> str:
    """A bound argument as text that is the same in every process: a function by its sources, not its address."""
    name = getattr(value, "__qualname__", None)
    if name is None:
        return repr(value)
    return f"{value.__module__}.{name}" + (f" {source_digest(value)}" if inspect.isfunction(value) else "")


def _package_root(file: Path, package: str) -> Path:
    """The folder of the top-level package that holds this file; its own folder for a single file."""
    depth = package.count(".")
    folder = file.parent
    for _ in range(depth):
        folder = folder.parent
    return folder


def _function_texts(file: Path, name: str, root: Path) -> list[str]:
    """The text of a top-level name with what it mentions, then each module it imports, in a fixed order."""
    source, tree = _parse(file)
    top = _top_level(tree)
    if name not in top:
        return [source, *_module_texts(_imports(tree, file, root), root)]
    wanted, texts, modules = [name], {}, set()
    while wanted:
        current = wanted.pop()
        if current in texts or current not in top:
            continue
        texts[current] = "\n".join(_text(source, node) for node in top[current])
        for node in top[current]:
            modules |= set(_imports(node, file, root))
            wanted += sorted({n.id for n in ast.walk(node) if isinstance(n, ast.Name)})
    return [*(texts[key] for key in sorted(texts)), *_module_texts(modules, root)]


def _text(source: str, node: ast.stmt) -> str:
    """The whole lines of a statement, its decorators included."""
    first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
    return "\n".join(source.split("\n")[first - 1 : node.end_lineno])


def _module_texts(files: Any, root: Path) -> list[str]:
    """The texts of modules and of all that they import from the same package."""
    seen: dict[Path, str] = {}
    queue = sorted(files)
    while queue:
        file = queue.pop()
        if file in seen:
            continue
        seen[file], tree = _parse(file)
        queue += _imports(tree, file, root)
    return [seen[file] for file in sorted(seen)]


def _top_level(tree: ast.Module) -> dict[str, list[ast.stmt]]:
    """The statements that make each name of a module what it is: its definitions, and what changes it afterwards."""
    names: dict[str, list[ast.stmt]] = {}
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            made = {node.name}
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            made = {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        else:
            made = {name for child in ast.walk(node) if (name := _written(child))}
        for name in made:
            names.setdefault(name, []).append(node)
    return names


def _written(node: ast.AST) -> str | None:
    """The name that a piece of a statement writes to: `x = ..`, `x[..] = ..`, `x.y = ..`, `x.append(..)`."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        node = node.value.func
    elif not isinstance(getattr(node, "ctx", None), ast.Store):
        return None
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def _imports(node: ast.AST, file: Path, root: Path) -> Iterator[Path]:
    """The files of the same package that the imports under a node name."""
    for child in ast.walk(node):
        if isinstance(child, ast.ImportFrom):
            base = file.parent
            for _ in range(child.level - 1):
                base = base.parent
            dotted = child.module.split(".") if child.module else []
            if child.level == 0:
                if not dotted or dotted[0] != root.name:
                    continue
                base, dotted = root, dotted[1:]
            yield from _existing(base, dotted, [alias.name for alias in child.names])
        elif isinstance(child, ast.Import):
            for alias in child.names:
                dotted = alias.name.split(".")
                if dotted[0] == root.name:
                    yield from _existing(root, dotted[1:], [])


def _existing(base: Path, dotted: list[str], names: list[str]) -> Iterator[Path]:
    place = base.joinpath(*dotted)
    candidates = [place.with_suffix(".py") if dotted else place / "__init__.py"]
    candidates += [place / "__init__.py"] if dotted else []
    modules = [path for name in names for path in (place / f"{name}.py", place / name / "__init__.py")]
    found = [path for path in modules if path.is_file()]
    if dotted or len(found) < len(names) or not names:
        # `from . import x` names the module x alone, not the whole package's front door
        found += [path for path in candidates if path.is_file()]
    yield from found


@cache
def _parsed(file: Path, stamp: tuple[int, int]) -> tuple[str, ast.Module]:
    source = file.read_text(encoding="utf-8")
    return source, ast.parse(source)


def _parse(file: Path) -> tuple[str, ast.Module]:
    stat = file.stat()
    return _parsed(file, (stat.st_mtime_ns, stat.st_size))
