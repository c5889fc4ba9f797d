"""DropConnect on hidden-to-hidden weights: Merity, Keskar and Socher 2018, "Regularizing and Optimizing LSTM Language
Models", after Wan et al. 2013, "Regularization of Neural Networks using DropConnect".

One draw holds for all places of a call, so that the fused kernels can still run it.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


def drop_weights(cells: nn.RNNBase, share: float) -> list[Tensor]:
    """The weights of a one-layer, one-direction `cells` in the order that torch's functions take them, with `share` of
    the hidden-to-hidden ones set to 0 and the others scaled up to keep the expectation."""
    return [
        cells.weight_ih_l0, F.dropout(cells.weight_hh_l0, share, training=True), cells.bias_ih_l0, cells.bias_hh_l0,
    ]  # fmt: skip
