"""What says in a published folder that somebody reproduced a row: one file each, never changed, so that git joins
those of several people by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..integrity import SCHEMA, VERIFICATIONS, read_sums, sha256
from ..results import Record, load_by_suite, now, slug, write_json
from .groups import groups
from .publishing import scrubbed

PLACE = ("machine", "cpu", "gpu", "torch", "python", "cuda", "os")


def append(
    folder: Path, again: Sequence[tuple[Record, Record]], figures: Mapping[str, Any], *, by: str, differs: str,
    command: str,
) -> Path:  # fmt: skip
    """Write the verification of the row that these cells belong to: who, when, where, under what, and which figures
    came out beside which records. `again`: each cell then and now. Raises UsageError where no row of the folder has
    these cells."""
    names = {old.name for old, _ in again}
    found = [group for group in groups(load_by_suite(folder)) if names <= {record.name for record in group.cells}]
    if not found:
        raise UsageError(f"{folder} has no row of these records any more")
    row, here = found[0], again[-1][1]
    sums = read_sums(folder)[0] or {}
    metric = figures["metric"]
    body = {
        "schema": SCHEMA, "by": by, "created": now(), "suite": row.key.suite, "row": row.key._asdict(),
        "records": {record.name: min(sums.get(f"records/{record.name}.json", {""})) for record in row.records},
        **figures,
        "cells": {old.name: {"was": old["metrics"]["test"][metric], "now": new["metrics"]["test"][metric]}
                  for old, new in again},
        "differs": differs, "command": command, "dlbench": here.get("dlbench"), "protocol": here.get("protocol"),
        "versions": here.get("versions"), "environment": {key: here["environment"].get(key) for key in PLACE},
    }  # fmt: skip
    stamp = body["created"].replace(":", "").replace("-", "")
    code = sha256(" ".join(sorted(body["records"])).encode())[:12]
    path = folder / VERIFICATIONS / f"{slug(by).lstrip('.')[:40] or 'somebody'}--{stamp}--{code}.json"
    write_json(path, {**scrubbed(body), "by": by})
    return path
