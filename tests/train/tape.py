"""A CUDA graph on the CPU: what operators were asked to do, with what numbers, at what places in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dlbench.contract.guard import strided

WAITS = {"_local_scalar_dense", "nonzero", "masked_select", "equal"}
REFUSED = "CUDA error: operation not permitted when stream is capturing"
UNSAID = {"native_batch_norm": (3, 4)}
"""Operators that write to arguments without saying so, and to which."""


class Tape(TorchDispatchMode):
    """As with a CUDA graph, nothing is done while it records, Python runs then and never again, and a replay reads and
    writes where the recording did."""

    def __init__(self) -> None:
        super().__init__()
        self._operators: list[tuple[Any, Any, Any, Any]] = []
        self._made: set[int] = set()
        self._before: dict[int, tuple[Tensor, Tensor]] = {}

    def record(self, function: Callable[[], None]) -> None:
        state = torch.get_rng_state()
        with self:
            function()
        with torch.no_grad():
            for tensor, before in reversed(self._before.values()):
                tensor.copy_(before)
        torch.set_rng_state(state)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2]
        if name in WAITS:
            raise RuntimeError(REFUSED)
        for tensor in written(func, name, args, kwargs or {}):
            if place(tensor) not in self._made:
                self._before.setdefault(id(tensor), (tensor, tensor.detach().clone()))
        result = func(*args, **(kwargs or {}))
        self._operators.append((func, args, kwargs or {}, result))
        outside = {place(leaf) for leaf in dense((args, kwargs))} - self._made
        self._made |= {place(leaf) for leaf in dense(result)} - outside  # what it returns may be a view
        return result

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, result in self._operators:
            again = func(*args, **kwargs)
            for old, new in zip(dense(result), dense(again), strict=True):
                if old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def dense(values: Any) -> Iterator[Tensor]:
    return (part for leaf in tree_leaves(values) if isinstance(leaf, Tensor) for part in strided(leaf))


def place(tensor: Tensor) -> int:
    """Where a tensor's numbers lie, whatever it shows of them."""
    return tensor.untyped_storage().data_ptr()


def written(func: Any, name: str, args: Any, kwargs: dict[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operator writes to."""
    for number, argument in enumerate(func._schema.arguments):
        if number in UNSAID.get(name, ()) or (argument.alias_info is not None and argument.alias_info.is_write):
            yield from dense(args[number] if number < len(args) else kwargs.get(argument.name))
