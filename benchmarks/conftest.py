"""Speed of the harness itself (`make bench`). Every benchmark runs on one thread, takes its readings in turns with what
it is compared to, and asserts the ratio that it is about; the figures behind it are printed at the end."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest

os.environ["OMP_NUM_THREADS"] = "1"
FIGURES = pytest.StashKey[dict[str, dict[str, Any]]]()


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _figures(request: pytest.FixtureRequest, benchmark: Any) -> Iterator[None]:
    yield
    request.config.stash.setdefault(FIGURES, {})[request.node.name] = dict(benchmark.extra_info)


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    for name, figures in config.stash.get(FIGURES, {}).items():
        terminalreporter.write_line(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
