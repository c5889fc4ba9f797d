"""What `dlbench tune` searches: ranges, trials and how one is judged. Torch and Optuna aren't needed here.

Each choice that is compared is an arm: a model on a task under one block of a suite. Every arm gets the same number of
trials over the same ranges. A trial is a recipe; it is run under two seeds that no row uses, and is worth the worse of
their scores on validation, because one lucky seed easily chooses a rate at the edge of stability.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..contract.choice import format_value, parse_value, split_outside_brackets
from ..contract.recipe import Settings, resolve
from ..contract.specs import Block, Metric, Suite
from ..errors import UsageError
from ..results import Record, slug
from ..tables.groups import is_number
from .catalog import Catalog
from .plan import CUSTOM, Job, Plan, Request, plan

SEEDS = (1000, 1001)
"""What trials are judged under; rows need others."""
GRID, TPE = "grid", "tpe"
DIGITS = 4
"""Significant digits of the values tried: they stand in the names of rows."""
WHOLE = ("batch_size", "patience", "evaluate_every")
EDGE = 0.05
"""Of a range without points: the share of its width that counts as its edge."""
MOST_TRIALS = 10_000
FORMS = "write KEY=log:A..B,N, KEY=A..B,N (N points from A to B) or KEY=a,b,c"


@dataclass(frozen=True, kw_only=True)
class Range:
    """The values of one key of the recipe: `points` in order, or, where there are none, all from `low` to `high`.
    `ordered`: they are numbers, so that there is an edge."""

    key: str
    text: str
    points: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    ordered: bool = False

    def value(self, number: float) -> Any:
        """A number as the recipe takes it: whole for counts, else to four significant digits."""
        return round(number) if self.key in WHOLE else float(f"{number:.{DIGITS}g}")

    @property
    def ends(self) -> tuple[Any, ...]:
        """Values that show whether all are legal: every choice, or both ends."""
        if not self.ordered:
            return self.points
        return (self.points[0], self.points[-1]) if self.points else (self.value(self.low), self.value(self.high))

    def at_edge(self, value: Any) -> bool:
        """Whether a value lies at an end of the range, so that a better one may lie beyond."""
        if not self.ordered:
            return False
        if self.points:
            return value in self.ends
        low, high, at = (math.log(x) if self.log else x for x in (self.low, self.high, float(value)))
        return min(at - low, high - at) <= EDGE * (high - low)


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """A search that every arm goes through. `why`: why this sampler, where nobody asked for it."""

    over: tuple[Range, ...]
    sampler: str
    trials: int
    why: str = ""

    @property
    def text(self) -> str:
        """`lr=log:1e-4..1,5 optimizer=adam,sgd`."""
        return " ".join(f"{r.key}={r.text}" for r in self.over)


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One of the choices that are compared: a model on a task under a block. `job`: one of its cells; `study`:
    the name of its study's file."""

    suite: Suite
    job: Job
    study: str = ""

    @property
    def title(self) -> str:
        return self.job.row

    def block(self, chosen: Settings, label: str) -> Block:
        """The arm's block with these settings on top."""
        own = self.job.block
        return Block(
            models=(str(self.job.model),), tasks=(str(self.job.task),), set={**own.set, **chosen},
            variant=", ".join(text for text in (label, own.variant) if text),
            treatments={name: {**settings, **chosen} for name, settings in own.treatments.items()},
        )  # fmt: skip

    def plan(self, catalog: Catalog, request: Request, chosen: Settings, label: str, **fields: Any) -> Plan:
        """The jobs of one choice of settings, a layer of their own; `fields` replace the request's."""
        suite = replace(self.suite, blocks=(self.block(chosen, label),))
        made = plan(catalog, replace(request, suites=(suite,), models=(), tasks=(), **fields))
        for jobs in (made.cells, made.profiles):
            jobs[:] = [_layered(job, chosen) for job in jobs]
        return made


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One recipe and its scores on validation, one per tuning seed; None for a cell that didn't end ok."""

    number: int
    chosen: Settings
    scores: tuple[float | None, ...] = ()
    reason: str = ""

    def worth(self, metric: Metric) -> tuple[float, ...]:
        """The scores from the worse on, turned so that higher is better; minus infinity for what didn't end ok."""
        sign = 1 if metric.higher_is_better else -1
        return tuple(sorted(-math.inf if s is None else sign * s for s in self.scores)) or (-math.inf,)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What came of an arm's trials. `best`: None where no trial was ok under both seeds."""

    arm: Arm
    tuning: Tuning
    metric: Metric
    trials: tuple[Trial, ...]
    best: Trial | None = None
    edge: tuple[str, ...] = ()

    def as_record(self) -> dict[str, Any]:
        """What a record says of how its recipe was found."""
        assert self.best is not None
        return {
            "over": {r.key: r.text for r in self.tuning.over}, "sampler": self.tuning.sampler,
            "trials": self.tuning.trials, "seeds": list(SEEDS), "metric": self.metric.name,
            "scores": list(self.best.scores), "chosen": dict(self.best.chosen), "edge": list(self.edge),
            "study": self.arm.study,
        }  # fmt: skip


