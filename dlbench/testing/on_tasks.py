"""What the conformance kit asks of a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
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
from .parts import (
    Check,
    Finding,
    Shelf,
    Unreached,
    bench_of,
    equal,
    findings_of,
    first_batch,
    load_task,
    tensors,
)
from .probing import PROBE_BATCH, hidden_targets

SPLITS = ("train", "val", "test")


def check_task(spec: TaskSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a task: kinds, batches, repeatability, metrics, and that the constant model scores the declared floor."""
    return findings_of(checks_of_task(spec, catalog or discover(), data_root))


def checks_of_task(spec: TaskSpec, catalog: Catalog, data_root: Path | None) -> Iterator[Check]:
    """The checks of a task, which is opened by the first of them that needs it."""
    name, shelf = spec.name, Shelf()
    if not available(spec, data_root):
        yield Check(name, "its data is at hand", partial(_check_at_hand, spec))
        return

    def loaded() -> Task:
        return shelf.of(spec, lambda: load_task(spec, data_root))  # type: ignore[no-any-return]

    def on(check: Callable[..., Any], *more: Any) -> Callable[[], Any]:
        def action() -> Any:
            try:
                task = loaded()
            except (Exception, SystemExit) as error:
                raise Unreached from error
            return check(task, *more)

        return action

    yield Check(name, "its recipe resolves", lambda: _check_recipe(spec, catalog))
    yield Check(name, "it loads", lambda: loaded() and None)
    yield Check(name, "its signature has the declared kinds", on(_check_kinds, spec))
    for split in SPLITS:
        yield Check(name, f"{split}: batches hold examples, as many as they say", on(_check_pass, split))
        yield Check(name, f"{split}: the same order for the same seed", on(_check_repeat, split))
    yield Check(name, "its numbers are float32, as networks are", on(_check_numbers))
    yield Check(name, "training batches hide the targets outside their mask", on(hidden_targets))
    yield Check(name, "loading again gives the same test split", on(_check_same_test, spec, data_root))
    for split in SPLITS[1:]:
        yield Check(name, f"{split}: judge gives the declared metrics", on(_check_judge, spec, split))
    yield Check(
        name, "the constant model scores exactly the declared floor", on(_check_floor, spec, catalog, data_root)
    )


def available(spec: TaskSpec, data_root: Path | None = None) -> bool:
    """Whether a task's files, if it has any, are at hand."""
    files = spec.files({})
    return files is None or state(files, data_root or default_root(), default_cache()).status != "missing"


def _check_at_hand(spec: TaskSpec) -> None:
    files = spec.files({})
    raise AssertionError(files.name if files else "")


def _check_kinds(task: Task, spec: TaskSpec) -> None:
    kinds = (type(task.signature.input), type(task.signature.output))
    assert kinds == (spec.input_kind, spec.output_kind), str(kinds)


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


def _check_same_test(task: Task, spec: TaskSpec, data_root: Path | None) -> None:
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


def _check_judge(task: Task, spec: TaskSpec, split: str) -> None:
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


def _check_floor(task: Task, spec: TaskSpec, catalog: Catalog, data_root: Path | None) -> str:
    """What was seen, where it holds."""
    if "constant" not in catalog.specs["models"]:
        return "not checked: the plugin dlbench_baseline is missing"
    constant = catalog.model("constant")
    recipe = recipe_of(constant, spec, Block(models=(), tasks=()), {}).recipe
    if reason := why_skip(catalog, constant, spec, recipe, Runtime()):
        return f"not checked: {reason}"
    bench = bench_of(catalog, constant, spec, data_root)
    parts = [task] if bench.folds == 1 else [task.fold(i) for i in range(bench.folds)]  # type: ignore[attr-defined]
    scores = [_counted(bench, part)[spec.metric.name] for part in parts]
    got, declared = sum(scores) / len(scores), spec.floor_of({})
    if declared is None:
        return f"it scores {got:.10g}; none is declared, so tables take its row"
    assert math.isclose(got, declared, rel_tol=1e-6, abs_tol=1e-6), f"declared {declared}, scored {got}"
    return ""


def _counted(bench: Bench, task: Task) -> dict[str, float]:
    """What the bench's model scores on the test split after one pass over the training split."""
    learner, optimizers, _ = bench.build(task)
    step = Stepper(learner, optimizers, [], bench.execution, torch.Generator().manual_seed(0))
    for batch in task.batches("train", bench.recipe.batch_size, torch.Generator().manual_seed(0)):
        step(batch)
    return judge(learner, task, "test", bench.execution, needed=(bench.task_spec.metric,))
