"""Speed of the harness itself (`make bench`). Every benchmark runs on one thread, takes its readings in turns with what
it is compared to, and asserts the ratio that it is about."""

from __future__ import annotations

import os

import pytest

os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)
