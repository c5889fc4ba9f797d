"""Looks for what a training step does in Python, which a CUDA graph of it would do once and never again."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from types import ModuleType, TracebackType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..contract.guard import strided
from ..contract.learner import Learner, Regularizer
from ..contract.optimizers import PartOptimizers
from ..contract.schedule import Progress
from ..errors import NotApplicable

DEEPEST, WIDEST = 5, 1000
"""How far into the objects that a module holds the watch looks, and how far into a list."""
LEFT_ALONE = (nn.Module, torch.optim.Optimizer, type, ModuleType)
"""What the watch doesn't look into where a module holds it: it knows them already, or nobody changes them."""
CONTAINERS = (tuple, list, set, deque, Mapping)
OURS = "_dlbench_"
"""How attributes begin that the core itself hangs on a learner."""
Place = tuple[str, ...]


class Watch:
    """Entered for one step, it raises NotApplicable at the end for numbers that changed, tensors that were put in the
    place of others, random numbers of the CPU, and the question how far training is."""

    def __init__(self, learner: Learner, regularizers: list[Regularizer], optimizers: PartOptimizers) -> None:
        self._optimizers = optimizers
        self._roots = {
            **{f"{type(module).__name__} {name}".strip(): vars(module) for name, module in learner.named_modules()},
            **{f"{type(each).__name__} {number}": vars(each) for number, each in enumerate(regularizers)},
            **{
                f"{type(each).__name__} {number}": {"groups": each.param_groups, "state": each.state}
                for number, each in enumerate(optimizers.all)
            },
        }

    def __enter__(self) -> None:
        self._alive: list[Any] = []
        self._before, self._drawn = self._seen(), _drawn()
        self._progress, self._optimizers.progress = self._optimizers.progress, _Unasked()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._optimizers.progress = self._progress
        if error is not None:
            return
        after, drawn = self._seen(), _drawn()
        for what, state in drawn.items():
            if state != self._drawn[what]:
                raise NotApplicable(f"its step draws from {what}, and a CUDA graph would repeat what was drawn")
        for place in {**self._before, **after}:
            if self._before.get(place, ...) != after.get(place, ...):
                what = f"{'.'.join(place[1:])} of {place[0]}"
                raise NotApplicable(f"its step changes {what} in Python, which a CUDA graph would do once")
        self._alive.clear()
        self._left = _places(after)

    def check(self) -> None:
        """Raises NotApplicable where, since the step that was watched, others have put tensors in the place of those
        that it used, as a regularizer may after each step."""
        for place, where in _places(self._seen()).items():
            if self._left.get(place, where) != where:
                raise NotApplicable(
                    f"something puts another tensor in the place of {'.'.join(place[1:])} of {place[0]} between its "
                    "steps, and a CUDA graph would go on with the old one"
                )
        self._alive.clear()

    def _seen(self) -> dict[Place, Any]:
        found: dict[Place, Any] = {}
        self._known: set[int] = set()
        for name, values in self._roots.items():
            for key, value in values.items():
                if not key.startswith(OURS):
                    self._note((name, key), value, found)
        return found

    def _note(self, place: Place, value: Any, found: dict[Place, Any]) -> None:
        if isinstance(value, Tensor):
            self._alive.append(value)  # so that no other gets its id
            found[place] = (id(value), *(part.data_ptr() for part in strided(value)))
        elif isinstance(value, torch.Generator):
            found[place] = value.get_state().cpu().numpy().tobytes()
        elif isinstance(value, (bool, int, float, complex, str, bytes, type(None))):
            found[place] = repr(value)
        elif len(place) > DEEPEST or id(value) in self._known or isinstance(value, LEFT_ALONE):
            return
        elif isinstance(value, CONTAINERS) or hasattr(value, "__dict__"):
            self._known.add(id(value))
            inside = value if isinstance(value, CONTAINERS) else vars(value)
            keys = [key if isinstance(key, str) else str(number) for number, key in enumerate(inside)]
            found[place] = len(keys)
            items = inside.values() if isinstance(inside, Mapping) else inside
            for key, item in zip(keys[:WIDEST], items, strict=False):
                self._note((*place, key), item, found)


def _places(seen: Mapping[Place, Any]) -> dict[Place, Any]:
    """Of what was seen, where tensors of modules lie in memory."""
    return {place: found[1:] for place, found in seen.items() if isinstance(found, tuple)}


class _Unasked(Progress):
    """Stands where a step would ask how far training is."""

    def __getattribute__(self, name: str) -> Any:
        raise NotApplicable("its step asks how far training is, and a CUDA graph would repeat the answer")


def _drawn() -> dict[str, Any]:
    """Where the generators of the CPU are."""
    kind, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch's generator on the CPU": torch.get_rng_state().numpy().tobytes(),
        "Python's generator": random.getstate(),
        "NumPy's generator": (kind, np.asarray(keys).tobytes(), *rest),
    }
