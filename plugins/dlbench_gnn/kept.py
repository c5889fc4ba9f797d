"""Keeps what was made of a batch's tensors for as long as batches hold the very same ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor


class Kept:
    """Called as `kept(make, *tensors)`, it returns `make()`, or its last result where these tensors are the last ones,
    unchanged. A copy starts empty."""

    def __init__(self) -> None:
        self._tensors: tuple[Tensor, ...] = ()
        self._versions: tuple[int, ...] = ()
        self._made: Any = None

    def __call__(self, make: Callable[[], Any], *tensors: Tensor) -> Any:
        versions = tuple(tensor._version for tensor in tensors)
        same = len(tensors) == len(self._tensors) and all(map(_is, tensors, self._tensors))
        if not same or versions != self._versions:
            self._tensors, self._versions, self._made = tensors, versions, make()
        return self._made

    def __deepcopy__(self, memo: Any) -> Kept:
        return Kept()

    def __reduce__(self) -> Any:
        return Kept, ()


def _is(a: Any, b: Any) -> bool:
    return a is b
