"""How often `dlbench race` is wrong on this machine, as busy as it is: a model against itself, and against itself with
an 8 % longer step.

    python benchmarks/races.py [RACES]     # of each kind; 20 where nothing is said

Prints each race, then the counts; exit status 1 where more than 1 of 20 equal ones are called different, or fewer than
18 of 20 slower ones are found. A race lasts 60 s at most, and ends as soon as the ratio is known within 4 %.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import median

from dlbench.cli.race import contenders_of
from dlbench.contract.runtime import Runtime
from dlbench.execute.racing import Standing, race

PLUGIN = Path(__file__).resolve().parents[1] / "tests" / "spinning.py"
WITHIN, TIME_S, SLOWER, SPIN_MS = 0.04, 60.0, 0.08, 1.0


def run(first: str, second: str, within: float = WITHIN) -> Standing:
    """One race on digits, with executors of its own."""
    given = {"models": (first, second), "against": None, "task": "digits", "plugins": (str(PLUGIN),),
             "settings": ("batch_size=32",), "data": None}  # fmt: skip

    with contenders_of(given, Runtime()) as contenders:
        return race(contenders, clock="cpu_s_per_step", within=within, time_s=TIME_S)


def main() -> None:
    races = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    plain = f"spinning[spin_ms={SPIN_MS}]"
    step_ms = 1e3 * median(first for first, _ in run(plain, plain, 0.5).seconds)
    slowed = f"spinning[spin_ms={SPIN_MS + SLOWER * step_ms:.4f}]"
    found: dict[str, list[str]] = {"equal": [], "slower": []}
    for _ in range(races):
        for kind, model in (("equal", plain), ("slower", slowed)):
            start = time.monotonic()
            standing = run(model, plain)
            found[kind].append(standing.verdict)
            low, high = standing.interval
            ratio = f"x{standing.ratio:.3f} [{low:.3f}, {high:.3f}]"
            print(
                f"{kind}: {ratio}, {standing.pairs} pairs, {time.monotonic() - start:.0f} s: {standing.verdict}",
                flush=True,
            )
    different = races - found["equal"].count("can't tell")
    slower = found["slower"].count("slower")
    counts = f"called different {different} of {races} equal ones, found {slower} of {races} slower ones"
    print(f"a step of {step_ms:.2f} ms: {counts}")
    sys.exit(different > races / 20 or slower < 0.9 * races)


if __name__ == "__main__":
    main()
