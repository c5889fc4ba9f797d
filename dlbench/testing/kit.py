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
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from ..contract.choice import option_defaults
from ..contract.importing import import_path
from ..contract.learner import Learner
from ..contract.runtime import Runtime
from ..contract.specs import Block, ModelSpec, TaskSpec
from ..data.root import default_root
from ..errors import NotApplicable
from ..plan.catalog import Catalog, Source, discover
from ..plan.plan import recipe_of, why_skip
from ..train.cell import Bench
from ..train.judging import Evaluator
from ..train.training import Stepper
from .on_tasks import available, check_task
from .parts import (
    Finding,
    assert_finite,
    attempt,
    bench_of,
    close,
    equal,
    first_batch,
    line_of,
    report,
    some_batches,
)  # fmt: skip
from .probing import PROBE_BATCH, beats_the_bound, changes_settings, depends_on_company, looks_ahead


def check_plugin(plugin: str, *, data_root: Path | None = None, only: Collection[str] = ()) -> list[Finding]:
    """Check an installed plugin (by entry point or module) or a .py file, and every model and task that it provides, or
    `only` some: of an open family those that are named here, as in `tu:MUTAG`."""
    catalog = discover()
    mine = [s for s in catalog.sources if plugin in (s.name, s.target)]
    if not mine:
        catalog = discover([plugin])
        mine = [s for s in catalog.sources if s.target == plugin]
    findings = [_import_finding(plugin, mine, catalog)]
    if not mine:
        return findings
    names, left = {source.name for source in mine}, set(only)
    for (kind, name), source in catalog.providers.items():
        if source.name not in names or kind not in ("tasks", "models") or name not in catalog.specs[kind]:
            continue
        chosen = _chosen(name, only)
        left -= set(chosen)
        if name.endswith(":*") and not only:
            findings.append(Finding(name, f"not checked: name a member, as in --only {name[:-1]}NAME", True))
        for each in chosen:
            findings += _to_the_end(each, partial(_check, catalog, kind, each, data_root or default_root()))
    return [*findings, *(Finding(name, f"it is a model or a task of {plugin}", False) for name in sorted(left))]


def _chosen(name: str, only: Collection[str]) -> list[str]:
    """What to check of a spec's name, which may be that of an open family."""
    if name.endswith(":*"):
        return [each for each in only if each.startswith(name[:-1]) and each != name]
    return [name] if not only or name in only else []


def _check(catalog: Catalog, kind: str, name: str, data_root: Path) -> list[Finding]:
    check = check_task if kind == "tasks" else check_model
    return check(catalog.spec(kind, name), catalog, data_root=data_root)


