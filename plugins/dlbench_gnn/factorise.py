"""Vectors of entities and relations whose product, or distance, scores a triple: DistMult, ComplEx, TransE.

A decoder is called as `decoder(states, inputs)` with a vector of each entity, (E, D), and what a `LinkBatch` holds; it
returns the score of each entity as the missing end, (B, E). `Factorisation` has a decoder on vectors of its own, `rgcn`
on what it has made of a graph.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Decoder(nn.Module):
    """`dropout`: of the vector that a question is made of, from that of the anchor and the relation's."""

    def __init__(self, *, relations: int, width: int, dropout: float) -> None:
        super().__init__()
        self.relations = nn.Embedding(relations, width)
        self.dropout = dropout
        nn.init.xavier_uniform_(self.relations.weight)

    def forward(self, states: Tensor, inputs: Any) -> Tensor:
        sign = 1 - 2 * inputs.backward.to(states.dtype).unsqueeze(1)  # (B, 1): -1 where the head is asked for
        asked = self.ask(F.embedding(inputs.anchors, states), self.relations(inputs.relations), sign)
        return self.compare(F.dropout(asked, self.dropout, self.training), states)

    def ask(self, anchors: Tensor, relations: Tensor, sign: Tensor) -> Tensor:
        """The vectors (B, D) that the right entities should be like."""
        raise NotImplementedError

    def compare(self, asked: Tensor, states: Tensor) -> Tensor:
        """How much (B, D) are like (E, D): (B, E)."""
        return asked @ states.T


class DistMult(Decoder):
    """Yang et al. 2015, "Embedding Entities and Relations for Learning and Inference in Knowledge Bases": the sum of
    h * r * t. The same both ways, so it can't tell a parent from a child by their relation."""

    def ask(self, anchors: Tensor, relations: Tensor, sign: Tensor) -> Tensor:
        return anchors * relations


class ComplEx(Decoder):
    """Trouillon et al. 2016, "Complex Embeddings for Simple Link Prediction": the real part of the sum of h * r *
    conj(t), where the first half of a vector is its real part and the second its imaginary one."""

    def ask(self, anchors: Tensor, relations: Tensor, sign: Tensor) -> Tensor:
        real, imaginary = anchors.chunk(2, dim=1)
        of_relation, along = relations.chunk(2, dim=1)
        along = along * sign  # conj(r) where the head is asked for
        turned = real * along + imaginary * of_relation
        return torch.cat([real * of_relation - imaginary * along, turned], dim=1)


class TransE(Decoder):
    """Bordes et al. 2013, "Translating Embeddings for Modeling Multi-relational Data": the distance of h + r from t,
    in the given norm, with the sign changed. Vectors aren't scaled to length 1 as there."""

    def __init__(self, *, norm: int = 2, **sizes: Any) -> None:
        super().__init__(**sizes)
        self.norm = norm

    def ask(self, anchors: Tensor, relations: Tensor, sign: Tensor) -> Tensor:
        return anchors + sign * relations

    def compare(self, asked: Tensor, states: Tensor) -> Tensor:
        return -torch.cdist(asked, states.to(asked.dtype), p=float(self.norm))


class Factorisation(nn.Module):
    """A vector of each entity and nothing else: what a graph says is in the vectors alone."""

    def __init__(self, decoder: Decoder, *, entities: int, width: int) -> None:
        super().__init__()
        self.entities = nn.Embedding(entities, width)
        self.decoder = decoder
        nn.init.xavier_uniform_(self.entities.weight)

    def forward(self, inputs: Any) -> Tensor:
        return self.decoder(self.entities.weight, inputs)
