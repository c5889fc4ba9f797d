"""From noise to examples, step by step: back along a diffusion, and along a flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from .schedules import Step


def denoise(
    guess: Callable[[Tensor, Step], Tensor], noise: Tensor, steps: Iterable[Step], generator: torch.Generator
) -> Tensor:
    """Examples, from `noise` of their shape. `guess(noisy, step)` says which example what there is was made of. All
    noise is drawn on the CPU by `generator`."""
    noisy = noise
    for step in steps:
        clean = guess(noisy, step)
        noisy = step.clean * clean + step.noisy * noisy
        if step.sd:
            noisy = noisy + step.sd * torch.randn(noisy.shape, generator=generator).to(noisy)
    return noisy


def integrate(velocity: Callable[[Tensor, float], Tensor], start: Tensor, steps: int, *, heun: bool = True) -> Tensor:
    """Where `start` is at time 1, if it is there at time 0 and moves with `velocity(place, time)`; by `steps` equal
    steps of Euler's method, or of Heun's, which asks for the velocity twice a step."""
    place = start
    for step in range(steps):
        slope = velocity(place, step / steps)
        if heun:
            slope = (slope + velocity(place + slope / steps, (step + 1) / steps)) / 2
        place = place + slope / steps
    return place
