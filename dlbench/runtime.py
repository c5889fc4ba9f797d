"""Runtime: where and how a cell executes. Resolved without torch; part of a cell's identity."""

from __future__ import annotations

import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import UsageError

MOST_THREADS = 1024
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """`device`: `cpu` or `cuda:N`. `precision`: fp32 and tf32 choose the matrix units, bf16 and fp16 run under
    autocast (fp16 with loss scaling). `threads`: of torch on the CPU."""

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = False
    threads: int = 1

    @property
    def device_type(self) -> str:
        """`cpu` or `cuda`."""
        return self.device.partition(":")[0]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def identity(self) -> dict[str, Any]:
        """What makes a different row: which of several equal GPUs ran it does not."""
        return {**asdict(self), "device": self.device_type}

    def why_not(self) -> str | None:
        """Why no cell can run so, as the end of a sentence."""
        if self.precision == "tf32" and self.device_type == "cpu":
            return "tf32 exists on CUDA devices only"
        return None


def resolve_runtime(
    device: str = "auto",
    precision: str = "fp32",
    compile: bool = False,
    channels_last: bool = False,
    threads: int | None = None,
) -> Runtime:
    """Check the words and resolve `auto`; `threads` defaults to 1. Raises UsageError."""
    if device == "auto":
        device = "cuda:0" if cuda_present() else "cpu"
    elif device == "cuda":
        device = "cuda:0"
    elif not re.fullmatch(r"cpu|cuda:\d+", device):
        raise UsageError(f"--device is auto, cpu, cuda or cuda:N, not {device!r}")
    if device.startswith("cuda") and not cuda_present():
        raise UsageError(f"--device {device}: no CUDA device is visible here; use --device cpu")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads needs a number from 1 to {MOST_THREADS}")
    return Runtime(
        device=device, precision=precision, compile=compile, channels_last=channels_last, threads=threads or 1
    )


def cuda_present() -> bool:
    """Whether a CUDA device is visible, without loading torch or creating a context."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and visible.strip() in ("", "-1"):
        return False
    if not Path("/proc/driver/nvidia/version").exists() and not any(Path("/dev").glob("nvidia[0-9]*")):
        return False
    from importlib.metadata import version

    return not version("torch").endswith("+cpu")
