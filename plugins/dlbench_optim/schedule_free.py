"""Schedule-free AdamW (Defazio et al., 2024, "The Road Less Scheduled"), of the package schedulefree, an optional extra
that is imported on build."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dlbench import UsageError

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer


def schedule_free_adamw(
    params: Iterable[nn.Parameter],
    lr: float,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.0,
    warmup_steps: int = 0,
    r: float = 0.0,
    weight_lr_power: float = 2.0,
) -> Optimizer:
    """AdamW that averages its iterates in place of a schedule, so it wants `schedule=constant`; `warmup_steps` is its
    own.

    It takes gradients at one point and is judged at another, the average. This is the package's form with a closure,
    which goes to the first for the gradient and comes back within the step: what stands in the weights between steps is
    the average, so that judging, selection and averaging need to know nothing of it. The loss is evaluated once a step.
    Running statistics, as of batch norm, are those of the first point.
    """
    try:
        from schedulefree import AdamWScheduleFreeClosure
    except ImportError as error:
        raise UsageError("schedule_free_adamw needs the package schedulefree: pip install schedulefree") from error

    built: Optimizer = AdamWScheduleFreeClosure(
        params, lr=lr, betas=(beta1, beta2), eps=eps, weight_decay=weight_decay, warmup_steps=warmup_steps, r=r,
        weight_lr_power=weight_lr_power,
    )  # fmt: skip
    return built
