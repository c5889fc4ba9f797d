"""Keeps a task's tensors from plugins that work in place on what they are given.

A task may show the same tensors again: a whole graph, slices of a data set, the batch that a profile keeps. Copying
every batch would cost each model what only a few need. So the first call works on a copy, and the counters of changes
that torch keeps in every tensor say whether it was changed. If so, all later calls get copies too, and the model trains
as if it had left its input alone. If not, they get the task's own tensors, and a change that comes late is an error.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from operator import attrgetter
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..errors import ContractError
from .learner import Batch

_version: Callable[[Tensor], int] = attrgetter("_version")
Given = TypeVar("Given")
Result = TypeVar("Result")


class Guard:
    """Calls whatever may change its argument; one lives as long as a learner trains, or is judged. `in_place` is None
    until the first call has shown it."""

    def __init__(self) -> None:
        self.in_place: bool | None = None

    def __call__(self, call: Callable[[Given], Result], given: Given, *, repeats: str = "") -> Result:
        """What `call(given)` returns. `repeats` says where the call shows its argument to the model several times,
        which no copy made here can help: ContractError if it is changed. The same for a change that comes late."""
        if self.in_place is not False:
            given = copied(given)
        tensors = tensors_in(given)
        before = _versions(tensors)
        result = call(given)
        if _versions(tensors) != before:
            if repeats:
                raise ContractError(f"the model changes its input in place, but {repeats}: {_ADVICE}")
            if self.in_place is False:
                late = "changed its input in place after having left it alone, and the task may show it again"
                raise ContractError(f"the model {late}: {_ADVICE}")
            self.in_place = True
        elif self.in_place is None:
            self.in_place = False
        return result


_ADVICE = "let it work on a copy (x = x.clone())"


def copied(value: Given) -> Given:
    """The same value on tensors of its own; of a view only the part that it shows is copied."""
    return copy.deepcopy(value, {id(tensor): tensor.clone() for tensor in tensors_in(value)})


def tensors_in(value: Any) -> list[Tensor]:
    """Every tensor in a batch, or in what it holds: tuples, lists, dicts, and the fields of objects. Of a sparse
    tensor also its parts, which count their changes by themselves."""
    found: list[Tensor] = []
    if type(value) is Batch:
        value = (value.inputs, value.targets, value.mask)
    _collect(value, found)
    return found


def _collect(value: Any, found: list[Tensor]) -> None:
    if isinstance(value, Tensor):
        found.append(value)
        if value.layout is not torch.strided:
            found.extend(_parts(value))
    elif isinstance(value, (tuple, list)):
        for item in value:
            if item is not None:  # a step is no place to be slow
                _collect(item, found)
    elif isinstance(value, dict):
        _collect(list(value.values()), found)
    elif is_dataclass(value):
        _collect([getattr(value, field.name) for field in fields(value)], found)
    elif hasattr(value, "__dict__") and not callable(value):  # such as PyTorch Geometric's Data
        _collect(vars(value), found)


def strided(tensor: Tensor) -> list[Tensor]:
    """The tensor, or those that a sparse one is made of."""
    return [tensor] if tensor.layout is torch.strided else _parts(tensor)


def _parts(tensor: Tensor) -> list[Tensor]:
    if tensor.layout is torch.sparse_coo:
        return [tensor._indices(), tensor._values()]
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return [tensor.crow_indices(), tensor.col_indices(), tensor.values()]
    if tensor.layout in (torch.sparse_csc, torch.sparse_bsc):
        return [tensor.ccol_indices(), tensor.row_indices(), tensor.values()]
    return []


def _versions(tensors: list[Tensor]) -> list[int]:
    try:
        return list(map(_version, tensors))
    except RuntimeError:  # tensors made in inference mode count no changes
        return [-1 if tensor.is_inference() else tensor._version for tensor in tensors]
