"""Sentences as tokens and as graphs, which the tasks of this room share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dlbench import SyntaxBatch, SyntaxGraph
from dlbench.data.graphs import GraphSet
from dlbench.data.sequences import POOL, BucketedBatches, Index

from ..labelling.spelling import Spellings
from ..labelling.tagged import Treatment
from ..vocabulary import Vocabulary, check_rate, drop_rare
from .blocks import Edge
from .edges import from_path

WORD, SPELLING, MARK, PATH, TAG = range(5)  # columns of a split's words
FILLER = (0, 0, 0, -1, -1)
"""A place in the padding."""
UNSEEN = "?"


@dataclass
class Sentence:
    """Words and the edges between them. `marks`: 1, 2, ... at the words that the question is about, 0 elsewhere; empty
    where it is about none. `tags`: what is asked of each word, None where nothing is; empty where nothing is asked of
    words."""

    words: Sequence[str]
    edges: Sequence[Edge]
    marks: Sequence[int] = ()
    tags: Sequence[str | None] = ()


@dataclass
class Split:
    """The sentences of a split in flat tensors. `graphs` has their edges; `words` (N, 5) and `relations` (E,) int64
    belong to its nodes and edges. `lengths` (R,) and `widths` (R,), of the longest word, are on the CPU."""

    graphs: GraphSet
    words: Tensor
    relations: Tensor
    lengths: Tensor
    widths: Tensor


class Sentences:
    """All splits. Words, characters and relations are those of the training split; a relation that it lacks is the
    first. Numbers of relations: those from head to dependent, then, in the same order, those back.

    `tags`: the numbers of the tags; a word of which nothing is asked has -1.
    """

    def __init__(
        self, splits: Mapping[str, Sequence[Sentence]], treatment: Treatment, *, marks: int = 0,
        tags: Mapping[str, int] | None = None, device: str = "cpu",
    ) -> None:  # fmt: skip
        check_rate(treatment.word_dropout)
        self.treatment, self.device, self.marks, self.tags = treatment, device, marks, dict(tags or {})
        self.filler = torch.tensor(FILLER, device=device)
        train = splits["train"]
        normal = treatment.normal
        self.vocabulary = Vocabulary([normal(word) for word in sentence.words] for sentence in train)
        self.spellings = None
        if treatment.characters:
            words = {name: list(chain.from_iterable(s.words for s in split)) for name, split in splits.items()}
            self.spellings = Spellings(words["train"], words["val"] + words["test"], device=device)
        self.relations = [UNSEEN, *sorted({relation for s in train for _, _, relation in s.edges})]
        self.splits = {name: self._split(split) for name, split in splits.items()}
        self.kind = SyntaxGraph(
            vocab=len(self.vocabulary),
            length=max(int(split.lengths.max()) for split in self.splits.values()),
            characters=self.spellings.characters if self.spellings else 0,
            relations=2 * len(self.relations),
            marks=marks,
        )

    def batches(self, name: str, batch_size: int, generator: torch.Generator | None, gather: Any) -> BucketedBatches:
        """The batches of a pass, each made by `gather(index, split)`. In training words that are rare become the
        unknown word, once per pass."""
        split = self.splits[name]
        if name == "train" and generator is not None and self.treatment.word_dropout:
            split = self._with_unknown_words(split, generator)
        return BucketedBatches(
            split.lengths, batch_size, generator, lambda index: gather(index, split), device=self.device,
            pool=POOL if self.treatment.bucket else 1,
        )  # fmt: skip

    def batch(self, split: Split, index: Index) -> tuple[SyntaxBatch, Tensor]:
        """The sentences of an index, and their tags (B, T), -1 in padding."""
        sizes = split.lengths[index.host]
        longest = int((sizes if self.treatment.bucket else split.lengths).max())
        num_edges = int(split.graphs.sizes_of(index.host)[1].sum())
        found = split.graphs.gather(index.there, int(sizes.sum()), num_edges)
        lengths = split.graphs.node_counts.index_select(0, index.there)
        owner = found.graphs.graph_ids
        firsts = lengths.cumsum(0) - lengths
        places = owner * longest + torch.arange(len(owner), device=owner.device) - firsts[owner]
        rows = split.words.index_select(0, found.nodes)
        filler = self.filler.expand(len(index) * longest, -1)
        padded = filler.index_copy(0, places, rows).view(len(index), longest, -1)
        ids, spelled, marks, path, tags = (column.contiguous() for column in padded.unbind(dim=2))
        width = int((split.widths[index.host] if self.treatment.bucket else split.widths).max())
        inputs = SyntaxBatch(
            ids=ids, lengths=lengths, places=places, edges=found.graphs.edges,
            relations=split.relations.index_select(0, found.edges), graph_ids=owner,
            vocab=self.kind.vocab, num_relations=self.kind.relations,
            characters=self.spellings.table[spelled, :width] if self.spellings else None,
            marks=marks if self.marks else None, from_path=path if self.marks == 2 else None,
            loopless=found.graphs.loopless,
        )  # fmt: skip
        return inputs, tags

    def _split(self, sentences: Sequence[Sentence]) -> Split:
        numbers = {relation: number for number, relation in enumerate(self.relations)}
        words, ends, relations = [], [], []
        for s in sentences:
            words.append(self._words(s))
            ends += [(head, word) for head, word, _ in s.edges] + [(word, head) for head, word, _ in s.edges]
            kinds = [numbers.get(relation, 0) for _, _, relation in s.edges]
            relations += kinds + [kind + len(numbers) for kind in kinds]
        flat = np.concatenate(words)
        graphs = GraphSet(
            node_counts=np.array([len(s.words) for s in sentences]), nodes=np.zeros((len(flat), 0)),
            edge_counts=np.array([2 * len(s.edges) for s in sentences]),
            edges=np.array(ends, dtype=np.int64).reshape(-1, 2).T, device=self.device,
        )  # fmt: skip
        kinds = torch.tensor(relations, dtype=torch.int64)[graphs.edge_order]
        widths = [self.spellings.width_of(s.words) if self.spellings else 0 for s in sentences]
        return Split(
            graphs=graphs, words=torch.from_numpy(flat).to(self.device), relations=kinds.to(self.device),
            lengths=graphs.node_counts.cpu(), widths=torch.tensor(widths),
        )  # fmt: skip

    def _words(self, s: Sentence) -> Any:
        """The columns of a sentence's words, (T, 5)."""
        found = np.zeros((len(s.words), 5), dtype=np.int64)
        found[:, WORD] = self.vocabulary.encode([*map(self.treatment.normal, s.words)])
        if self.spellings:
            found[:, SPELLING] = self.spellings.encode(s.words)
        if s.marks:
            found[:, MARK] = s.marks
        if self.marks == 2:
            found[:, PATH] = from_path(s.edges, s.marks)
        if s.tags:
            found[:, TAG] = [-1 if tag is None else self.tags[tag] for tag in s.tags]
        return found

    def _with_unknown_words(self, split: Split, generator: torch.Generator) -> Split:
        words = split.words.clone()
        words[:, WORD] = drop_rare(
            words[:, WORD], first_rare=self.vocabulary.first_rare, rate=self.treatment.word_dropout, generator=generator
        )
        return Split(split.graphs, words, split.relations, split.lengths, split.widths)
