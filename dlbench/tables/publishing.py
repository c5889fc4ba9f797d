"""Records and leaderboards as others may see them: no host names, no absolute paths, no logs, no sampled texts."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import re
import shutil
from pathlib import Path
from typing import Any

from ..contract.sets import folders_of
from ..data.root import default_cache, default_root
from ..errors import UsageError
from ..results import Record, read_records, slug, write_json
from . import leaderboard

HOMES = ("home", "Users")
ROOT = r"(?:file://)?(?:~[\w.-]*[/\\]+|[A-Za-z]:[/\\]+|/(?=[^\s/'\"]))"
INNER = r"(?! -| [~/])[^/\\\n'\"<>|~]"
FOLDER = rf"(?:{INNER})*(?![:;,=\s]){INNER}[/\\]+"
BARE = re.compile(rf"(?<![\w./~])(?:(?=/|file:){ROOT}(?:{FOLDER})+|(?!/|file:){ROOT}(?:{FOLDER})*)[\w.@+-]*")
QUOTED = re.compile(
    rf"""(?<!\w)(?P<quote>['"])(?P<key>(?:[\w-]+=)?)(?P<path>{ROOT}(?:'"'"'|\\'|(?!(?P=quote))[^\n])*)(?P=quote)"""
)


def publish(by_suite: dict[str, list[Record]], target: Path, gallery: Path | None = None) -> list[Path]:
    """Write `target/SUITE/MACHINE/{leaderboard.csv,metrics.csv,records/}`; returns the folders. What was published
    there before stays, unless a new record stands for the same square. `gallery`: the folder of the records' pictures,
    where these are published too, of the first seed of each row, in `pictures/`."""
    folders: dict[Path, dict[str, Record]] = {}
    for suite, records in by_suite.items():
        for record in records:
            folder = target / slug(suite) / slug(record["environment"]["machine"])
            public = Record({**scrubbed(record.body), "suite": suite})
            shown = record.body.get("pictures", []) if gallery else []
            for what in ("samples", "pictures"):  # they may be the data set's, whose licence may forbid it
                public.body.pop(what, None)
            if shown and _is_first(record, records):
                public.body["pictures"] = [_hang(Path(gallery or "") / file, record, folder) for file in shown]
            folders.setdefault(folder, {})[square_of(public)] = public
    for folder, squares in folders.items():
        found, _ = read_records(sorted((folder / "records").glob("*.json")))
        old = {square_of(r): r for r in found}
        for square, record in squares.items():
            write_json(folder / "records" / f"{record.name}.json", record.body)
            if square in old and old[square].name != record.name:
                (folder / "records" / f"{old[square].name}.json").unlink()
        together: dict[str, list[Record]] = {}
        for record in {**old, **squares}.values():
            together.setdefault(record["suite"], []).append(record)
        leaderboard.write_csv(leaderboard.rows(together), folder / "leaderboard.csv")
        leaderboard.write_csv(leaderboard.metrics(together), folder / "metrics.csv")
    return sorted(folders)


def _is_first(record: Record, records: list[Record]) -> bool:
    """Whether no record of the same row has a smaller seed."""
    who = ("type", "task", "model", "treatment", "variant", "runtime")
    row = [record.get(key) for key in who]
    return all(record["seed"] <= other["seed"] for other in records if [other.get(key) for key in who] == row)


def _hang(picture: Path, record: Record, folder: Path) -> str:
    """Copy a picture under a name that says what it shows; returns the name."""
    model, task = (f"{record[what]['name']}[{record[what]['options']}]".replace("[]", "") for what in ("model", "task"))
    which, treatment = picture.stem.rpartition("--")[2], (record.get("treatment") or {}).get("name", "")
    name = "--".join(slug(part) for part in (task, model, treatment, record["variant"], which) if part) + picture.suffix
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    shutil.copyfile(picture, folder / "pictures" / name)
    return name


def square_of(record: Record) -> str:
    """What a record stands for in its table: two records of the same square are old and new."""
    keys = ("type", "suite", "variant", "seed")
    who = [[record[what]["name"], record[what]["options"]] for what in ("model", "task")]
    runtime = {**record["runtime"], "device": record["runtime"]["device"].partition(":")[0]}
    return json.dumps([who, record.get("treatment"), [record[key] for key in keys], runtime], sort_keys=True)


def scrubbed(value: Any) -> Any:
    """The value with every absolute path in its texts cut down to its last part, and this host's name left out. Where
    a folder's name has blanks and no quotes stand around, what belongs to the path can't be known: rather too much is
    cut than too little."""
    if isinstance(value, str):
        text = value
        if "/" in text or "\\" in text:
            text = QUOTED.sub(lambda m: m["quote"] + m["key"] + _last(m["path"]) + m["quote"], _without_roots(text))
            text = BARE.sub(lambda m: _last(m[0]), text)
        host = platform.node()
        return re.sub(rf"\b{re.escape(host)}\b", "HOST", text) if len(host) > 3 else text
    if isinstance(value, dict):
        return {key: scrubbed(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrubbed(item) for item in value]
    return value


def _last(path: str) -> str:
    """The last part of a path; of a home folder, whose name is a person's, nothing."""
    parts = [part for part in re.split(r"[/\\]+", path) if part]
    return "~" if len(parts) > 1 and parts[-2] in HOMES else parts[-1]


def _without_roots(text: str) -> str:
    """The folders that are known here become `~`, whatever stands in their names."""
    home = os.path.expanduser("~")
    roots = {home, os.path.abspath(".")} - {"/", "~"}
    for place in (default_root, default_cache):
        with contextlib.suppress(UsageError):  # of a user without a home
            roots |= {os.path.abspath(folder) for folder in folders_of(place())}
    for root in sorted(roots, key=len, reverse=True):
        text = re.sub(rf"(?<![\w.-]){re.escape(root)}(?![\w.-])", "~", text)
    account = os.path.basename(home.rstrip("/"))
    return re.sub(rf"(?<![\w./-]){re.escape(account)}/", "", text) if len(account) > 1 else text  # of a relative path
