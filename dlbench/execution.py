"""What a runtime means to torch: device, precision, threads, memory format, compilation."""

from __future__ import annotations

import contextlib
import sys
from typing import Any

import torch

from .learner import Learner
from .runtime import Runtime

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Execution:
    """Applies a runtime to the process and to learners; plugins never see it."""

    def __init__(self, runtime: Runtime, memory_bytes: int | None = None) -> None:
        """`memory_bytes`: the most that torch's allocator may hold on a CUDA device."""
        self.runtime = runtime
        self.device = torch.device(runtime.device)
        self.is_cuda = self.device.type == "cuda"
        self._autocast_to = AUTOCAST.get(runtime.precision)
        torch.set_num_threads(runtime.threads)
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = runtime.precision == "tf32"
        if self.is_cuda:
            torch.cuda.set_device(self.device)
            if memory_bytes is not None:
                total = torch.cuda.get_device_properties(self.device).total_memory
                torch.cuda.set_per_process_memory_fraction(min(1.0, memory_bytes / total), self.device)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """The context in which networks run forward."""
        if self._autocast_to is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, dtype=self._autocast_to)

    @property
    def scale_for(self) -> str | None:
        """The device type whose gradients need loss scaling; None where none do."""
        return self.device.type if self.runtime.precision == "fp16" else None

    def place(self, learner: Learner) -> Learner:
        """Move a learner to the device, in its memory format, compiled if asked."""
        learner.to(self.device)
        if self.runtime.channels_last:
            learner.to(memory_format=torch.channels_last)
        if self.runtime.compile:
            for network in learner.children():
                network.compile()
        return learner

    def sync(self) -> None:
        """Wait until the device has done what was asked of it."""
        if self.is_cuda:
            torch.cuda.synchronize(self.device)


def compiled_graphs() -> int:
    """How many graphs torch has compiled in this process; a step that raises it spent its time on compiling."""
    dynamo = sys.modules.get("torch._dynamo.utils")
    return dynamo.counters["stats"]["unique_graphs"] if dynamo else 0
