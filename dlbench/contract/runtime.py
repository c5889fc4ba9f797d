"""Runtime: where and how a cell executes. Resolved without torch in this process; part of a cell's identity."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import UsageError
from ..measure.devices import ask, hinted

MOST_THREADS = 1024
MOST_DEVICES = 64
PRECISIONS = ("fp32", "tf32", "bf16", "fp16")
COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
MATMUL_PRECISIONS = ("highest", "high", "medium")
UNSAID = {"devices": 1, "compile_mode": "default", "matmul_precision": None, "cuda_graph": False, "shard": False}
"""What a record doesn't say of its runtime, because that is how it was before there was a choice: records keep their
names."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """`device`: `cpu` or `cuda:N`. `precision`: fp32 and tf32 choose the matrix units, bf16 and fp16 run under
    autocast (fp16 with loss scaling). `threads`: of torch on the CPU, in each process. `devices`: how many train one
    cell together, a process each; on CUDA `device` and those after it. `shard`: each of them holds its shard of the
    weights, their gradients and their state, and not all of them. `matmul_precision`: of products in fp32, where it
    isn't what `precision` says. `cuda_graph`: the training step is recorded once and replayed."""

    device: str = "cpu"
    precision: str = "fp32"
    compile: bool = False
    channels_last: bool = False
    threads: int = 1
    devices: int = 1
    compile_mode: str = "default"
    matmul_precision: str | None = None
    cuda_graph: bool = False
    shard: bool = False

    @property
    def device_type(self) -> str:
        """`cpu` or `cuda`."""
        return self.device.partition(":")[0]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready, without what is left `UNSAID`."""
        return {key: value for key, value in asdict(self).items() if key not in UNSAID or value != UNSAID[key]}

    def identity(self) -> dict[str, Any]:
        """What makes a different row: which of several equal GPUs ran it does not."""
        return {**self.as_dict(), "device": self.device_type}

    @property
    def products(self) -> str:
        """How exact products of fp32 numbers are, in torch's words."""
        return self.matmul_precision or ("high" if self.precision == "tf32" else "highest")

    def of_rank(self, rank: int) -> Runtime:
        """That of one of the processes that train a cell together."""
        if self.device == "cpu":
            return self
        return replace(self, device=f"cuda:{int(self.device.partition(':')[2]) + rank}")

    def why_not(self) -> str | None:
        """Why no cell can run so, as the end of a sentence."""
        if self.precision == "tf32" and self.device_type == "cpu":
            return "tf32 exists on CUDA devices only"
        if self.devices > 1 and self.compile:
            return "--compile on several devices isn't built"
        if self.cuda_graph and self.device_type == "cpu":
            return "CUDA graphs exist on CUDA devices only"
        if self.cuda_graph and self.devices > 1:
            return "--cuda-graph on several devices isn't built"
        if self.cuda_graph and self.precision == "fp16":
            return "fp16 scales its loss by what each step finds, which a CUDA graph can't follow"
        if self.shard and self.channels_last:
            return "--shard divides weights by their rows, which --channels-last lays out otherwise"
        return None


def resolve_runtime(
    device: str = "auto",
    precision: str = "fp32",
    compile: bool = False,
    channels_last: bool = False,
    threads: int | None = None,
    devices: int = 1,
    shard: bool = False,
    *,
    here: bool = True,
    **levers: Any,
) -> Runtime:
    """Check the words and resolve `auto`; `threads` defaults to 1. `here`: whether the device is one of this machine,
    so that it can be asked. `levers`: see `_levers`. Raises UsageError."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", device):
        raise UsageError(f"--device is auto, cpu, cuda or cuda:N, not {device!r}")
    if precision not in PRECISIONS:
        raise UsageError(f"--precision is one of {', '.join(PRECISIONS)}, not {precision!r}")
    if threads is not None and not 1 <= threads <= MOST_THREADS:
        raise UsageError(f"--threads needs a number from 1 to {MOST_THREADS}")
    if not 1 <= devices <= MOST_DEVICES:
        raise UsageError(f"--devices needs a number from 1 to {MOST_DEVICES}")
    levers = _levers(precision, compile, **levers)
    if shard and devices == 1:
        raise UsageError("--shard divides a model between devices: give --devices 2 or more")
    if device == "auto":
        device = "cuda:0" if hinted() and ask("cuda:0").why_not is None else "cpu"
    elif device != "cpu":
        device = f"cuda:{int(device.partition(':')[2] or 0)}"
        if here and (why := ask(device).why_not):
            raise UsageError(f"--device {device}: {why}; use --device auto")
    runtime = Runtime(
        device=device, precision=precision, channels_last=channels_last, threads=threads or 1, devices=devices,
        shard=shard, **levers,
    )  # fmt: skip
    for rank in range(1, devices if here else 1):
        if (other := runtime.of_rank(rank).device) != "cpu" and (why := ask(other).why_not):
            raise UsageError(f"--devices {devices} from {device} on takes {other}: {why}")
    return runtime


def _levers(
    precision: str, compile: bool, *, compile_mode: str | None = None, matmul_precision: str | None = None,
    cuda_graph: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a runtime that these give; a mode of compilation asks for compilation. Raises UsageError."""
    if compile_mode is not None and compile_mode not in COMPILE_MODES:
        raise UsageError(f"--compile-mode is one of {', '.join(COMPILE_MODES)}, not {compile_mode!r}")
    if matmul_precision is not None and matmul_precision not in MATMUL_PRECISIONS:
        raise UsageError(f"--matmul-precision is one of {', '.join(MATMUL_PRECISIONS)}, not {matmul_precision!r}")
    if precision == "tf32" and matmul_precision == "highest":
        raise UsageError("--precision tf32 is for products that --matmul-precision highest forbids: give one of them")
    compile = compile or compile_mode is not None
    if cuda_graph and compile:
        raise UsageError(
            "--cuda-graph and --compile can't go together: --compile-mode reduce-overhead has CUDA graphs of its own"
        )
    if matmul_precision == Runtime(precision=precision).products:
        matmul_precision = None
    return {
        "compile": compile, "compile_mode": compile_mode or "default", "matmul_precision": matmul_precision,
        "cuda_graph": cuda_graph,
    }  # fmt: skip
