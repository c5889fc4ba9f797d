"""What a record's file must hold to be used, and the checksums and the verifications of a
published folder.

Records come from others: whatever stands in one, a reader either shows it or says in one sentence why it doesn't.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

SCHEMA = 1
STATUSES = ("ok", "diverged", "oom", "timeout", "crashed", "failed", "no_data")
Types = type | tuple[type, ...]
NUMBER = (int, float)
NEEDED: dict[str, Types] = {
    "name": str, "type": str, "suite": str, "status": str, "recipe": dict, "model.name": str, "model.options": str,
    "task.name": str, "task.options": str, "task.version": str, "task.folds": int, "task.metric.name": str,
    "task.metric.unit": str, "task.metric.higher_is_better": bool, "runtime.device": str, "runtime.precision": str,
    "runtime.compile": bool, "runtime.channels_last": bool, "runtime.threads": int, "environment": dict,
}  # fmt: skip
"""What every reader relies on; everything else may be absent."""
MAYBE: dict[str, Types] = {
    "created": str, "dlbench": str, "protocol": int, "command": str, "variant": str, "square": str, "reason": str,
    "where": str, "fault": str, "flags": list, "limits": dict, "layers": dict, "versions": dict, "inputs": dict,
    "inputs.files": dict, "ingredients": dict, "tuned": dict, "treatment": dict, "metrics": dict, "metrics.val": dict,
    "metrics.test": dict, "fold_metrics": list, "curves": list, "phases": dict, "phases.train_s": NUMBER,
    "epochs": NUMBER, "steps": NUMBER, "test_examples": NUMBER, "params": NUMBER, "samples": list, "members": list,
    "pictures": list, "model.family": str, "model.digest": str, "model.plugin": str, "model.plugin_version": str,
    "task.digest": str, "task.unit": str, "task.data": str, "task.data_digest": str, "task.metrics": list,
    "task.floor": NUMBER, "task.bound": NUMBER, "task.reference": dict, "task.reference.value": NUMBER,
    "task.milestones": list, "environment.machine": str, "environment.torch": str, "environment.cpu": str,
    "tuned.over": dict, "tuned.chosen": dict, "treatment.name": str, "profile": dict, "profile.protocol": dict,
    "profile.launches": list, "runtime.devices": int, "runtime.shard": bool, "runtime.compile_mode": str,
    "runtime.matmul_precision": str, "runtime.cuda_graph": bool, "replayed_steps": int,
}  # fmt: skip
"""The types of what may be absent or null."""
LISTS: dict[str, Types] = {
    "fold_metrics": dict, "curves": list, "flags": str, "pictures": str, "task.metrics": dict, "profile.launches": dict,
    "task.milestones": NUMBER,
}  # fmt: skip
"""The types of what stands in lists."""
SHOWN = (
    "suite", "variant", "treatment.name", "model.name", "model.options", "model.family", "model.plugin",
    "model.plugin_version", "task.name", "task.options", "task.version", "task.unit", "task.metric.name",
    "task.metric.unit", "runtime.device", "runtime.precision", "runtime.compile_mode", "runtime.matmul_precision",
    "environment.machine", "environment.torch", "dlbench", "created",
)  # fmt: skip
"""Texts that tables show on one line."""
COUNTS = ("seed", "params", "task.folds", "runtime.threads", "runtime.devices", "recipe.batch_size")
LARGEST_COUNT = 2**53
LARGEST_NUMBER = sys.float_info.max
LONGEST_TEXT = 1000
PARTS = (*dict.fromkeys(
    where for name in (*NEEDED, *MAYBE, *LISTS, *SHOWN, *COUNTS) if (where := name.rpartition(".")[0])
),)  # fmt: skip
NAME = re.compile(r"[A-Za-z0-9_=][A-Za-z0-9_.=+-]{0,199}")
"""Of a record: it is the name of a file, and stands in a list between blanks."""

SUMS = "SHA256SUMS"
VERIFICATIONS = "verifications"
LONGEST_PERSON = 100
SUM_LINE = re.compile(r"([0-9a-f]{64}) [ *](\S.*)")


def _at(name: str) -> tuple[str, str, str]:
    where, _, key = name.rpartition(".")
    return name, where, key


NEEDED_AT, MAYBE_AT, LISTS_AT = (
    [(*_at(name), kind) for name, kind in kinds.items()] for kinds in (NEEDED, MAYBE, LISTS)
)
SHOWN_AT, COUNTS_AT = ([_at(name) for name in names] for names in (SHOWN, COUNTS))
"""Each with the part of a body in which it stands, and its key there."""


def parsed(data: bytes, *, many: bool = False) -> dict[str, Any]:
    """The body of a record's file; raises ValueError with the end of a sentence that begins with its file. `many`:
    there are so many files that a faster parser is worth its import."""
    try:
        body = _quickly(data) if many else json.loads(data.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is not a record: it isn't UTF-8") from None
    except RecursionError:
        raise ValueError("is not a record: it is nested too deeply") from None
    except ValueError as error:
        what = f"it breaks off or isn't JSON ({error})" if data else "it is empty"
        raise ValueError(f"is not a record: {what}") from None
    if not isinstance(body, dict) or "schema" not in body or "name" not in body:
        raise ValueError("is not a record: it is other JSON")
    if (why := unusable(body)) is not None:
        raise ValueError(why)
    return body


def _quickly(data: bytes) -> Any:
    """What orjson doesn't take (NaN, lone surrogates, too deep a nesting), json may, or says why it doesn't."""
    import orjson

    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data.decode("utf-8"))


def unusable(body: dict[str, Any]) -> str | None:
    """Why this version can't use a record's body, as the end of a sentence that begins with its file; or None."""
    schema = body["schema"]
    if not isinstance(schema, int) or schema < SCHEMA:
        return f"is not a record of this version: its schema is {cut(repr(schema))}, not {SCHEMA}"
    if schema > SCHEMA:
        return f"was written by a newer dlbench (schema {schema}): update dlbench to read it"
    return next(_faults(body), None)


def _faults(body: dict[str, Any]) -> Iterator[str]:
    """What is wrong, in an order in which each check may rely on those before."""
    part = _parts(body)
    for name, where, key, kind in NEEDED_AT:
        if not isinstance(part[where].get(key), kind):
            yield f"is not a record: its {name!r} is missing or of another type"
    if not NAME.fullmatch(body["name"]):
        yield f"is not a record: {cut(repr(body['name']))} can't be its name"
    if body["type"] not in ("cell", "profile"):
        yield f"is not a record: {cut(repr(body['type']))} is no type of one"
    if body["status"] not in STATUSES:
        yield f"is not a record: {cut(repr(body['status']))} is no status"
    if body["type"] == "cell" and not isinstance(body.get("seed"), int):
        yield "is not a record: a cell needs a seed"
    if body["type"] == "cell" and body["status"] == "ok" and not isinstance(part["metrics"].get("test"), dict):
        yield "is not a record: it is ok without metrics of the test split"
    for name, where, key in COUNTS_AT:
        value = part[where].get(key)
        if isinstance(value, NUMBER) and not abs(value) <= LARGEST_COUNT:
            yield f"has a {name!r} that no table holds: {cut(repr(value))}"
    for name, where, key, kind in MAYBE_AT:
        value = part[where].get(key)
        if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
            yield f"is not a record: its {name!r} is of another type"
        if isinstance(value, int) and abs(value) > LARGEST_NUMBER:
            yield f"has a {name!r} that no table holds"
    for name, where, key, kind in LISTS_AT:
        if not all(isinstance(item, kind) for item in part[where].get(key) or ()):
            yield f"is not a record: in its {name!r} is something of another type"
    if not all(isinstance(split, dict) for split in part["metrics"].values()):
        yield "is not a record: its 'metrics' are of another type"
    for metric in part["task"].get("metrics") or ():
        if not (isinstance(metric.get("name"), str) and isinstance(metric.get("unit") or "", str)):
            yield "is not a record: one of its 'task.metrics' has no name or another unit than a text"
    yield from _odd_texts(body, part)


def _odd_texts(body: dict[str, Any], part: Mapping[str, dict[str, Any]]) -> Iterator[str]:
    texts = [(name, value) for name, where, key in SHOWN_AT if isinstance(value := part[where].get(key), str)]
    texts += [("flags", flag) for flag in body.get("flags") or ()]
    texts += [("metrics", name) for split in part["metrics"].values() for name in split]
    texts += [("task.metrics", metric["name"]) for metric in part["task"].get("metrics") or ()]
    for name, value in texts:
        if len(value) > LONGEST_TEXT:
            yield f"has a {name!r} that no table holds: {len(value)} characters"
        elif not value.isprintable():
            yield f"has a {name!r} with control characters: {cut(ascii(value))}"


def _parts(body: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The mappings inside a body by their dotted names; empty where there is none."""
    found = {"": body}
    for name in PARTS:
        outer, _, key = name.rpartition(".")
        value = found[outer].get(key)
        found[name] = value if isinstance(value, dict) else {}
    return found