def read_ranges(texts: Iterable[str], option: str = "--over", apart: Iterable[str] = ()) -> tuple[Range, ...]:
    """The ranges of `--over`; raises UsageError on a wrong text, an unknown key, a value that the key can't take, or a
    key that is given twice or is among those that stand `apart`."""
    found: dict[str, Range] = {}
    for text in texts:
        key, equals, values = (part.strip() for part in text.partition("="))
        if not equals or not key or not values:
            raise UsageError(f"can't read {option} {text!r}: {FORMS}")
        if key in found:
            raise UsageError(f"{option} names {key} twice")
        if key in apart:
            raise UsageError(f"{key} is tuned, so it can't be set or compared as well")
        if key.startswith("budget."):
            raise UsageError(f"{key} can't be tuned: what is compared has one budget")
        found[key] = read_range(key, values, f"{option} {text!r}")
        for value in found[key].ends:
            resolve([("tune", {key: value})])
    return tuple(found.values())


def read_range(key: str, text: str, where: str) -> Range:
    """The values of one key."""
    log = text.startswith("log:")
    bounds, _, count = text.removeprefix("log:").rpartition(",") if "," in text else (text.removeprefix("log:"), "", "")
    if ".." not in text and not log:
        choices = tuple(dict.fromkeys(split_outside_brackets(text)))
        if len(choices) < 2:
            raise UsageError(f"{where} has one value, so there is nothing to choose: {FORMS}")
        numbers = [parse_value(choice) for choice in choices]
        if all(isinstance(number, (int, float)) and not isinstance(number, bool) for number in numbers):
            return Range(key=key, text=text, points=tuple(sorted(set(numbers))), ordered=True)
        return Range(key=key, text=text, points=choices)
    match = re.fullmatch(r"(.+?)\.\.(.+)", bounds.strip())
    if not match:
        raise UsageError(f"{where} needs two bounds: {FORMS}")
    low, high = (_bound(part, where) for part in match.groups())
    if low >= high:
        raise UsageError(f"{where} needs a lower bound below its upper one")
    if log and low <= 0:
        raise UsageError(f"{where} is on a log scale, which needs bounds above 0")
    bare = Range(key=key, text=text, low=low, high=high, log=log, ordered=True)
    if not count:
        return bare
    if not re.fullmatch(r"\s*\d+\s*", count) or not 2 <= int(count) <= MOST_TRIALS:
        raise UsageError(f"{where} needs a whole number of points, from 2 to {MOST_TRIALS}, not {count.strip()!r}")
    return replace(bare, points=tuple(dict.fromkeys(bare.value(x) for x in _spaced(bare, int(count)))))


