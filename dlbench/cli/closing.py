"""What stands below the table when a run has ended: what ran, what didn't end ok, and what to type next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..results import Record
from ..tables.groups import status_of
from ..tables.layout import paragraph
from ..tables.stats import MIN_FOR_CLAIM
from .progress import counted

AGAIN = "the same command"
AFTER = {
    "no_data": "dlbench data list: says which files are missing; `dlbench data fetch` gets those that are open",
    "timeout": f"{AGAIN} with a longer --timeout: runs what was ended",
    "oom": f"{AGAIN} with a higher --memory-limit or a smaller --set batch_size=N: runs what had no room",
    "failed": f"{AGAIN}: runs what failed again, once its model or task has been mended",
}
MENDED = ("failed", "crashed", "diverged")


def closing(records: Sequence[Record], ran: int, skipped: int, root: Path, width: int) -> list[str]:
    """The lines for a run's records. `ran`: how many of them are new; `skipped`: pairs that don't fit."""
    lines = paragraph(f"{ran} run now, {len(records) - ran} found done" + (
        f"; skipped because they don't fit: {counted(skipped, 'pair')} (--dry-run lists them)." if skipped else "."
    ), width)  # fmt: skip
    bad = [text for what, some in _by_type(records) if (text := not_ok(what, some))]
    if bad:
        lines += paragraph(f"Not ok: {' and '.join(bad)}. Reasons stand above, logs are in {root}/logs/.", width)
    lines += paragraph(f"Records, leaderboard.csv and metrics.csv are in {root}/.", width)
    lines.append("Next:")
    for text in following(records, root):
        lines += paragraph(f"  {text}", width, "    ")
    return lines


def not_ok(what: str, records: Sequence[Record]) -> str:
    """`3 of 36 cells (2 timeout, 1 failed)`; empty where all ended ok."""
    counts = Counter(_status(record) for record in records)
    del counts["ok"]
    if not counts:
        return ""
    each = ", ".join(f"{count} {status}" for status, count in counts.most_common())
    return f"{counts.total()} of {counted(len(records), what)} ({each})"


def following(records: Sequence[Record], root: Path) -> list[str]:
    """What to type next, by how the records ended."""
    cells = [record for record in records if not record.is_profile]
    found = {"failed" if (status := _status(record)) in MENDED else status for record in records}
    lines = [text for status, text in AFTER.items() if status in found]
    seeds: dict[tuple[str, ...], set[int]] = {}
    for cell in cells:
        where = tuple(str(cell.get(key)) for key in ("task", "model", "variant", "treatment"))
        seeds.setdefault(where, set()).add(cell["seed"])
    if any(len(own) < MIN_FOR_CLAIM for own in seeds.values()):
        lines.append(
            f"{AGAIN} with --seeds {MIN_FOR_CLAIM}: keeps these and adds seeds, for rows that aren't provisional"
        )
    return [*lines, f"dlbench table {root}: prints all rows again; --sort COLUMN, --format csv|md"]


def _by_type(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    cells = [record for record in records if not record.is_profile]
    return [("cell", cells), ("profile", [record for record in records if record.is_profile])]


def _status(record: Record) -> str:
    return record.status if record.is_profile else status_of(record)
