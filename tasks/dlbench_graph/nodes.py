"""What tasks share that ask something of each node of one graph or hypergraph, whose splits are sets of its nodes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, NodeClasses, NodeValue, OutputKind
from dlbench.data.batches import HIDDEN, hide
from dlbench.data.graphs import BadGraph

from .scores import accuracy, mean_absolute_error

Score = Callable[[list[Tensor], list[Tensor]], float]
Own = TypeVar("Own", bound="NodeTask")
JUDGED_AT_ONCE = 128


@dataclass(kw_only=True)
class NodeTask:
    """`labels` (N,): int64 below `num_classes`, or float where that is None. What a node outside all splits has doesn't
    matter: -1 or NaN where it isn't known. `splits`: indices of nodes, on the labels' device. With `folds`, a list of
    such splits, `fold(i)` is the task on the i-th.

    `judge` returns `score(outputs, targets)` under the name `metric`, from lists with the rows that count of each batch
    (see `scores`), and the mean `loss`. Left out, they are the accuracy, or the mean absolute error of numbers.
    """

    labels: Tensor
    splits: Mapping[str, Tensor]
    num_classes: int | None
    metric: str = ""
    score: Score | None = None
    folds: Sequence[Mapping[str, Tensor]] = ()

    @property
    def output(self) -> OutputKind:
        """What is asked of each node."""
        return NodeValue() if self.num_classes is None else NodeClasses(num_classes=self.num_classes)

    def check_labels(self, num_nodes: int) -> None:
        """Raise BadGraph unless every node of a split has a label that a model could learn."""
        if len(self.labels) != num_nodes:
            raise BadGraph(f"there are {len(self.labels)} labels for {num_nodes} nodes")
        for splits in self.folds or [self.splits]:
            for name, index in splits.items():
                found = self.labels[index]
                if self.num_classes is None:
                    wrong, range_ = ~found.isfinite(), "a finite number"
                else:
                    wrong, range_ = (found < 0) | (found >= self.num_classes), f"0 to {self.num_classes - 1}"
                if wrong.any():
                    at = int(wrong.nonzero()[0])
                    raise BadGraph(f"node {int(index[at])} of {name} has the label {found[at].item()}, not {range_}")

    def fold(self: Own, index: int) -> Own:
        """The task on the splits of one fold."""
        part = copy.copy(self)
        part.splits, part.folds = self.folds[index], ()
        return part

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        raise NotImplementedError

    def whole(self, inputs: Any, chosen: Tensor) -> Batch:
        """The batch of all nodes with these in the mask."""
        mask = torch.zeros(len(self.labels), dtype=torch.bool, device=self.labels.device)
        mask[chosen] = True
        return Batch(inputs=inputs, targets=hide(self.labels, mask), mask=mask, size=len(chosen))

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean over the nodes that count, of the cross-entropy or of the absolute error."""
        assert batch.targets is not None
        assert batch.mask is not None
        if self.num_classes is None:
            return ((outputs - batch.targets.nan_to_num()).abs() * batch.mask).sum() / batch.mask.sum()
        losses = F.cross_entropy(outputs, batch.targets, ignore_index=HIDDEN, reduction="none")
        return (losses * batch.mask).sum() / batch.mask.sum()

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        outputs, targets, loss = [], [], 0.0
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            output = learner.predict(batch)
            loss += float(self.loss(output, batch)) * batch.size
            outputs.append(output[batch.mask])
            targets.append(batch.targets[batch.mask])
        values = self.num_classes is None
        score = self.score or (mean_absolute_error if values else accuracy)
        name = self.metric or ("mae" if values else "accuracy")
        return {name: score(outputs, targets), "loss": loss / sum(map(len, targets))}