def _bound(text: str, where: str) -> float:
    value = parse_value(text.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        raise UsageError(f"{where} needs numbers as bounds, not {text.strip()!r}")
    return float(value)


def _spaced(bare: Range, count: int) -> Iterator[float]:
    for i in range(count):
        share = i / (count - 1)
        yield bare.low * (bare.high / bare.low) ** share if bare.log else bare.low + share * (bare.high - bare.low)


def tuning_of(over: tuple[Range, ...], budget: int, sampler: str | None) -> Tuning:
    """The search; without a sampler, the grid where it fits into the budget, else TPE. Raises UsageError where the
    grid was asked for and doesn't fit."""
    if not over:
        raise UsageError("--over says what to tune: --over lr=log:1e-4..1,5")
    if not 1 <= budget <= MOST_TRIALS:
        raise UsageError(f"--budget takes 1 to {MOST_TRIALS} trials, not {budget}")
    open_ = [r.key for r in over if not r.points]
    size = math.prod(len(r.points) for r in over if r.points)
    if open_:
        unfit = f"{' and '.join(open_)} has no number of points"
    elif size > budget:
        unfit = f"the grid has {size} points and the budget is {budget} trials"
    else:
        unfit = ""
    if sampler == GRID and unfit:
        remedy = "add one, as in lr=log:1e-4..1,5" if open_ else f"give --budget {size}, fewer points"
        raise UsageError(f"{unfit}: {remedy}, or --sampler {TPE}")
    if sampler == TPE or unfit:
        return Tuning(over=over, sampler=TPE, trials=budget, why="" if sampler else unfit)
    return Tuning(over=over, sampler=GRID, trials=size)


def arms_of(catalog: Catalog, request: Request, each: tuple[Range, ...]) -> tuple[list[Arm], Plan]:
    """The choices that are compared, and the plan that they come from, with its skips; raises UsageError. `each`: keys
    of which every value is a treatment of its own."""
    suites = [
        replace(suite, blocks=tuple(_varied(suite.blocks, each)))
        for suite in request.suites or (Suite(name=CUSTOM, blocks=(Block(models=(), tasks=()),)),)
    ]
    made = plan(catalog, replace(request, suites=tuple(suites), seeds=SEEDS[:1], cells=True, profiles=False))
    by_name = {suite.name: suite for suite in suites}
    return [Arm(suite=by_name[job.suite], job=job) for job in made.cells], made


def _varied(blocks: Iterable[Block], each: tuple[Range, ...]) -> Iterator[Block]:
    """The blocks with a treatment for each combination of values."""
    every = [
        {r.key: v for r, v in zip(each, values, strict=True)} for values in itertools.product(*(r.points for r in each))
    ]
    for block in blocks:
        treatments = {
            ", ".join([v for v in (single.treatment, *(f"{k}={v}" for k, v in own.items())) if v]): {
                **single.treated,
                **own,
            }
            for single in block.each()
            for own in every
        }
        yield replace(block, treatments=treatments) if each else block


def study_of(catalog: Catalog, request: Request, arm: Arm, tuning: Tuning) -> str:
    """The name of the file of an arm's study. It changes with what the arm's cells are made of, so that an edited model
    starts a study of its own. Raises UsageError where a value can't be, each one beside the arm's own recipe."""
    names = [arm.job.name]
    for r in tuning.over:
        for value in r.ends:
            made = arm.plan(catalog, request, {r.key: value}, "", seeds=SEEDS[:1], cells=True, profiles=False)
            names += [job.name for job in made.cells]
    code = hashlib.sha256(json.dumps([names, tuning.text, tuning.sampler, SEEDS]).encode()).hexdigest()[:12]
    return f"{slug(str(arm.job.task))[:80]}--{slug(str(arm.job.model))[:80]}--{tuning.sampler}--{code}.journal"


def trial_label(chosen: Settings) -> str:
    """The variant of a trial's cells."""
    return ", ".join(["tune", *(f"{key}={_shown(value)}" for key, value in chosen.items())])


def row_label(tuning: Tuning) -> str:
    """The variant of the rows that tuning leads to: what was tuned, over what, in how many trials."""
    return f"tuned {tuning.text} in {tuning.trials} trials"


def chosen_text(chosen: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_shown(value)}" for key, value in chosen.items())


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:g}" if isinstance(value, float) else format_value(value)


def score_of(record: Record | None, metric: Metric) -> float | None:
    """A cell's score on validation; None where it has none."""
    if record is None or record.status != "ok":
        return None
    value = ((record.get("metrics") or {}).get("val") or {}).get(metric.name)
    return float(value) if is_number(value) else None


def best_of(trials: Iterable[Trial], metric: Metric) -> Trial | None:
    """The trial whose worse score is best; of equals, the one with the better other score, then the earliest."""
    ok = [trial for trial in trials if trial.worth(metric)[0] > -math.inf]
    return max(ok, key=lambda trial: (trial.worth(metric), -trial.number), default=None)


def edges(tuning: Tuning, chosen: Settings) -> tuple[str, ...]:
    """The keys whose chosen value lies at the edge of what was searched."""
    return tuple(r.key for r in tuning.over if r.at_edge(chosen[r.key]))


def _layered(job: Job, chosen: Settings) -> Job:
    """The job with these settings' layer named for what it is."""
    layers = {**job.recipe.layers, **dict.fromkeys(chosen, "tune")}
    return replace(job, recipe=replace(job.recipe, layers=layers))
