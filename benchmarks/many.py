"""Many records, made from the published ones: more models and seeds of each row, with scores that differ a little.

`python benchmarks/many.py FOLDER COUNT` fills a results folder. What every copy of a record has of its own: name, seed,
suite, model options, square, time and scores; its curve, its profile's blocks and all else are the original's text.
"""

from __future__ import annotations

import hashlib
import json
import random
import sys
from collections.abc import Iterator
from itertools import count as counted
from pathlib import Path
from typing import Any

from dlbench.records.writing import json_text
from dlbench.results import Results

PUBLISHED = Path(__file__).resolve().parents[1] / "results"
SEEDS = 5
COPIES_PER_SUITE = 8
Members = dict[str, str]


def originals() -> list[tuple[Members, Members | None]]:
    """One cell of each published row, with its profile where there is one."""
    cells: dict[tuple[str, str], Members] = {}
    profiles: dict[str, Members] = {}
    for path in sorted(PUBLISHED.glob("*/*/records/*.json")):
        members = members_of(path.read_text(encoding="utf-8"))
        named = {key: json.loads(members[key]) for key in ("model", "task")}
        pair = json.dumps([members["suite"], members["runtime"], *((x["name"], x["options"]) for x in named.values())])
        row = pair, json.dumps([members["variant"], members.get("treatment")])
        if json.loads(members["type"]) == "profile":
            profiles.setdefault(pair, members)
        else:
            cells.setdefault(row, members)
    return [(cell, profiles.pop(pair, None)) for (pair, _), cell in cells.items()]


def members_of(text: str) -> Members:
    """The members of a record's file, each as its text."""
    return {key: json_text(value).replace("\n", "\n ") for key, value in json.loads(text).items()}


def copies() -> Iterator[tuple[str, str, str, str]]:
    """Without end: suite, square, name and text of a record."""
    rows, chance = originals(), random.Random(0)
    for copy in counted():
        for cell, profile in rows:
            for seed in range(SEEDS):
                yield copied(cell, copy, seed, chance)
            if profile is not None:
                yield copied(profile, copy, None, chance)


def copied(members: Members, copy: int, seed: int | None, chance: random.Random) -> tuple[str, str, str, str]:
    model = json.loads(members["model"])
    model["options"] = ",".join([*([model["options"]] if model["options"] else []), f"copy={copy}"])
    task, treatment = json.loads(members["task"]), json.loads(members.get("treatment", "null"))
    square = {
        "type": json.loads(members["type"]), "model": f"{model['name']}[{model['options']}]",
        "task": f"{task['name']}[{task['options']}]", "variant": json.loads(members["variant"]), "seed": seed,
        "runtime": json.loads(members["runtime"]), **({"treatment": treatment} if treatment else {}),
    }  # fmt: skip
    suite = f"{json.loads(members['suite'])}-{copy // COPIES_PER_SUITE}"
    stem = json.loads(members["name"]).rpartition("--")[0].rpartition("--")[0]
    place = json.dumps(square, sort_keys=True)
    code = hashlib.sha256(json.dumps([suite, place]).encode()).hexdigest()[:12]
    own: dict[str, Any] = {
        "name": f"{stem}--{'profile' if seed is None else f's{seed}'}--{code}", "suite": suite, "seed": seed,
        "model": model, "square": place,
    }  # fmt: skip
    if "metrics" in members:
        own["metrics"] = jittered(json.loads(members["metrics"]), chance)
    texts = {**members, **{key: json.dumps(value, indent=1).replace("\n", "\n ") for key, value in own.items()}}
    return suite, place, own["name"], "{\n" + ",\n".join(f' "{key}": {value}' for key, value in texts.items()) + "\n}"


def jittered(metrics: dict[str, dict[str, float]], chance: random.Random) -> dict[str, dict[str, float]]:
    """Each value up to 2 % smaller."""
    return {split: {name: value * (1 - 0.02 * chance.random()) for name, value in found.items()}
            for split, found in metrics.items()}  # fmt: skip


def fill(folder: Path, count: int, *, skip: int = 0) -> None:
    """A results folder with `count` such records, after the first `skip`; no file is synced."""
    results, squares, texts = Results(folder), dict[str, dict[str, str]](), copies()
    for _ in range(skip):
        next(texts)
    made = [next(texts) for _ in range(count)] if count <= 10_000 else (next(texts) for _ in range(count))
    results.make_room(count)
    for suite, square, name, text in made:
        squares.setdefault(suite, {})[square] = name
        path = results.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for suite, assigned in squares.items():
        results.assign(suite, assigned)


if __name__ == "__main__":
    fill(Path(sys.argv[1]), int(sys.argv[2]))
