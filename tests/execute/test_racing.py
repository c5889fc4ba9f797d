"""The race: its statistics by simulation, its turns with real processes, and a whole one against a slowed checkout."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

import dlbench
from cli.terminal import dlbench as command
from dlbench.execute import racing
from dlbench.execute.racing import FEWEST, Contender, Standing, estimate, race, signed_rank_interval

ROOT = Path(dlbench.__file__).parents[1]


# --- statistics -------------------------------------------------------------------------------------------


def test_the_interval_is_what_the_signed_rank_test_does_not_reject() -> None:
    values = np.random.default_rng(1).normal(0.3, 1.0, 25)
    low, high = signed_rank_interval(values.tolist(), 0.95)
    assert low < estimate(values.tolist()) < high

    def p(centre: float) -> float:
        return float(scipy.stats.wilcoxon(values - centre, method="approx", correction=False).pvalue)

    for end, inward in ((low, 1e-6), (high, -1e-6)):
        assert p(end - inward) <= 0.05 <= p(end + 3e4 * inward)  # one step of the statistic is let go
    assert estimate([1.0, 2.0, 9.0]) == 3.5


def test_fewest_pairs_are_as_many_as_the_level_needs() -> None:
    assert 2 * 0.5**FEWEST <= 1 - racing.CONFIDENCE < 2 * 0.5 ** (FEWEST - 1)
    assert Standing(logs=[0.5] * (FEWEST - 1)).interval == (0.0, math.inf)
    assert Standing(logs=[0.5] * (FEWEST - 1)).verdict == "can't tell"
    known = Standing(logs=[0.5] * FEWEST)
    assert (known.verdict, known.known_within(0.01)) == ("slower", True)
    assert Standing(logs=[-0.5] * FEWEST).verdict == "faster"


def noise(kind: str, generator: np.random.Generator, count: int) -> np.ndarray:
    """Log ratios of pairs whose two processes are alike: steady, disturbed now and then, or in moods that last."""
    both = generator.standard_normal((2, count))
    if kind == "disturbed":
        both += 5 * np.abs(generator.standard_normal((2, count))) * (generator.random((2, count)) < 0.1)
    scale = np.exp(0.5 * np.sin(np.arange(count) / 5)) if kind == "moods" else 1.0
    return 0.03 * scale * (both[0] - both[1])


@pytest.mark.parametrize("kind", ["steady", "disturbed", "moods"])
@pytest.mark.parametrize("true", [0.0, math.log(1.08)])
def test_the_interval_holds_although_it_is_looked_at_after_each_pair(kind: str, true: float) -> None:
    """Races to 4 %, of at most 40 pairs."""
    generator, missed, found, trials = np.random.default_rng(2), 0, 0, 400
    for _ in range(trials):
        logs = (true + noise(kind, generator, 40)).tolist()
        counts = (count for count in range(FEWEST, 41) if Standing(logs=logs[:count]).known_within(0.04))
        end = Standing(logs=logs[: next(counts, 40)])
        low, high = end.interval
        missed += not low <= math.exp(true) <= high
        found += end.verdict == "slower"
    assert missed / trials <= 0.02
    assert found / trials >= 0.9 if true else found / trials <= 0.02


# --- turns ------------------------------------------------------------------------------------------------


class Scripted:
    """In place of an executor: a process that takes turns, and notes them in a file; it may end early, as one that
    fails does."""

    def __init__(self, name: str, notes: Path, turns: int) -> None:
        self.name, self.notes, self.turns = name, notes, turns

    def run(self, jobs: list[dict], on_progress: object) -> Iterator[dict]:
        from dlbench.measure.turns import Turns

        (job,) = jobs
        pid = os.fork()
        if pid == 0:
            turns = Turns(**job["turns"])
            for _ in range(self.turns):
                with turns, self.notes.open("a") as file:
                    file.write(self.name)
            os._exit(0)
        os.waitpid(pid, 0)
        result = {"status": "ok", "body": {"train": {"cpu_s_per_step": [0.001] * max(1, self.turns)}}}
        yield {"result": result, "timed_out": False, "exit": 0, "oom_killed": False}


def sides(notes: Path, first: int, second: int) -> tuple[Contender, Contender]:
    one, two = (Contender(name=n, message={}, executor=Scripted(n, notes, k)) for n, k in (("a", first), ("b", second)))  # type: ignore[arg-type]
    return one, two


def test_both_take_turns_and_pairs_take_turns_in_who_begins(tmp_path: Path) -> None:
    standing = race(sides(tmp_path / "notes", 3, 3), clock="cpu_s_per_step", within=0.5, time_s=60)
    assert standing.pairs == FEWEST
    assert (standing.verdict, standing.ratio) == ("can't tell", 1.0)
    assert (tmp_path / "notes").read_text() == "ababab" * 2 + "bababaababab" * 3 + "bababa"


@pytest.mark.parametrize("turns", [(6, 2), (0, 4), (4, 0)])
def test_nobody_waits_for_one_that_has_ended(tmp_path: Path, turns: tuple[int, int]) -> None:
    race(sides(tmp_path / "notes", *turns), clock="cpu_s_per_step", within=0.5, time_s=0)
    text = (tmp_path / "notes").read_text()
    assert (text.count("a"), text.count("b")) == turns


# --- a whole race -----------------------------------------------------------------------------------------


@pytest.fixture
def slowed(tmp_path: Path) -> Path:
    """A checkout in which each training step waits for 10 ms."""
    root = tmp_path / "slowed"
    shutil.copytree(ROOT / "dlbench", root / "dlbench")
    for room in ("plugins", "tasks"):
        (root / room).symlink_to(ROOT / room)
    file = root / "dlbench" / "train" / "training.py"
    head, call, body = file.read_text().partition("    def __call__(self, batch: Batch) -> Tensor:\n")
    wait = "        end = time.process_time() + 0.01\n        while time.process_time() < end:\n            pass\n"
    file.write_text(head + call + wait + body)
    return root


@pytest.mark.timing
@pytest.mark.slow
def test_a_model_wins_against_itself_in_a_slowed_checkout(slowed: Path) -> None:
    done = command(
        "race", "-t", "digits", "-m", "perceptron", "--against", slowed, "--within", "300%", "--device", "cpu"
    )
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[0].startswith("perceptron: ")
    assert lines[1].startswith(f"perceptron in {slowed}: ")
    assert float(lines[1].split(": ")[1].split()[0]) > 10.0
    assert lines[2].endswith(" pairs): faster")


def test_a_contender_that_fails_ends_the_race_with_a_sentence(tmp_path: Path) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "from dlbench import Classes, Image, ModelSpec\n"
        "def build(signature):\n    raise RuntimeError('no such luck')\n"
        "def dlbench_models():\n    yield ModelSpec(name='broken', build=build, accepts=[(Image, Classes)])\n"
    )
    done = command("race", "-t", "digits", "-m", "perceptron", "-m", "broken", "-p", plugin, "--device", "cpu")
    assert done.code == 2
    assert done.err.startswith("dlbench: broken: failed: RuntimeError: no such luck (at ")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("-m mlp", "a race needs -m twice, or -m once and --against another checkout"),
        ("-m mlp -m mlp -m mlp", "a race needs -m twice"),
        ("-m mlp -m mlp --against .", "a race needs -m twice, or -m once and --against"),
        ("-m mlp --against tests", "tests is no checkout of dlbench: it has no dlbench/__init__.py"),
        ("-m mlp -m gcn", "gcn can't race on digits: gcn doesn't accept image -> classes"),
        ("-m mlp -m *net*", "*net* can't race on digits: together they name several pairs"),
        ("-m mlp -m mlp --within 2", "'2' is not a share such as 2%"),
        ("-m mlp -m mlp --time none", "a race needs an end: give --time, such as 60s"),
    ],
)
def test_usage(words: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    done = command("race", "-t", "digits", "--device", "cpu", *words.split())
    assert done.code == 2
    assert sentence in done.err
