"""The fixed program that profiles time beside their passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch

from dlbench.contract.specs import ProfileProtocol
from dlbench.measure import calibration
from dlbench.measure.calibration import Calibration, fingerprint
from dlbench.profile.launch import profile
from dlbench.profile.subject import Subject

QUICK = ProfileProtocol(rounds=2, block_s=0.005, warmup_s=0.01)
PASSES = ["train", "pipeline", "energy", "infer", "latency"]


def test_every_block_and_every_pass_of_a_profile_lies_between_two_readings(
    make_subject: Callable[..., Subject],
) -> None:
    found = profile(make_subject(), QUICK)
    kept = found["calibration"]
    assert [*kept] == ["program", *PASSES]
    assert kept["program"] == fingerprint()
    for clock in ("s", "cpu_s"):
        readings = [kept[name][clock] for name in PASSES]
        assert all(min(times) > 0 for times in readings)
        assert [times[-1] for times in readings[:-1]] == [times[0] for times in readings[1:]]
        blocks = [len(found.get(name, {}).get("s_per_step", "-")) for name in PASSES]  # latency and energy: one each
        assert [len(times) for times in readings] == [count + 1 for count in blocks]


@pytest.mark.timing
def test_a_slower_machine_shows_in_a_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """As slow as if each run were interrupted for the time that one takes."""
    meter = Calibration("cpu", lambda: None)
    run = calibration.program

    def slowed(*tensors: torch.Tensor) -> int:
        start = time.process_time()
        result = run(*tensors)
        end = 2 * time.process_time() - start
        while time.process_time() < end:
            pass
        return result

    ratios = []
    for _ in range(7):
        before = meter.read().cpu_s
        with monkeypatch.context() as patch:
            patch.setattr(calibration, "program", slowed)
            ratios.append(meter.read().cpu_s / before)
    assert 1.6 < median(ratios) < 2.5


def test_the_program_is_the_same_whatever_a_model_has_set() -> None:
    def inputs_and_output() -> list[torch.Tensor]:
        meter = Calibration("cpu", lambda: None)
        meter.read()
        return [meter._square, meter._long, meter._small, meter._room]

    state, plain = torch.get_rng_state(), inputs_and_output()
    torch.set_default_dtype(torch.float64)
    try:
        other = inputs_and_output()
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(torch.equal(a, b) and b.dtype == torch.float32 for a, b in zip(plain, other, strict=True))
    assert torch.equal(state, torch.get_rng_state())
    assert plain[-1].isfinite().all()
