"""Energy from a counter in a file, laid out as the kernel's."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlbench.measure import energy
from dlbench.measure.energy import Energy


@pytest.fixture
def rapl(tmp_path: Path) -> Path:
    (tmp_path / "energy_uj").write_text("1000000\n")
    (tmp_path / "max_energy_range_uj").write_text("50000000\n")
    return tmp_path


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]

    class Time:
        @staticmethod
        def perf_counter() -> float:
            return now[0]

    monkeypatch.setattr(energy, "time", Time)
    return now


def test_joules_are_the_counters_difference(rapl: Path, clock: list[float]) -> None:
    waits = []
    with Energy("cpu", lambda: waits.append(1), rapl=rapl) as found:
        clock[0] += 2.5
        (rapl / "energy_uj").write_text("9500000\n")
    assert found.available
    assert found.joules == pytest.approx(8.5)
    assert len(waits) == 2


def test_a_counter_that_starts_over(rapl: Path, clock: list[float]) -> None:
    with Energy("cpu", rapl=rapl) as found:
        clock[0] += 3
        (rapl / "energy_uj").write_text("400000\n")
    assert found.joules == pytest.approx(49.4)


def test_a_short_window_says_nothing(rapl: Path, clock: list[float]) -> None:
    with Energy("cpu", rapl=rapl) as found:
        clock[0] += 1.9
        (rapl / "energy_uj").write_text("9500000\n")
    assert found.joules is None


def test_a_counter_that_stands_still_says_nothing(rapl: Path, clock: list[float]) -> None:
    with Energy("cpu", rapl=rapl) as found:
        clock[0] += 10
    assert found.joules is None


def test_no_counter(tmp_path: Path, clock: list[float]) -> None:
    with Energy("cpu", rapl=tmp_path / "absent") as found:
        clock[0] += 10
    assert not found.available
    assert found.joules is None
