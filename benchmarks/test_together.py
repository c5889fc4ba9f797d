"""Cells that differ by seed alone, through `dlbench run` with and without `--together`, in turns."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from scipy.stats import ks_2samp

SEEDS = 50
TURNS = 2
"""Those that train alone run in so many parts, around the others."""


def run(model: str, seeds: range, folder: Path, *more: str) -> float:
    """Processor seconds of `dlbench run` and of all its children: start, data, training, judging, records."""
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    listed = ",".join(map(str, seeds)) + ","
    words = ["-t", "digits", "-m", model, "--seeds", listed, "--device", "cpu", "--no-profile", *more]
    before = spent()
    subprocess.run([sys.executable, "-c", code, "run", *words, "--results", str(folder)], check=True)
    return spent() - before


def spent() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def read(folder: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((folder / "records").glob("*.json"))]


@pytest.mark.parametrize(
    ("model", "at_least"),
    [("mlp", 1.0), ("mlp[width=128,depth=1]", 2.5), ("lenet5", 1.3)],
    ids=["mlp", "small", "lenet5"],
)
def test_seeds_together(benchmark, tmp_path: Path, model: str, at_least: float) -> None:
    """How many times less processor time 50 seeds need, and that nothing shows them to score otherwise."""
    alone, joined = tmp_path / "alone", tmp_path / "together"

    def both() -> tuple[float, float]:
        parts = [range(turn * SEEDS // TURNS, (turn + 1) * SEEDS // TURNS) for turn in range(TURNS)]
        first = run(model, parts[0], alone)
        together = run(model, range(SEEDS), joined, "--together")
        return first + sum(run(model, part, alone) for part in parts[1:]), together

    times: list[tuple[float, float]] = []
    benchmark.pedantic(lambda: times.append(both()), rounds=1, warmup_rounds=0)
    ones, others = read(alone), read(joined)
    scores = [[body["metrics"]["test"]["accuracy"] for body in bodies] for bodies in (ones, others)]
    same = ks_2samp(*scores)
    probe = others[0].get("together", {}).get("probe", {})
    benchmark.extra_info |= {
        "alone_cpu_s": round(times[0][0], 1), "together_cpu_s": round(times[0][1], 1),
        "ratio": round(times[0][0] / times[0][1], 2), "together": sum("together" in body for body in others),
        "of_a_step": round(probe["alone_step_s"] / probe["together_step_s"], 2) if probe else None,
        "accuracy_alone": round(sum(scores[0]) / SEEDS, 4), "accuracy_together": round(sum(scores[1]) / SEEDS, 4),
        "ks_p": round(same.pvalue, 3),
    }  # fmt: skip
    assert same.pvalue > 0.01, benchmark.extra_info
    assert at_least == 1.0 or all("together" in body for body in others), benchmark.extra_info
    assert times[0][0] / times[0][1] >= at_least, benchmark.extra_info
