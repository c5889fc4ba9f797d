"""A table of scores as a model, for tests of links."""

from __future__ import annotations

import torch
from torch import Tensor

from dlbench import Batch


class Scorer:
    """A learner as a task sees it, whose score of a triple is a number of a table (heads, relations, tails)."""

    def __init__(self, table: Tensor) -> None:
        self.table = table

    def predict(self, batch: Batch) -> Tensor:
        inputs = batch.inputs
        tails = self.table[inputs.anchors, inputs.relations]
        heads = self.table.permute(2, 1, 0)[inputs.anchors, inputs.relations]
        return torch.where(inputs.backward[:, None], heads, tails)
