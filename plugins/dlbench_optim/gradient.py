"""Optimizers that follow the gradient or its sign: SGD, averaged SGD, Rprop. Torch is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .fused import fused_or_default

if TYPE_CHECKING:
    from torch import nn, optim


def sgd(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    fused: bool | None = None,
) -> optim.SGD:
    """SGD with heavy-ball or Nesterov momentum. Weight decay w adds w / 2 times the squared norm to the loss."""
    from torch.optim import SGD

    params = list(params)
    return SGD(
        params,
        lr=lr,
        momentum=momentum,
        dampening=dampening,
        weight_decay=weight_decay,
        nesterov=nesterov,
        fused=fused_or_default(params, fused),
    )


def asgd(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0.0,
) -> optim.ASGD:
    """Averaged SGD (Polyak and Juditsky, 1992). torch keeps the average from step `t0` on in the state `ax` and steps
    the weights themselves, which are what is judged; weight averaging for judging is a regularizer (`ema`)."""
    from torch.optim import ASGD

    return ASGD(params, lr=lr, lambd=lambd, alpha=alpha, t0=t0, weight_decay=weight_decay)


def rprop(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    eta_minus: float = 0.5,
    eta_plus: float = 1.2,
    step_min: float = 1e-6,
    step_max: float = 50.0,
) -> optim.Rprop:
    """Resilient backpropagation: signs only, for full batches. `lr` is the first step of every weight: torch then keeps
    a step per weight, so a schedule has no effect. It has no weight decay."""
    from torch.optim import Rprop

    return Rprop(params, lr=lr, etas=(eta_minus, eta_plus), step_sizes=(step_min, step_max))
