"""What the conformance kit asks of a task."""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..contract.learner import Learner, Task
from ..contract.runtime import Runtime
from ..contract.specs import Block, ModelSpec, TaskSpec
from ..data.root import default_cache, default_root
from ..data.verify import state
from ..plan.catalog import Catalog, discover
from ..plan.plan import check_ingredients, recipe_of, why_skip
from ..train.cell import Bench
from ..train.execution import Execution
from ..train.judging import judge
from ..train.training import Stepper
from .parts import Finding, attempt, bench_of, equal, first_batch, line_of, load_task, tensors
from .probing import PROBE_BATCH, hidden_targets

SPLITS = ("train", "val", "test")


def check_task(spec: TaskSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a task: kinds, batches, repeatability, metrics, and that the constant model scores the declared floor."""
    catalog = catalog or discover()
    if not available(spec, data_root):
        files = spec.files({})
        return [Finding(spec.name, "its data is at hand", False, files.name if files else "")]
    findings = [attempt(spec.name, "its recipe resolves", lambda: _check_recipe(spec, catalog))]
    try:
        task = load_task(spec, data_root)
    except (Exception, SystemExit) as error:
        return [*findings, Finding(spec.name, "it loads", False, line_of(error))]
    try:
        findings += _task_findings(spec, task, catalog, data_root)
    except (Exception, SystemExit) as error:
        findings.append(Finding(spec.name, "it can be checked to the end", False, line_of(error)))
    return findings


def available(spec: TaskSpec, data_root: Path | None = None) -> bool:
    """Whether a task's files, if it has any, are at hand."""
    files = spec.files({})
    return files is None or state(files, data_root or default_root(), default_cache()).status != "missing"


def _task_findings(spec: TaskSpec, task: Task, catalog: Catalog, data_root: Path | None) -> Iterator[Finding]:
    name = spec.name
    kinds = (type(task.signature.input), type(task.signature.output))
    yield Finding(
        name, "its signature has the declared kinds", kinds == (spec.input_kind, spec.output_kind), str(kinds)
    )
    for split in SPLITS:
        yield attempt(name, f"{split}: batches hold examples, as many as they say", partial(_check_pass, task, split))
        yield attempt(name, f"{split}: the same order for the same seed", partial(_check_repeat, task, split))
    yield attempt(name, "its numbers are float32, as networks are", lambda: _check_numbers(task))
    yield attempt(name, "training batches hide the targets outside their mask", lambda: hidden_targets(task))
    yield attempt(name, "loading again gives the same test split", lambda: _check_same_test(spec, task, data_root))
    for split in SPLITS[1:]:
        yield attempt(name, f"{split}: judge gives the declared metrics", partial(_check_judge, spec, task, split))
    check = "the constant model scores exactly the declared floor"
    try:
        yield Finding(name, check, *_floor(spec, task, catalog, data_root))
    except (Exception, SystemExit) as error:
        yield Finding(name, check, False, line_of(error))


def _check_recipe(spec: TaskSpec, catalog: Catalog) -> None:
    model = ModelSpec(name="any", build=lambda signature: None, accepts=())
    check_ingredients(catalog, recipe_of(model, spec, Block(models=(), tasks=()), {}).recipe)


def _check_pass(task: Task, split: str) -> None:
    batches = task.batches(split, PROBE_BATCH, None)
    said, sizes = len(batches), []
    for batch in batches:
        sizes.append(batch.size)
        if len(sizes) > said:
            break
    assert len(sizes) == said, f"len says {said} batches, {len(sizes)} or more come"
    assert sum(sizes) > 0, "no examples"


def _check_repeat(task: Task, split: str) -> None:
    first, second = (first_batch(task, split, 7) for _ in range(2))
    assert equal(first.inputs, second.inputs), "the same seed gives another first batch"


def _check_same_test(spec: TaskSpec, task: Task, data_root: Path | None) -> None:
    torch.manual_seed(12345)
    other = load_task(spec, data_root)
    assert equal(first_batch(task, "test").inputs, first_batch(other, "test").inputs), (
        "torch's global seed changes the test split"
    )


def _check_numbers(task: Task) -> None:
    batch = first_batch(task, "train", 7)
    for what, value in (("inputs", batch.inputs), ("targets", batch.targets)):
        kinds = {str(tensor.dtype).removeprefix("torch.") for tensor in tensors(value) if tensor.is_floating_point()}
        others = sorted(kinds - {"float32"})
        assert not others, f"the {what} are {' and '.join(others)}: cast them while loading"


def _check_judge(spec: TaskSpec, task: Task, split: str) -> None:
    """On answers of zeros, where the output kind says how many there must be, and nothing must be written or drawn."""
    part = task.fold(0) if spec.num_folds({}) > 1 else task  # type: ignore[attr-defined]
    kind = part.signature.output
    batch = first_batch(part, split)
    if kind.verbs != ("predict",) or kind.shape(batch.inputs) is None:
        return
    judge(
        _Zeros(part), part, split, Execution(Runtime()), needed=dict.fromkeys((spec.metric, spec.monitored)),
        others=spec.metrics,
    )  # fmt: skip


class _Zeros(Learner):
    """Knows no more than the shape of an answer."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.kind = task.signature.output

    def predict(self, inputs: Any, *state: Any) -> Any:
        """With a state where one is carried."""
        shape = self.kind.shape(inputs)
        assert shape is not None
        zeros = torch.zeros(shape)
        return (zeros, ()) if state else zeros


def _floor(spec: TaskSpec, task: Task, catalog: Catalog, data_root: Path | None) -> tuple[bool, str]:
    """Whether it holds, and what was seen."""
    if "constant" not in catalog.specs["models"]:
        return True, "not checked: the plugin dlbench_baseline is missing"
    constant = catalog.model("constant")
    recipe = recipe_of(constant, spec, Block(models=(), tasks=()), {}).recipe
    if reason := why_skip(catalog, constant, spec, recipe, Runtime()):
        return True, f"not checked: {reason}"
    bench = bench_of(catalog, constant, spec, data_root)
    parts = [task] if bench.folds == 1 else [task.fold(i) for i in range(bench.folds)]  # type: ignore[attr-defined]
    scores = [_counted(bench, part)[spec.metric.name] for part in parts]
    got, declared = sum(scores) / len(scores), spec.floor_of({})
    if declared is None:
        return True, f"it scores {got:.10g}; none is declared, so tables take its row"
    ok = math.isclose(got, declared, rel_tol=1e-6, abs_tol=1e-6)
    return ok, "" if ok else f"declared {declared}, scored {got}"


def _counted(bench: Bench, task: Task) -> dict[str, float]:
    """What the bench's model scores on the test split after one pass over the training split."""
    learner, optimizers, _ = bench.build(task)
    step = Stepper(learner, optimizers, [], bench.execution, torch.Generator().manual_seed(0))
    for batch in task.batches("train", bench.recipe.batch_size, torch.Generator().manual_seed(0)):
        step(batch)
    return judge(learner, task, "test", bench.execution, needed=(bench.task_spec.metric,))
