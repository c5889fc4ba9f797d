"""Deep Graph Library 2.1.0 (Wang et al. 2019, "Deep Graph Library: A Graph-Centric, Highly-Performant Package for Graph
Neural Networks") beside a torch that is newer than it.

`import dgl` alone fails there: it loads `dgl.graphbolt`, its data loader, whose compiled library exists for torch up to
2.2. No layer needs it, so that an empty module stands in for it while DGL is imported, and only then. The rest of
DGL is compiled without torch and meets its tensors through DLPack.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from dlbench import NotApplicable

from .available import MISSING

GRAPHBOLT = "dgl.graphbolt"
LOCK = threading.RLock()


def load_dgl() -> ModuleType:
    """The module `dgl`, imported on the first call. Raises NotApplicable where it isn't installed or can't be loaded.

    DGL's choice of backend stays in this process: nothing is written to the home directory. A `dgl` that is imported
    already is returned as it is.
    """
    with LOCK:
        known = set(sys.modules)
        try:
            if "dgl" in known:
                return importlib.import_module("dgl")
            with _stand_in(GRAPHBOLT), _environment(DGLBACKEND="pytorch"), _quiet():
                return importlib.import_module("dgl")
        except ModuleNotFoundError as error:
            _forget(known)
            raise NotApplicable(MISSING if error.name == "dgl" else f"DGL needs the module {error.name}") from error
        except (ImportError, OSError) as error:
            _forget(known)
            text = " ".join(str(error).split())
            raise NotApplicable(f"DGL can't be loaded beside this torch ({text})") from error


@contextmanager
def _stand_in(name: str) -> Iterator[None]:
    """An empty module of this name while the block runs. What looks into it later is told why it is empty."""

    def missing(attribute: str) -> Any:
        raise AttributeError(
            f"{name} isn't loaded, so it has no {attribute}: its library is compiled for another torch"
        )

    module = ModuleType(name)
    module.__getattr__ = missing  # type: ignore[method-assign]
    sys.modules[name] = module
    try:
        yield
    finally:
        if sys.modules.get(name) is module:
            del sys.modules[name]


@contextmanager
def _environment(**settings: str) -> Iterator[None]:
    """With these variables while the block runs, and afterwards with those from before: DGL sets one of OpenMP's."""
    before = dict(os.environ)
    os.environ.update(settings)
    try:
        yield
    finally:
        for name in set(os.environ) - set(before):
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what Python says of DGL's own source, and with the filters for warnings and their format as before."""
    layout = warnings.formatwarning
    with warnings.catch_warnings():
        for category in (DeprecationWarning, FutureWarning, SyntaxWarning):
            warnings.filterwarnings("ignore", category=category)
        try:
            yield
        finally:
            warnings.formatwarning = layout


def _forget(known: set[str]) -> None:
    """Drop what a failed import left behind, so that the next one fails with the same words."""
    for name in set(sys.modules) - known:
        if name == "dgl" or name.startswith("dgl."):
            del sys.modules[name]