def _to_the_end(subject: str, check: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings; what breaks the check itself is one, since a broken plugin is what it is for."""
    try:
        return check()
    except (Exception, SystemExit) as error:
        return [Finding(subject, "it can be checked to the end", False, line_of(error))]


def check_model(spec: ModelSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a model on every task that it fits, whose data is at hand, and that isn't heavy to load."""
    catalog = catalog or discover()
    findings = [attempt(spec.name, "its options can be read from the builder", lambda: option_defaults(spec.build))]
    met = 0
    for name, task_spec in catalog.specs["tasks"].items():
        if name.endswith(":*") or task_spec.heavy:
            continue
        try:
            if not _fits(spec, task_spec, catalog, data_root):
                continue
            bench = bench_of(catalog, spec, task_spec, data_root)
        except (Exception, SystemExit):
            continue  # the task's own fault, which a check of the task finds
        try:
            bench.build(bench.task)
        except NotApplicable:
            continue
        except (Exception, SystemExit) as error:
            findings.append(Finding(f"{spec.name} on {task_spec.name}", "it builds", False, line_of(error)))
            continue
        met += 1
        findings += _model_on_task(f"{spec.name} on {task_spec.name}", bench)
    seen = "" if met else "no task with data at hand fits its kinds: the model was not run"
    return [*findings, Finding(spec.name, "some task at hand fits it", met > 0, seen)]


def _fits(spec: ModelSpec, task_spec: TaskSpec, catalog: Catalog, data_root: Path | None) -> bool:
    recipe = recipe_of(spec, task_spec, Block(models=(), tasks=()), {}).recipe
    return not why_skip(catalog, spec, task_spec, recipe, Runtime()) and available(task_spec, data_root)


# --- models on tasks --------------------------------------------------------------------------------------


def _model_on_task(subject: str, bench: Bench) -> Iterator[Finding]:
    yield attempt(subject, "the same seed builds the same model", lambda: _check_same_build(bench))
    yield attempt(subject, "two steps give a finite loss and move its parameters", lambda: _check_steps(bench))
    yield attempt(subject, "every trainable parameter gets a gradient", lambda: _check_gradients(bench))
    yield attempt(subject, "its verbs return the shape of the output kind, finite", lambda: _check_verbs(bench))
    yield attempt(subject, "evaluation repeats itself and survives a state_dict", lambda: _check_state(bench))
    yield attempt(subject, "it can be copied, as averaging needs", lambda: _check_copy(bench))
    yield attempt(subject, "it changes and sees nothing that isn't its own", lambda: _check_sight(bench))


def _check_sight(bench: Bench) -> None:
    """With weights that have moved, since fresh ones may be zero where something leaks."""
    learner, step = _stepper(bench)
    for batch in some_batches(bench.task, 2):
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
    assert equal(*states), "two builds under one seed differ"


def _check_steps(bench: Bench) -> None:
    learner, step = _stepper(bench)
    before = {name: p.detach().clone() for name, p in learner.named_parameters() if p.requires_grad}
    for batch in some_batches(bench.task, 2):
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
    for share, batch in zip((0.0, 1.0), some_batches(bench.task, 2), strict=True):
        step.optimizers.progress.share = share  # a learner may train some of it first and the rest later
        step(batch)
    idle = [name for name, p in learner.named_parameters() if p.requires_grad and name not in touched]
    assert not idle, f"{len(idle)} parameters get none, first {idle[0]}"


def _note(names: set[str], name: str, _: torch.Tensor) -> None:
    names.add(name)


def _check_verbs(bench: Bench) -> None:
    learner, _ = _stepper(bench)
    assert_finite(_answer(bench, learner))


def _check_state(bench: Bench) -> None:
    learner, step = _stepper(bench)
    for batch in some_batches(bench.task, 2):
        step(batch)
    learner.eval()
    first = _answer(bench, learner)
    assert equal(first, _answer(bench, learner)), "two evaluations of one batch differ"
    torch.manual_seed(99)
    other = bench.build(bench.task)[0]
    other.load_state_dict(learner.state_dict())
    assert close(first, _answer(bench, other.eval())), "a new model with its state_dict answers otherwise"


def _answer(bench: Bench, learner: Learner) -> Any:
    evaluator = Evaluator(learner.eval(), bench.task.signature, bench.execution)
    with torch.no_grad():
        if "sample" in bench.task.signature.output.verbs:
            classes = first_batch(bench.task, "val").targets
            count = PROBE_BATCH if classes is None else len(classes)
            return evaluator.sample(count, torch.Generator().manual_seed(0), classes)
        if "predict" in bench.task.signature.output.verbs:
            return evaluator.predict(first_batch(bench.task, "val"))
        for verb in ("detect", "translate"):
            if verb in bench.task.signature.output.verbs:
                return getattr(evaluator, verb)(first_batch(bench.task, "val"))
    return None


def _stepper(bench: Bench) -> tuple[Learner, Stepper]:
    torch.manual_seed(3)
    learner, optimizers, regularizers = bench.build(bench.task)
    learner.train()
    return learner, Stepper(learner, optimizers, regularizers, bench.execution, torch.Generator().manual_seed(0))


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
