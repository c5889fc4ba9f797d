"""Growth of time and memory with a task's option, from profiles."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlbench.errors import UsageError
from dlbench.results import Record
from dlbench.tables.scaling import plot, render, scaling
from factories import MIB, body


def profile(model: str, length: int, step_s: float, peak_mib: float, *, status: str = "ok") -> Record:
    launch = {
        "train": {"s_per_step": [step_s, step_s], "units_per_s": [1.0]}, "infer": {"s_per_step": [step_s / 4]},
        "memory": {"train_peak_bytes": peak_mib * MIB, "infer_peak_bytes": peak_mib * MIB / 2}, "flags": [],
    }  # fmt: skip
    task = {"name": "copy", "options": f"length={length},pe=1"}
    launches = {"protocol": {}, "launches": [launch] if status == "ok" else []}
    return Record(body("profile", None, model={"name": model}, task=task, status=status, profile=launches))


QUADRATIC = [profile("full", n, 1e-6 * n**2, n**2 / 1e4) for n in (512, 128, 256, 2048)]
LINEAR = [profile("lstm", n, 1e-4 * n, n / 10) for n in (128, 256, 512)]


def test_growth_is_per_doubling_whatever_the_gap_between_sizes() -> None:
    frame = scaling({"attention": [*QUADRATIC, *LINEAR]}, "length")
    full, lstm = frame[frame["model"] == "full"], frame[frame["model"] == "lstm"]
    assert full["size"].tolist() == [128, 256, 512, 2048]
    for column in ("train_step_ms_growth", "train_peak_mib_growth", "infer_step_ms_growth", "infer_peak_mib_growth"):
        assert full[column].isna().tolist() == [True, False, False, False]
        assert full[column].dropna().tolist() == pytest.approx([4.0, 4.0, 4.0])
        assert lstm[column].dropna().tolist() == pytest.approx([2.0, 2.0])
    assert full["train_step_ms"].iloc[0] == pytest.approx(128**2 / 1e3)
    assert full["task"].unique().tolist() == ["copy[pe=1]"]


def test_a_table_a_csv_and_a_plot(tmp_path: Path) -> None:
    frame = scaling({"attention": [*QUADRATIC, *LINEAR]}, "length")
    text = render(frame, "length")
    assert "attention · copy[pe=1]" in text
    assert sum(line.strip().startswith("full") for line in text.splitlines()) == 1  # named once, above its sizes
    assert " 4.00 " in text
    assert " 2.00 " in text
    csv = render(frame, "length", "csv").splitlines()
    assert len(csv) == 1 + 7
    assert ",length,status,train_step_ms,train_step_ms_growth," in csv[0]
    assert render(frame, "length", "md").count("\n| ") == 1 + 7
    for name in ("growth.svg", "growth.png"):
        plot(frame, "length", tmp_path / name)
        assert (tmp_path / name).stat().st_size > 5000
    assert (tmp_path / "growth.svg").read_text().count('id="axes_') == 2
    with pytest.raises(UsageError, match="can't write the plot"):
        plot(frame, "length", tmp_path / "growth.txt9")


def test_a_failed_profile_is_a_row_and_no_profile_at_all_an_error() -> None:
    frame = scaling({"attention": [*QUADRATIC, profile("full", 4096, 1.0, 1.0, status="oom")]}, "length")
    assert frame["status"].tolist() == ["ok", "ok", "ok", "ok", "oom"]
    assert frame.iloc[-1][["train_step_ms", "train_step_ms_growth"]].isna().all()
    assert "4.10k" in render(frame, "length")
    assert "oom" in render(frame, "length")
    with pytest.raises(UsageError, match="lenght"):
        scaling({"attention": QUADRATIC}, "lenght")
    plain = Record(body("profile", None, profile={"protocol": {}, "launches": []}))
    with pytest.raises(UsageError, match="no profile here"):
        scaling({"attention": [plain]}, "length")
