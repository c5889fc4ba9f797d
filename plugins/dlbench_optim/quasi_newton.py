"""L-BFGS. Torch is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn, optim


def lbfgs(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    max_iter: int = 20,
    max_eval: int | None = None,
    tolerance_grad: float = 1e-7,
    tolerance_change: float = 1e-9,
    history_size: int = 100,
    line_search_fn: str | None = None,
) -> optim.LBFGS:
    """Limited-memory BFGS, for full batches: one step runs up to `max_iter` iterations and evaluates the loss at least
    as often. `lr` is the length of the step along the direction, so 1 is the natural one, far above the learning rates
    of first-order methods. `line_search_fn` is none or strong_wolfe. It has no weight decay.
    """
    from torch.optim import LBFGS

    return LBFGS(
        params,
        lr=lr,
        max_iter=max_iter,
        max_eval=max_eval,
        tolerance_grad=tolerance_grad,
        tolerance_change=tolerance_change,
        history_size=history_size,
        line_search_fn=line_search_fn,
    )
