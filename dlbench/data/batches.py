"""Batches gathered from tensors that already live on the device."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from ..contract.learner import Batch, Batches
from ..contract.values import GraphBatch, TokenBatch
from ..errors import ContractError

HIDDEN = -1
"""The class of a target that the mask leaves out; `ignore_index` of a loss over all of them."""


WIDER = 8
"""How many times as many examples are judged at once on CUDA, at most."""
ACTIVATIONS = 256
"""So many numbers for each of an input's are allowed for what a network makes of it."""
JUDGING_SHARE = 1 / 16
"""Of the memory of a card, or of what a cell may take of it: the most that a batch of judging is meant to need."""


def judged_at_once(least: int, numbers: int, device: str) -> int:
    """How many examples are judged at once, whose inputs have so many numbers each. On a CPU `least`: larger batches
    leave its caches, and sums stay what they are to the last bit. On CUDA, where they save launches, up to `WIDER`
    times as many, if the card's memory is large enough."""
    if torch.device(device).type != "cuda":
        return least
    if not hasattr(torch.cuda, "get_per_process_memory_fraction"):  # nobody knows what may be used
        return least
    allowed = torch.cuda.get_per_process_memory_fraction(device)
    memory = torch.cuda.get_device_properties(device).total_memory * allowed * JUDGING_SHARE
    return max(least, min(WIDER * least, int(memory / (4 * ACTIVATIONS * max(1, numbers)))))


def indexed(batch: Batch, index: Tensor) -> Batch:
    """The batch, which says which examples it holds unless it did already."""
    if batch.index is None:
        batch.index = index
    return batch


AT_ONCE = 1 << 16
"""Bytes of small batches that are gathered at once."""


class GatheredBatches:
    """The batches of one pass over `count` examples, each made by `gather(index)`.

    `generator` (CPU) shuffles; None keeps the order. One permutation is drawn and moved per pass, so no step waits for
    the host. The last, shorter batch is kept. `sums`: numbers of each example, (count,) or (count, K), on the CPU;
    `gather(index, *totals)` then gets a batch's sum of each, as a number or a list of K: what it would have to ask the
    device for, such as how many nodes its graphs have. `row_bytes`: of an example's inputs, for a task whose batches
    are two tensors of rows, inputs and targets, in which nothing is drawn. On a CPU several small ones are gathered
    at once, and are parts of the same memory.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        generator: torch.Generator | None,
        gather: Callable[..., Batch],
        device: str = "cpu",
        sums: Sequence[Tensor] = (),
        row_bytes: int = 0,
    ) -> None:
        self.count, self.batch_size, self.generator = count, batch_size, generator
        self.gather, self.device, self.sums = gather, device, sums
        self.at_once = _at_once(batch_size * row_bytes) if device == "cpu" else 1

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None:
            order = torch.arange(self.count)
        else:
            order = torch.randperm(self.count, generator=self.generator)
        if self.at_once > 1:
            return self._parts(order)
        totals = [self._totals(numbers[order]) for numbers in self.sums]
        indices = torch.split(order.to(self.device, non_blocking=True), self.batch_size)
        return map(self._gathered, indices, *totals)

    def _gathered(self, index: Tensor, *totals: Any) -> Batch:
        return indexed(self.gather(index, *totals), index)

    def _parts(self, order: Tensor) -> Iterator[Batch]:
        for indices in torch.split(order, self.batch_size * self.at_once):
            several = self.gather(indices)
            rows: tuple[Any, ...] = (several.inputs, several.targets, indices)
            for inputs, targets, index in zip(*(torch.split(r, self.batch_size) for r in rows), strict=True):
                yield Batch(inputs, targets, None, len(index), index=index)

    def _totals(self, numbers: Tensor) -> list[Any]:
        """The sum of each batch's, from the numbers of all examples in order."""
        return [part.sum(0).tolist() for part in torch.split(numbers, self.batch_size)]


def _at_once(batch_bytes: int) -> int:
    """How many batches to gather together: such that each begins where memory of its own could (kernels for vectors
    may round otherwise at other places)."""
    return max(1, AT_ONCE // batch_bytes) if batch_bytes and batch_bytes % 64 == 0 else 1


def hide(targets: Tensor, mask: Tensor) -> Tensor:
    """The targets with an impossible value where the mask is False: HIDDEN for whole numbers, NaN for others. A loss
    that forgets the mask then learns nothing from what it must not see."""
    return targets.masked_fill(~mask, float("nan") if targets.is_floating_point() else HIDDEN)


def count_batches(batches: Batches, split: str = "training") -> int:
    """How many batches a pass says that it has. Raises ContractError where it doesn't."""
    try:
        return len(batches)
    except TypeError as error:
        raise ContractError(f"the batches of the {split} split have no len(), by which epochs are counted") from error


def whole_pass(batches: Batches, split: str = "training") -> Iterator[Batch]:
    """The batches of one pass over a split. Raises ContractError where there are none, or not as many as they say, by
    which epochs are counted."""
    said, count = count_batches(batches, split), 0
    for batch in batches:
        yield batch
        count += 1
        if count > said:
            break
    if not count:
        raise ContractError(f"the {split} split gives no batches")
    if count != said:
        raise ContractError(f"a pass over the {split} split says it has {said} batches, but gives {count}")


def joined(values: Sequence[Any]) -> Any:
    """Several runtime values of one kind as one: tensors, tokens or graphs, one after the other."""
    first = values[0]
    if isinstance(first, Tensor):
        return torch.cat(tuple(values))
    if isinstance(first, TokenBatch):
        return _joined_tokens(values)
    if isinstance(first, GraphBatch):
        return _joined_graphs(values)
    raise ContractError(f"several {type(first).__name__} can't be joined")


def _joined_tokens(values: Sequence[TokenBatch]) -> TokenBatch:
    width = max(value.ids.shape[1] for value in values)
    ids = [torch.nn.functional.pad(value.ids, (0, width - value.ids.shape[1])) for value in values]
    lengths = [
        torch.full((len(value.ids),), value.ids.shape[1], device=value.ids.device)
        if value.lengths is None
        else value.lengths
        for value in values
    ]
    return TokenBatch(torch.cat(ids), torch.cat(lengths))


def _joined_graphs(values: Sequence[GraphBatch]) -> GraphBatch:
    edges, ids, nodes, graphs = [], [], 0, 0
    for value in values:
        edges.append(value.edges + nodes)
        ids.append(value.graph_ids + graphs)
        nodes, graphs = nodes + len(value.nodes), graphs + value.num_graphs
    features = [value.edge_features for value in values if value.edge_features is not None]
    return GraphBatch(
        torch.cat([value.nodes for value in values]), torch.cat(edges, dim=1),
        torch.cat(features) if features else None, torch.cat(ids), graphs,
        by_target=all(value.by_target for value in values), loopless=all(value.loopless for value in values),
    )  # fmt: skip
