"""Functions as tasks: batches of noise, the loss at a point, the gap to the minimum."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Objective, Signature, UsageError, Vector

from .surfaces import Quadratic, Surface

DRAWS = 100
"""Draws of noise in a pass over the training split, by which epochs are counted."""


class Draws:
    """One pass: rows of normal numbers (B, D) of deviation `noise`, new in every pass. Without a generator, or without
    noise, they are zeros."""

    def __init__(
        self, features: int, batch_size: int, generator: torch.Generator | None, *, noise: float, device: str,
        count: int = DRAWS,
    ) -> None:  # fmt: skip
        self.shape, self.batch_size = (count, features), min(batch_size, count)
        self.generator, self.noise, self.device = generator, noise, device

    def __len__(self) -> int:
        return -(-self.shape[0] // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        if self.generator is None or not self.noise:
            rows = torch.zeros(self.shape, device=self.device)
        else:
            drawn = self.noise * torch.randn(self.shape, generator=self.generator)
            rows = drawn.to(self.device, non_blocking=True)
        return (Batch(part, size=len(part)) for part in torch.split(rows, self.batch_size))


class Searching:
    """Find the minimum of a function: the loss is its value at the point, plus noise . point, whose gradient is the
    noise. `gap`: how far the value is above the least; `distance`: to the nearest minimum."""

    def __init__(self, surface: Surface | Quadratic, *, noise: float, device: str) -> None:
        if noise < 0:
            raise UsageError(f"the noise of a gradient is at least 0, not {noise}")
        self.surface, self.noise, self.device = surface, noise, device
        self.value = function_of(surface, torch.float32, device)
        self._exact = function_of(surface, torch.float64, "cpu")
        self._minima = torch.tensor(surface.minima, dtype=torch.float64)  # (K, D)
        self.signature = Signature(
            input=Vector(features=len(surface.start)), output=Objective(start=tuple(surface.start))
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Draws:
        features, train = len(self.surface.start), split == "train"
        return Draws(
            features, batch_size, generator if train else None, noise=self.noise, device=self.device,
            count=DRAWS if train else 1,
        )  # fmt: skip

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        value = self.value(outputs)
        return value + (batch.inputs.mean(0) * outputs).sum() if self.noise else value

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """In float64, whatever the split."""
        (batch,) = self.batches(split if split != "train" else "val", 1, None)
        point = learner.predict(batch).double().cpu()
        gap = float(self._exact(point)) - self.surface.least
        distance = (self._minima - point).norm(dim=1).min()
        return {"gap": max(0.0, gap) if gap == gap else gap, "distance": float(distance)}


def function_of(surface: Surface | Quadratic, dtype: torch.dtype, device: str) -> Callable[[Tensor], Tensor]:
    """Of a point (D,) the value, a scalar."""
    if isinstance(surface, Surface):
        at = surface.at
        return lambda point: at(point.unbind())  # type: ignore[no-any-return]
    curvature = torch.tensor(surface.curvature, dtype=dtype, device=device)
    if surface.axes is None:
        return lambda point: 0.5 * (curvature * point.square()).sum()
    axes = torch.tensor(surface.axes, dtype=dtype, device=device)
    return lambda point: 0.5 * (curvature * (axes @ point).square()).sum()
