"""Writes docs/terminal.md: what a run prints in terminals of three widths. The run is the published one of the suite
`quick`, from whose records the lines are made again with the times that they hold. Run it after a change of what is
printed or of those records:

python docs/captures.py
"""

from __future__ import annotations

import io
import os
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from dlbench import Block, ProfileProtocol
from dlbench.cli.closing import closing
from dlbench.cli.forecast import PASSES
from dlbench.cli.progress import Terminal
from dlbench.contract.choice import Choice
from dlbench.plan.plan import Job
from dlbench.results import Record, load_by_suite
from dlbench.tables import leaderboard

DOCS = Path(__file__).resolve().parent
(RUN,) = (DOCS.parent / "results" / "quick").iterdir()
WIDTHS = (80, 100, 120)
CELLS, POINTS = 4, 3
"""How many cells are shown, and of how many of their points."""
ABOUT = """The suite `quick`, published as [{name}](../{name}), in terminals of three widths: the first cells and the
first profile, the table, the end. Lines that begin with `>` are one line on the screen, which rewrites itself. Times of
cells are those of the records, of profiles those of their protocol, without the start of a process.
[Flags](measuring.md#flags) says what to do about the marks."""
CLEAR = "\r\x1b[2K"


def main() -> None:
    """Write the page."""
    (DOCS / "terminal.md").write_text(page(), encoding="utf-8")


def page() -> str:
    """A run at each width."""
    name = RUN.relative_to(DOCS.parent)
    parts = [
        "# A run in a terminal",
        "<!-- made by docs/captures.py -->",
        "\n".join(textwrap.wrap(ABOUT.format(name=name), 118, break_on_hyphens=False)),
    ]
    for width in WIDTHS:
        parts += [f"## {width} columns", f"```text\n{capture(width)}```"]
    return "\n\n".join(parts) + "\n"


def capture(width: int) -> str:
    """What a run prints at a width: while it goes, then its table and its end."""
    by_suite = load_by_suite(RUN)
    records = [record for of_suite in by_suite.values() for record in of_suite]
    with mock.patch.dict(os.environ, {"COLUMNS": str(width)}):
        going = replay(records)
        table = leaderboard.render(leaderboard.rows(by_suite), notes=leaderboard.notes(by_suite))
    end = "\n".join(closing(records, len(records), 0, Path("dlbench-runs"), width))
    return f"{going}\n{table}\n{end}\n"


def replay(records: list[Record]) -> str:
    """The lines of a run's first cells and of its first profile, on a clock that goes by the records."""
    order = sorted(records, key=lambda record: (str(record.get("created")), record.name))
    cells = [record for record in order if not record.is_profile]
    profiles = [record for record in order if record.is_profile]
    now = [0.0]
    stream = io.StringIO()
    display = Terminal(stream, lambda: now[0])
    display.begins([job_of(record) for record in cells], [job_of(record) for record in profiles], 1)
    for shown, total, steps in ((cells[:CELLS], len(cells), points), (profiles[:1], len(profiles), launches)):
        for position, record in enumerate(shown):
            job, begun = job_of(record), now[0]
            display.started(job, position, total)
            for seconds, point in steps(record):
                now[0] = begun + seconds
                if point:
                    display.progress(job, point)
            display.finished(job, record)
        display.line("...")
    return "".join(unwound(stream.getvalue()))


def job_of(record: Record) -> Any:
    """As much of a job as a display asks for."""
    protocol = None if not record.is_profile else ProfileProtocol(**record["profile"]["protocol"])
    names = [Choice.parse(f"{it['name']}[{it['options']}]" if it["options"] else it["name"])
             for it in (record["model"], record["task"])]  # fmt: skip
    job = SimpleNamespace(
        name=record.name, model=names[0], task=names[1], seed=record.get("seed"), variant=record["variant"],
        protocol=protocol, block=Block(models=(), tasks=()),
    )  # fmt: skip
    job.row = Job.row.fget(job)  # type: ignore[attr-defined]
    job.title = Job.title.fget(job)  # type: ignore[attr-defined]
    return job


def points(record: Record) -> Iterator[tuple[float, dict[str, Any] | None]]:
    """Seconds since a cell's beginning, and some of the points of its curve; at last its end."""
    phases, metric, (curve, *_) = record["phases"], record["task"]["metric"], record["curves"]
    start = phases["setup_s"] + phases["first_step_s"]
    evaluation = phases["eval_s"] / len(curve)
    for index in sorted({0, len(curve) // 2, len(curve) - 1})[:POINTS]:
        point = curve[index]
        yield start + point["seconds"] + evaluation * (index + 1), {
            "share": (index + 1) / len(curve), "epoch": point["epoch"], "metric": metric["name"],
            "value": point["val"][metric["name"]], "unit": metric["unit"], "seconds": point["seconds"],
        }  # fmt: skip
    yield start + phases["train_s"] + phases["eval_s"], None


def launches(record: Record) -> Iterator[tuple[float, dict[str, Any] | None]]:
    """Seconds since a profile's beginning, by its protocol, and its launches."""
    protocol = ProfileProtocol(**record["profile"]["protocol"])
    one = PASSES * (protocol.warmup_s + protocol.rounds * protocol.block_s)
    for index in range(protocol.launches):
        yield index * one, {"launch": index + 1, "launches": protocol.launches}
    yield protocol.launches * one, None


def unwound(text: str) -> Iterator[str]:
    """What is written over stands on lines of its own, with a mark in the first column."""
    for written in text.split(CLEAR):
        if written:
            yield written if written.endswith("\n") else f">{written}\n"


if __name__ == "__main__":
    main()
