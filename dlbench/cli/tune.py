"""`dlbench tune`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from ..errors import DlbenchError, UsageError
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.plan import Plan, Request
from ..plan.tuning import (
    GRID,
    SEEDS,
    TPE,
    Arm,
    Trial,
    Tuning,
    Verdict,
    arms_of,
    chosen_text,
    read_ranges,
    row_label,
    study_of,
    tuning_of,
)
from .engine import device_of
from .progress import Display, counted
from .run import (
    NOT_OK,
    execute,
    fetch_missing,
    folders,
    how,
    limits_of,
    options,
    request_of,
    runner_of,
    stopped,
    warn_of_problems,
    warn_of_unused_device,
    what,
    where,
    write_tables,
)

if TYPE_CHECKING:
    from ..execute.run import Runner

search = options(
    click.option("--suite", "suites", multiple=True, metavar="NAME|FILE.toml", help="Tune for each block of a suite."),
    click.option(
        "--over", multiple=True, required=True, metavar="KEY=RANGE",
        help="What to tune: lr=log:1e-4..1,5 (5 points on a log grid), KEY=A..B,N (linear), KEY=a,b,c.",
    ),
    click.option("--each", multiple=True, metavar="KEY=a,b,...", help="Tune for each of these: optimizer=sgd,adam."),
    click.option("--budget", default=20, show_default=True, help="The most trials for each choice."),
    click.option("--sampler", type=click.Choice([GRID, TPE]), help="Default: grid where it fits the budget, else tpe."),
)  # fmt: skip


@click.command()
@search
@what
@where
@folders
@how
def command(**given: Any) -> None:
    """Choose settings of the recipe on validation, with as many trials for each model (and each value of --each), and
    run what was chosen under fresh seeds.

    A trial is judged by the worse of two seeds, 1000 and 1001. Run again, nothing that is done is trained again; after
    an interruption the study goes on. Exit status: as of `dlbench run`; 3 also where no trial of a choice ended ok.
    """
    if not given["suites"] and not (given["models"] and given["tasks"]):
        raise UsageError("say what to tune: -t TASK and -m MODEL, or --suite NAME")
    catalog = discover(given["plugins"])
    check_extra(catalog, given["plugins"])
    warn_of_problems(catalog.problems)
    request, tuning, arms, made = asked(catalog, given)
    warn_of_unused_device(device_of(given), request.runtime)
    if made.missing and not given["offline"] and not given["dry_run"]:
        fetch_missing(made, request)
        request, tuning, arms, made = asked(catalog, given)
    arms = [replace(arm, study=study_of(catalog, request, arm, tuning)) for arm in arms]
    if given["dry_run"]:
        show(arms, made, tuning, given["as_json"])
        return
    if not arms:
        raise DlbenchError("there is nothing to tune: every pair was skipped (--dry-run says why)")
    sys.exit(run(catalog, request, given, tuning, arms))


def asked(catalog: Catalog, given: Mapping[str, Any]) -> tuple[Request, Tuning, list[Arm], Plan]:
    """What the command line asks for; raises UsageError."""
    request = request_of(catalog, {**given, "only_profile": False})
    each = read_ranges(given["each"], "--each", request.settings)
    if any(not r.points for r in each):
        raise UsageError("--each takes values, or a range with its number of points: optimizer=sgd,adam")
    over = read_ranges(given["over"], "--over", [*request.settings, *(r.key for r in each)])
    if set(SEEDS) & set(seeds_of(request)):
        raise UsageError(f"--seeds: {' and '.join(map(str, SEEDS))} are what trials are judged under, rows need others")
    arms, made = arms_of(catalog, request, each)
    return request, tuning_of(over, given["budget"], given["sampler"]), arms, made


def seeds_of(request: Request) -> Sequence[int]:
    seeds = [request.seeds] if request.seeds is not None else [suite.seeds for suite in request.suites]
    return [seed for some in seeds for seed in (range(some) if isinstance(some, int) else some)]


def run(catalog: Catalog, request: Request, given: Mapping[str, Any], tuning: Tuning, arms: Sequence[Arm]) -> int:
    """Tune every arm, then run what was chosen; returns the exit status."""
    from ..execute.tuning import tune

    quiet = given["as_json"]
    runner = runner_of(catalog, request, limits_of(given), given)
    final, failed = Plan(), False
    show_split(runner, "val")  # who watches shouldn't choose on test either
    with runner.serving([arm.job for arm in arms]):
        try:
            for arm in arms:
                verdict = tune(runner, request, arm, tuning)
                for line in report(verdict):
                    click.echo(line, err=quiet)
                failed |= verdict.best is None
                if verdict.best is not None:
                    add(final, rows_of(catalog, request, verdict))
        except KeyboardInterrupt:
            return stopped(runner)
        click.echo(f"{counted(runner.ran, 'cell')} of trials run now.\n", err=quiet)
        show_split(runner, "test")
        runner.ran = 0
        if not final.jobs:
            write_tables(runner.results)
            return NOT_OK
        return max(execute(runner, final, quiet), NOT_OK if failed else 0)


def show_split(runner: Runner, split: str) -> None:
    assert isinstance(runner.display, Display)
    runner.display.split = split


def rows_of(catalog: Catalog, request: Request, verdict: Verdict) -> Plan:
    """The cells under fresh seeds, and the profile, of what an arm's trials led to."""
    assert verdict.best is not None
    made = verdict.arm.plan(catalog, request, verdict.best.chosen, row_label(verdict.tuning))
    for jobs in (made.cells, made.profiles):
        jobs[:] = [replace(job, tuned=verdict.as_record()) for job in jobs]
    return made


