"""`dlbench report`: what it says, its exit status, and that it waits for neither torch nor a network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dlbench
from test_table import folder

from factories import cells, launch, profile


@pytest.fixture
def results(tmp_path: Path) -> Path:
    records = []
    for name, mean in (("big", 0.95), ("small", 0.9)):
        who = {"name": name, "digest": name}
        records += [*cells([mean, mean + 0.001, mean - 0.001], model=who), profile([launch(0.001)] * 3, model=who)]
    return folder(tmp_path / "runs", records)


def test_a_page_and_its_plots(results: Path, tmp_path: Path) -> None:
    done = dlbench("report", results, "--out", tmp_path / "new" / "page.html", "--plots", tmp_path / "plots")
    assert done.code == 0, done.err
    assert done.out.startswith(f"2 rows: {tmp_path / 'new' / 'page.html'} (")
    assert f"plots: {tmp_path / 'plots'} (SVG" in done.out
    assert (tmp_path / "new" / "page.html").read_text().startswith("<!DOCTYPE html>")
    assert "<title>dlbench: quick</title>" in (tmp_path / "new" / "page.html").read_text()
    assert len(list((tmp_path / "plots").glob("*.svg"))) > 3


def test_several_folders_a_filter_and_a_title(results: Path, tmp_path: Path) -> None:
    other = folder(tmp_path / "other", cells([0.7, 0.8, 0.9], suite="mine"), "mine")
    done = dlbench("report", results, other, results, "--out", tmp_path / "p.html", "--title", "a & b")
    assert done.out.startswith("3 rows")
    assert "<title>a &amp; b</title>" in (tmp_path / "p.html").read_text()
    assert dlbench("report", results, "--out", tmp_path / "p.html", "--where", "model = 'big'").out.startswith("1 rows")


def test_a_file_that_cannot_be_read_is_named_and_told_by_the_exit_status(results: Path, tmp_path: Path) -> None:
    (results / "records" / "bad.json").write_text("{")
    done = dlbench("report", results, "--out", tmp_path / "p.html")
    assert done.code == 3
    assert "bad.json" in done.err
    assert "bad.json" in (tmp_path / "p.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere", "--out", "p.html"], "no records under nowhere"),
        ([".", "--out", "p.html", "--where", "parms < 1"], "did you mean 'params'?"),
        (["."], "Missing option '--out'"),
    ],
)
def test_wrong_words(words: list[str], said: str, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(results)
    done = dlbench("report", *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert not (results / "p.html").exists()


def test_it_never_imports_torch(results: Path, tmp_path: Path) -> None:
    code = "import sys\nfrom dlbench.cli import main\ntry:\n    main()\nfinally:\n    print('torch' in sys.modules)"
    words = ["report", results, "--out", tmp_path / "p.html", "--plots", tmp_path / "plots"]
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
