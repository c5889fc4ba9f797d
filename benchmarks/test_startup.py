"""Start-up of the command line, in processor time of fresh processes beyond a bare interpreter's."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from turns import children_s, in_turns

BARE = [sys.executable, "-c", "pass"]
DLBENCH = [sys.executable, "-c", "from dlbench.cli import main; main()"]
QUIET_BARE_S = 0.012
"""The bare interpreter on a core of its own. Others on the same core slow all processes alike, so a limit is stretched
by how much slower the bare interpreter, run in turns with the command, starts just now."""


def with_bytecode(folder: Path) -> dict[str, str]:
    """An environment in which the first start compiles every module for the ones after it, as an installation does."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPYCACHEPREFIX": str(folder)}


@pytest.mark.parametrize(
    ("arguments", "limit_s"), [(["--help"], 0.080), (["list", "models"], 0.150)], ids=["help", "list"]
)
def test_startup(benchmark, tmp_path: Path, arguments: list[str], limit_s: float) -> None:
    command, environment = [*DLBENCH, *arguments], with_bytecode(tmp_path)

    def starts(command: list[str]) -> Callable[[], float]:
        return lambda: children_s(command, environment)

    readings = in_turns({"bare": starts(BARE), "dlbench": starts(command)}, rounds=25)
    benchmark.pedantic(children_s, (command, environment), rounds=5)
    bare = median(readings["bare"])
    beyond = median(b - a for a, b in zip(readings["bare"], readings["dlbench"], strict=True))
    slowed = max(1.0, bare / QUIET_BARE_S)
    benchmark.extra_info |= {
        "bare_ms": round(1e3 * bare, 1), "beyond_ms": round(1e3 * beyond, 1),
        "beyond_ms_if_quiet": round(1e3 * beyond / slowed, 1), "limit_ms": 1e3 * limit_s,
    }  # fmt: skip
    assert beyond <= limit_s * slowed, benchmark.extra_info
