"""Records and leaderboards as others may see them: no host names, no absolute paths, no logs, no sampled texts."""

from __future__ import annotations

import json
import platform
import re
from pathlib import Path
from typing import Any

from . import leaderboard
from .results import Record, read_records, slug, write_json

PART = r"[\w.@+-]+"
ABSOLUTE = re.compile(
    rf"(?<![\w./~])(?:file://)?(?:~(?:{PART})?[/\\]|[A-Za-z]:[/\\]|/(?={PART}[/\\]))(?:{PART}[/\\])*((?:{PART})?)"
)


def publish(by_suite: dict[str, list[Record]], target: Path) -> list[Path]:
    """Write `target/SUITE/MACHINE/{leaderboard.csv,metrics.csv,records/}`; returns the folders. What was published
    there before stays, unless a new record stands for the same square."""
    folders: dict[Path, dict[str, Record]] = {}
    for suite, records in by_suite.items():
        for record in records:
            folder = target / slug(suite) / slug(record["environment"]["machine"])
            public = Record({**scrubbed(record.body), "suite": suite})
            public.body.pop("samples", None)  # texts may be the data set's, whose licence may forbid it
            folders.setdefault(folder, {})[square_of(public)] = public
    for folder, squares in folders.items():
        found, _ = read_records(sorted((folder / "records").glob("*.json")))
        old = {square_of(r): r for r in found}
        for square, record in squares.items():
            if square in old and old[square].name != record.name:
                (folder / "records" / f"{old[square].name}.json").unlink()
            write_json(folder / "records" / f"{record.name}.json", record.body)
        together: dict[str, list[Record]] = {}
        for record in {**old, **squares}.values():
            together.setdefault(record["suite"], []).append(record)
        leaderboard.write_csv(leaderboard.rows(together), folder / "leaderboard.csv")
        leaderboard.write_csv(leaderboard.metrics(together), folder / "metrics.csv")
    return sorted(folders)


def square_of(record: Record) -> str:
    """What a record stands for in its table: two records of the same square are old and new."""
    keys = ("type", "suite", "variant", "seed")
    who = [[record[what]["name"], record[what]["options"]] for what in ("model", "task")]
    runtime = {**record["runtime"], "device": record["runtime"]["device"].partition(":")[0]}
    return json.dumps([who, [record[key] for key in keys], runtime], sort_keys=True)


def scrubbed(value: Any) -> Any:
    """The value with every absolute path in its texts cut down to its last part, and this host's name left out."""
    if isinstance(value, str):
        text = ABSOLUTE.sub(r"\1", value)
        host = platform.node()
        return re.sub(rf"\b{re.escape(host)}\b", "HOST", text) if len(host) > 3 else text
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return value
