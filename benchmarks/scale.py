"""A sweep that outgrows one machine: planning it, resuming it when all is done, and putting two halves together.

`python benchmarks/scale.py FOLDER COUNT` trains ten small pairs once, plans COUNT cells of them (ten pairs, COUNT/10
seeds), writes a record for each cell, of another seed than the trained one by name alone, and times `dlbench run` on
the full folder, which finds all done, and `dlbench merge` of two folders of half the records each.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from dlbench.results import Record, Results

PAIRS = ["-t", "digits", *(word for width in range(8, 28, 2) for word in ("-m", f"mlp[width={width}]"))]
COMMON = [*PAIRS, "--set", "budget.steps=5", "--device", "cpu", "--no-profile"]
CODE = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"


def dlbench(*words: str) -> tuple[str, str]:
    """What a command printed, and what it took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CODE, *words], check=True, capture_output=True, text=True)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, f"{wall:.1f} s, {cpu:.1f} s of CPU; the largest child so far {after.ru_maxrss / 2**20:.2f} GiB"


def bodies(planned: list[dict[str, Any]], trained: list[Record]) -> dict[str, dict[str, Any]]:
    """By name, the record of each planned cell, from the trained one of its pair."""
    known = {record["model"]["options"]: record.body for record in trained}
    found = {}
    for job in planned:
        seed = int(job["job"].rpartition("seed ")[2])
        body = known[job["record"].split("--")[1].partition("-")[2]]
        square = json.dumps({**json.loads(body["square"]), "seed": seed}, sort_keys=True)
        found[job["record"]] = {**body, "name": job["record"], "seed": seed, "square": square}
    return found


def fill(folder: Path, records: dict[str, dict[str, Any]]) -> None:
    """Write them as a run does, but for what makes a crash harmless, which takes a disk its time."""
    results = Results(folder)
    results.make_room(len(records))
    for name, body in records.items():
        path = results.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(body))
    results.assign("custom", {body["square"]: name for name, body in records.items()}, {})


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    dlbench("run", *COMMON, "--seeds", "1", "--results", str(folder / "trained"))
    trained = Results(folder / "trained").everything()["custom"]
    seeds = ["--seeds", str(count // 10), "--results", str(folder / "all")]
    planned, took = dlbench("run", *COMMON, *seeds, "--dry-run", "--json")
    print(f"planned {count} cells in {took}")
    records = bodies(json.loads(planned)["jobs"], trained)
    fill(folder / "all", records)
    for reading in ("first", "second"):
        _, took = dlbench("run", *COMMON, *seeds)
        print(f"resumed, {reading} time, in {took}")
    names = list(records)
    for half in (0, 1):
        fill(folder / f"half{half}", {name: records[name] for name in names[half::2]})
    said, took = dlbench("merge", str(folder / "half0"), str(folder / "half1"), "--to", str(folder / "merged"))
    print(f"{said.strip()}: merged in {took}")
    largest = max(len(files) + len(folders) for _, folders, files in os.walk(folder / "merged"))
    print(f"the largest folder holds {largest} files")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
