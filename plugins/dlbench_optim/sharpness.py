"""Sharpness-aware minimization (Foret, Kleiner, Mobahi and Neyshabur, 2021, "Sharpness-Aware Minimization for
Efficiently Improving Generalization"). Torch is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

BASES = ("sgd", "adam", "adamw")


def sam(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    base: str = "sgd",
    rho: float = 0.05,
    adaptive: bool = False,
    momentum: float = 0.9,
    weight_decay: float = 0.0,
) -> Optimizer:
    """SAM: the gradient is taken where the loss is about highest within `rho` of the weights, and `base` steps with it.

    `base` is sgd (with `momentum`), adam or adamw. `adaptive` measures `rho` relative to each weight (Kwon et al.,
    2021, "ASAM"). Each step evaluates the loss twice, so it costs about two of the base's, and running statistics, as
    of batch norm, see both.
    """
    if base not in BASES:
        raise UsageError(f"sam takes a base of {', '.join(BASES)}, not {base!r}")
    if rho < 0:
        raise UsageError(f"sam needs a rho of at least 0, not {rho}")
    from torch import optim

    from .fused import fused_or_default
    from .sharpness_aware import SharpnessAware

    params = list(params)
    fused = fused_or_default(params, None)
    inner: Optimizer
    if base == "sgd":
        inner = optim.SGD(params, lr=lr, momentum=momentum, weight_decay=weight_decay, fused=fused)
    else:
        kind = optim.Adam if base == "adam" else optim.AdamW
        inner = kind(params, lr=lr, weight_decay=weight_decay, fused=fused)
    return SharpnessAware(inner, rho=rho, adaptive=adaptive)
