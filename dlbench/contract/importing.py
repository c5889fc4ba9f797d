"""What surrounds the code of plugins: where Python looks for modules, and what a plugin may not move. No torch."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


def import_path() -> list[str]:
    """Python's path with the current folder last, where `python -c` and `-m` put it first: a `copy.py` that lies there
    must not take the place of the standard library's. What PYTHONPATH names keeps its place, and so does the folder
    that dlbench itself was imported from."""
    try:
        here = os.getcwd()
    except FileNotFoundError:  # the folder has been removed
        return [entry for entry in sys.path if entry]
    asked = {os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    kept = here in {*asked, os.path.abspath(os.path.join(os.path.realpath(__file__), *[os.pardir] * 3))}
    others = [entry for entry in sys.path if entry and (kept or os.path.abspath(entry) != here)]
    return others if kept or len(others) == len(sys.path) else [*others, here]


@contextlib.contextmanager
def guest() -> Iterator[None]:
    """Around code of plugins: what it prints goes to standard error, and the current folder is put back."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        here = ""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        if here:
            with contextlib.suppress(OSError):
                os.chdir(here)
