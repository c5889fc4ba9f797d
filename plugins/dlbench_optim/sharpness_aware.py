"""The optimizer behind `sam`. Imports torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from .together import Together


class SharpnessAware(Together):
    """Climbs by `rho` along the gradient, takes the gradient there, goes back, and lets the base step with it."""

    def __init__(self, base: Optimizer, *, rho: float, adaptive: bool) -> None:
        super().__init__(base)
        self.rho, self.adaptive = rho, adaptive

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """`closure` clears the gradients, computes the loss and its gradient; it is called twice. Returns the loss at
        the weights themselves."""
        if closure is None:
            raise TypeError("sam evaluates the loss twice in a step: it needs a closure")
        evaluate = torch.enable_grad()(closure)
        loss = evaluate()
        params = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in params]
        for p, climb in zip(params, self._climbs(params), strict=True):
            p.add_(climb)
        evaluate()
        for p, value in zip(params, before, strict=True):
            p.copy_(value)  # not minus the climb, which would leave a rounding
        for optimizer in self.inner:
            optimizer.step()
        return loss

    def _climbs(self, params: list[Tensor]) -> list[Tensor]:
        """rho g / |g|; with `adaptive` rho w^2 g / |w g|."""
        scales = [p.abs() if self.adaptive else torch.ones_like(p) for p in params]
        scaled = [s * p.grad for s, p in zip(scales, params, strict=True)]
        norm = torch.stack([g.norm() for g in scaled]).norm().clamp_min(1e-12)
        return [self.rho * s * g / norm for s, g in zip(scales, scaled, strict=True)]
