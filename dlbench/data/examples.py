"""A task on examples that are rows of one tensor: who has inputs and targets as arrays needs no class of their own."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..contract.kinds import Classes, InputKind, Signature, Value
from ..contract.learner import Batch
from ..errors import ContractError
from .batches import GatheredBatches, judged_at_once

JUDGED_AT_ONCE = 1000


class Examples:
    """`inputs` (N, ...): float32, as the kind `input` fixes them. `targets` (N,): classes, int64 from 0 to
    `num_classes` - 1, or numbers, float, with `num_classes=None`. `splits`: train, val and test as indices of examples.
    `scale`: what a difference of 1 between targets means in the metric's unit, where they were standardised.

    Classes are judged by `accuracy` and `cross_entropy` (nats); numbers by `mae` and `rmse`, trained on the squared
    error. Raises ContractError on targets that can't be.
    """

    def __init__(
        self, *, input: InputKind, inputs: Any, targets: Any, splits: Mapping[str, Any], num_classes: int | None,
        scale: float = 1.0, device: str = "cpu",
    ) -> None:  # fmt: skip
        self.num_classes, self.scale, self.device = num_classes, scale, device
        self.inputs = torch.as_tensor(inputs, dtype=torch.float32).to(device)
        self.targets = torch.as_tensor(targets, dtype=torch.float32 if num_classes is None else torch.int64).to(device)
        if len(self.targets) != len(self.inputs):
            raise ContractError(f"there are {len(self.targets)} targets for {len(self.inputs)} examples")
        if num_classes is not None and not bool(((self.targets >= 0) & (self.targets < num_classes)).all()):
            raise ContractError(f"the targets must be classes from 0 to {num_classes - 1}")
        self.splits = {name: torch.as_tensor(index, dtype=torch.int64).to(device) for name, index in splits.items()}
        output = Value() if num_classes is None else Classes(num_classes=num_classes)
        self.signature = Signature(input=input, output=output)

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        chosen = self.splits[split]

        def gather(index: Tensor) -> Batch:
            rows = chosen[index]
            return Batch(inputs=self.inputs[rows], targets=self.targets[rows], size=len(index))

        row = 4 * math.prod(self.inputs.shape[1:])
        return GatheredBatches(len(chosen), batch_size, generator, gather, self.device, row_bytes=row)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """The mean cross-entropy in nats, or squared error."""
        assert batch.targets is not None
        if self.num_classes is None:
            return F.mse_loss(outputs, batch.targets)
        return F.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        totals = torch.zeros(2, dtype=torch.float64, device=self.device)
        size = judged_at_once(JUDGED_AT_ONCE, self.inputs[0].numel(), self.device)
        for batch in self.batches(split, size, None):
            assert batch.targets is not None
            outputs, targets = learner.predict(batch), batch.targets
            if self.num_classes is None:
                errors = (outputs - targets).double() * self.scale
                totals += torch.stack([errors.abs().sum(), errors.square().sum()])
            else:
                right = (outputs.argmax(dim=1) == targets).double().sum()
                totals += torch.stack([right, F.cross_entropy(outputs.double(), targets, reduction="sum")])
        first, second = (totals / len(self.splits[split])).tolist()
        if self.num_classes is None:
            return {"mae": first, "rmse": math.sqrt(second)}
        return {"accuracy": first, "cross_entropy": second}
