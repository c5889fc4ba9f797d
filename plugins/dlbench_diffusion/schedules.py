"""How much of an example is left after each step of diffusion, and what a step back mixes. Plain arithmetic, float64.

Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models" (`linear`); Nichol & Dhariwal 2021, "Improved
Denoising Diffusion Probabilistic Models" (`cosine`); Kingma, Salimans, Poole & Ho 2021, "Variational Diffusion Models"
(`log_snr`, a straight line in the logarithm of the ratio of signal to noise); Song, Meng & Ermon 2021, "Denoising
Diffusion Implicit Models" (the step `ddim`).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

SCHEDULES = ("linear", "cosine", "log_snr")
FIRST_BETA, LAST_BETA, PUBLISHED_STEPS = 1e-4, 0.02, 1000
OFFSET, LARGEST_BETA = 0.008, 0.999  # of the cosine
FIRST_LOG_SNR, LAST_LOG_SNR = 12.0, -8.0  # noise of 1/400 of the data's spread, signal of 1/55 of it
FEWEST_STEPS = {"linear": int(LAST_BETA * PUBLISHED_STEPS) + 1, "cosine": 2, "log_snr": 2}


def alpha_bars(schedule: str, steps: int) -> Tensor:
    """The share of the variance that is still the example's after each step, float64 (steps,), falling.

    With other than the 1,000 published steps `linear` multiplies its betas, so that it ends at about the same noise.
    Raises ValueError for a schedule that isn't known and for too few steps.
    """
    if schedule not in SCHEDULES:
        raise ValueError(f"option 'schedule' is one of {', '.join(SCHEDULES)}, not {schedule!r}")
    if steps < FEWEST_STEPS[schedule]:
        raise ValueError(f"schedule={schedule} needs steps of at least {FEWEST_STEPS[schedule]}, not {steps}")
    if schedule == "log_snr":
        return torch.linspace(FIRST_LOG_SNR, LAST_LOG_SNR, steps, dtype=torch.float64).sigmoid()
    if schedule == "linear":
        betas = torch.linspace(FIRST_BETA, LAST_BETA, steps, dtype=torch.float64) * (PUBLISHED_STEPS / steps)
    else:
        places = torch.arange(steps + 1, dtype=torch.float64) / steps
        curve = ((places + OFFSET) / (1 + OFFSET) * math.pi / 2).cos().square()
        betas = (1 - curve[1:] / curve[:-1]).clamp(max=LARGEST_BETA)
    return (1 - betas).cumprod(0)


class Step(NamedTuple):
    """One step back from step `index`: `clean` times the guessed example, plus `noisy` times what there is, plus
    fresh noise of standard deviation `sd`. `signal` and `spread` say what there is: signal * example + spread * noise.
    """

    index: int
    signal: float
    spread: float
    clean: float
    noisy: float
    sd: float


def posterior(now: float, before: float, variance: str = "small") -> tuple[float, float, float]:
    """What DDPM mixes to go from an alpha-bar `now` to a larger one `before`: the weights of the example and of what
    there is, and the noise's sd. `variance`: `small` is the posterior's own, `large` the forward step's."""
    beta = (before - now) / before  # 1 - now / before would lose what little noise the first steps have
    clean = math.sqrt(before) * beta / (1 - now)
    noisy = math.sqrt(now / before) * (1 - before) / (1 - now)
    sd = math.sqrt(beta if variance == "large" else beta * (1 - before) / (1 - now))
    return clean, noisy, sd if before < 1 else 0.0


def implicit(now: float, before: float, eta: float = 0.0) -> tuple[float, float, float]:
    """The same for DDIM: the noise that is in what there is stays, but for a share that is drawn anew. With `eta` 0
    nothing is drawn, with 1 as much as DDPM draws."""
    less = (1 - before) / (1 - now)
    sd = eta * math.sqrt(less * (before - now) / before)
    noisy = math.sqrt(less * (1 - eta**2 + eta**2 * less * now / before))
    return math.sqrt(before) - noisy * math.sqrt(now), noisy, sd


def way_back(bars: Tensor, visits: int, sampler: str, *, eta: float = 0.0, variance: str = "small") -> list[Step]:
    """The steps from pure noise to an example, the noisiest first: `visits` of the schedule's, evenly spaced, the
    last of them always among them."""
    steps = len(bars)
    places = torch.linspace(steps - 1, 0, visits, dtype=torch.float64).round().long().tolist()
    found = []
    for place, following in zip(places, [*places[1:], None], strict=True):
        now, before = float(bars[place]), 1.0 if following is None else float(bars[following])
        mix = posterior(now, before, variance) if sampler == "ddpm" else implicit(now, before, eta)
        found.append(Step(place, math.sqrt(now), math.sqrt(1 - now), *mix))
    return found
