"""What tasks on molecules share, whichever form a molecule has: they draw 1,000 and judge those."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NoReturn

import torch

from dlbench import Batch, Signature

from . import measures
from .chemistry import drawn, name_of, quiet
from .library import SEED, Library

SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3}
SHOWN = 12


class Molecules:
    """A subclass says how what was drawn becomes RDKit's molecules (`read`), and makes batches.

    `judge` draws 1,000 with a generator of the split's own. Beside its measures stand those of the data: `valid_floor`,
    `distinct_molecules_floor` and `new_molecules_floor` are what 1,000 molecules of the split get,
    `property_distance_floor` (and `scaffolds_floor`) what 1,000 of training do.
    """

    signature: Signature

    def __init__(self, library: Library) -> None:
        self.library = library
        self.scaffolds = bool(library.sets["test"].scaffolds)
        self._floors: dict[str, dict[str, float]] = {}

    def read(self, examples: Any) -> list[Any]:
        """A molecule for each example, None where it can't be one."""
        raise NotImplementedError

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: a generative model brings its own."""
        raise NotImplementedError("molecules have no loss of their own: build a Learner with loss or train_step")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        molecules = self.draw(learner, measures.NUM_SAMPLES, SPLIT_SEEDS[split])
        described = measures.describe(molecules, scaffolds=self.scaffolds)
        if split not in self._floors:
            self._floors[split] = self.library.floors(split)
        found = measures.measure(described, self.library.training, self.library.sets[split])
        return {**found, **self._floors[split]}

    def draw(self, learner: Any, count: int, stream: int) -> list[Any]:
        """So many molecules, None for those that can't be."""
        with quiet():
            return self.read(learner.sample(count, torch.Generator().manual_seed(SEED + stream)))

    def warnings(self, metrics: dict[str, float]) -> Iterable[str]:
        return measures.warnings(metrics)

    def samples(self, learner: Any) -> list[str]:
        """SMILES strings of a dozen samples."""
        return [name_of(m) if m is not None else "no molecule" for m in self.draw(learner, SHOWN, SPLIT_SEEDS["test"])]

    def pictures(self, learner: Any) -> dict[str, Any]:
        """The formulae of the first dozen molecules of a hundred samples, where there is one."""
        valid = [m for m in self.draw(learner, 100, SPLIT_SEEDS["test"]) if m is not None][:SHOWN]
        return {"molecules": drawn(valid)} if valid else {}
