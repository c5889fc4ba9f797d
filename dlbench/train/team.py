"""Several processes that train one cell together, each on a device and on its part of every batch.

Every process draws the same batches and takes its part. A part's loss is weighted by its share of what counts in the
batch, and gradients are summed over all processes after each backward pass, so that a step is that of the whole batch
in one process. All decisions (judging, the state to keep, when to stop) are the first one's.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from ..contract.guard import tensors_in
from ..contract.kinds import OutputKind
from ..contract.learner import Batch, Learner, Regularizer
from ..contract.optimizers import Clipping
from ..contract.specs import OptimizerSpec
from ..errors import ContractError, NotApplicable
from .board import Board
from .dividing import part_of
from .norms import ALONE, Norm, shared_norm

Made = TypeVar("Made")
Build = partial[torch.optim.Optimizer]
"""An optimizer's builder with its options, which takes parameters."""
MESSAGE = 2**23
"""Bytes of gradients from which on they travel without waiting for more."""
_NO_LIMIT = timedelta(days=365)
"""How long one may wait for another: the cell's own limit of time ends what hangs."""


class Reaching(NotApplicable):
    """A model uses weights of a block without calling it, so they have to be gathered with all others."""


class Team:
    """A process that trains alone."""

    rank, size = 0, 1
    sharing: Several | None = None
    output: OutputKind | None = None
    """What the task asks, which says where a batch's targets belong; set once it is loaded."""
    clipping: Clipping | None = None
    """What bounds gradients, where no process has them whole."""

    def divide(self, learner: Learner, regularizers: Sequence[Regularizer]) -> None:
        """Leave each process its shard of a learner, where that is asked for. Raises NotApplicable."""

    def whole(self, learner: Learner) -> AbstractContextManager[Any]:
        """Where the first process has a learner in one piece."""
        return nullcontext()

    def take(self, batch: Batch) -> Batch:
        """This process's part of a batch."""
        return batch

    def step(self) -> AbstractContextManager[Any]:
        """Where a training step is taken."""
        return nullcontext()

    def share(self, loss: Tensor) -> Tensor:
        """What a part's loss adds to that of its batch."""
        return loss

    def total(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes."""
        return value

    def alike(self) -> AbstractContextManager[Any]:
        """Where what is drawn is the same in every process."""
        return nullcontext()

    def in_turn(self) -> AbstractContextManager[Any]:
        """Where the first process goes before the others, which find what it has written."""
        return nullcontext()

    def decide(self, make: Callable[[], Made]) -> Made:
        """What the first process makes, for all of them."""
        return make()

    def scatter_draws(self, seed: Callable[[str], int]) -> None:
        """From here on every process draws its own numbers (dropout, noise). `seed(name)`: of a stream."""

    def order(self, what: str) -> None:
        """Have the others do something, of one letter, that they and this one do together."""

    def orders(self) -> Iterator[str]:
        """What the first process orders."""
        yield from ()

    def gather(self, value: float) -> list[float]:
        """A number from each process, the first one's first."""
        return [value]

    def check(self, learner: Learner, *, begun: bool = True) -> None:
        """Raises NotApplicable (ContractError where training had `begun` well) where processes have gone apart."""


class Several(Team):
    """One of several processes that train together."""

    def __init__(
        self, rank: int, size: int, device: torch.device, store: str, orders: list[tuple[int, int]],
        board: tuple[int, list[int]], by_blocks: bool = True,
    ) -> None:  # fmt: skip
        """`store`: a file by which they find each other. `orders`: a pipe to each, from the first. `board`: what they
        share on the CPU, see `Board`. `by_blocks`: whether weights that are sharded are gathered block by block."""
        self.rank, self.size, self.device, self._orders, self._by_blocks = rank, size, device, orders, by_blocks
        self.sharing = self
        self._weight: Tensor | float = 1.0
        self.idle = self._stepping = self._summed = False
        self._seen_batch = False
        self._common = _draws(device)
        backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
        files = torch._C._distributed_c10d.FileStore(store, size)
        dist.init_process_group(backend, store=files, rank=rank, world_size=size, timeout=_NO_LIMIT)
        self.board = Board(rank, *board) if device.type == "cpu" else None
        functional.batch_norm = self._batch_norm

    def take(self, batch: Batch) -> Batch:
        if not self._seen_batch:
            self._seen_batch = True
            if self._differing({str(i): tensor for i, tensor in enumerate(tensors_in(batch))}):
                raise NotApplicable("draws batches that aren't the same in every process, so none can take its part")
        assert self.output is not None
        part = part_of(batch, self.output, self.rank, self.size)
        self._weight, self.idle = part.weight, part.idle
        return part.batch

    @contextmanager
    def step(self) -> Iterator[None]:
        self._stepping, self._summed = True, False
        try:
            yield
        finally:
            self._stepping = False
        if not self._summed:
            raise NotApplicable("takes its steps without an optimizer, so there are no gradients to be summed")

    def weigh(self, loss: Tensor) -> Tensor:
        """See `Sharing`."""
        return loss * self._weight

    def share(self, loss: Tensor) -> Tensor:
        return self.live(loss * self._weight)

    def held(self, parameters: list[nn.Parameter], spec: OptimizerSpec, build: Build) -> list[nn.Parameter]:
        """See `Sharing`."""
        return parameters

    def live(self, value: Tensor) -> Tensor:
        """Zeros where nothing of this part counts, as the mean over nothing is NaN."""
        if isinstance(self._weight, Tensor):
            return torch.where(self._weight > 0, value, torch.zeros_like(value))
        return value if self._weight > 0 else torch.zeros_like(value)

    def add(self, parameters: list[nn.Parameter]) -> None:
        """See `Sharing`. A parameter that no process has a gradient for stays without."""
        self._summed = True
        for group in messages(parameters):
            dtype = group[0].dtype
            present = torch.tensor([float(p.grad is not None) for p in group], dtype=dtype, device=self.device)
            found = [torch.zeros_like(p) if p.grad is None else p.grad for p in group]
            dense = [g.to_dense() if g.layout is not torch.strided else g for g in found]
            flat = self.live(torch.cat([*(g.flatten() for g in dense), present]))
            self.sum(flat)
            *pieces, _ = torch.split(flat, [*(p.numel() for p in group), len(group)])
            missing = any(p.grad is None for p in group)
            somewhere = flat[-len(group) :].tolist() if missing else [1.0] * len(group)
            for parameter, piece, gradient, count in zip(group, pieces, dense, somewhere, strict=True):
                if count:
                    parameter.grad = gradient.copy_(piece.view_as(parameter))

    def total(self, value: Tensor) -> Tensor:
        summed = value.detach().clone()
        self.sum(summed)
        return summed

    def sum(self, value: Tensor) -> None:
        """Add up a contiguous tensor over all processes, in place."""
        if self.board is None:
            dist.all_reduce(value)
        else:
            self.board.sum(value)

    @contextmanager
    def alike(self) -> Iterator[None]:
        own = _draws(self.device)
        _draw_from(self._common, self.device)
        try:
            yield
        finally:
            self._common = _draws(self.device)
            _draw_from(own, self.device)

    @contextmanager
    def in_turn(self) -> Iterator[None]:
        if self.rank:
            dist.barrier()
        yield
        if not self.rank:
            dist.barrier()

    def decide(self, make: Callable[[], Made]) -> Made:
        box: list[Any] = [None if self.rank else make()]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]  # type: ignore[no-any-return]

    def scatter_draws(self, seed: Callable[[str], int]) -> None:
        self._common = _draws(self.device)
        if self.rank:
            torch.manual_seed(seed(f"model/{self.rank}"))
            random.seed(seed(f"python/{self.rank}"))
            np.random.seed(seed(f"numpy/{self.rank}") % 2**32)

    def order(self, what: str) -> None:
        for _, write in self._orders[1:]:
            os.write(write, what.encode())

    def orders(self) -> Iterator[str]:
        while said := os.read(self._orders[self.rank][0], 1):
            yield said.decode()

    def gather(self, value: float) -> list[float]:
        found: list[Any] = [None] * self.size
        dist.all_gather_object(found, value)
        return found

    def check(self, learner: Learner, *, begun: bool = True) -> None:
        if not (apart := self._differing(self.replicated(learner))):
            return
        if begun:
            raise ContractError(f"{apart[0]} has gone apart between the processes that train it")
        raise NotApplicable(f"keeps {apart[0]} from what each device sees by itself, which isn't the whole batch")

    def replicated(self, learner: Learner) -> dict[str, Tensor]:
        """What of a learner's state is to be the same in every process."""
        return {name: value for name, value in learner.state_dict().items() if isinstance(value, Tensor)}

    def _differing(self, tensors: dict[str, Tensor]) -> list[str]:
        """The names of those that aren't the same in every process, by their sums and sums of squares."""
        if not tensors:
            return []
        sums = torch.stack([_print(tensor) for tensor in tensors.values()]).cpu()
        low, high = sums.clone(), sums.clone()
        dist.all_reduce(low, dist.ReduceOp.MIN)
        dist.all_reduce(high, dist.ReduceOp.MAX)
        return [name for name, same in zip(tensors, (low == high).all(1).tolist(), strict=True) if not same]

    def _batch_norm(self, *given: Any, **named: Any) -> Tensor:
        """Torch's, but in a training step with the statistics of the whole batch."""
        asked = Norm(*given, **named)
        return shared_norm(self, asked) if asked.training and self._stepping else ALONE(*asked)


def messages(parameters: list[nn.Parameter]) -> Iterator[list[nn.Parameter]]:
    """Those that travel as one: of one type, and no more than a few megabytes, as each message is another copy."""
    alike: dict[torch.dtype, list[nn.Parameter]] = {}
    for parameter in parameters:
        alike.setdefault(parameter.dtype, []).append(parameter)
    for group in alike.values():
        first, size = 0, 0
        for i, parameter in enumerate(group):
            size += parameter.numel() * parameter.element_size()
            if size >= MESSAGE:
                yield group[first : i + 1]
                first, size = i + 1, 0
        if group[first:]:
            yield group[first:]


def _print(tensor: Tensor) -> Tensor:
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    flat = (torch.view_as_real(tensor) if tensor.is_complex() else tensor).detach().double().nan_to_num()
    return torch.stack([flat.sum(), flat.square().sum()])


def _draws(device: torch.device) -> list[Tensor]:
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state(device)] if device.type == "cuda" else [])]


def _draw_from(states: list[Tensor], device: torch.device) -> None:
    torch.set_rng_state(states[0])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states[1], device)