def cut(text: str, longest: int = 80) -> str:
    """A text that isn't longer than that, with how much was left out."""
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"


def plain(text: str, longest: int = LONGEST_TEXT) -> str:
    """A text as it may be shown on one line: blanks for line ends, `?` for other control characters, cut."""
    words = " ".join(text[: 4 * longest].split())
    shown = "".join(char if char.isprintable() else "?" for char in words)[:longest]
    return shown if len(text) <= longest else f"{shown}... ({len(text)} characters)"


# --- checksums --------------------------------------------------------------------------------------------


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def sums_text(sums: Mapping[str, str]) -> str:
    """File below the folder -> checksum, as `sha256sum --check` reads it, sorted by file, so that it diffs well."""
    return "".join(f"{digest}  {file}\n" for file, digest in sorted(sums.items()))


def read_sums(folder: Path) -> tuple[dict[str, set[str]] | None, list[str]]:
    """File below a published folder -> its checksums, more than one where a merge left two; None where the folder has
    no list. And a sentence for each line that isn't one."""
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None, []
    except OSError as error:
        return {}, [f"{folder / SUMS} can't be read: {error.strerror}"]
    sums: dict[str, set[str]] = {}
    problems = []
    for number, line in enumerate(lines, 1):
        if match := SUM_LINE.fullmatch(line):
            sums.setdefault(match[2], set()).add(match[1])
        elif line.strip():
            problems.append(f"{folder / SUMS}, line {number} is no checksum: {cut(ascii(line))}")
    return sums, problems


