"""Contests -> the aggregates of each competitor as rows, what has to be said of them, and the file for `bencheval`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import unknown
from ..results import Record
from .aggregates import (
    Floats,
    drawn,
    improvability,
    interval,
    iqm,
    pooled,
    profile,
    ranks,
    rounded,
    task_widening,
    widening,
    win_rates,
)
from .contests import Contest, Missing, Over, Task, contests, failures, joined, listed
from .elo import MIDDLE, drawn_ratings, outcomes, ratings, tiers
from .groups import Group, is_number, train_s
from .stats import MIN_FOR_INTERVAL

RESAMPLES, SEED = 1000, 0
MIN_TASKS = 10
"""Under ten tasks an interval of Elo over tasks holds the true value too rarely: docs/aggregates.md says how often."""
THRESHOLDS = (0.5, 0.75, 0.9, 0.95)
CURVE = tuple(step / 10 for step in range(10))
"""Where the performance profile is given in the CSV, and where a terminal draws it."""
RUNTIME = ("device", "precision", "compile", "channels_last", "threads", "machine", "torch")
COLUMNS = (
    "suite", "part", "name", "tasks", "covered", "coverage", "runs", "failed_runs", "elo", "elo_low", "elo_high",
    "elo_tier", "mean_rank", "mean_rank_low", "mean_rank_high", "win_rate", "iqm", "iqm_low", "iqm_high",
    *(f"above_{tau:g}" for tau in THRESHOLDS), "normalised_tasks", "improvability", "error_tasks", "missing", *RUNTIME,
)  # fmt: skip
BENCHEVAL = ("method", "task", "seed", "metric_error", "time_train_s", "time_infer_s", "metric", "imputed", "suite",
             "part", *RUNTIME)  # fmt: skip
Row = dict[str, Any]


class Standing:
    """What can be said of a contest: `rows` under COLUMNS and `curve`, the best mean rank first, and `notes`."""

    def __init__(self, contest: Contest, missing: Missing, anchor: str | None = None) -> None:
        self.contest = contest
        self.runs = contest.runs()
        self.means = np.array([[float(task.mean()) for task in own] for own in self.runs])
        self.normal = [index for index, task in enumerate(contest.tasks) if task.ends[1] > task.ends[0]]
        self.erring = [index for index in range(len(contest.tasks)) if self._errors(index) is not None]
        self.random = np.random.default_rng(SEED)
        figures = [self._coverage(missing), self._elo(anchor), self._ranks(), self._normalised(), self._improvable()]
        rows = [{key: value for part in parts for key, value in part.items()} for parts in zip(*figures, strict=True)]
        self.rows = sorted(rows, key=lambda row: (row["mean_rank"], row["name"]))

    @property
    def notes(self) -> list[str]:
        """Sentences: what is missing, what the figures refer to, and what couldn't be computed."""
        return [*self._about_rows(), *self.contest.left_out, *self._about_figures()]

    def _coverage(self, missing: Missing) -> list[Row]:
        contest, rows = self.contest, []
        runtime = {column: getattr(contest.key, column) for column in RUNTIME}
        for name in contest.names:
            groups = [task.rows[name] for task in contest.covered(name)]
            rows.append({
                "suite": contest.key.suite, "part": contest.part, "name": name, "tasks": len(contest.tasks),
                "covered": len(groups), "coverage": len(groups) / len(contest.tasks),
                "runs": sum(len(group.scores()) for group in groups), "failed_runs": sum(map(failures, groups)),
                "normalised_tasks": len(self.normal), "error_tasks": len(self.erring), "missing": missing, **runtime,
            })  # fmt: skip
        return rows

    def _even(self) -> Floats:
        """The means, of which those that are equal up to rounding are equal."""
        return rounded(self.means, np.abs(self.means).max(axis=0))

    def _elo(self, anchor: str | None) -> list[Row]:
        names = self.contest.names
        if anchor is not None and anchor not in names:
            raise unknown("competitor", anchor, names)
        if len(names) < 2:
            return [{} for _ in names]
        won = outcomes(self._even())
        found = ratings(won.sum(axis=0))
        shift = 0.0 if anchor is None else MIDDLE - found[names.index(anchor)]
        self.tiers = tiers(won.sum(axis=0))
        rows: list[Row] = [{"elo": float(value + shift)} for value in found]
        for number, members in enumerate(self.tiers, start=1):
            for member in members:
                rows[member]["elo_tier"] = number
        if len(won) >= MIN_TASKS:
            draws = drawn_ratings(won, RESAMPLES, self.random)
            for index, row in enumerate(rows):
                low, high = interval(float(found[index]), draws[:, index], task_widening(len(won)))
                row |= {"elo_low": low + shift, "elo_high": high + shift}
        return rows

    def _ranks(self) -> list[Row]:
        rank = ranks(self._even())
        rows: list[Row] = [
            {"mean_rank": float(mean), "win_rate": float(won)}
            for mean, won in zip(rank.mean(axis=1), win_rates(rank), strict=True)
        ]
        if len(rows) > 1 and self._fewest_runs(self.contest.names) >= MIN_FOR_INTERVAL:
            total = np.zeros((RESAMPLES, len(rows)))
            for index, scale in enumerate(np.abs(self.means).max(axis=0)):
                means = np.stack(
                    [drawn(own[index], RESAMPLES, self.random).mean(axis=1) for own in self.runs], axis=1
                )  # fmt: skip
                total += ranks(rounded(means[:, :, None], scale))[:, :, 0]
            for index, row in enumerate(rows):
                draws = total[:, index] / len(self.contest.tasks)
                low, high = interval(row["mean_rank"], draws)
                row |= {"mean_rank_low": max(1.0, low), "mean_rank_high": min(float(len(rows)), high)}
        return rows

    def _normalised(self) -> list[Row]:
        return [self._between_ends(name, own) for name, own in zip(self.contest.names, self.runs, strict=True)]

    def _between_ends(self, name: str, own: Sequence[Floats]) -> Row:
        if not self.normal:
            return {"curve": []}
        scaled = []
        for index in self.normal:
            low, high, _ = self.contest.tasks[index].ends
            scaled.append((own[index] - low) / (high - low))
        values, weights = pooled(scaled)
        row: Row = {"iqm": float(iqm(values, weights)), "curve": profile(values, weights, CURVE)}
        shares = profile(values, weights, THRESHOLDS)
        row |= {f"above_{tau:g}": share for tau, share in zip(THRESHOLDS, shares, strict=True)}
        if self._fewest_runs([name]) >= MIN_FOR_INTERVAL:
            draws, weights = pooled([drawn(task, RESAMPLES, self.random) for task in scaled])
            low, high = interval(row["iqm"], iqm(draws, weights), widening(scaled))
            row |= {"iqm_low": low, "iqm_high": high}
        return row

    def _improvable(self) -> list[Row]:
        if not self.erring:
            return [{} for _ in self.contest.names]
        errors = np.stack([found for index in self.erring if (found := self._errors(index)) is not None], axis=1)
        return [{"improvability": float(value)} for value in improvability(errors)]

    def _errors(self, index: int) -> Floats | None:
        """How far the means are from the best possible; None where that isn't known, or lies behind a mean."""
        optimum = self.contest.tasks[index].optimum
        if optimum is None:
            return None
        errors: Floats = optimum - self.means[:, index]
        slack = 1e-12 * max(1.0, float(np.abs(self.means[:, index]).max()))
        return None if errors.min() < -slack else np.where(errors < slack, 0.0, errors)

    def _fewest_runs(self, names: Iterable[str]) -> int:
        """The fewest runs behind any score of these."""
        return min(len(task.runs(name)) for name in names for task in self.contest.covered(name))

    def _about_rows(self) -> list[str]:
        contest, notes = self.contest, []
        gaps = {name: [task.label for task in contest.tasks if name not in task.rows] for name in contest.names}
        absent = [f"{name} on {listed(labels)}" for name, labels in gaps.items() if labels]
        if absent:
            notes.append(f"No score, so the worst counts: {joined(absent, '; ', 12)}.")
        failed = [
            f"{name} on {task.label} ({count} of {len(task.runs(name))})"
            for task in contest.tasks for name, group in task.rows.items() if (count := failures(group))
        ]  # fmt: skip
        if failed:
            notes.append(f"Runs that didn't end ok count as the worst: {joined(failed, '; ', 12)}.")
        return notes

    def _about_figures(self) -> list[str]:
        tasks, notes = self.contest.tasks, []
        kinds: dict[str, list[str]] = {}
        for index, task in enumerate(tasks):
            kinds.setdefault(task.ends[2] if index in self.normal else "", []).append(task.label)
        flat = kinds.pop("", [])
        if kinds:
            between = "; ".join(f"{what} ({listed(labels)})" for what, labels in kinds.items())
            notes.append(f"IQM and profile: scores from 0 to 1 are {between}.")
        if flat:
            notes.append(f"Not in IQM and profile, because nothing beats the floor: {listed(flat)}.")
        if erring := [task.label for index, task in enumerate(tasks) if index not in self.erring]:
            notes.append(f"Not in improvability, because the metric has no error of at least 0: {listed(erring)}.")
        if len(self.contest.names) > 1:
            notes += self._about_elo()
            if self._fewest_runs(self.contest.names) < MIN_FOR_INTERVAL:
                notes.append("Some scores have fewer than three runs: no interval of the mean rank, nor of their IQM.")
        return notes

    def _about_elo(self) -> list[str]:
        notes = []
        if len(self.tiers) > 1:
            names = [listed(sorted(self.contest.names[member] for member in members)) for members in self.tiers]
            won = "each of these won every task against all that follow, so the gaps between them have no size"
            notes.append(f"Elo: {won}: {' > '.join(names)}.")
        if len(self.contest.tasks) < MIN_TASKS:
            notes.append("Elo has no interval under ten tasks.")
        return notes


