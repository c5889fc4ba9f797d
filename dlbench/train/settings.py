"""The settings of a process that a plugin may change and that change numbers or times."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from typing import Any

import torch

VARIABLES = ("CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
"""Of the environment, what a library may still read later."""


class Settings:
    """What was set when it was made. `restore` puts back what has changed since, and `changed` keeps its names."""

    def __init__(self) -> None:
        self._before = {name: _read(read) for name, (read, _) in _KNOWN.items()}
        self.changed: set[str] = set()

    def restore(self) -> None:
        for name, (read, write) in _KNOWN.items():
            if _read(read) != self._before[name]:
                self.changed.add(name)
                with contextlib.suppress(OSError, RuntimeError):
                    write(self._before[name])

    def restore_seed(self, seed: int) -> None:
        """The same for torch's seed, which training may change but building must not: under one seed of its own a model
        is the same in every cell."""
        if torch.initial_seed() != seed:
            self.changed.add("torch's seed")
            torch.manual_seed(seed)


def _read(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except (OSError, RuntimeError):  # a folder that is gone, two ways of setting one precision
        return None


def _deterministic() -> tuple[bool, bool, bool, bool]:
    cudnn = torch.backends.cudnn
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    return torch.are_deterministic_algorithms_enabled(), warn_only, cudnn.deterministic, cudnn.benchmark


def _set_deterministic(value: tuple[bool, bool, bool, bool]) -> None:
    torch.use_deterministic_algorithms(value[0], warn_only=value[1])
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = value[2:]


def _set_variables(values: list[str | None]) -> None:
    for name, value in zip(VARIABLES, values, strict=True):
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_KNOWN: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "torch's threads": (torch.get_num_threads, torch.set_num_threads),
    "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "torch's default device": (torch.get_default_device, torch.set_default_device),
    "torch's deterministic algorithms": (_deterministic, _set_deterministic),
    "torch's precision of products": (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    "torch's gradients": (torch.is_grad_enabled, torch.set_grad_enabled),
    "torch's search for anomalies": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "the working directory": (os.getcwd, os.chdir),
    "environment variables": (lambda: [os.environ.get(name) for name in VARIABLES], _set_variables),
}
"""Name -> how to read it, how to write it."""
