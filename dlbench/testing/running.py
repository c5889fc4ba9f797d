"""Cells for a plugin's own tests, run as `dlbench run` runs them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..data.root import absolute_root, default_cache
from ..errors import UsageError
from ..execute.run import Limits, Runner
from ..plan.catalog import Catalog
from ..plan.plan import Request, plan
from ..results import Record, Results


class Silent:
    """A display that shows nothing."""

    def begins(self, *_: Any) -> None: ...
    def started(self, *_: Any) -> None: ...
    def progress(self, *_: Any) -> None: ...
    def finished(self, *_: Any) -> None: ...
    def skipped(self, *_: Any) -> None: ...
    def warn(self, text: str) -> None: ...


def run_cells(
    catalog: Catalog, folder: Path, models: tuple[str, ...], tasks: tuple[str, ...], seeds: int | tuple[int, ...],
    settings: Mapping[str, Any], *, timeout_s: float, profile: bool,
) -> list[Record]:  # fmt: skip
    """The records of these cells, in `folder`/dlbench-runs; raises UsageError on a wrong name or where none can run."""
    root = absolute_root(None)
    request = Request(
        models=models, tasks=tasks, seeds=seeds, settings=settings, profiles=profile, data_root=root,
        cache=default_cache(),
    )  # fmt: skip
    runner = Runner(
        catalog=catalog, results=Results(folder / "dlbench-runs"), display=Silent(),
        limits=Limits(timeout_s=timeout_s), data_root=root, cache=request.cache, command="pytest",
    )  # fmt: skip
    records = runner.run(plan(catalog, request))
    if not records:
        reason = runner.skips[0].reason if runner.skips else "there is nothing to run"
        raise UsageError(f"{', '.join(models)} on {', '.join(tasks)} was skipped: {reason}")
    return records
