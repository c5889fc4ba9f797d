"""Link prediction: what is the missing end of a triple? Ranked among all entities, known answers aside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, KnowledgeGraph, LinkBatch, Links, Signature, Triples
from dlbench.data.graphs import BadGraph
from dlbench.data.splits import SPLITS

from .ranking import figures, ranks

JUDGED_AT_ONCE = 256
SHOWN = 8  # test triples in a record's samples


class LinkTask:
    """`splits`: of `train`, `val` and `test` the triples (3, T) int64: heads, relations, tails, numbered from 0.
    `entities`, `relations`: their names. Raises BadGraph for a triple that stands twice, or a number without a name.

    A batch of b triples asks for the tail of each, then for the head of each: 2 b questions. Judged are MRR, hits at 1,
    3 and 10 and the mean rank over the questions of a split, "filtered" as in Bordes et al. 2013, "Translating
    Embeddings for Modeling Multi-relational Data": other right answers, of any split, aren't counted. The loss is the
    cross-entropy over all entities (Lacroix et al. 2018, "Canonical Tensor Decomposition for Knowledge Base
    Completion"), the same for every model.
    """

    def __init__(
        self, splits: Mapping[str, Tensor], *, entities: Sequence[str], relations: Sequence[str], device: str = "cpu"
    ) -> None:
        _check(splits, len(entities), len(relations))
        self.names = (entities, relations)
        self.splits = {name: splits[name].to(device) for name in SPLITS}
        self.known = Triples(*self.splits["train"])
        self.device = device
        self.signature = Signature(
            input=KnowledgeGraph(entities=len(entities), relations=len(relations)),
            output=Links(num_classes=len(entities)),
        )
        every = torch.cat([self.splits[name] for name in SPLITS], dim=1)
        answers = torch.cat([every[2], every[0]])
        questions = self._questions(asking(every, self.known))
        self._questions_known, order = questions.sort()
        self._answers_known = answers[order]

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> LinkBatches:
        known = None if split == "train" else self.known
        return LinkBatches(self.splits[split], batch_size, generator, known)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The cross-entropy of the right entities among all, the mean over the questions."""
        assert batch.targets is not None
        return F.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        places, loss, count = [], 0.0, 0
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            scores = learner.predict(batch)
            places.append(ranks(scores, batch.targets, self.left_out(batch)).view(2, -1))
            loss += float(self.loss(scores, batch)) * batch.size
            count += batch.size
        tails, heads = torch.cat(places, dim=1)
        sides = {"mrr_tails": float(tails.reciprocal().mean()), "mrr_heads": float(heads.reciprocal().mean())}
        return {**figures(torch.cat([tails, heads])), **sides, "loss": loss / count}

    def left_out(self, batch: Batch) -> Tensor:
        """Which entities, (B, E) bool, don't count in a batch: right answers, of any split, beside the target."""
        questions = self._questions(batch.inputs)
        start = torch.searchsorted(self._questions_known, questions)
        count = torch.searchsorted(self._questions_known, questions, right=True) - start
        rows = torch.repeat_interleave(count)  # its question, of each answer
        place = torch.arange(len(rows), device=rows.device) - (count.cumsum(0) - count)[rows] + start[rows]
        found = torch.zeros(len(questions), len(self.names[0]), dtype=torch.bool, device=rows.device)
        found[rows, self._answers_known[place]] = True
        return found.scatter(1, batch.targets[:, None], False)  # type: ignore[index]

    def candidates(self, split: str) -> Tensor:
        """How many entities compete in each question of a split, (Q,) int64."""
        batches = self.batches(split, JUDGED_AT_ONCE, None)
        return torch.cat([(~self.left_out(batch)).sum(dim=1) for batch in batches])

    def samples(self, learner: Any) -> list[str]:
        """Some test triples, and where their ends stand."""
        batch = next(iter(self.batches("test", SHOWN, None)))
        places = ranks(learner.predict(batch), batch.targets, self.left_out(batch)).view(2, -1)
        entities, relations = self.names
        return [
            f"{entities[head]} {relations[relation]} {entities[tail]}: tail {of_tail:g}, head {of_head:g}"
            for (head, relation, tail), (of_tail, of_head) in zip(
                self.splits["test"][:, :SHOWN].T.tolist(), places.T.tolist(), strict=True
            )
        ]

    def _questions(self, inputs: LinkBatch) -> Tensor:
        """A number for each question, the same for equal ones, (B,) int64."""
        entities, relations = map(len, self.names)
        return (inputs.backward.long() * relations + inputs.relations) * entities + inputs.anchors


class LinkBatches:
    """The batches of one pass over triples (3, T). `known`: None: all triples but those of the batch."""

    def __init__(
        self, triples: Tensor, batch_size: int, generator: torch.Generator | None, known: Triples | None
    ) -> None:
        self.triples, self.batch_size, self.generator, self.known = triples, batch_size, generator, known

    def __len__(self) -> int:
        return -(-self.triples.shape[1] // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        triples, count = self.triples, self.triples.shape[1]
        if self.generator is not None:
            order = torch.randperm(count, generator=self.generator)
            triples = triples[:, order.to(triples.device, non_blocking=True)]
        for start in range(0, count, self.batch_size):
            asked = triples[:, start : start + self.batch_size]
            others = self.known
            if others is None:
                others = Triples(*torch.cat([triples[:, :start], triples[:, start + self.batch_size :]], dim=1))
            targets = torch.cat([asked[2], asked[0]])
            yield Batch(inputs=asking(asked, others), targets=targets, size=asked.shape[1])


def asking(triples: Tensor, known: Triples) -> LinkBatch:
    """The questions for the tails of triples (3, b), then for their heads."""
    heads, relations, tails = triples
    backward = torch.arange(2, device=triples.device).repeat_interleave(len(heads)) > 0
    return LinkBatch(known, torch.cat([heads, tails]), torch.cat([relations, relations]), backward)


def _check(splits: Mapping[str, Tensor], entities: int, relations: int) -> None:
    seen: dict[tuple[int, ...], str] = {}
    for split in SPLITS:
        triples = splits[split]
        if not triples.shape[1]:
            raise BadGraph(f"the split {split} has no triples")
        for what, numbers, count in (("entity", triples[::2], entities), ("relation", triples[1], relations)):
            if numbers.min() < 0 or numbers.max() >= count:
                raise BadGraph(f"the split {split} has the {what} {int(numbers.max())}, but there are 0 to {count - 1}")
        for triple in map(tuple, triples.T.tolist()):
            if triple in seen:
                raise BadGraph(f"the triple {triple} of {split} stands in {seen[triple]} already")
            seen[triple] = split
