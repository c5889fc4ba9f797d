"""The mark `timing`: three turns and no more."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
CASES = """
import pytest

turns = {"spoilt": 0, "wrong": 0, "unmarked": 0}

@pytest.mark.timing
def test_spoilt_twice(tmp_path):
    turns["spoilt"] += 1
    assert turns["spoilt"] == 3

@pytest.mark.timing
def test_wrong():
    turns["wrong"] += 1
    assert turns["wrong"] == 4

def test_unmarked():
    turns["unmarked"] += 1
    assert turns["unmarked"] == 2
"""


def test_a_marked_test_may_fail_twice_and_no_other_once(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text((HERE / "conftest.py").read_text())
    (tmp_path / "test_cases.py").write_text(CASES)
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = timing")
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(tmp_path),
        str(tmp_path),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 failed, 1 passed" in done.stdout, done.stdout
    assert "FAILED test_cases.py::test_wrong" in done.stdout
    assert "FAILED test_cases.py::test_unmarked" in done.stdout
