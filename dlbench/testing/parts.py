"""What all checks of the conformance kit share: checks and findings, and the pieces of a task that they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..contract.learner import Batch, Task
from ..contract.recipe import Settings
from ..contract.runtime import Runtime
from ..contract.specs import Block, ModelSpec, TaskSpec
from ..data import Data
from ..data.root import default_cache, default_root
from ..errors import DlbenchError, NotApplicable
from ..plan.catalog import Catalog
from ..plan.plan import recipe_of
from ..train.cell import Bench
from ..train.execution import Execution
from .probing import PROBE_BATCH


class Unreached(Exception):
    """What a check is about doesn't apply, or another check has found that it can't be had: there is no finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked: of what, what, whether it holds, and what was seen where it doesn't."""

    subject: str
    check: str
    ok: bool
    seen: str = ""

    def __str__(self) -> str:
        text = f"{'ok  ' if self.ok else 'FAIL'} {self.subject}: {self.check}" + (f": {self.seen}" if self.seen else "")
        return " ".join(text.splitlines())


@dataclass(frozen=True)
class Check:
    """One thing to check: of what, what, and how. `action` raises where it doesn't hold, or returns what there is to
    say (a text), or raises Unreached."""

    subject: str
    check: str
    action: Callable[[], Any]

    def finding(self) -> Finding | None:
        """What comes of it; None where it isn't reached."""
        try:
            said = self.action()
        except Unreached:
            return None
        except (Exception, SystemExit) as error:  # a broken plugin is what a check is for
            return Finding(self.subject, self.check, False, line_of(error))
        return Finding(self.subject, self.check, True, said if isinstance(said, str) else "")


def findings_of(checks: Iterable[Check]) -> list[Finding]:
    """What comes of each check that is reached, in their order."""
    return [finding for check in checks if (finding := check.finding()) is not None]


class Shelf:
    """Keeps what was opened last, or the error that it ended with: checks of one subject share it, and the next
    subject takes its place, since tasks can be large."""

    def __init__(self) -> None:
        self._key: object = None
        self._made: Any = None
        self._error: BaseException | None = None

    def of(self, key: object, make: Callable[[], Any]) -> Any:
        """What `make` gives, made once while nobody else asks; its error is raised again each time."""
        if key is not self._key:
            self._key, self._made, self._error = key, None, None
            try:
                self._made = make()
            except (Exception, SystemExit) as error:
                self._error = error
        if self._error is not None:
            raise self._error
        return self._made


class Pair:
    """A model on a task, opened when a check needs it."""

    def __init__(
        self, catalog: Catalog, model: ModelSpec, task: TaskSpec, data_root: Path | None, shelf: Shelf,
        settings: Settings | None = None,
    ) -> None:  # fmt: skip
        self.catalog, self.model, self.task, self.data_root = catalog, model, task, data_root
        self.shelf, self.settings = shelf, settings or {}

    def open(self) -> Bench:
        """The pair, which has been built once; raises what building raises, or Unreached where it doesn't apply."""
        return self.shelf.of(self, self._open)  # type: ignore[no-any-return]

    def built(self) -> Bench:
        """The same; Unreached where building failed, which a check of its own says."""
        try:
            return self.open()
        except (Exception, SystemExit) as error:
            raise Unreached from error

    def _open(self) -> Bench:
        try:
            bench = bench_of(self.catalog, self.model, self.task, self.data_root, self.settings)
        except (Exception, SystemExit) as error:  # the task's own fault, which a check of the task finds
            raise Unreached(f"{self.task.name} can't be opened: {line_of(error)}") from error
        try:
            bench.build(bench.task)
        except NotApplicable as error:
            raise Unreached(str(error)) from error
        return bench


def report(findings: Iterable[Finding]) -> str:
    """The findings that don't hold, a line each."""
    return "\n".join(str(finding) for finding in findings if not finding.ok)


def bench_of(
    catalog: Catalog, model: ModelSpec, task_spec: TaskSpec, data_root: Path | None, settings: Settings | None = None
) -> Bench:
    recipe = recipe_of(model, task_spec, Block(models=(), tasks=()), settings or {}).recipe
    task = load_task(task_spec, data_root)
    folds = task_spec.num_folds({})
    if folds > 1:
        task = task.fold(0)  # type: ignore[attr-defined]
    return Bench(
        catalog=catalog, model=model, model_options={}, task_spec=task_spec, task=task, folds=folds, recipe=recipe,
        execution=Execution(Runtime()),
    )  # fmt: skip


def load_task(spec: TaskSpec, data_root: Path | None) -> Task:
    return spec.open(Data(root=data_root or default_root(), cache=default_cache()), {})  # type: ignore[no-any-return]


def first_batch(task: Task, split: str, seed: int | None = None) -> Batch:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return next(iter(task.batches(split, PROBE_BATCH, generator)))


def some_batches(task: Task, count: int) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(0)
    while count > 0:
        for batch in task.batches("train", PROBE_BATCH, generator):
            yield batch
            count -= 1
            if count == 0:
                return


def tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value.to_dense() if value.layout != torch.strided else value]
    if isinstance(value, dict):
        value = value.values()
    return [t for item in value for t in tensors(item)] if not isinstance(value, (int, float, type(None))) else []


def equal(a: Any, b: Any) -> bool:
    first, second = tensors(a), tensors(b)
    return len(first) == len(second) and all(map(torch.equal, first, second))


def close(a: Any, b: Any) -> bool:
    return all(torch.allclose(x, y, rtol=1e-5, atol=1e-6) for x, y in zip(tensors(a), tensors(b), strict=True))


def assert_finite(value: Any) -> None:
    for tensor in tensors(value):
        assert tensor.isfinite().all(), "it returns NaN or infinite values"


def line_of(error: BaseException) -> str:
    said = str(error)
    if isinstance(error, AssertionError):  # pytest adds what it found, where it rewrote the assertion
        said = said.partition("\nassert ")[0]
    text = " ".join(said.split())
    return text if isinstance(error, (AssertionError, DlbenchError)) else f"{type(error).__name__}: {text}"
