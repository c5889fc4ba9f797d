"""R-GCN: Schlichtkrull et al. 2018, "Modeling Relational Data with Graph Convolutional Networks".

Entities gather messages over the known triples, with a relation's weights one way and others the other way, each a
mixture of a few shared matrices (basis decomposition). A decoder then scores triples of what they have become. As in
the paper, training leaves out edges before messages are averaged, so that the network learns to fill in what is
missing; of a triple that is left out neither direction remains. What differs: in their code every step makes its graph
of half of the triples that it asks for, here the task has taken out all of those; and the loss is the task's, not one
on drawn negatives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .factorise import Decoder


class RGCN(nn.Module):
    """`edge_dropout` of triples, `loop_dropout` of an entity's message to itself. `norm`: messages are averaged over
    the `node`'s edges, or over those of each `relation` and then added."""

    def __init__(
        self, decoder: Decoder, *, entities: int, relations: int, width: int, depth: int = 1, bases: int = 2,
        edge_dropout: float = 0.4, loop_dropout: float = 0.2, norm: str = "node",
    ) -> None:  # fmt: skip
        super().__init__()
        self.entities = nn.Embedding(entities, width)
        self.layers = nn.ModuleList(
            RelationalLayer(width, relations=2 * relations, bases=bases, loop_dropout=loop_dropout)
            for _ in range(depth)
        )
        self.decoder = decoder
        self.num_relations, self.edge_dropout, self.norm = relations, edge_dropout, norm
        nn.init.xavier_uniform_(self.entities.weight)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        """`encoder` and `decoder`, which has a penalty of its own in the paper."""
        return {"encoder": [*self.entities.parameters(), *self.layers.parameters()],
                "decoder": self.decoder.parameters()}  # fmt: skip

    def forward(self, inputs: Any) -> Tensor:
        return self.decoder(self.encode(inputs.known), inputs)

    def encode(self, known: Any) -> Tensor:
        """What entities become on these triples, (E, width)."""
        source = torch.cat([known.heads, known.tails])
        target = torch.cat([known.tails, known.heads])
        types = torch.cat([known.relations, known.relations + self.num_relations])
        weights = self.weigh(target, types)
        x = self.entities.weight
        for number, layer in enumerate(self.layers):
            x = layer(x if number == 0 else x.relu(), source, target, types, weights)
        return x

    def weigh(self, target: Tensor, types: Tensor) -> Tensor:
        """The share (2 T,) of each message in its target's mean; 0 where training leaves it out."""
        kept = torch.ones(len(target) // 2, device=target.device)
        if self.training and self.edge_dropout:
            kept = (torch.rand_like(kept) >= self.edge_dropout).to(kept.dtype)
        kept = kept.repeat(2)
        group, count = target, self.entities.num_embeddings
        if self.norm == "relation":
            group, count = target * (2 * self.num_relations) + types, count * 2 * self.num_relations
        totals = kept.new_zeros(count).index_add(0, group, kept)
        return kept / totals[group].clamp(min=1)


class RelationalLayer(nn.Module):
    """x_i W_0 + b plus the weighted sum of x_j W_r over edges j -> i, where W_r mixes the `bases`."""

    def __init__(self, width: int, *, relations: int, bases: int, loop_dropout: float) -> None:
        super().__init__()
        self.bases = nn.Parameter(torch.empty(bases, width, width))
        self.mixture = nn.Parameter(torch.empty(relations, bases))
        self.loop = nn.Linear(width, width)
        self.loop_dropout = loop_dropout
        for basis in self.bases:
            nn.init.xavier_uniform_(basis)
        nn.init.xavier_uniform_(self.mixture)

    def forward(self, x: Tensor, source: Tensor, target: Tensor, types: Tensor, weights: Tensor) -> Tensor:
        own = F.dropout(self.loop(x), self.loop_dropout, self.training)
        shares = F.embedding(types, self.mixture) * weights[:, None]  # (E, bases)
        messages = (shares[:, :, None] * F.embedding(source, x)[:, None]).flatten(1)  # (E, bases * width)
        gathered = messages.new_zeros(len(x), messages.shape[1]).index_add(0, target, messages)
        return own + gathered @ self.bases.flatten(0, 1)
