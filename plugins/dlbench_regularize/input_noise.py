"""Gaussian noise on the inputs of training batches."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from dlbench import (
    Batch,
    DynamicGraph,
    Graph,
    Hypergraph,
    Learner,
    NotApplicable,
    Optimizers,
    Regularizer,
    Series,
    Signature,
    Tokens,
    UsageError,
)  # fmt: skip

from .noise import generator_on


class InputNoise(Regularizer):
    """Add independent normal noise with standard deviation `sd`, in the task's normalised units, to every input.

    For a linear model under squared error this adds, in expectation, sd^2 times the squared norm of the weights to the
    loss (Bishop, 1995). Needs a float tensor as input (images, vectors).
    """

    def __init__(self, *, sd: float = 0.1) -> None:
        if sd < 0:
            raise UsageError(f"input_noise needs an sd of at least 0, not {sd}")
        self.sd = sd

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        if isinstance(signature.input, (Tokens, Series, Graph, Hypergraph, DynamicGraph)):
            raise NotApplicable(f"the regularizer input_noise works on images and vectors, not on {signature.input}")

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        inputs = batch.inputs
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
            raise UsageError("the regularizer input_noise works on float tensors (images, vectors) only")
        source = generator_on(inputs.device, generator)
        drawn = torch.randn(inputs.shape, dtype=inputs.dtype, device=inputs.device, generator=source)
        return replace(batch, inputs=drawn.mul_(self.sd).add_(inputs))
