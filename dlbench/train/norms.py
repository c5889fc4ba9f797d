"""Batch norm with the statistics of a batch of which each of several processes has a part: torch's own `SyncBatchNorm`
is for CUDA only."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.nn import functional

ALONE = functional.batch_norm
"""Torch's own, as it was before `Several` took its place."""
BACKWARD = torch.ops.aten.native_batch_norm_backward
HALF = (torch.float16, torch.bfloat16)


class Processes(Protocol):
    """What batch norm asks of the processes that share a batch."""

    rank: int
    size: int
    idle: bool

    def sum(self, value: Tensor) -> None:
        """Add up a contiguous tensor over all, in place."""
        ...

    def live(self, value: Tensor) -> Tensor:
        """Zeros where nothing of this process's part counts."""
        ...


class Norm(NamedTuple):
    """What torch's `batch_norm` takes."""

    input: Tensor
    running_mean: Tensor | None = None
    running_var: Tensor | None = None
    weight: Tensor | None = None
    bias: Tensor | None = None
    training: bool = False
    momentum: float = 0.1
    eps: float = 1e-5


def shared_norm(team: Processes, asked: Norm) -> Tensor:
    """`asked` of the whole batch."""
    x = asked.input.float() if asked.input.dtype in HALF else asked.input
    out, mean, variance, count = _Shared.apply(x, asked.weight, asked.bias, team, asked.eps)
    if x.numel() <= x.shape[1] and count == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {list(x.shape)}")
    with torch.no_grad():
        if asked.running_mean is not None:
            asked.running_mean.lerp_(mean.to(asked.running_mean.dtype), asked.momentum)
        if asked.running_var is not None:
            asked.running_var.lerp_((variance * count / (count - 1)).to(asked.running_var.dtype), asked.momentum)
    return out.to(asked.input.dtype)  # type: ignore[no-any-return]


class _Shared(torch.autograd.Function):
    """Output, mean, biased variance, and of how many values of each channel. Torch's kernels for given statistics do
    most of the work; where gradients are to have gradients, it is done again in steps that have them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, team: Processes, eps: float
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:  # fmt: skip
        mean, variance, count = _moments(team, x)
        ctx.save_for_backward(x, weight, bias, mean, variance, count)
        ctx.team, ctx.eps = team, eps
        ctx.mark_non_differentiable(mean, variance, count)
        return ALONE(x, mean, variance, weight, bias, False, 0.0, eps), mean, variance, count

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, weight, bias, mean, variance, count = ctx.saved_tensors
        given = gradients[0].contiguous()
        if torch.is_grad_enabled():
            wanted = [tensor for tensor in (x, weight, bias) if tensor is not None and tensor.requires_grad]
            again = _in_steps(ctx.team, x, weight, bias, ctx.eps)
            found = iter(torch.autograd.grad(again, wanted, given, create_graph=True))
            return *(next(found) if need else None for need in ctx.needs_input_grad[:3]), None, None
        scale = torch.rsqrt(variance + ctx.eps)
        direct, by_weight, by_bias = BACKWARD(
            given, x, weight, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )  # fmt: skip
        sums = ctx.team.live(torch.stack([by_bias, by_weight * scale]))
        ctx.team.sum(sums)
        shape = _shape(x)
        factor = -(scale if weight is None else scale * weight) / count
        through = torch.addcmul((factor * sums[0]).view(shape), x - mean.view(shape), (factor * sums[1]).view(shape))
        needs = ctx.needs_input_grad
        return direct.add_(through), by_weight if needs[1] else None, by_bias if needs[2] else None, None, None


class _Sum(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, team: Processes, value: Tensor) -> Tensor:
        ctx.team, value = team, value.clone()
        team.sum(value)
        return value

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Any:
        return None, _Sum.apply(ctx.team, gradient.contiguous())


def _in_steps(team: Processes, x: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    shape = _shape(x)
    mean, variance, _ = _moments(team, x)
    out = (x - mean.view(shape)) * torch.rsqrt(variance + eps).view(shape)
    out = out if weight is None else out * weight.view(shape)
    return out if bias is None else out + bias.view(shape)


def _moments(team: Processes, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and variance (C,) of each channel over all processes, and of how many values: those of each process, put
    together as Chan, Golub and LeVeque do (1983, "Algorithms for Computing the Sample Variance")."""
    channels, others = x.shape[1], [0, *range(2, x.dim())]
    own_variance, own_mean = torch.var_mean(x, others, correction=0)
    size = x.numel() / channels
    own = torch.cat([own_mean, own_variance * size, x.new_tensor([size])]) * (0.0 if team.idle else 1.0)
    empty = torch.zeros_like(own)
    each = _Sum.apply(team, torch.stack([own if rank == team.rank else empty for rank in range(team.size)]))
    means, squares, counts = each.split([channels, channels, 1], dim=1)
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    return mean, (squares + counts * (means - mean).square()).sum(0) / count, count


def _shape(x: Tensor) -> list[int]:
    return [1, -1, *[1] * (x.dim() - 2)]
