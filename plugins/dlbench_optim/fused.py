"""When an optimizer may use torch's fused kernel, which updates all parameters in one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def fused_or_default(
    params: Sequence[Tensor], asked: bool | None, devices: tuple[str, ...] = ("cpu", "cuda")
) -> bool | None:
    """`asked` where it is set; else True if every parameter can take the fused kernel, else None (torch chooses).

    A fused kernel walks through parameter and gradient in memory order. Autograd lays a gradient out like its
    parameter where that is dense, so a dense floating-point parameter of any layout is safe; one with gaps is not.
    Sparse gradients (`nn.Embedding(sparse=True)`) can't be seen here and need `fused=false`.
    """
    if asked is not None:
        return asked
    return True if all(p.device.type in devices and _dense_float(p) for p in params) else None


def _dense_float(p: Tensor) -> bool:
    import torch

    if not p.is_floating_point() or p.layout != torch.strided:
        return False
    return p.is_contiguous() or torch.empty_like(p, device="meta").stride() == p.stride()
