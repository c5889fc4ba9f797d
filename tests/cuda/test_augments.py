"""Augmentations on make-believe CUDA: on the images' device, without making the host wait, as on the CPU."""

from __future__ import annotations

import json
from pathlib import Path

import driver
import pytest

pytestmark = pytest.mark.skipif(bool(driver.CANT_PRETEND), reason=driver.CANT_PRETEND)


def test_no_augmentation_waits_for_the_gpu_and_all_compute_what_the_cpu_does(tmp_path: Path) -> None:
    found = json.loads(driver.printed("augments.py", tmp_path))
    assert len(found) == 20
    assert {name: seen["waits"] for name, seen in found.items() if seen["waits"]} == {}
    assert {seen["device"] for seen in found.values()} == {"cuda:0"}
    assert [name for name, seen in found.items() if not seen["alike"]] == []
