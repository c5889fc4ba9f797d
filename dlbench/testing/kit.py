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
from ..contract.specs import ModelSpec
from ..data.root import default_root
from ..plan.catalog import Catalog, Source, discover
from ..train.cell import Bench
from ..train.judging import Evaluator
from ..train.training import Stepper
from .on_ingredients import Grounds, check_met, checks_of_ingredient, checks_of_suite, fits, meet, tasks_at_hand
from .on_tasks import available, check_task, checks_of_task
from .parts import (
    Check,
    Finding,
    Pair,
    Shelf,
    assert_finite,
    close,
    equal,
    findings_of,
    first_batch,
    line_of,
    report,
    some_batches,
)  # fmt: skip
from .probing import PROBE_BATCH, beats_the_bound, changes_settings, depends_on_company, looks_ahead


def check_plugin(plugin: str, *, data_root: Path | None = None, only: Collection[str] = ()) -> list[Finding]:
    """Check an installed plugin (by entry point or module) or a .py file, and every model, task, ingredient and suite
    that it provides, or `only` some: of an open family those that are named here, as in `tu:MUTAG`."""
    return findings_of(checks_of_plugin(plugin, data_root=data_root, only=only))


def checks_of_plugin(plugin: str, *, data_root: Path | None = None, only: Collection[str] = ()) -> Iterator[Check]:
    """The checks that `check_plugin` makes; each opens what it needs when its turn comes."""
    catalog = discover()
    mine = [s for s in catalog.sources if plugin in (s.name, s.target)]
    if not mine:
        catalog = discover([plugin])
        mine = [s for s in catalog.sources if s.target == plugin]
    yield _check_of_import(plugin, mine, catalog)
    if not mine:
        return
    root = data_root or default_root()
    names, left, grounds = {source.name for source in mine}, set(only), Grounds(catalog, root)
    for (kind, name), source in catalog.providers.items():
        if source.name not in names or name not in catalog.specs[kind]:
            continue
        chosen = _chosen(name, only)
        left -= set(chosen)
        if name.endswith(":*") and not only:
            yield Check(name, f"not checked: name a member, as in --only {name[:-1]}NAME", lambda: None)
        for each in chosen:
            yield from _to_the_end(each, partial(_checks_of, catalog, kind, each, root, grounds))
    for name in sorted(left):
        yield Check(name, f"it is something that {plugin} provides", partial(_fail, ""))


def _fail(seen: str) -> None:
    raise AssertionError(seen)


def _chosen(name: str, only: Collection[str]) -> list[str]:
    """What to check of a spec's name, which may be that of an open family."""
    if name.endswith(":*"):
        return [each for each in only if each.startswith(name[:-1]) and each != name]
    return [name] if not only or name in only else []


def _checks_of(catalog: Catalog, kind: str, name: str, data_root: Path, grounds: Grounds) -> Iterator[Check]:
    spec = catalog.spec(kind, name)
    if kind == "tasks":
        return checks_of_task(spec, catalog, data_root)
    if kind == "models":
        return _checks_of_model(spec, catalog, data_root)
    if kind == "suites":
        return checks_of_suite(spec, catalog, data_root)
    return checks_of_ingredient(kind, spec, grounds)


def _to_the_end(subject: str, checks: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """The checks; what breaks the making of them is one, since a broken plugin is what they are for."""
    try:
        yield from checks()
    except (Exception, SystemExit) as error:
        yield Check(subject, "it can be checked to the end", partial(_fail, line_of(error)))


def check_model(spec: ModelSpec, catalog: Catalog | None = None, *, data_root: Path | None = None) -> list[Finding]:
    """Check a model on every task that it fits, whose data is at hand, and that isn't heavy to load."""
    return findings_of(_checks_of_model(spec, catalog or discover(), data_root))


def _checks_of_model(spec: ModelSpec, catalog: Catalog, data_root: Path | None) -> Iterator[Check]:
    yield Check(spec.name, "its options can be read from the builder", lambda: option_defaults(spec.build) and None)
    shelf = Shelf()
    tasks = tasks_at_hand(catalog, data_root, lambda task: fits(spec, task, catalog))
    pairs = [Pair(catalog, spec, task, data_root, shelf) for task in tasks]
    met: dict[str, bool] = {}
    for pair in pairs:
        yield from _checks_of_pair(f"{spec.name} on {pair.task.name}", pair, met)
    yield Check(spec.name, "some task at hand fits it", lambda: check_met(pairs, met))


# --- models on tasks --------------------------------------------------------------------------------------


def _checks_of_pair(subject: str, pair: Pair, met: dict[str, bool]) -> Iterator[Check]:
    """Notes in `met` whether the pair was built."""
    yield Check(subject, "it builds", lambda: meet(pair, met))
    for text, check in (
        ("the same seed builds the same model", _check_same_build),
        ("two steps give a finite loss and move its parameters", _check_steps),
        ("every trainable parameter gets a gradient", _check_gradients),
        ("its verbs return the shape of the output kind, finite", _check_verbs),
        ("evaluation repeats itself and survives a state_dict", _check_state),
        ("it can be copied, as averaging needs", _check_copy),
        ("it changes and sees nothing that isn't its own", _check_sight),
    ):
        yield Check(subject, text, partial(_on_bench, check, pair))


def _on_bench(check: Callable[[Bench], None], pair: Pair) -> None:
    check(pair.built())


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


def _check_of_import(plugin: str, mine: list[Source], catalog: Catalog) -> Check:
    """That the plugin loads without problems, and quickly: its front door must not import torch."""
    if problems := [text for name, text in catalog.problems.items() if name in {s.name for s in mine} | {plugin}]:
        return Check(plugin, "it loads", partial(_fail, problems[0]))
    if not mine:
        problem = next((t for n, t in catalog.problems.items() if n == Path(plugin).name), "there is no such plugin")
        return Check(plugin, "it loads", partial(_fail, problem))
    if mine[0].target.endswith(".py"):  # a single file may hold a Learner, which needs torch at once
        return Check(plugin, "it loads", lambda: None)
    return Check(plugin, "its front door doesn't import torch", partial(_check_front_door, mine[0].target))


def _check_front_door(target: str) -> None:
    code = f"import sys; sys.path[:] = {import_path()!r}; from dlbench.plan import catalog as c; "
    code += "c.import_source(sys.argv[1]); sys.exit('torch' in sys.modules)"
    slow = subprocess.run([sys.executable, "-P", "-c", code, target], check=False, capture_output=True).returncode
    assert slow == 0, ""


__all__ = [
    "Check", "Finding", "available", "check_model", "check_plugin", "check_task", "checks_of_plugin", "report",
]  # fmt: skip
