"""What a runtime means to torch: device, precision, threads, memory format, compilation."""

from __future__ import annotations

import contextlib
import functools
import sys
import time
from typing import Any

import torch
from torch.utils._pytree import tree_map

from ..contract.learner import Learner, Supervised
from ..contract.runtime import Runtime
from .team import Team

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
RECORDED = ("reduce-overhead", "max-autotune")
"""The modes of compilation in which CUDA graphs keep a network's outputs in the same memory from call to call."""
RECURRENCES = ("rnn_tanh", "rnn_relu", "gru", "lstm")


class Execution:
    """Applies a runtime to the process and to learners; plugins never see it."""

    def __init__(self, runtime: Runtime, memory_bytes: int | None = None, team: Team | None = None) -> None:
        """`memory_bytes`: the most that torch's allocator may hold on a CUDA device. `team`: with whom this process
        trains, where it isn't alone."""
        self.runtime, self.team = runtime, team or Team()
        self.captured, self.replayed = 0, 0  # CUDA graphs of steps, and the steps that these took
        self.device = torch.device(runtime.device)
        self.is_cuda = self.device.type == "cuda"
        self.reuses_outputs = self.is_cuda and runtime.compile and runtime.compile_mode in RECORDED
        self._autocast_to = AUTOCAST.get(runtime.precision)
        if self._autocast_to is not None and not (self.is_cuda and runtime.precision == "fp16"):
            recurrences_in_float32(self.device.type)
        torch.set_num_threads(runtime.threads)
        torch.backends.cudnn.allow_tf32 = runtime.precision == "tf32"
        torch.set_float32_matmul_precision(runtime.products)
        self.start_s = 0.0
        if self.is_cuda:
            start = time.perf_counter()
            torch.cuda.set_device(self.device)
            self.sync()
            self.start_s = time.perf_counter() - start  # what is left to wait for of the device's start
            if runtime.cuda_graph:  # which can't be recorded on the default stream: so that nothing is ever on it
                torch.cuda.set_stream(torch.cuda.Stream(self.device))  # type: ignore[no-untyped-call]
            if memory_bytes is not None:
                total = torch.cuda.get_device_properties(self.device).total_memory
                torch.cuda.set_per_process_memory_fraction(min(1.0, memory_bytes / total), self.device)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which networks run forward and losses are computed; `Optimizers` leave it for the rest."""
        if self._autocast_to is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self._autocast_to)

    @property
    def scale_for(self) -> str | None:
        """The device type whose gradients need loss scaling; None where none do."""
        return self.device.type if self.runtime.precision == "fp16" else None

    def kept(self, result: torch.Tensor) -> torch.Tensor:
        """A network's result in float32, in memory that the next call leaves alone."""
        found = result.float() if result.is_floating_point() else result
        return found.clone() if self.reuses_outputs and found is result else found

    def place(self, learner: Learner) -> Learner:
        """Move a learner to the device, in its memory format, compiled if asked."""
        learner.to(self.device)
        for part in learner.modules():
            if self.reuses_outputs and isinstance(part, Supervised):
                part.copy_states()
        if self.runtime.channels_last:
            learner.to(memory_format=torch.channels_last)
        if self.runtime.compile:
            for network in learner.children():
                network.compile(mode=self.runtime.compile_mode)
        return learner

    def sync(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)


def compiled_graphs() -> int:
    """How many graphs torch has compiled in this process; a step that raises it spent its time on compiling."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo.counters["stats"]["unique_graphs"] if dynamo else 0


@functools.cache
def recurrences_in_float32(device_type: str) -> torch.library.Library:
    """From now on torch's recurrent layers run in float32 under this device's autocast, in this process. By itself
    torch runs them in float16 on cuDNN whatever type is asked for, and its LSTM fails on a CPU without bf16."""

    def kernel(operator: Any) -> Any:
        def run(*arguments: Any) -> Any:
            with torch.autocast(device_type, enabled=False):
                return operator(*tree_map(_in_float32, arguments))

        return run

    library = torch.library.Library("aten", "IMPL")  # type: ignore[no-untyped-call]
    for name in RECURRENCES:
        for overload in ("input", "data"):  # a padded batch, a packed one
            operator = getattr(getattr(torch.ops.aten, name), overload)
            key = f"Autocast{device_type.upper()}"
            library.impl(f"{name}.{overload}", kernel(operator), key)  # type: ignore[no-untyped-call]
    return library


def _in_float32(value: Any) -> Any:
    lowered = isinstance(value, torch.Tensor) and value.dtype in AUTOCAST.values()
    return value.float() if lowered else value
