"""Denoising diffusion: Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models", with the schedules, targets
and samplers of its descendants (see `schedules.py`; v of Salimans & Ho 2022, "Progressive Distillation for Fast
Sampling of Diffusion Models")."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from .denoiser_learner import Denoiser
from .schedules import PUBLISHED_STEPS, Step, alpha_bars, way_back
from .walks import denoise

TARGETS = ("eps", "v")
SAMPLERS = ("ddpm", "ddim")
VARIANCES = ("small", "large")


class DDPM(Denoiser):
    """Options as in `Denoiser` and `build_ddpm`. Guessed pictures are kept from -1 to 1 while sampling, as published.

    The loss is a mean over coordinates: 1 for a network that always guesses no noise (`eps`), and for one that says 0
    of data of unit variance (`v`). Raises ValueError for options that aren't known.
    """

    def __init__(
        self, network: nn.Module, *, schedule: str = "log_snr", steps: int = 100, predict: str = "v",
        sampler: str = "ddpm", eta: float = 0.0, sample_steps: int = 0, variance: str = "small", **shared: Any,
    ) -> None:  # fmt: skip
        """`sample_steps`: how many of the steps sampling visits; 0 for all."""
        super().__init__(network, **shared)
        bars = alpha_bars(schedule, steps)
        for option, value, known in (
            ("predict", predict, TARGETS), ("sampler", sampler, SAMPLERS), ("variance", variance, VARIANCES),
        ):  # fmt: skip
            if value not in known:
                raise ValueError(f"option {option!r} is one of {', '.join(known)}, not {value!r}")
        if not 0 <= sample_steps <= steps:
            raise ValueError(f"option 'sample_steps' is from 0, for all, to steps={steps}, not {sample_steps}")
        if not 0 <= eta <= 1 or (eta and sampler == "ddpm"):
            raise ValueError(f"option 'eta' is from 0 to 1, and only for sampler=ddim, not {eta}")
        self.predict_v = predict == "v"
        self.steps, self.time_of_step = steps, PUBLISHED_STEPS / steps
        self.register_buffer("signal", bars.sqrt().float())
        self.register_buffer("spread", (1 - bars).sqrt().float())
        self.way_back = way_back(bars, sample_steps or steps, sampler, eta=eta, variance=variance)

    def spoil(self, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A step of the schedule for each; the answer is the noise, or v = signal * noise - spread * example."""
        steps = torch.randint(self.steps, (len(clean),), device=clean.device)
        wide = (-1, *[1] * (clean.dim() - 1))
        signal, spread = self.signal[steps].view(wide), self.spread[steps].view(wide)
        noise = torch.randn_like(clean)
        wanted = signal * noise - spread * clean if self.predict_v else noise
        return signal * clean + spread * noise, steps * self.time_of_step, wanted

    def walk(self, answer: Callable[[Tensor, float], Tensor], noise: Tensor, generator: torch.Generator) -> Tensor:
        def guess(noisy: Tensor, step: Step) -> Tensor:
            return self.clean_of(noisy, answer(noisy, step.index * self.time_of_step), step)

        return denoise(guess, noise, self.way_back, generator)

    def clean_of(self, noisy: Tensor, answer: Tensor, step: Step) -> Tensor:
        """The example that the network's answer means."""
        if self.predict_v:
            clean = step.signal * noisy - step.spread * answer
        else:
            clean = (noisy - step.spread * answer) / step.signal
        return clean if self.unit is not None else clean.clamp(-1, 1)
