"""Gaussian noise on the weights under which gradients are computed."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, NotApplicable, Optimizers, Regularizer, Signature, UsageError

from .noise import generator_on


class WeightNoise(Regularizer):
    """Each training step computes its gradients at weights with independent normal noise on them; before the optimizer
    steps, the weights are put back, bit for bit.

    Graves (2011), "Practical Variational Inference for Neural Networks". The standard deviation is `sd` times the root
    mean square of the tensor that a weight is in, so that layers of different scale get noise of the same proportion;
    with `relative=false` it is `sd` itself. For a linear model under squared error the latter adds, in expectation,
    sd^2 times the squared norm of the input to the loss. Acts on parameters of more than one dimension. A step that
    minimizes a part several times is noisy the first time only; penalties see the noisy weights. Not for optimizers
    that evaluate the loss several times a step: they would compare losses at different weights.
    """

    def __init__(self, *, sd: float = 0.5, relative: bool = True) -> None:
        if sd < 0:
            raise UsageError(f"weight_noise needs an sd of at least 0, not {sd}")
        self.sd, self.relative = sd, relative
        self._weights: list[nn.Parameter] = []
        self._saved: dict[int, Tensor] = {}
        self._noisy: set[int] = set()
        self._shares = torch.empty(0)

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        if getattr(optimizers, "has_closures", False):
            raise NotApplicable("weight_noise needs an optimizer that evaluates its loss once a step")
        self._weights = [p for p in learner.parameters() if p.requires_grad and p.dim() > 1]
        if not self._weights:
            raise NotApplicable("weight_noise needs a model with weights of two or more dimensions")
        self._saved = {id(p): torch.empty_like(p, requires_grad=False) for p in self._weights}
        self._shares = torch.tensor([p.numel() ** -0.5 for p in self._weights], device=self._weights[0].device)

    @torch.no_grad()
    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        if not self.sd:
            return batch
        weights, device = self._weights, self._weights[0].device
        torch._foreach_copy_([self._saved[id(p)] for p in weights], weights)
        drawn = torch.randn(
            sum(p.numel() for p in weights), device=device, dtype=weights[0].dtype,
            generator=generator_on(device, generator),
        )  # fmt: skip
        noise = [part.view(p.shape) for part, p in zip(drawn.split([p.numel() for p in weights]), weights, strict=True)]
        if self.relative:
            sizes = torch.stack(torch._foreach_norm(weights)) * self._shares
            torch._foreach_mul_(noise, list(sizes.unbind()))
        torch._foreach_add_(weights, noise, alpha=self.sd)
        self._noisy = set(self._saved)
        return batch

    def on_gradients(self, parameters: list[nn.Parameter]) -> None:
        self._restore(parameters)

    def after_step(self, learner: Learner) -> None:
        self._restore(self._weights)

    @torch.no_grad()
    def _restore(self, parameters: list[nn.Parameter]) -> None:
        """Those that are noisy still."""
        mine = [p for p in parameters if id(p) in self._noisy]
        if mine:
            torch._foreach_copy_(mine, [self._saved[id(p)] for p in mine])
            self._noisy.difference_update(map(id, mine))
