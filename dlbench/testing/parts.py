"""What all checks of the conformance kit share: findings, and the pieces of a task that they look at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..contract.learner import Batch, Task
from ..contract.runtime import Runtime
from ..contract.specs import Block, ModelSpec, TaskSpec
from ..data import Data
from ..data.root import default_cache, default_root
from ..errors import DlbenchError
from ..plan.catalog import Catalog
from ..plan.plan import recipe_of
from ..train.cell import Bench
from ..train.execution import Execution
from .probing import PROBE_BATCH


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


def report(findings: Iterable[Finding]) -> str:
    """The findings that don't hold, a line each."""
    return "\n".join(str(finding) for finding in findings if not finding.ok)


def bench_of(catalog: Catalog, model: ModelSpec, task_spec: TaskSpec, data_root: Path | None) -> Bench:
    recipe = recipe_of(model, task_spec, Block(models=(), tasks=()), {}).recipe
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


def attempt(subject: str, check: str, action: Callable[[], Any]) -> Finding:
    try:
        action()
    except (Exception, SystemExit) as error:
        return Finding(subject, check, False, line_of(error))
    return Finding(subject, check, True)


def line_of(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, (AssertionError, DlbenchError)) else f"{type(error).__name__}: {text}"
