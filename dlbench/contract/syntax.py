"""Sentences with the dependencies between their words: the kinds `SyntaxGraph` and `WordTags`, and `SyntaxBatch`, the
runtime value. No torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from .kinds import Graph, NodeClasses, Tokens, TokenTags

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class SyntaxGraph(Tokens, Graph):
    """Sentences with the dependencies between their words. Runtime value: a `SyntaxBatch`.

    It is `Tokens`, so every model of sequences runs on it, and it is a `Graph`, so every graph network does: a word is
    a node whose features are its number as a one-hot row, an edge's features are its relation as one. `relations`: how
    many there are, that from head to dependent and that back counted as two. `marks`: how many words or phrases of a
    sentence the question is about, such as a predicate.
    """

    relations: int
    marks: int = 0
    node_features: int = field(init=False, default=0)
    edge_features: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "node_features", self.vocab)
        object.__setattr__(self, "edge_features", self.relations)

    def __str__(self) -> str:
        rest = {"relations": self.relations, "characters": self.characters, "marks": self.marks}
        length = [] if self.length is None else [str(self.length)]
        return f"{self.label()}[{','.join([str(self.vocab), *length, *(f'{k}={v}' for k, v in rest.items() if v)])}]"


@dataclass(frozen=True, kw_only=True)
class WordTags(TokenTags, NodeClasses):
    """A class for every word of a `SyntaxGraph`. `predict(inputs)` returns logits (B, T, num_classes), as models of
    sequences do, or (N, num_classes), a row for each node, as graph networks do. Targets int64 (B, T).

    `tags`: the names of the classes, where they say what a span is: `O`, `B-` and `I-` with a type.
    """

    tags: tuple[str, ...] = ()

    def shape(self, inputs: Any) -> tuple[int, ...]:
        return (*inputs.ids.shape, self.num_classes)

    def fits(self, got: Any, inputs: Any) -> bool:
        return got in (self.shape(inputs), (len(inputs.places), self.num_classes))

    def __str__(self) -> str:
        return f"{self.label()}[{self.num_classes}]"


class SyntaxBatch(NamedTuple):
    """Sentences as tokens and as one graph, whose N nodes are their words, one sentence after the other.

    `ids`, `lengths`, `characters`, `previous`, `sizes`: as in `TokenBatch`; `lengths` is always there. `places` (N,)
    int64: where among the B T places each node stands. `edges` (2, E) int64: source then target, ascending by target;
    each dependency from the head to the dependent and back. `relations` (E,) int64: the kind of each edge, below
    `num_relations`. `graph_ids` (N,): the sentence of each node.

    `marks` (B, T) int64: 1, 2, ... at the words that the question is about, 0 elsewhere; None where the kind has no
    marks. `from_path` (B, T) int64: where there are two marks, how many edges lie between a word and the shortest path
    that joins them; -1 where none leads there, and in padding.
    """

    ids: Tensor
    lengths: Tensor
    places: Tensor
    edges: Tensor
    relations: Tensor
    graph_ids: Tensor
    vocab: int
    num_relations: int
    characters: Tensor | None = None
    marks: Tensor | None = None
    from_path: Tensor | None = None
    previous: Tensor | None = None
    sizes: list[int] | None = None
    by_target: bool = True
    loopless: bool = True

    @property
    def batch_size(self) -> int:
        return self.ids.shape[0]

    @property
    def num_graphs(self) -> int:
        return self.ids.shape[0]

    @property
    def nodes(self) -> Tensor:
        """The words' numbers as one-hot rows, CSR (N, vocab), made anew each time."""
        import torch

        ids = self.rows_of(self.ids)
        pointers = torch.arange(len(ids) + 1, device=ids.device)
        ones = torch.ones(len(ids), device=ids.device)
        return torch.sparse_csr_tensor(pointers, ids, ones, (len(ids), self.vocab), check_invariants=False)

    @property
    def edge_features(self) -> Tensor:
        """The relations as one-hot rows, float (E, num_relations), made anew each time."""
        import torch

        rows = torch.zeros(len(self.relations), self.num_relations, device=self.relations.device)
        return rows.scatter_(1, self.relations[:, None], 1.0)

    def rows_of(self, padded: Tensor) -> Tensor:
        """(B, T, ...) -> (N, ...): a row for each word."""
        return padded.flatten(0, 1).index_select(0, self.places)

    def padded(self, rows: Tensor) -> Tensor:
        """(N, D) -> (B, T, D), zeros in padding."""
        count, longest = self.ids.shape
        return rows.new_zeros(count * longest, rows.shape[1]).index_copy(0, self.places, rows).view(count, longest, -1)

    def first(self) -> SyntaxBatch:
        """The first sentence alone, filled up as far as it was."""
        words = int(self.lengths[0])
        within = self.edges[0] < words
        rows = {name: value[:1] for name, value in self._asdict().items() if name in BY_SENTENCE and value is not None}
        return self._replace(
            places=self.places[:words], graph_ids=self.graph_ids[:words], edges=self.edges[:, within],
            relations=self.relations[within], **rows,
        )  # fmt: skip


BY_SENTENCE = ("ids", "lengths", "characters", "marks", "from_path", "previous", "sizes")
"""The fields of a `SyntaxBatch` that have a row for each sentence."""
