"""Sequences are written on CUDA as on the CPU, without waiting for the device after each token."""

from __future__ import annotations

import json
from pathlib import Path

import driver
import pytest

from dlbench.decoding import EVERY

pytestmark = pytest.mark.skipif(bool(driver.CANT_PRETEND), reason=driver.CANT_PRETEND)


def test_the_host_looks_seldom_and_finds_the_same(tmp_path: Path) -> None:
    said = json.loads(driver.printed("writing.py", tmp_path))
    for way, (ids, lengths, waits) in said["cuda:0"].items():
        assert [ids, lengths] == said["cpu"][way][:2], way
        assert waits <= max(lengths) // EVERY + 3, way  # the last look, the longest of all, and what was drawn ahead
        assert max(lengths) > EVERY
    assert all(waits == 0 for _, _, waits in said["cpu"].values())
