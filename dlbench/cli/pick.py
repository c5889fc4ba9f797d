"""`dlbench pick`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .run import DEFAULT_RESULTS, NOT_OK, options
from .table import load

if TYPE_CHECKING:
    from ..tables.picking import Candidate, Limit, Pick

NOTHING = 1
WHO = (
    "model", "options", "treatment", "metric", "unit", "mean", "ci_low", "ci_high", "seeds", "rank", "status", "flags"
)  # fmt: skip
limits = options(
    click.option("--max-latency", metavar="TIME", help="Of latency_p50_ms: 2ms."),
    click.option("--max-params", metavar="N", help="Of params: 1M, 200k."),
    click.option("--max-size", metavar="SIZE", help="Of size_mb, the parameters as stored: 1MB."),
    click.option("--max-memory", metavar="SIZE", help="Of train_peak_mib: 2GiB."),
    click.option("--max-train-time", metavar="TIME", help="Of train_s: 10m."),
    click.option("--min-throughput", metavar="N", help="Of infer_examples_per_s: 5k."),
    click.option("--where", metavar="EXPR", help="What else must hold of a row: 'infer_peak_mib < 64MiB'."),
)


@click.command()
@click.argument("results", default=DEFAULT_RESULTS, type=click.Path(path_type=Path))
@click.option("-t", "--task", required=True, metavar="TASK", help="The task, with options.")
@limits
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def command(results: Path, task: str, where: str | None, as_json: bool, **given: str | None) -> None:
    """Say which model of a task is the best that keeps the limits, which can't be told apart from it, how many seeds
    would decide, and the command that runs them.

    Each table (suite, variant, runtime, machine) is answered by itself. Exit status: 1 where no row keeps the limits.
    """
    from ..tables.picking import pick

    by_suite = load(results)
    answers = pick(by_suite, task, limits_of(given), where)
    home = results if (results / "suites").is_dir() else None
    if as_json:
        click.echo(json.dumps([as_dict(answer, home) for answer in answers], indent=1))
    else:
        click.echo("\n\n".join("\n".join(lines(answer, home)) for answer in answers))
    if not any(answer.candidates for answer in answers):
        click.echo(f"dlbench: no row of {task} keeps the limits", err=True)
        sys.exit(NOTHING)
    if by_suite.problems:
        sys.exit(NOT_OK)


def limits_of(given: Mapping[str, str | None]) -> list[Limit]:
    """The limits that the command line gives; raises UsageError."""
    from ..errors import UsageError
    from ..tables.filters import quantity
    from ..tables.picking import LIMITS, Limit

    found = []
    for option, column in LIMITS.items():
        text = given[option]
        if text is not None:
            try:
                found.append(Limit(column, quantity(text, column), text.strip()))
            except UsageError as error:
                raise UsageError(f"--{option.replace('_', '-')}: {error}") from None
    return found


def lines(answer: Pick, home: Path | None) -> Iterator[str]:
    """An answer in words, with a table of its candidates."""
    from ..tables.layout import columns, paragraph, terminal_width
    from ..tables.selection import listed

    width = terminal_width()
    yield from paragraph(answer.title, width)
    yield ""
    if answer.best is None:
        yield "No row keeps the limits."
    else:
        header = ["model", str(answer.best.row["metric"]), "rank", *answer.columns, ""]
        yield from columns(
            header, [cells(answer, each) for each in answer.candidates], {0, len(header) - 1}, width, True
        )
        yield ""
        yield from paragraph(f"Best: {answer.best.name}, {answer.best.row['score']}.", width)
        yield from verdicts(answer, home, width)
    for why, names in answer.left_out.items():
        yield from paragraph(f"Left out, {why}: {listed(names)}", width)


def cells(answer: Pick, each: Candidate) -> list[str]:
    """A row of the table of candidates."""
    from ..tables.rendering import short

    row = each.row
    notes = ["best"] if each is answer.best else [] if each.told_apart else ["not told apart"]
    notes += ["front"] if each.on_front and answer.columns else []
    notes += [row["status"]] if row["status"] != "ok" else []
    return [each.name, row["score"], row["rank"], *(short(row[name]) for name in answer.columns), ", ".join(notes)]


def verdicts(answer: Pick, home: Path | None, width: int) -> Iterator[str]:
    """Who can't be told apart from the best, and what it would take."""
    from ..tables.layout import paragraph

    best = answer.best
    assert best is not None
    if not answer.rivals:
        if len(answer.candidates) > 1:
            yield f"It is shown to be better than the others (5 %, corrected over the table's {answer.pairs} pairs)."
        return
    tests = f"t-tests at 5 %, corrected over the table's {answer.pairs} pairs"
    yield from paragraph(f"Can't be told apart from it ({tests}), and what it would take:", width)
    for rival in answer.rivals:
        yield from paragraph(f"  {rival.name}: {outlook(best, rival)}", width, "    ")
        for command in commands(best, rival, home):
            yield f"    {command}"


def outlook(best: Candidate, rival: Candidate) -> str:
    """What would separate the two."""
    factor, unit = (100.0, " pt") if rival.row["unit"] == "fraction" else (1.0, "")
    if rival.gap == 0:
        return "its mean is the same, so no number of seeds separates them"
    gap = f"{rival.gap * factor:.3g}{unit} behind"
    if rival.seeds is None:
        why = (
            "one of the two has no spread, and an error that seeds don't lower"
            if rival.fixed
            else "as far as these show"
        )
        return f"{gap}, which seeds alone don't separate: {why}"
    found = f"{gap}; {rival.seeds} seeds of each find a true difference of this size in 8 of 10 cases"
    return f"{found}; about {time} of training" if (time := training(best, rival)) else found


def training(best: Candidate, rival: Candidate) -> str:
    """How long the seeds that are missing train, by the training clock of those that there are."""
    from ..tables.rendering import missing
    from .forecast import duration

    if any(missing(each.row["train_s"]) for each in (best, rival)):
        return ""
    left = [max(0, (rival.seeds or 0) - each.row["seeds"]) * each.row["train_s"] for each in (best, rival)]
    return duration(sum(left))


def commands(best: Candidate, rival: Candidate, home: Path | None) -> list[str]:
    """What runs the seeds that would separate the two."""
    from ..tables.repeating import more_seeds

    return more_seeds([best.group, rival.group], rival.seeds, home) if rival.seeds is not None else []


def as_dict(answer: Pick, home: Path | None) -> dict[str, Any]:
    """An answer as JSON has it."""
    best = answer.best
    return {
        "table": answer.title,
        "best": best.name if best else None,
        "pairs": answer.pairs,
        "candidates": [
            {
                **{key: plain(each.row[key]) for key in (*WHO, *answer.columns)},
                "on_front": each.on_front, "behind": each.gap, "seeds_needed": each.seeds,
                "told_apart": None if each is best else each.told_apart,
                "commands": commands(best, each, home) if best else [],
            }
            for each in answer.candidates
        ],
        "left_out": answer.left_out,
    }  # fmt: skip


def plain(value: Any) -> Any:
    """A frame's value as JSON has it."""
    from ..tables.rendering import missing

    if missing(value):
        return None
    return value.item() if hasattr(value, "item") else value
