"""The multi-layer perceptron.

David Rumelhart, Geoffrey Hinton and Ronald Williams, 1986, "Learning Representations by Back-Propagating Errors".

What differs: rectified linear units in place of sigmoids (Nair and Hinton, 2010), optional dropout after each of
them and on the inputs (Srivastava et al., 2014), and an optional norm before each of them: over the batch (Ioffe and
Szegedy, 2015), over a layer's units (Ba, Kiros and Hinton, 2016) or over groups of them (Wu and He, 2018).
"""

from __future__ import annotations

from math import gcd

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORMS = ("batch", "layer", "group")
GROUPS = 8


class MLP(nn.Module):
    """`depth` hidden layers of `width` units from `features` numbers to `num_classes`; `dropout`, after each of them,
    and `input_dropout` are probabilities. `norm`: before each rectifier, `batch`, `layer` or `group` (8 groups of
    units, or fewer where 8 doesn't divide the width); None for none.

    Raises ValueError for a depth below 1, without a hidden layer this is a perceptron, and for an unknown norm.
    """

    def __init__(
        self,
        *,
        features: int,
        num_classes: int,
        width: int = 256,
        depth: int = 2,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        norm: str | None = None,
    ) -> None:
        super().__init__()
        self.input_dropout = input_dropout
        self.hidden = hidden_layers(features, width, depth, dropout, norm)
        self.output = nn.Linear(width, num_classes)

    def forward(self, inputs: Tensor) -> Tensor:
        """(N, features), dense or CSR -> (N, num_classes)"""
        return self.output(self.hidden(drop(inputs, self.input_dropout, self.training)))


def hidden_layers(features: int, width: int, depth: int, dropout: float, norm: str | None = None) -> nn.Sequential:
    """(N, features), dense or CSR -> (N, width)."""
    if depth < 1:
        raise ValueError(f"depth counts hidden layers and must be at least 1, not {depth}")
    layers: list[nn.Module] = []
    for size in [features] + [width] * (depth - 1):
        layers += [nn.Linear(size, width), *norm_of(norm, width), nn.ReLU()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def norm_of(norm: str | None, width: int) -> list[nn.Module]:
    """The layer of that name for `width` units; none for None."""
    if norm is None:
        return []
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)} or none, not {norm!r}")
    if norm == "group":
        return [nn.GroupNorm(gcd(GROUPS, width), width)]
    return [nn.BatchNorm1d(width) if norm == "batch" else nn.LayerNorm(width)]


def drop(inputs: Tensor, dropout: float, training: bool) -> Tensor:
    """Dropout on dense or CSR inputs. Of the latter it drops stored values: zeros stay zeros either way. Where
    precision is lowered they become dense, as torch multiplies no CSR matrix there."""
    if inputs.layout == torch.sparse_csr and torch.is_autocast_enabled(inputs.device.type):
        inputs = inputs.to_dense()
    if not training or not dropout:
        return inputs
    if inputs.layout != torch.sparse_csr:
        return F.dropout(inputs, dropout)
    values = F.dropout(inputs.values(), dropout)
    return torch.sparse_csr_tensor(inputs.crow_indices(), inputs.col_indices(), values, inputs.shape)
