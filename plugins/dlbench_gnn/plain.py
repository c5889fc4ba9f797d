"""The form of networks on one graph: layers straight from the features to the classes, with dropout before each.

Kipf & Welling 2017, "Semi-Supervised Classification with Graph Convolutional Networks". Residual connections around the
layers of equal width, and jumping knowledge (Xu et al. 2018, "Representation Learning on Graphs with Jumping Knowledge
Networks"), are options.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .norm import RowNorm
from .structure import Latest

Activation = Callable[[Tensor], Tensor]
JUMPS = ("last", "cat", "max", "sum")


class PlainNetwork(nn.Module):
    """Graph -> logits per node (N, num_classes).

    `inputs` has `.nodes` (N, features), dense or CSR, and `.edges` (2, E) int64, source then target.
    `layer(before, after, last)` makes a layer, called as `layer(x, structure)`; its attribute `sparse` says that it
    takes CSR features, `out_features` how many columns it returns. Of CSR features dropout drops only stored values,
    which is the same for all that follows and much faster. With `jump` other than `last`, all layers are hidden ones,
    and a linear layer follows what their outputs are joined to.
    """

    def __init__(
        self,
        *,
        layer: Callable[[int, int, bool], nn.Module],
        features: int,
        num_classes: int,
        width: int,
        depth: int = 2,
        dropout: float = 0.5,
        activation: Activation = F.relu,
        residual: bool = False,
        batch_norm: bool = False,
        jump: str = "last",
    ) -> None:
        super().__init__()
        if depth < 1 or jump not in JUMPS:
            raise ValueError(f"depth is at least 1 and jump one of {', '.join(JUMPS)}, not {depth} and {jump!r}")
        self.dropout, self.activation, self.residual, self.jump = dropout, activation, residual, jump
        layers: list[Any] = []
        before = features
        for index in range(depth):
            last = index == depth - 1 and jump == "last"
            layers.append(layer(before, num_classes if last else width, last))
            before = layers[-1].out_features
        self.layers = nn.ModuleList(layers)
        hidden = layers[:-1] if jump == "last" else layers
        self.norms = nn.ModuleList(RowNorm(each.out_features) for each in hidden) if batch_norm else None
        self.head = None if jump == "last" else nn.Linear(before * (depth if jump == "cat" else 1), num_classes)
        self.structure_of = Latest()

    def forward(self, inputs: Any) -> Tensor:
        structure = self.structure_of(inputs)
        x, states = multipliable(inputs.nodes), []
        for index, layer in enumerate(self.layers):
            dropped = drop(x, self.dropout, self.training)
            if dropped.layout == torch.sparse_csr and not getattr(layer, "sparse", False):
                dropped = dropped.to_dense()
            y = layer(dropped, structure)  # (N, width), at last (N, num_classes)
            if self.head is None and index == len(self.layers) - 1:
                return y
            y = self.activation(y if self.norms is None else self.norms[index](y))
            x = y + x if self.residual and y.shape == x.shape else y
            states.append(x)
        assert self.head is not None
        return self.head(drop(join(states, self.jump), self.dropout, self.training))

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """The first layer by itself, as the paper penalises its weights alone."""
        first = list(self.layers[0].parameters())
        known = {id(p) for p in first}
        return {"first": first, "rest": [p for p in self.parameters() if id(p) not in known]}


def multipliable(x: Tensor) -> Tensor:
    """x, made dense where precision is lowered, as torch multiplies no CSR matrix there."""
    return x.to_dense() if x.layout == torch.sparse_csr and torch.is_autocast_enabled(x.device.type) else x


def drop(x: Tensor, dropout: float, training: bool) -> Tensor:
    """Dropout on x (N, D), dense or CSR."""
    if not training or dropout == 0:
        return x
    if x.layout != torch.sparse_csr:
        return dropped(x, dropout)
    values = dropped(x.values(), dropout)
    return torch.sparse_csr_tensor(x.crow_indices(), x.col_indices(), values, x.shape, check_invariants=False)


def dropped(x: Tensor, dropout: float) -> Tensor:
    """Dropout in training. On a CPU torch's own takes three times as long to draw its mask."""
    if x.device.type != "cpu" or dropout >= 1:
        return F.dropout(x, dropout)
    return x * (torch.rand(x.shape) >= dropout).to(x.dtype).mul_(1 / (1 - dropout))


def join(states: list[Tensor], how: str) -> Tensor:
    """The states (N, D) of all layers as one: side by side, the largest, or their sum."""
    if how == "cat":
        return torch.cat(states, dim=1)
    stacked = torch.stack(states)
    return stacked.amax(dim=0) if how == "max" else stacked.sum(dim=0)
