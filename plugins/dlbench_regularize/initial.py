"""First weights: what `init` of a recipe puts in place of those that a model makes."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import torch
from torch import nn

from dlbench import Learner, NotApplicable

from .layers import Weights, biases_of, weights_of

Fill = Callable[[Weights], None]


def initializer(fill: Fill) -> Callable[[Learner], None]:
    """A function that fills the weights of every linear, bilinear, convolutional, recurrent and attention layer and
    sets their biases to zero. Norms, embeddings and parameters of no such layer (class tokens, positions) stay as the
    model made them; so do shared weights that are an embedding's too."""

    @torch.no_grad()
    def start(learner: Learner) -> None:
        embeddings = {id(m.weight) for m in learner.modules() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))}
        found = [w for w in weights_of(learner) if id(w.parameter) not in embeddings]
        if not found:
            raise NotApplicable("init needs linear, convolutional or recurrent layers, and this model has none")
        for weights in found:
            fill(weights)
        for bias in biases_of(learner):
            bias.zero_()

    return start


def zeros(weights: Weights) -> None:
    weights.parameter.zero_()


def normal(sd: float) -> Fill:
    """The same standard deviation everywhere."""
    return lambda weights: _draw(weights, sd)


def lecun(weights: Weights) -> None:
    """Normal with variance 1 / fan_in."""
    _draw(weights, sqrt(1 / weights.fan_in))


def glorot(weights: Weights) -> None:
    """Normal with variance 2 / (fan_in + fan_out)."""
    _draw(weights, sqrt(2 / (weights.fan_in + weights.fan_out)))


def he(weights: Weights) -> None:
    """Normal with variance 2 / fan_in: what a rectifier keeps of a signal's second moment, half, is made up for."""
    _draw(weights, sqrt(2 / weights.fan_in))


def orthogonal(gain: float) -> Fill:
    """`gain` times a matrix with orthonormal rows or columns, whichever are fewer, uniform among those, for each matrix
    of a layer by itself; a filter is a row."""

    def fill(weights: Weights) -> None:
        for matrix in weights.matrices():
            flat = nn.init.orthogonal_(torch.empty(len(matrix), matrix[0].numel()), gain)
            matrix.copy_(flat.view(matrix.shape))

    return fill


def _draw(weights: Weights, sd: float) -> None:
    weights.parameter.normal_(0.0, sd)
