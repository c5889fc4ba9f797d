"""Batches gathered from tensors that already live on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from ..errors import ContractError
from ..learner import Batch, Batches

HIDDEN = -1
"""The class of a target that the mask leaves out; `ignore_index` of a loss over all of them."""


class GatheredBatches:
    """The batches of one pass over `count` examples, each made by `gather(index)`.

    `generator` (CPU) shuffles; None keeps the order. One permutation is drawn and moved per pass, so no step waits for
    the host. The last, shorter batch is kept.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        generator: torch.Generator | None,
        gather: Callable[[Tensor], Batch],
        device: str = "cpu",
    ) -> None:
        self.count, self.batch_size, self.generator = count, batch_size, generator
        self.gather, self.device = gather, device

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None:
            order = torch.arange(self.count)
        else:
            order = torch.randperm(self.count, generator=self.generator)
        return map(self.gather, torch.split(order.to(self.device), self.batch_size))


def hide(targets: Tensor, mask: Tensor) -> Tensor:
    """The targets with an impossible value where the mask is False: HIDDEN for whole numbers, NaN for others. A loss
    that forgets the mask then learns nothing from what it must not see."""
    return targets.masked_fill(~mask, float("nan") if targets.is_floating_point() else HIDDEN)


def whole_pass(batches: Batches, split: str = "training") -> Iterator[Batch]:
    """The batches of one pass over a split. Raises ContractError where there are none, or not as many as they say, by
    which epochs are counted."""
    said, count = len(batches), 0
    for batch in batches:
        yield batch
        count += 1
        if count > said:
            break
    if not count:
        raise ContractError(f"the {split} split gives no batches")
    if count != said:
        raise ContractError(f"a pass over the {split} split says it has {said} batches, but gives {count}")
