"""Syntactic graph convolutions on top of a bidirectional recurrent network: Marcheggiani and Titov 2017, "Encoding
Sentences with Graph Convolutional Networks for Semantic Role Labeling".

Differs from the paper: no vectors trained elsewhere, no parts of speech or lemmas among the inputs, and the answer at a
word is a linear layer of its state, not the product of its state with the predicate's.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .network import RecurrentNetwork


class SyntacticLayer(nn.Module):
    """A word's state is made of those of its head, its dependents and its own: (N, width) -> (N, width).

    Each edge gives `gate * (V x + b)` of its source's state x: the matrix V belongs to its direction (from head to
    dependent, or back; a word's own has a third), the bias b to its relation, and so do the gate's, a number between 0
    and 1. They are added up, and the negative parts cut off. `relations`: how many there are; the first half leads from
    head to dependent. `gated=false` leaves the gates out, which then are 1.
    """

    def __init__(self, width: int, relations: int, *, gated: bool = True) -> None:
        super().__init__()
        self.half = relations // 2
        self.own = nn.Linear(width, width)
        self.directions = nn.Linear(width, 2 * width, bias=False)  # down, and up
        self.bias = nn.Embedding(relations, width)
        nn.init.zeros_(self.bias.weight)
        self.gate = nn.Linear(width, 3) if gated else None  # own, down, up
        if gated:
            self.gate_bias = nn.Embedding(relations, 1)
            nn.init.zeros_(self.gate_bias.weight)

    def forward(self, x: Tensor, edges: Tensor, relations: Tensor) -> Tensor:
        source, target = edges
        count, width = x.shape
        up = (relations >= self.half).long()
        rows = self.directions(x).view(2 * count, width)  # of each word: down, up
        messages = rows.index_select(0, 2 * source + up) + self.bias(relations)
        mine = self.own(x)
        if self.gate is not None:
            gates = self.gate(x)  # (N, 3)
            mine = mine * gates[:, :1].sigmoid()
            of_edges = gates.flatten().index_select(0, 3 * source + 1 + up)[:, None] + self.gate_bias(relations)
            messages = messages * of_edges.sigmoid()
        return mine.index_add(0, target, messages.to(mine.dtype)).relu()


class SyntacticNetwork(RecurrentNetwork):
    """Sentences with edges -> logits for each word (B, T, num_classes), or for each sentence (B, num_classes).

    `inputs` is what `SyntaxBatch` describes. The recurrent layers read both ways; `hops` syntactic layers follow, of
    which each reaches one edge further; without any it is the recurrent network itself. `residual`: a layer's input is
    added to its output. The other options are those of `RecurrentNetwork`.
    """

    def __init__(
        self, *, relations: int, width: int, hops: int = 1, gated: bool = True, residual: bool = False, **options: Any
    ) -> None:
        super().__init__(width=width, bidirectional=True, **options)
        self.residual = residual
        self.syntax = nn.ModuleList(SyntacticLayer(2 * width, relations, gated=gated) for _ in range(hops))

    def forward(self, inputs: Any, *state: Any) -> Tensor:
        hidden = self._run_both_ways(self.input(inputs), inputs.lengths)  # (B, T, 2 width)
        if self.syntax:
            rows = inputs.rows_of(hidden)  # (N, 2 width)
            for layer in self.syntax:
                found = layer(self.dropout(rows), inputs.edges, inputs.relations)
                rows = rows + found if self.residual else found
            hidden = inputs.padded(rows)
        return self._answer(hidden, inputs.lengths)