def add(final: Plan, more: Plan) -> None:
    final.cells += more.cells
    final.profiles += more.profiles
    final.skips += more.skips


def report(verdict: Verdict) -> list[str]:
    """An arm's trials, from the best on, and what was chosen."""
    tuning, metric = verdict.tuning, verdict.metric
    trials = sorted(verdict.trials, key=lambda t: ([-w for w in t.worth(metric)], t.number))
    lines = [f"{verdict.arm.title}: {tuning.trials} trials ({tuning.sampler}), {metric.name} on validation"]
    lines += [f"  {chosen_text(trial.chosen)}: {scores(trial)}" for trial in unique(trials)]
    if verdict.best is None:
        return [*lines, "  none ended ok under both seeds: nothing is chosen"]
    edge = f"; {' and '.join(verdict.edge)} at the edge of the range" if verdict.edge else ""
    return [*lines, f"  chosen: {chosen_text(verdict.best.chosen)}{edge}"]


def unique(trials: Sequence[Trial]) -> list[Trial]:
    """Each recipe once: TPE may come back to one."""
    return list({chosen_text(trial.chosen): trial for trial in reversed(trials)}.values())[::-1]


def scores(trial: Trial) -> str:
    if trial.reason:
        return trial.reason
    return ", ".join("none" if score is None else f"{score:.5g}" for score in trial.scores)


def show(arms: Sequence[Arm], made: Plan, tuning: Tuning, as_json: bool) -> None:
    """What would be tuned."""
    if as_json:
        body = [
            {
                "suite": arm.suite.name,
                "task": str(arm.job.task),
                "model": str(arm.job.model),
                "variant": arm.job.variant,
                "trials": tuning.trials,
                "sampler": tuning.sampler,
            }
            for arm in arms
        ]
        click.echo(json.dumps({"arms": body, "skips": [asdict(skip) for skip in made.skips]}, indent=1))
        return
    for arm in arms:
        click.echo(f"tune  {arm.title}")
    for skip in made.skips:
        click.echo(f"skip  {skip.task} x {skip.model}: {skip.reason}")
    why = f" ({tuning.why})" if tuning.why else ""
    click.echo(
        f"Each: {counted(tuning.trials, 'trial')} of {tuning.text} by {tuning.sampler}{why}, under seeds "
        f"{' and '.join(map(str, SEEDS))}; then the best under fresh seeds."
    )
