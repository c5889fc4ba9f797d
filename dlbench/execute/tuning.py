"""Runs the trials of an arm: ordinary cells, whose scores on validation go back to the study."""

from __future__ import annotations

from ..contract.specs import Metric
from ..errors import UsageError
from ..plan.plan import Job, Plan, Request
from ..plan.study import Study
from ..plan.tuning import (
    GRID,
    SEEDS,
    Arm,
    Trial,
    Tuning,
    Verdict,
    best_of,
    edges,
    score_of,
    trial_label,
)
from .run import Runner

STUDIES = "studies"
"""The folder of a results folder that has the studies' files."""


def tune(runner: Runner, request: Request, arm: Arm, tuning: Tuning) -> Verdict:
    """Every trial of an arm, and the best. Trials whose records are done aren't run again. What fails, diverges or
    can't be planned is worth less than anything else, and never ends the study."""
    path = runner.results.root / STUDIES / arm.study
    if runner.fresh:
        path.unlink(missing_ok=True)
    study, metric = Study(path, tuning), runner.catalog.task(arm.job.task.name).monitored
    trials: list[Trial] = []
    at_once = tuning.trials if tuning.sampler == GRID else 1  # only TPE learns from one for the next
    for first in range(0, tuning.trials, at_once):
        asked = [Trial(number=n, chosen=study.settings(n)) for n in range(first, first + at_once)]
        for trial in run_trials(runner, request, arm, asked, metric):
            study.tell(trial.number, trial.worth(metric)[0])
            trials.append(trial)
    best = best_of(trials, metric)
    edge = edges(tuning, best.chosen) if best else ()
    return Verdict(arm=arm, tuning=tuning, metric=metric, trials=tuple(trials), best=best, edge=edge)


def run_trials(runner: Runner, request: Request, arm: Arm, asked: list[Trial], metric: Metric) -> list[Trial]:
    """The same trials with their scores."""
    planned = {trial.number: jobs_of(runner, request, arm, trial) for trial in asked}
    cells = {job.name: job for jobs, _ in planned.values() for job in jobs}
    records = {record.name: record for record in runner.run(Plan(cells=list(cells.values())))}
    scored = []
    for trial in asked:
        jobs, reason = planned[trial.number]
        found = [records.get(job.name) for job in jobs]
        bad = [record for record in found if record is not None and record.status != "ok"]
        reason = reason or "; ".join(dict.fromkeys(f"{record.status}: {record['reason']}" for record in bad))
        scores = tuple(score_of(record, metric) for record in found) or (None,) * len(SEEDS)
        if any(score is None for score in scores):
            skips = [
                skip.reason
                for skip in runner.skips
                if (skip.model, skip.task) == (str(arm.job.model), str(arm.job.task))
            ]
            reason = reason or (skips[-1] if None in found and skips else f"no {metric.name} on validation")
        scored.append(Trial(number=trial.number, chosen=trial.chosen, scores=scores, reason=reason))
    return scored


def jobs_of(runner: Runner, request: Request, arm: Arm, trial: Trial) -> tuple[list[Job], str]:
    """A trial's cells, or why there are none."""
    try:
        made = arm.plan(
            runner.catalog, request, trial.chosen, trial_label(trial.chosen), seeds=SEEDS, cells=True, profiles=False
        )
    except UsageError as error:  # two values that don't go together
        return [], str(error)
    return made.cells, "; ".join(skip.reason for skip in made.skips)
