"""The conformance kit: what a model, a task or a whole plugin must keep to. Used by `dlbench check` and in tests:

    def test_conforms():
        findings = check_plugin("dlbench_mine")
        assert not [f for f in findings if not f.ok], report(findings)

Models are checked on real batches of the tasks that they fit and whose data is at hand.
"""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..contract.choice import option_defaults
from ..contract.importing import import_path
from ..contract.learner import Batch, Learner, Task
from ..contract.runtime import Runtime
from ..contract.specs import Block, ModelSpec, TaskSpec
from ..data import Data
from ..data.root import default_cache, default_root
from ..data.verify import state
from ..errors import DlbenchError, NotApplicable
from ..plan.catalog import Catalog, Source, discover
from ..plan.plan import check_ingredients, recipe_of, why_skip
from ..train.cell import Bench
from ..train.execution import Execution
from ..train.judging import Evaluator, judge
from ..train.training import Stepper
from .probing import PROBE_BATCH, beats_the_bound, changes_settings, depends_on_company, hidden_targets, looks_ahead

SPLITS = ("train", "val", "test")


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


def check_plugin(plugin: str, *, data_root: Path | None = None) -> list[Finding]:
    """Check an installed plugin (by entry point or module) or a .py file, and every model and task that it provides."""
    catalog = discover()
    mine = [s for s in catalog.sources if plugin in (s.name, s.target)]
    if not mine:
        catalog = discover([plugin])
        mine = [s for s in catalog.sources if s.target == plugin]
    findings = [_import_finding(plugin, mine, catalog)]
    if not mine:
        return findings
    names = {source.name for source in mine}
    root = data_root or default_root()
    for (kind, name), source in catalog.providers.items():
        if source.name not in names or name not in catalog.specs[kind]:
            continue
        if kind in ("tasks", "models") and not name.endswith(":*"):
            check: Callable[..., list[Finding]] = check_task if kind == "tasks" else check_model
            findings += _to_the_end(name, partial(check, catalog.specs[kind][name], catalog, data_root=root))
    return findings