def standings(
    by_suite: Mapping[str, list[Record]], over: Over = "model", missing: Missing = "worst", anchor: str | None = None
) -> list[Standing]:
    """The standing of each contest. `anchor`: who has an Elo of 1000. Raises UsageError where nobody has that name."""
    return [Standing(contest, missing, anchor) for contest in contests(by_suite, over, missing)]


def bencheval(found: Iterable[Standing]) -> list[Row]:
    """A line for each competitor, task and seed, as many for each, as TabArena's `bencheval` asks. What wasn't run or
    didn't end ok is `imputed`: as the worst, or as the mean of the competitor's own runs where it only ran fewer."""
    lines = []
    for standing in found:
        contest = standing.contest
        where = {"suite": contest.key.suite, "part": contest.part, **{c: getattr(contest.key, c) for c in RUNTIME}}
        for index in standing.erring:
            task = contest.tasks[index]
            seeds = sorted({int(cell["seed"]) for group in task.rows.values() for cell in group.cells})
            for name in contest.names:
                lines += [{**line, **where} for line in _lines(task, name, seeds)]
    return lines


def _lines(task: Task, name: str, seeds: Sequence[int]) -> Iterable[Row]:
    group, optimum = task.rows.get(name), task.optimum
    assert optimum is not None
    scores = group.scores() if group else {}
    tried = {int(cell["seed"]) for cell in group.cells} if group else set[int]()
    for seed in seeds:
        score = task.worst if not scores or seed in tried else float(task.runs(name).mean())
        score = task.sign * scores[seed] if seed in scores else score
        yield {
            "method": name, "task": task.label, "seed": seed, "metric_error": max(0.0, optimum - score),
            "time_train_s": _train_s(group, seed) if seed in scores else None,
            "time_infer_s": _infer_s(group) if seed in scores else None,
            "metric": task.metric["name"], "imputed": seed not in scores,
        }  # fmt: skip


def _train_s(group: Group | None, seed: int) -> float | None:
    found = [train_s(cell) for cell in group.ok if cell["seed"] == seed] if group else []
    return float(found[0]) if found and is_number(found[0]) else None


def _infer_s(group: Group | None) -> float | None:
    """Seconds of one of the task's units, as the profile has it."""
    speed = group.measured("infer_examples_per_s") if group else None
    return 1 / speed if speed and math.isfinite(speed) else None
