"""What a dry run prints: a line for each pair of task and model, with what would run and what is done already."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from ..plan.plan import Job, Plan
from ..tables.layout import paragraph
from .progress import counted

HANGING = 6 * " "


def outline(made: Plan, done: Collection[str], width: int) -> list[str]:
    """The lines of a plan. `done`: the names of its jobs whose records stand."""
    lines: list[str] = []
    suites = dict.fromkeys([job.suite for job in made.jobs] + [skip.suite for skip in made.skips])
    for suite in suites:
        lines += [f"suite {suite}"] if len(suites) > 1 else []
        pairs: dict[str, list[Job]] = {}
        for job in made.jobs:
            if job.suite == suite:
                pairs.setdefault(job.row, []).append(job)
        for pair, jobs in pairs.items():
            for what, wanted in (("done", True), ("run ", False)):
                if some := [job for job in jobs if (job.name in done) is wanted]:
                    lines += paragraph(f"{what}  {pair}: {listed(some)}{no_data(some)}", width, HANGING)
        reasons: dict[tuple[str, str], list[str]] = {}
        for skip in made.skips:
            if skip.suite == suite:
                reasons.setdefault((skip.model, skip.reason), []).append(skip.task)
        for (model, reason), tasks in reasons.items():
            lines += paragraph(f"skip  {', '.join(tasks)} x {model}: {reason}", width, HANGING)
    left = [[job for job in jobs if job.name not in done] for jobs in (made.cells, made.profiles)]
    finished = len(made.jobs) - sum(map(len, left))
    total = (
        f"To run: {counted(len(left[0]), 'cell')} and {counted(len(left[1]), 'profile')}. Done: {finished}. "
        f"Skipped: {counted(len(made.skips), 'pair')}."
    )
    return [*lines, *paragraph(total, width)]


def listed(jobs: Sequence[Job]) -> str:
    """`seeds 0-2, 7 and profile`."""
    seeds = sorted(job.seed for job in jobs if job.seed is not None)
    texts = [f"seed{'s' * (len(seeds) > 1)} {ranges(seeds)}"] if seeds else []
    return " and ".join([*texts, *(["profile"] if any(job.protocol for job in jobs) else [])])


def ranges(numbers: Iterable[int]) -> str:
    """Sorted numbers with runs of three and more as `0-4`."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)


def no_data(jobs: Iterable[Job]) -> str:
    reasons = dict.fromkeys(job.no_data for job in jobs if job.no_data)
    return f"  (no data: {'; '.join(reasons)})" if reasons else ""