def _to_the_end(subject: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings; what breaks the check itself is one, since a broken plugin is what it is for."""
    try:
        return check()
    except (Exception, SystemExit) as error:
        return [Finding(subject, "it can be checked to the end", False, _line(error))]


def check_model(spec: ModelSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a model on every task that it fits, whose data is at hand, and that isn't heavy to load."""
    catalog = catalog or discover()
    findings = [_try(spec.name, "its options can be read from the builder", lambda: option_defaults(spec.build))]
    met = 0
    for name, task_spec in catalog.specs["tasks"].items():
        if name.endswith(":*"):
            continue
        recipe = recipe_of(spec, task_spec, Block(models=(), tasks=()), {}).recipe
        skipped = why_skip(catalog, spec, task_spec, recipe, Runtime())
        if skipped or task_spec.heavy or not available(task_spec, data_root):
            continue
        try:
            bench = _bench(catalog, spec, task_spec, data_root)
        except (Exception, SystemExit):
            continue  # the task's own fault, which a check of the task finds
        try:
            bench.build(bench.task)
        except NotApplicable:
            continue
        except (Exception, SystemExit) as error:
            findings.append(Finding(f"{spec.name} on {task_spec.name}", "it builds", False, _line(error)))
            continue
        met += 1
        findings += _model_on_task(f"{spec.name} on {task_spec.name}", bench)
    seen = "" if met else "no task with data at hand fits its kinds: the model was not run"
    return [*findings, Finding(spec.name, "some task at hand fits it", met > 0, seen)]


def check_task(spec: TaskSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a task: kinds, batches, repeatability, metrics, and that the constant model scores the declared floor."""
    catalog = catalog or discover()
    if not available(spec, data_root):
        files = spec.files({})
        return [Finding(spec.name, "its data is at hand", False, files.name if files else "")]
    findings = [_try(spec.name, "its recipe resolves", lambda: _check_recipe(spec, catalog))]
    try:
        task = _load(spec, data_root)
    except (Exception, SystemExit) as error:
        return [*findings, Finding(spec.name, "it loads", False, _line(error))]
    try:
        findings += _task_findings(spec, task, catalog, data_root)
    except (Exception, SystemExit) as error:
        findings.append(Finding(spec.name, "it can be checked to the end", False, _line(error)))
    return findings


def available(spec: TaskSpec, data_root: Path | None = None) -> bool:
    """Whether a task's files, if it has any, are at hand."""
    files = spec.files({})
    return files is None or state(files, data_root or default_root(), default_cache()).status != "missing"


# --- tasks ------------------------------------------------------------------------------------------------


def _task_findings(spec: TaskSpec, task: Task, catalog: Catalog, data_root: Path | None) -> Iterator[Finding]:
    name = spec.name
    kinds = (type(task.signature.input), type(task.signature.output))
    yield Finding(
        name, "its signature has the declared kinds", kinds == (spec.input_kind, spec.output_kind), str(kinds)
    )
    for split in SPLITS:
        yield _try(name, f"{split}: batches hold examples, as many as they say", partial(_check_pass, task, split))
        yield _try(name, f"{split}: the same order for the same seed", partial(_check_repeat, task, split))
    yield _try(name, "training batches hide the targets outside their mask", lambda: hidden_targets(task))
    yield _try(name, "loading again gives the same test split", lambda: _check_same_test(spec, task, data_root))
    yield _floor_finding(spec, task, catalog, data_root)


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
    first, second = (_first(task, split, 7) for _ in range(2))
    assert _equal(first.inputs, second.inputs), "the same seed gives another first batch"


def _check_same_test(spec: TaskSpec, task: Task, data_root: Path | None) -> None:
    torch.manual_seed(12345)
    other = _load(spec, data_root)
    assert _equal(_first(task, "test").inputs, _first(other, "test").inputs), (
        "torch's global seed changes the test split"
    )


def _floor_finding(spec: TaskSpec, task: Task, catalog: Catalog, data_root: Path | None) -> Finding:
    check = "the constant model scores exactly the declared floor"
    if "constant" not in catalog.specs["models"]:
        return Finding(spec.name, check, True, "not checked: the plugin dlbench_baseline is missing")
    constant = catalog.model("constant")
    recipe = recipe_of(constant, spec, Block(models=(), tasks=()), {}).recipe
    if reason := why_skip(catalog, constant, spec, recipe, Runtime()):
        return Finding(spec.name, check, True, f"not checked: {reason}")
    bench = _bench(catalog, constant, spec, data_root)
    parts = [task] if bench.folds == 1 else [task.fold(i) for i in range(bench.folds)]  # type: ignore[attr-defined]
    scores = []
    for part in parts:
        learner, optimizers, _ = bench.build(part)
        step = Stepper(learner, optimizers, [], bench.execution, torch.Generator().manual_seed(0))
        for batch in part.batches("train", recipe.batch_size, torch.Generator().manual_seed(0)):
            step(batch)
        scores.append(judge(learner, part, "test", bench.execution)[spec.metric.name])
    got = sum(scores) / len(scores)
    ok = math.isclose(got, spec.floor, rel_tol=1e-6, abs_tol=1e-6)
    return Finding(spec.name, check, ok, "" if ok else f"declared {spec.floor}, scored {got}")


# --- models on tasks --------------------------------------------------------------------------------------


def _model_on_task(subject: str, bench: Bench) -> Iterator[Finding]:
    yield _try(subject, "the same seed builds the same model", lambda: _check_same_build(bench))
    yield _try(subject, "two steps give a finite loss and move its parameters", lambda: _check_steps(bench))
    yield _try(subject, "every trainable parameter gets a gradient", lambda: _check_gradients(bench))
    yield _try(subject, "its verbs return the shape of the output kind, finite", lambda: _check_verbs(bench))
    yield _try(subject, "evaluation repeats itself and survives a state_dict", lambda: _check_state(bench))
    yield _try(subject, "it can be copied, as averaging needs", lambda: _check_copy(bench))
    yield _try(subject, "it changes and sees nothing that isn't its own", lambda: _check_sight(bench))


def _check_sight(bench: Bench) -> None:
    """With weights that have moved, since fresh ones may be zero where something leaks."""
    learner, step = _stepper(bench)
    for batch in _some(bench.task, 2):
        step(batch)
    changes_settings(bench)
    looks_ahead(bench, learner)
    depends_on_company(bench, learner)
    beats_the_bound(bench)


def _check_copy(bench: Bench) -> None:
    """The task, whose loss a plain module is given, isn't part of the copy."""
    copy.deepcopy(bench.build(bench.task)[0], {id(bench.task): bench.task})


def _check_same_build(bench: Bench) -> None:
    states = []
    for _ in range(2):
        torch.manual_seed(3)
        states.append(bench.build(bench.task)[0].state_dict())
    assert _equal(*states), "two builds under one seed differ"


def _check_steps(bench: Bench) -> None:
    learner, step = _stepper(bench)
    before = {name: p.detach().clone() for name, p in learner.named_parameters() if p.requires_grad}
    for batch in _some(bench.task, 2):
        loss = step(batch)
        assert math.isfinite(float(loss)), f"the loss is {float(loss)}"
    moved = [name for name, p in learner.named_parameters() if name in before and not torch.equal(p, before[name])]
    assert moved or not before, "no parameter moved"


def _check_gradients(bench: Bench) -> None:
    learner, step = _stepper(bench)
    touched: set[str] = set()
    for name, parameter in learner.named_parameters():
        if parameter.requires_grad:
            hook = partial(_note, touched, name)
            parameter.register_post_accumulate_grad_hook(hook)  # type: ignore[no-untyped-call]
    for share, batch in zip((0.0, 1.0), _some(bench.task, 2), strict=True):
        step.optimizers.progress.share = share  # a learner may train some of it first and the rest later
        step(batch)
    idle = [name for name, p in learner.named_parameters() if p.requires_grad and name not in touched]
    assert not idle, f"{len(idle)} parameters get none, first {idle[0]}"


def _note(names: set[str], name: str, _: torch.Tensor) -> None:
    names.add(name)


def _check_verbs(bench: Bench) -> None:
    learner, _ = _stepper(bench)
    _assert_finite(_answer(bench, learner))


def _check_state(bench: Bench) -> None:
    learner, step = _stepper(bench)
    for batch in _some(bench.task, 2):
        step(batch)
    learner.eval()
    first = _answer(bench, learner)
    assert _equal(first, _answer(bench, learner)), "two evaluations of one batch differ"
    torch.manual_seed(99)
    other = bench.build(bench.task)[0]
    other.load_state_dict(learner.state_dict())
    assert _close(first, _answer(bench, other.eval())), "a new model with its state_dict answers otherwise"


def _answer(bench: Bench, learner: Learner) -> Any:
    evaluator = Evaluator(learner.eval(), bench.task.signature, bench.execution)
    with torch.no_grad():
        if "sample" in bench.task.signature.output.verbs:
            return evaluator.sample(PROBE_BATCH, torch.Generator().manual_seed(0))
        if "predict" in bench.task.signature.output.verbs:
            return evaluator.predict(_first(bench.task, "val"))
    return None


# --- parts ------------------------------------------------------------------------------------------------


def _bench(catalog: Catalog, model: ModelSpec, task_spec: TaskSpec, data_root: Path | None) -> Bench:
    recipe = recipe_of(model, task_spec, Block(models=(), tasks=()), {}).recipe
    task = _load(task_spec, data_root)
    folds = task_spec.num_folds({})
    if folds > 1:
        task = task.fold(0)  # type: ignore[attr-defined]
    return Bench(
        catalog=catalog, model=model, model_options={}, task_spec=task_spec, task=task, folds=folds, recipe=recipe,
        execution=Execution(Runtime()),
    )  # fmt: skip


def _load(spec: TaskSpec, data_root: Path | None) -> Task:
    return spec.open(Data(root=data_root or default_root(), cache=default_cache()), {})  # type: ignore[no-any-return]


def _stepper(bench: Bench) -> tuple[Learner, Stepper]:
    torch.manual_seed(3)
    learner, optimizers, regularizers = bench.build(bench.task)
    learner.train()
    return learner, Stepper(learner, optimizers, regularizers, bench.execution, torch.Generator().manual_seed(0))


def _first(task: Task, split: str, seed: int | None = None) -> Batch:
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    return next(iter(task.batches(split, PROBE_BATCH, generator)))


def _some(task: Task, count: int) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(0)
    while count > 0:
        for batch in task.batches("train", PROBE_BATCH, generator):
            yield batch
            count -= 1
            if count == 0:
                return


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value.to_dense() if value.layout != torch.strided else value]
    if isinstance(value, dict):
        value = value.values()
    return [t for item in value for t in _tensors(item)] if not isinstance(value, (int, float, type(None))) else []


def _equal(a: Any, b: Any) -> bool:
    first, second = _tensors(a), _tensors(b)
    return len(first) == len(second) and all(map(torch.equal, first, second))


def _close(a: Any, b: Any) -> bool:
    return all(torch.allclose(x, y, rtol=1e-5, atol=1e-6) for x, y in zip(_tensors(a), _tensors(b), strict=True))


def _assert_finite(value: Any) -> None:
    for tensor in _tensors(value):
        assert tensor.isfinite().all(), "it returns NaN or infinite values"


def _try(subject: str, check: str, action: Callable[[], Any]) -> Finding:
    try:
        action()
    except (Exception, SystemExit) as error:
        return Finding(subject, check, False, _line(error))
    return Finding(subject, check, True)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, (AssertionError, DlbenchError)) else f"{type(error).__name__}: {text}"


def _import_finding(plugin: str, mine: list[Source], catalog: Catalog) -> Finding:
    """That the plugin loads without problems, and quickly: its front door must not import torch."""
    if problems := [text for name, text in catalog.problems.items() if name in {s.name for s in mine} | {plugin}]:
        return Finding(plugin, "it loads", False, problems[0])
    if not mine:
        problem = next((t for n, t in catalog.problems.items() if n == Path(plugin).name), "there is no such plugin")
        return Finding(plugin, "it loads", False, problem)
    if mine[0].target.endswith(".py"):  # a single file may hold a Learner, which needs torch at once
        return Finding(plugin, "it loads", True)
    code = f"import sys; sys.path[:] = {import_path()!r}; from dlbench.plan import catalog as c; "
    code += "c.import_source(sys.argv[1]); sys.exit('torch' in sys.modules)"
    slow = subprocess.run(
        [sys.executable, "-P", "-c", code, mine[0].target], check=False, capture_output=True
    ).returncode
    return Finding(plugin, "its front door doesn't import torch", slow == 0)


__all__ = ["Finding", "available", "check_model", "check_plugin", "check_task", "report"]
