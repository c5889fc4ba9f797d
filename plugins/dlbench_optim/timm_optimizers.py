"""Optimizers that timm has and torch hasn't, under timm's names with `timm_` in front. timm is imported on build.

Options have timm's names, with `betas` spelled out, and the defaults of `timm.optim.create_optimizer_v2`: so no weight
decay, and momentum 0.9 in every optimizer that has a momentum. Weight decay holds for all parameters alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from dlbench import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

Params = Iterable["nn.Parameter"]


def _create(name: str, params: Params, lr: float, **options: Any) -> Optimizer:
    import timm
    from timm.optim import create_optimizer_v2, list_optimizers

    if name not in list_optimizers():
        raise UsageError(f"timm {timm.__version__} has no optimizer {name!r}; install a newer timm")
    return create_optimizer_v2(list(params), opt=name, lr=lr, **options)


def adabelief(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-16,
    weight_decay: float = 0.0,
    rectify: bool = False,
    decoupled_decay: bool = True,
) -> Optimizer:
    """Second moments around the predicted gradient."""
    return _create(
        "adabelief",
        params,
        lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        rectify=rectify,
        decoupled_decay=decoupled_decay,
    )


def adamp(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    delta: float = 0.1,
    wd_ratio: float = 0.01,
    nesterov: bool = True,
) -> Optimizer:
    """Adam without the radial part of the step on scale-invariant weights."""
    return _create(
        "adamp",
        params,
        lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        delta=delta,
        wd_ratio=wd_ratio,
        nesterov=nesterov,
    )


def adan(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.98,
    beta2: float = 0.92,
    beta3: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    no_prox: bool = False,
) -> Optimizer:
    """Adaptive Nesterov momentum."""
    betas = (beta1, beta2, beta3)
    return _create("adan", params, lr, betas=betas, eps=eps, weight_decay=weight_decay, no_prox=no_prox)


def adopt(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.9999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    decoupled: bool = False,
) -> Optimizer:
    """Adam that scales by the previous step's second moment."""
    betas = (beta1, beta2)
    return _create("adopt", params, lr, betas=betas, eps=eps, weight_decay=weight_decay, decoupled=decoupled)


def cadamw(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """AdamW that moves only where step and gradient agree in sign."""
    return _create("cadamw", params, lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)


def lamb(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    weight_decay: float = 0.0,
    max_grad_norm: float | None = 1.0,
    trust_clip: bool = False,
    always_adapt: bool = False,
) -> Optimizer:
    """Adam with a trust ratio per layer. It clips the global gradient norm to `max_grad_norm` by itself."""
    return _create(
        "lamb",
        params,
        lr,
        betas=(beta1, beta2),
        eps=eps,
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        trust_clip=trust_clip,
        always_adapt=always_adapt,
    )


def laprop(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-15,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Adam with the momentum taken after the scaling."""
    return _create("laprop", params, lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)


def lars(
    params: Params,
    lr: float,
    *,
    momentum: float = 0.9,
    dampening: float = 0.0,
    nesterov: bool = False,
    weight_decay: float = 0.0,
    trust_coeff: float = 0.001,
    trust_clip: bool = False,
    always_adapt: bool = False,
) -> Optimizer:
    """SGD with a trust ratio per layer. timm applies the ratio only where there is weight decay, unless
    `always_adapt`."""
    return _create(
        "lars",
        params,
        lr,
        momentum=momentum,
        dampening=dampening,
        nesterov=nesterov,
        weight_decay=weight_decay,
        trust_coeff=trust_coeff,
        trust_clip=trust_clip,
        always_adapt=always_adapt,
    )


def lion(params: Params, lr: float, *, beta1: float = 0.9, beta2: float = 0.99, weight_decay: float = 0.0) -> Optimizer:
    """The sign of an interpolated momentum; it wants a learning rate 3 to 10 times below Adam's."""
    return _create("lion", params, lr, betas=(beta1, beta2), weight_decay=weight_decay)


def madgrad(
    params: Params, lr: float, *, momentum: float = 0.9, eps: float = 1e-6, weight_decay: float = 0.0
) -> Optimizer:
    """Dual averaging with adaptive steps."""
    return _create("madgrad", params, lr, momentum=momentum, eps=eps, weight_decay=weight_decay)


def mars(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.99,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    gamma: float = 0.025,
) -> Optimizer:
    """AdamW on variance-reduced gradients; vectors are trained by plain AdamW."""
    return _create("mars", params, lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, gamma=gamma)


def muon(
    params: Params,
    lr: float,
    *,
    momentum: float = 0.9,
    nesterov: bool = False,
    ns_steps: int = 5,
    beta1: float = 0.9,
    beta2: float = 0.95,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Momentum made orthogonal, for matrices and (flattened) convolutions; vectors are trained by AdamW with `beta1`
    and `beta2`. torch's own Muon refuses every parameter that is not a matrix, so it trains no network with a bias."""
    return _create(
        "muon",
        params,
        lr,
        momentum=momentum,
        nesterov=nesterov,
        ns_steps=ns_steps,
        betas=(beta1, beta2),
        weight_decay=weight_decay,
    )


def nadamw(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Adam with Nesterov momentum and decoupled weight decay, as AlgoPerf has it (no schedule on the momentum)."""
    return _create("nadamw", params, lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)


def novograd(
    params: Params,
    lr: float,
    *,
    beta1: float = 0.95,
    beta2: float = 0.98,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
) -> Optimizer:
    """Second moments per layer instead of per weight."""
    return _create("novograd", params, lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay)


def rmsproptf(
    params: Params,
    lr: float,
    *,
    alpha: float = 0.9,
    eps: float = 1e-10,
    momentum: float = 0.9,
    centered: bool = False,
    weight_decay: float = 0.0,
) -> Optimizer:
    """RMSprop as TensorFlow has it: eps inside the root, second moments that start at one."""
    return _create(
        "rmsproptf",
        params,
        lr,
        alpha=alpha,
        eps=eps,
        momentum=momentum,
        centered=centered,
        weight_decay=weight_decay,
    )


def sgdp(
    params: Params,
    lr: float,
    *,
    momentum: float = 0.9,
    nesterov: bool = True,
    weight_decay: float = 0.0,
    delta: float = 0.1,
    wd_ratio: float = 0.1,
) -> Optimizer:
    """SGD without the radial part of the step on scale-invariant weights."""
    return _create(
        "sgdp",
        params,
        lr,
        momentum=momentum,
        nesterov=nesterov,
        weight_decay=weight_decay,
        delta=delta,
        wd_ratio=wd_ratio,
    )


def sgdw(
    params: Params, lr: float, *, momentum: float = 0.9, nesterov: bool = True, weight_decay: float = 0.0
) -> Optimizer:
    """SGD with decoupled weight decay."""
    return _create("sgdw", params, lr, momentum=momentum, nesterov=nesterov, weight_decay=weight_decay)