def missing(folder: Path, sums: Mapping[str, set[str]] | None) -> list[str]:
    """The listed records that aren't there, by name."""
    listed = [Path(file) for file in sorted(sums or ()) if file.startswith("records/")]
    return [file.stem for file in listed if not _is_file(folder / file)]


def said_missing(folder: Path, name: str) -> str:
    return f"{folder}/records/{cut(name, 300)}.json is missing, though {SUMS} lists it"


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def altered(path: Path, data: bytes, sums: Mapping[str, set[str]] | None) -> str | None:
    """Why the bytes of a published folder's record aren't what was published, as the end of a sentence; or None."""
    if sums is None:
        return None
    known = sums.get(f"records/{path.name}")
    if known is None:
        return f"isn't listed in {SUMS}: it wasn't published with the others"
    return None if sha256(data) in known else f"was changed after it was published: its checksum isn't that of {SUMS}"


# --- verifications ----------------------------------------------------------------------------------------


class Verification(NamedTuple):
    """That somebody ran a row's records again, and came out inside its interval."""

    suite: str
    names: frozenset[str]
    by: str
    file: Path


def verifications(folder: Path, sums: Mapping[str, set[str]] | None) -> tuple[list[Verification], list[str]]:
    """The verifications in a published folder that are about records as they are there now; and a sentence for each
    file that is none. Those of records that have changed since are left out."""
    found, problems = [], []
    for path in sorted((folder / VERIFICATIONS).glob("*.json")):
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
            by, suite, records = body["by"], body["suite"], dict(body["records"])
            if body["schema"] != SCHEMA or not isinstance(suite, str) or not records:
                raise ValueError
            check_person(by)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            problems.append(f"{path} is not a verification of this version")
            continue
        if all(digest in (sums or {}).get(f"records/{name}.json", ()) for name, digest in records.items()):
            found.append(Verification(suite, frozenset(records), by, path))
    return found, problems


def check_person(name: Any) -> None:
    """Raise ValueError unless it can be the name of who verifies."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > LONGEST_PERSON:
        raise ValueError(f"a name is 1 to {LONGEST_PERSON} printable characters on one line")
