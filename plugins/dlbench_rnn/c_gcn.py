"""Graph convolutions over the words near the path between two nominals, on top of a bidirectional LSTM: Zhang, Qi and
Manning 2018, "Graph Convolution over Pruned Dependency Trees Improves Relation Extraction".

Differs from the paper: no vectors trained elsewhere, no parts of speech or types among the inputs. Where a task gives
no trees but a chain, the path is the words between the nominals, and pruning leaves so many words on either side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .network import RecurrentNetwork


class PrunedLayer(nn.Module):
    """A word's state from those of its neighbours and its own, their mean under one matrix: (N, before) -> (N, after).

    `weights` (E,): 1 for an edge that was kept, else 0.
    """

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.linear = nn.Linear(before, after)

    def forward(self, x: Tensor, edges: Tensor, weights: Tensor) -> Tensor:
        source, target = edges
        degrees = weights.new_ones(len(x)).index_add(0, target, weights)  # with the word itself
        found = x.index_add(0, target, x.index_select(0, source) * weights[:, None].to(x.dtype))
        return self.linear(found / degrees[:, None].to(x.dtype)).relu()


class PrunedPathNetwork(RecurrentNetwork):
    """Sentences with two marked nominals -> logits (B, num_classes).

    `inputs` is what `SyntaxBatch` describes, with `.marks` and `.from_path`. Kept are the words that lie at most
    `prune` edges off the path between the nominals; None keeps all. `hops` layers follow on the recurrent ones, and the
    largest of each unit over the kept words, over the first nominal and over the second go through two linear layers.
    The other options are those of `RecurrentNetwork`.
    """

    def __init__(
        self, *, num_classes: int, width: int, hops: int = 2, prune: int | None = 1, **options: Any
    ) -> None:  # fmt: skip
        super().__init__(num_classes=num_classes, width=width, bidirectional=True, answers="classes", **options)
        self.prune = prune
        sizes = [2 * width, *[width] * hops]
        self.convolutions = nn.ModuleList(map(PrunedLayer, sizes, sizes[1:]))
        self.join = nn.Linear(3 * sizes[-1], width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, inputs: Any, *state: Any) -> Tensor:
        hidden = self._run_both_ways(self.input(inputs), inputs.lengths)  # (B, T, 2 width)
        kept = self.kept(inputs)  # (B, T)
        rows, stays = inputs.rows_of(hidden), inputs.rows_of(kept)
        weights = (stays[inputs.edges[0]] & stays[inputs.edges[1]]).to(torch.float32)
        for layer in self.convolutions:
            rows = layer(self.dropout(rows), inputs.edges, weights)
        states = inputs.padded(rows)
        parts = [kept, inputs.marks == 1, inputs.marks == 2]
        pooled = torch.cat([_largest(states, part) for part in parts], 1)  # (B, 3 width)
        return self.head(self.dropout(self.join(self.dropout(pooled)).relu()))

    def kept(self, inputs: Any) -> Tensor:
        """Which words stay, (B, T)."""
        place = torch.arange(inputs.ids.shape[1], device=inputs.ids.device)
        if self.prune is None:
            return place < inputs.lengths[:, None]
        return (inputs.from_path >= 0) & (inputs.from_path <= self.prune)


def _largest(states: Tensor, part: Tensor) -> Tensor:
    """(B, T, D) and places (B, T), at least one in each row -> (B, D)."""
    return states.masked_fill(~part.unsqueeze(-1), float("-inf")).amax(1)
