"""torch's Muon with company. Torch is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

SCALES = ("original", "match_rms_adamw", "spectral_unclamped")


def muon(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_steps: int = 5,
    weight_decay: float = 0.1,
    adjust_lr_fn: str = "match_rms_adamw",
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> Optimizer:
    """torch's Muon for matrices, AdamW (`beta1`, `beta2`, `eps`) for all else: biases, norms, convolutions.

    torch's Muon takes nothing but matrices, so what it can't take goes to AdamW, as is the custom. A builder sees
    parameters without their names: an embedding table and the last layer are matrices too, and Muon trains them, where
    its authors would leave them to AdamW. One learning rate and one weight decay serve both. That is why
    `adjust_lr_fn` is match_rms_adamw here, under which a step is as long as one of AdamW (Liu et al., 2025, "Muon is
    Scalable for LLM Training"); torch's own default is original, whose learning rate is about ten times as large.
    """
    import torch
    from torch.optim import AdamW

    if not hasattr(torch.optim, "Muon"):
        raise UsageError(f"torch {torch.__version__} has no Muon: install torch 2.9 or newer, or take timm_muon")
    if adjust_lr_fn not in SCALES:
        raise UsageError(f"muon takes an adjust_lr_fn of {', '.join(SCALES)}, not {adjust_lr_fn!r}")
    from .fused import fused_or_default
    from .together import Together

    params = list(params)
    matrices = [p for p in params if p.dim() == 2]
    others = [p for p in params if p.dim() != 2]
    inner: list[Optimizer] = []
    if matrices:
        inner.append(
            torch.optim.Muon(
                matrices, lr=lr, weight_decay=weight_decay, momentum=momentum, nesterov=nesterov, ns_steps=ns_steps,
                adjust_lr_fn=adjust_lr_fn,
            )
        )  # fmt: skip
    if others:
        fused = fused_or_default(others, None)
        betas = (beta1, beta2)
        inner.append(AdamW(others, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, fused=fused))
    return Together(*inner)
