"""Flow matching on straight paths: Lipman et al. 2023, "Flow Matching for Generative Modeling"; Liu, Gong & Liu 2023,
"Flow Straight and Fast: Learning to Generate and Transfer Data with Rectified Flow"."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .denoiser_learner import Denoiser
from .walks import integrate

SOLVERS = ("heun", "euler")
LONGEST = 1000.0  # what networks see at time 1


class FlowMatching(Denoiser):
    """A point on the way from noise (time 0) to an example (time 1) goes straight; the network learns its velocity, the
    example minus the noise. Sampling follows the mean of all velocities by `steps` equal steps of `solver`.

    Options as in `Denoiser`. Raises ValueError for options that aren't known.
    """

    def __init__(self, network: nn.Module, *, steps: int = 50, solver: str = "heun", **shared: Any) -> None:
        super().__init__(network, **shared)
        if steps < 1:
            raise ValueError(f"option 'steps' is at least 1, not {steps}")
        if solver not in SOLVERS:
            raise ValueError(f"option 'solver' is one of {', '.join(SOLVERS)}, not {solver!r}")
        self.steps, self.solver = steps, solver

    def spoil(self, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        times, noise = torch.rand(len(clean), device=clean.device), torch.randn_like(clean)
        velocity = clean - noise
        return noise + times.view(-1, *[1] * (clean.dim() - 1)) * velocity, LONGEST * times, velocity

    def walk(self, answer: Callable[[Tensor, float], Tensor], noise: Tensor, generator: torch.Generator) -> Tensor:
        def velocity(place: Tensor, time: float) -> Tensor:
            return answer(place, LONGEST * time)

        return integrate(velocity, noise, self.steps, heun=self.solver == "heun")
