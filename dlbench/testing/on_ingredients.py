"""What the conformance kit asks of optimizers, schedules, regularizers, initializers and suites; and on which tasks
anything is tried."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch

from ..contract.choice import option_defaults
from ..contract.learner import Learner, Supervised
from ..contract.runtime import Runtime
from ..contract.schedule import Progress, Stop
from ..contract.specs import Block, ModelSpec, Suite, TaskSpec
from ..data.root import default_cache, default_root
from ..errors import NotApplicable, UsageError
from ..plan.catalog import Catalog
from ..plan.plan import Request, check_ingredients, plan, recipe_of, why_skip
from ..train.cell import Bench, seed_everything
from ..train.training import Stepper
from .on_tasks import available
from .parts import Check, Pair, Shelf, Unreached, equal, some_batches

KEYS = {
    "optimizers": "optimizer", "schedules": "schedule", "regularizers": "regularizers", "initializers": "init",
}  # fmt: skip
MOMENTS = 101
"""At how many places of a training a schedule is asked for its factor."""


def tasks_at_hand(
    catalog: Catalog, data_root: Path | None, suitable: Callable[[TaskSpec], bool] = lambda task: True
) -> list[TaskSpec]:
    """The suitable tasks whose data is at hand and that aren't heavy to load."""
    found = []
    for name, task in catalog.specs["tasks"].items():
        if name.endswith(":*") or task.heavy:
            continue
        try:
            if suitable(task) and available(task, data_root):
                found.append(task)
        except (Exception, SystemExit):
            continue  # the task's own fault, which a check of the task finds
    return found


def fits(model: ModelSpec, task: TaskSpec, catalog: Catalog) -> bool:
    """Whether a plan would pair them."""
    recipe = recipe_of(model, task, Block(models=(), tasks=()), {}).recipe
    return not why_skip(catalog, model, task, recipe, Runtime())


def meet(pair: Pair, met: dict[str, bool]) -> None:
    """Build the pair, and note whether that went well: raises as `Pair.open` does."""
    met[pair.task.name] = False
    pair.open()
    met[pair.task.name] = True


def check_met(pairs: list[Pair], met: dict[str, bool]) -> None:
    """That one of the pairs could be built; builds those that no check has built before."""
    for pair in pairs:
        if pair.task.name not in met:
            try:
                meet(pair, met)
            except (Exception, SystemExit):
                continue
        if met[pair.task.name]:
            return
    raise AssertionError("no task with data at hand fits its kinds: it was not run")


# --- ingredients ------------------------------------------------------------------------------------------


class Grounds:
    """Where ingredients are tried: of each kind of input one task (where there is one, one that reads no files), with
    the first plain network that trains on it. Each is opened once."""

    def __init__(self, catalog: Catalog, data_root: Path | None) -> None:
        self.catalog, self.data_root = catalog, data_root
        self._benches: dict[str, Bench | None] = {}

    @cached_property
    def tasks(self) -> list[TaskSpec]:
        found: dict[type, TaskSpec] = {}
        known = tasks_at_hand(self.catalog, self.data_root, lambda task: task.output_kind.verbs == ("predict",))
        for task in sorted(known, key=lambda task: task.data is not None):
            found.setdefault(task.input_kind, task)
        return [*found.values()]

    def bench(self, task: TaskSpec) -> Bench:
        """The task with its model and without any weight decay; raises Unreached where no model trains."""
        if task.name not in self._benches:
            self._benches[task.name] = self._open(task)
        bench = self._benches[task.name]
        if bench is None:
            raise Unreached(f"no model trains on {task.name}")
        return bench

    def _open(self, task: TaskSpec) -> Bench | None:
        models = self.catalog.specs["models"].items()
        for name, model in sorted(models, key=lambda item: len(item[1].preload)):  # slow imports last
            if name.endswith(":*") or model.wraps or not fits(model, task, self.catalog):
                continue
            try:
                bench = Pair(self.catalog, model, task, self.data_root, Shelf(), {"weight_decay": "none"}).open()
                learner = bench.build(bench.task)[0]
            except (Exception, SystemExit):
                continue
            if isinstance(learner, Supervised) and any(p.requires_grad for p in learner.parameters()):
                return bench
        return None


class _Trial(Pair):
    """An ingredient on one of the grounds."""

    def __init__(self, kind: str, spec: Any, task: TaskSpec, grounds: Grounds, shelf: Shelf) -> None:
        nobody = ModelSpec(name="nobody", build=lambda signature: None, accepts=())
        settings = {"weight_decay": "none", KEYS[kind]: spec.name}
        super().__init__(grounds.catalog, nobody, task, grounds.data_root, shelf, settings)
        self.grounds = grounds

    def _open(self) -> Bench:
        bench = self.grounds.bench(self.task)
        self.model = bench.model
        recipe = recipe_of(self.model, self.task, Block(models=(), tasks=()), self.settings).recipe
        check_ingredients(self.catalog, recipe)
        mine = replace(bench, recipe=recipe)
        try:
            mine.build(mine.task)
        except NotApplicable as error:
            raise Unreached(str(error)) from error
        return mine


