"""Runtime: where and how a cell executes. Resolved without torch in this process; part of a cell's identity."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import UsageError
from ..measure.devices import ask, hinted

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
    *,
    here: bool = True,
) -> Runtime:
    """Check the words and resolve `auto`; `threads` defaults to 1. `here`: whether the device is one of this machine,
    so that it can be asked. Raises UsageError."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device is auto, cpu, cuda or cuda:N, not {device!r}")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads needs a number from 1 to {MOST_THREADS}")
    if device == "auto":
        device = "cuda:0" if hinted() and ask("cuda:0").why_not is None else "cpu"
    elif device != "cpu":
        device = f"cuda:{int(device.partition(':')[2] or 0)}"
        if here and (why := ask(device).why_not):
            raise UsageError(f"--device {device}: {why}; use --device auto")
    return Runtime(
        device=device, precision=precision, compile=compile, channels_last=channels_last, threads=threads or 1
    )
