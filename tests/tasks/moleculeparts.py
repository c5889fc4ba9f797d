"""What tests of molecules share: a few molecules, and learners with fixed samples."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from dlbench import TokenBatch
from dlbench_generation.molecules.alphabet import PADDING
from dlbench_generation.molecules.strings import SmilesStrings

TRAIN = [
    "CCO", "CCN", "c1ccccc1", "C[NH3+]", "ClCCBr", "C#N", "OC1CC1", "CC(=O)[O-]", "C[N+](=O)[O-]", "c1cc[nH]c1",
    "N[C@@H](C)C(=O)O", "CC=O", "C1CC1", "c1ccc2ccccc2c1",
]  # fmt: skip
SPLITS = {"train": TRAIN, "val": ["CCC", "CCCl", "Cc1ccccc1"], "test": ["CO", "C1CCC1", "CCBr", "Oc1ccc2ccccc2c1"]}
NONE = "C(C)(C)(C)(C)C"
"""A string that is no molecule: its first atom has five bonds."""


class Sampler:
    """A learner as a task sees it: `make(count, generator)` are its samples."""

    def __init__(self, make: Any) -> None:
        self.make = make

    def sample(self, count: int, generator: torch.Generator) -> Any:
        assert generator.device.type == "cpu"
        return self.make(count, generator)

    def offers(self, name: str) -> bool:
        return False


def rows(task: SmilesStrings, texts: list[str]) -> TokenBatch:
    """Strings over and over as a batch of as many as are asked for."""
    ids = [task.alphabet.encode(text) for text in texts]
    width = max(map(len, ids))
    padded = torch.tensor([row + [PADDING] * (width - len(row)) for row in ids])
    return TokenBatch(padded, torch.tensor([len(row) for row in ids]))


def writes(task: SmilesStrings, *texts: str) -> Sampler:
    """Samples that are these strings in turn."""
    return Sampler(lambda count, _: rows(task, list(itertools.islice(itertools.cycle(texts), count))))
