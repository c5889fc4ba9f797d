"""Sentences to test with, and what the tests of the tasks on syntax share."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import torch

from dlbench import Batch
from dlbench_language.labelling.tagged import Treatment
from dlbench_language.syntax.sentences import Sentence
from dlbench_language.syntax.tagging import SpanTags

PLAIN = Treatment(normal=str, characters=False, word_dropout=0.0, bucket=True)
SPELLED = Treatment(normal=str.lower, characters=True, word_dropout=0.0, bucket=True)
TRAIN = [
    Sentence(["Ann", "saw", "New", "York"], [(1, 0, "nsubj"), (1, 3, "obj"), (3, 2, "compound")],
             tags=["B-PER", "O", "B-LOC", "I-LOC"]),
    Sentence(["Go"], [], tags=["O"]),
    Sentence(["See", "Ann", "now", "."], [(0, 1, "obj")], tags=["O", "B-PER", "O", "O"]),  # three roots
]  # fmt: skip
TEST = [
    Sentence(["New", "York", "saw", "Bob"], [(2, 1, "nsubj"), (1, 0, "compound"), (2, 3, "iobj")],
             tags=["B-LOC", "I-LOC", "O", "B-NEW"]),
    Sentence(["Ann"], [], tags=["B-PER"]),
]  # fmt: skip


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(treatment: Treatment = PLAIN, test: list[Sentence] | None = None, **options: Any) -> SpanTags:
    splits = {"train": TRAIN, "val": TRAIN, "test": TEST if test is None else test}
    return SpanTags(splits, treatment, **options)


def only(task: Any, split: str = "train", size: int = 8) -> Batch:
    """All of a small split, the longest first."""
    (batch,) = task.batches(split, size, None)
    return batch


class Learned:
    """A learner as `judge` gets it."""

    def __init__(self, learner: Any) -> None:
        self.learner = learner

    def predict(self, batch: Batch) -> torch.Tensor:
        return self.learner.predict(batch.inputs)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path
