"""`semeval_relations`: how two marked nominals of a sentence are related.

Hendrickx et al. 2010, "SemEval-2010 Task 8: Multi-Way Classification of Semantic Relations Between Pairs of Nominals".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, Classes, NoData, Signature, UsageError
from dlbench.data import Data
from dlbench.data.sequences import BucketedBatches, Index
from dlbench.data.splits import stratified_split

from ..labelling.tagged import Treatment
from ..lines import place, read_lines
from .edges import WITHOUT_TREES, chain, check
from .marking import Marker, with_markers
from .sentences import Sentence, Sentences, Split

TRAIN, TEST = "text/semeval2010-task8/TRAIN_FILE.TXT.gz", "text/semeval2010-task8/TEST_FILE_FULL.TXT.gz"
OTHER = "Other"
RELATIONS = (
    "Cause-Effect", "Component-Whole", "Content-Container", "Entity-Destination", "Entity-Origin", "Instrument-Agency",
    "Member-Collection", "Message-Topic", "Product-Producer",
)  # fmt: skip
DIRECTIONS = ("(e1,e2)", "(e2,e1)")
CLASSES = (*(relation + direction for relation in RELATIONS for direction in DIRECTIONS), OTHER)
WORD = re.compile(r"\w+|[^\w\s]")
NOMINALS = re.compile(r"(.*?)<e1>(.+?)</e1>(.*?)<e2>(.+?)</e2>(.*)")
HELD_BACK, SEED = 800, 10
JUDGED_AT_ONCE = 256

Labelled = tuple[Sentence, int]


def load(data: Data, *, edges: str, around: int | None, whole: bool, treatment: Treatment) -> RelationTask:
    """The published test set is the test split. `HELD_BACK` sentences of the published training set are validation,
    drawn in proportion to the nine relations: the last 891 come from an earlier task and have five of them only. With
    `whole`, training has those too. `around`: so many words beside the nominals stay; None: all."""
    check(edges, WITHOUT_TREES)
    if around is not None and around < 0:
        raise UsageError(f"around must be at least 0, not {around}")
    found, test = (read(data.path(path), edges, around) for path in (TRAIN, TEST))
    kinds = [label // 2 for _, label in found]
    val, rest = stratified_split(kinds, (HELD_BACK, len(found) - HELD_BACK), seed=SEED)
    splits = {"train": found if whole else [found[i] for i in rest], "val": [found[i] for i in val], "test": test}
    return RelationTask(splits, treatment, device=data.device)


def read(path: Path, edges: str, around: int | None = None) -> list[Labelled]:
    """Each sentence, its words and its nominals apart by markers, and the number of its class. Three lines each: number
    and text, the class, a comment; then an empty one. Words are letters and digits together, other characters one by
    one. The words hang in a chain, or nothing joins them. `around`: as for `load`. Raises NoData naming the line where
    something is missing."""
    lines, found = read_lines(path, blank=True), []
    numbers = {name: number for number, name in enumerate(CLASSES)}
    starts = [number for number, line in enumerate(lines) if line.partition("\t")[0].isdecimal() and "\t" in line]
    if not starts:
        raise NoData(f"{path.parent.name}/{path.name} holds no sentences: fetch it again")
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        text = lines[start].partition("\t")[2].strip()
        nominals = NOMINALS.fullmatch(text.removeprefix('"').removesuffix('"'))
        if not nominals:
            raise NoData(f"{place(path, start + 1)} lacks <e1>, </e1>, <e2> and </e2> around words, in this order")
        label = lines[start + 1].strip() if start + 1 < end else ""
        if label not in numbers:
            raise NoData(f"{place(path, min(start + 2, len(lines)))} has the class {label!r}, which is none of the 19")
        found.append((_sentence(nominals.groups(), edges, around), numbers[label]))
    return found


def _sentence(parts: Sequence[str], edges: str, around: int | None) -> Sentence:
    """Of the five parts of a text: before, between and after the nominals, and these."""
    words: list[str] = []
    marks: list[int] = []
    markers: list[Marker] = []
    for number, part in enumerate(parts):
        found, nominal = WORD.findall(part), {1: 1, 3: 2}.get(number, 0)
        if around is not None and number in (0, 4):
            found = found[:around] if number else found[len(found) - min(around, len(found)) :]
        first, last = len(words), len(words) + len(found)
        words += found
        marks += [nominal] * len(found)
        if nominal:
            markers += [(first, f"<e{nominal}>", first), (last, f"</e{nominal}>", last - 1)]
    return with_markers(Sentence(words, chain(len(words)) if edges == "chain" else [], marks), markers)


class RelationTask:
    """`splits`: train, val and test, each sentence with the number of its class among CLASSES."""

    def __init__(
        self, splits: Mapping[str, Sequence[Labelled]], treatment: Treatment, *, device: str = "cpu"
    ) -> None:  # fmt: skip
        sentences = {name: [sentence for sentence, _ in split] for name, split in splits.items()}
        self.sentences = Sentences(sentences, treatment, marks=2, device=device)
        self.labels = {
            name: torch.tensor([label for _, label in split], device=device) for name, split in splits.items()
        }
        self.signature = Signature(input=self.sentences.kind, output=Classes(num_classes=len(CLASSES)))

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        """`batch_size` counts sentences."""

        def gather(index: Index, rows: Split) -> Batch:
            inputs, _ = self.sentences.batch(rows, index)
            return Batch(inputs=inputs, targets=self.labels[split][index.there], size=len(index))

        return self.sentences.batches(split, batch_size, generator, gather)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        assert batch.targets is not None
        return F.cross_entropy(outputs.float(), batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`macro_f1` as `macro_f1` says, `accuracy` over the 19 classes, the mean `loss` in nats."""
        answers, targets = [], []
        total = torch.zeros((), dtype=torch.float64, device=self.labels[split].device)
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            logits = learner.predict(batch)
            total += F.cross_entropy(logits, batch.targets, reduction="sum").double()
            answers.append(logits.argmax(dim=1))
            targets.append(batch.targets)
        gold, said = torch.cat(targets).tolist(), torch.cat(answers).tolist()
        right = sum(a == b for a, b in zip(gold, said, strict=True))
        return {"macro_f1": macro_f1(gold, said), "accuracy": right / len(gold), "loss": total.item() / len(gold)}


def macro_f1(gold: Sequence[int], said: Sequence[int]) -> float:
    """The official measure: the mean of F1 over the nine relations. An answer of the right relation in the wrong
    direction is wrong, and counts among what was answered and what should have been; Other has no F1, but answers that
    should have been Other, and the other way round, are wrong."""
    scores = []
    for relation in range(len(RELATIONS)):
        expected, found = (sum(label // 2 == relation for label in labels) for labels in (gold, said))
        right = sum(a == b and a // 2 == relation for a, b in zip(gold, said, strict=True))
        scores.append(2 * right / max(expected + found, 1))
    return sum(scores) / len(scores)
