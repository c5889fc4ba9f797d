"""Optimizers with a step per weight: the Adagrad and Adam families of torch. Torch is imported on build.

Options have torch's names and defaults; `betas` is spelled out as `beta1` and `beta2`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from .fused import fused_or_default

if TYPE_CHECKING:
    from torch import nn, optim


def adagrad(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    lr_decay: float = 0.0,
    initial_accumulator_value: float = 0.0,
    eps: float = 1e-10,
    weight_decay: float = 0.0,
    fused: bool | None = None,
) -> optim.Adagrad:
    """Adagrad. Its fused kernel is chosen on the CPU only, as torch did not have one for CUDA from the start."""
    from torch.optim import Adagrad

    params = list(params)
    return Adagrad(
        params,
        lr=lr,
        lr_decay=lr_decay,
        initial_accumulator_value=initial_accumulator_value,
        eps=eps,
        weight_decay=weight_decay,
        fused=fused_or_default(params, fused, devices=("cpu",)),
    )


def adadelta(
    params: Iterable[nn.Parameter], lr: float, *, rho: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> optim.Adadelta:
    """Adadelta; the paper's rule is `lr` = 1."""
    from torch.optim import Adadelta

    return Adadelta(params, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)


def rmsprop(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    alpha: float = 0.99,
    eps: float = 1e-8,
    momentum: float = 0.0,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> optim.RMSprop:
    """RMSprop, with eps outside the root."""
    from torch.optim import RMSprop

    return RMSprop(params, lr=lr, alpha=alpha, eps=eps, momentum=momentum, centered=centered, weight_decay=weight_decay)


def adam(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    amsgrad: bool = False,
    fused: bool | None = None,
) -> optim.Adam:
    """Adam; weight decay goes through the gradient, as an L2 penalty."""
    from torch.optim import Adam

    params = list(params)
    return Adam(
        params,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        fused=fused_or_default(params, fused),
    )


def adamw(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    amsgrad: bool = False,
    fused: bool | None = None,
) -> optim.AdamW:
    """Adam with decoupled weight decay: each step shrinks the weights by lr * weight_decay.

    The default decay is torch's 0.01, not 0. A recipe's `weight_decay` replaces it where it isn't 0; `adamw` without
    any decay is written `adamw[weight_decay=0.0]`.
    """
    from torch.optim import AdamW

    params = list(params)
    return AdamW(
        params,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        amsgrad=amsgrad,
        fused=fused_or_default(params, fused),
    )


def adamax(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> optim.Adamax:
    """Adam under the infinity norm."""
    from torch.optim import Adamax

    return Adamax(params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)


def nadam(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    momentum_decay: float = 0.004,
    decoupled_weight_decay: bool = False,
) -> optim.NAdam:
    """Adam with Nesterov momentum."""
    from torch.optim import NAdam

    return NAdam(
        params,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        momentum_decay=momentum_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )


def radam(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    decoupled_weight_decay: bool = False,
) -> optim.RAdam:
    """Adam that waits with its adaptive step until the variance estimate is sound."""
    from torch.optim import RAdam

    return RAdam(
        params,
        lr=lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        decoupled_weight_decay=decoupled_weight_decay,
    )


def adafactor(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta2_decay: float = -0.8,
    eps1: float | None = None,
    eps2: float = 1e-3,
    d: float = 1.0,
    weight_decay: float = 0.0,
) -> optim.Adafactor:
    """Second moments kept as row and column means. `eps1` None means the machine epsilon of the parameter's dtype."""
    from torch.optim import Adafactor

    return Adafactor(params, lr=lr, beta2_decay=beta2_decay, eps=(eps1, eps2), d=d, weight_decay=weight_decay)
