"""What the tests of a page share: records to make one of, and its data as the page reads it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

from dlbench.cli.report import together
from dlbench.report.content import Content
from dlbench.report.page import page
from dlbench.results import Record, Results
from factories import ACCURACY, PERPLEXITY, cell, launch, profile

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;${1}`"
WORSE = f"{HOSTILE}\u2028\ud800"
"""What a name can't hold, since such records are refused, and a reason can."""
PICTURE = b"\x89PNG\r\n\x1a\n" + b"0" * 100


def curve(end: float, points: int = 20, speed: float = 1.0, metric: str = "accuracy") -> list[dict[str, Any]]:
    """Validation that goes to `end`, as a fold's curve in a record."""
    return [
        {"step": 10 * i, "epoch": float(i), "examples": 1280 * i, "seconds": i / speed, "flops": 1e6 * i,
         "loss": 2.0 / i, "val": {metric: end * (1 - math.exp(-i / 5))}}
        for i in range(1, points + 1)
    ]  # fmt: skip


def row(
    name: str, mean: float, *, seeds: int = 3, step_s: float = 0.001, points: int = 20, **changes: Any
) -> list[Record]:
    """The records of one row whose seeds lie around a mean."""
    who = {"name": name, "digest": name, **changes.pop("model", {})}
    metric = changes.get("task", {}).get("metric", ACCURACY)["name"]
    records = [
        cell(mean + 0.001 * (seed - 1), seed=seed, model=who, curves=[curve(mean, points, 1 / (1000 * step_s), metric)],
             **changes)
        for seed in range(seeds)
    ]  # fmt: skip
    shared = {key: value for key, value in changes.items() if key in ("task", "suite", "variant", "recipe")}
    return [*records, profile([launch(step_s, peak_mib=8000 * step_s)] * 3, model=who, **shared)]


def many(rows: int) -> list[Record]:
    """Rows of ten tasks, half of which have a metric that is better when it is smaller."""
    found = []
    for i in range(rows):
        task = {"name": f"task{i % 10}", "metric": PERPLEXITY if i % 2 else ACCURACY, "digest": f"t{i % 10}"}
        found += row(f"model{i}", 0.5 + 0.0005 * i, task=task, step_s=0.0005 * (1 + i % 37), points=120)
    return found


def folder(root: Path, records: list[Record]) -> Path:
    """A published folder with these records."""
    (root / "records").mkdir(parents=True, exist_ok=True)
    for record in records:
        (root / "records" / f"{record.name}.json").write_text(json.dumps(record.body))
    return root


def run_folder(root: Path, records: list[Record]) -> Path:
    """A results folder with these records."""
    results = Results(root)
    for i, record in enumerate(records):
        square = json.dumps({"i": i, "variant": record["variant"]})
        results.save(Record({**record.body, "square": square}))
        results.assign(record["suite"], {square: record.name})
    return root


def written(results: Path, out: Path, where: str | None = None, title: str = "results") -> str:
    """The page of a folder, which is written too."""
    text = page(Content(together((results,)), where), (results,), out, title)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(text, encoding="utf-8")
    return text


def data_of(text: str) -> dict[str, Any]:
    """What the page's script reads: strictly JSON, from where a browser's parser would end the element."""
    found = re.search(r'<script type="application/json" id="data">(.*?)</script', text, flags=re.DOTALL)
    assert found is not None
    body: dict[str, Any] = json.loads(found[1], parse_constant=lambda name: 1 / 0)
    return body
