"""Whether the installed Deep Graph Library can run a cell, known without importing it. No torch."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

MISSING = "DGL isn't installed (its packages need Python 3.12 or older)"


def why_not(input_kind: Any, output_kind: Any, runtime: Any) -> str | None:
    """Why no cell can run on DGL under this `dlbench.contract.runtime.Runtime`, or None."""
    if find_spec("dgl") is None:
        return MISSING
    if runtime.device_type == "cuda" and not built_for_cuda():
        return "this DGL build has no CUDA"
    if runtime.precision in ("bf16", "fp16"):
        return "DGL's layers fail where precision is lowered, as their kernels take one type at a time"
    return "torch.compile can't see into DGL's kernels" if runtime.compile else None


def built_for_cuda() -> bool:
    """Builds for CUDA have a local version, as in 2.1.0+cu121; the Python package index has builds for the CPU only."""
    from importlib.metadata import PackageNotFoundError, version  # takes longer to import than all of this package

    try:
        return "+cu" in version("dgl")
    except PackageNotFoundError:  # a build of the user's own, which no metadata describes
        return True