def checks_of_ingredient(kind: str, spec: Any, grounds: Grounds) -> Iterator[Check]:
    """The checks of an optimizer, a schedule, a regularizer or an initializer: a step or two on each of the grounds."""
    yield Check(spec.name, "its options can be read from the builder", lambda: option_defaults(spec.build) and None)
    if kind == "schedules":
        yield Check(spec.name, "its factors are finite and not negative", partial(_check_factors, spec))
    shelf = Shelf()
    pairs = [_Trial(kind, spec, task, grounds, shelf) for task in grounds.tasks]
    met: dict[str, bool] = {}
    for pair in pairs:
        subject = f"{spec.name} on {pair.task.name}"
        yield Check(subject, "it builds", partial(meet, pair, met))
        yield Check(subject, "its first steps leave loss and parameters finite", partial(_check_steps, kind, pair))
        yield Check(subject, "the same seed gives the same steps", partial(_check_repeats, pair))
    yield Check(spec.name, "some task at hand fits it", lambda: check_met([*pairs], met))


def _two_steps(bench: Bench) -> tuple[list[float], bool, Learner]:
    """On one batch: the losses, whether a parameter moved, and the learner that is judged after. What evaluates its
    loss many times a step takes one: without a line search a few examples can throw it far."""
    seed_everything(0)
    learner, optimizers, regularizers = bench.build(bench.task)
    before = [p.detach().clone() for p in learner.parameters()]
    step = Stepper(learner.train(), optimizers, regularizers, bench.execution, torch.Generator().manual_seed(0))
    losses = []
    for batch in [*some_batches(bench.task, 1)] * (1 if optimizers.has_closures else 2):
        if optimizers.scheduled and not optimizers.advance(optimizers.progress):
            break
        try:
            with torch.compiler.set_stance("force_eager"):  # some optimizers compile their own parts, for minutes
                losses.append(float(step(batch)))
        except (NotApplicable, UsageError) as error:
            raise Unreached(str(error)) from error
    moved = any(not torch.equal(p, was) for p, was in zip(learner.parameters(), before, strict=True))
    for regularizer in regularizers:
        learner = regularizer.eval_learner(learner)
    return losses, moved, learner


def _check_steps(kind: str, pair: Pair) -> None:
    losses, moved, learner = _two_steps(pair.built())
    on = f"with {pair.model.name}"
    assert all(map(math.isfinite, losses)), f"{on}, the losses are {losses}"
    odd = [name for name, p in learner.named_parameters() if not p.isfinite().all()]
    assert not odd, f"{on}, {len(odd)} parameters are NaN or infinite, first {odd[0]}"
    assert moved or kind != "optimizers", f"{on}, no parameter moved"


def _check_repeats(pair: Pair) -> None:
    bench = pair.built()
    first, second = (_two_steps(bench) for _ in range(2))
    assert first[0] == second[0], f"with {pair.model.name}, the losses are {first[0]}, then {second[0]}"
    same = equal(first[2].state_dict(), second[2].state_dict())
    assert same, f"with {pair.model.name}, two runs under one seed end with other parameters"


def _check_factors(spec: Any) -> None:
    factor = spec.build()
    for moment in range(MOMENTS):
        share = moment / (MOMENTS - 1)
        value = factor(Progress(step=10 * moment, epoch=share, share=share, history=(0.5,) * moment))
        if value is Stop:
            return
        assert 0 <= value < math.inf, f"it is {value:.4g} after {share:.0%} of the training"


# --- suites -----------------------------------------------------------------------------------------------


def checks_of_suite(suite: Suite, catalog: Catalog, data_root: Path | None) -> Iterator[Check]:
    """The checks of a suite: its names, options and recipes, and that it has something to run."""
    yield Check(suite.name, "its models, tasks and recipes are known", partial(_check_plan, suite, catalog, data_root))


def _check_plan(suite: Suite, catalog: Catalog, data_root: Path | None) -> str:
    root, cache = data_root or default_root(), default_cache()
    made = plan(catalog, Request(suites=(suite,), data_root=root, cache=cache))
    first = made.skips[0].reason if made.skips else ""
    assert made.cells, f"no pair of it can run: {first}"
    return f"{len(made.cells)} cells, {len(made.skips)} pairs are skipped" + (
        f", the first because {first}" * bool(first)
    )
