"""Parts for tests of dlbench_diffusion: what a perfect network would answer for a mixture of Gaussians."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import dlbench_diffusion
import dlbench_generation
from dlbench import Batch, ConditionalSample, Image, ModelSpec, Sample, Signature, Vector
from dlbench.data import Data
from dlbench_diffusion.ddpm_learner import DDPM

SPECS: dict[str, ModelSpec] = {spec.name: spec for spec in dlbench_diffusion.dlbench_models()}
TASKS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
POINTS = Signature(input=Vector(features=2), output=Sample())
IMAGES = Signature(input=Image(channels=1, height=8, width=8), output=Sample())
POINTS_OF_CLASSES = Signature(input=Vector(features=2), output=ConditionalSample(num_classes=3))
IMAGES_OF_CLASSES = Signature(input=Image(channels=1, height=8, width=8), output=ConditionalSample(num_classes=3))
SIGNATURES = (POINTS, IMAGES, POINTS_OF_CLASSES, IMAGES_OF_CLASSES)


def small(name: str, signature: Signature, **options: Any) -> Any:
    """A model of few numbers and few steps."""
    if name != "vae":
        options = {"steps": 4, **options}
    return SPECS[name].build(signature, **{"width": 8, **options})


def batch_of(signature: Signature, count: int = 6) -> Batch:
    """Random examples, of random classes where they are asked for."""
    kind, output = signature.input, signature.output
    shape = (kind.channels, kind.height, kind.width) if isinstance(kind, Image) else (kind.features,)
    classes = torch.arange(count) % output.num_classes if isinstance(output, ConditionalSample) else None
    return Batch(inputs=torch.randn(count, *shape), targets=classes, size=count)


class Plain:
    """`Optimizers` in its shortest form."""

    def __init__(self, learner: nn.Module, lr: float = 2e-3) -> None:
        self.adam = torch.optim.Adam(learner.parameters(), lr=lr)

    def minimize(self, loss: Any, part: str | None = None) -> Tensor:
        self.adam.zero_grad()
        value = loss()
        value.backward()
        self.adam.step()
        return value.detach()


class Mixture:
    """Equally likely Gaussians of one sd around `centers` (K, D), in float64."""

    def __init__(self, centers: Tensor, sd: float) -> None:
        self.centers, self.sd = centers.double(), sd

    def scaled(self) -> tuple[Mixture, Tensor, Tensor]:
        """At mean 0 and one variance of 1 for all coordinates, and the mean and the sd (D,) that were taken off."""
        mean = self.centers.mean(0)
        spread = (self.centers - mean).square().mean().add(self.sd**2).sqrt()
        return Mixture((self.centers - mean) / spread, self.sd / float(spread)), mean, spread.expand(len(mean))

    def guess(self, noisy: Tensor, signal: float, spread: float) -> Tensor:
        """The mean of all examples that `noisy` (B, D) may have been made of as signal * example + spread * noise."""
        variance = (signal * self.sd) ** 2 + spread**2
        off = noisy[:, None] - signal * self.centers  # (B, K, D)
        weights = (off.square().sum(2) / (-2 * variance)).softmax(1)
        around = self.centers + signal * self.sd**2 / variance * off
        return (weights[:, :, None] * around).sum(1)


def ring(sd: float = 0.01) -> Mixture:
    """What `ring8` draws."""
    angles = 2 * math.pi * torch.arange(8, dtype=torch.float64) / 8
    return Mixture(torch.stack([angles.cos(), angles.sin()], dim=1), sd)


class Knowing(nn.Module):
    """In place of a network: what `mixture` (at unit variance) answers at each step of a DDPM."""

    def __init__(self, mixture: Mixture) -> None:
        super().__init__()
        self.mixture = mixture
        self.owner: list[DDPM] = []
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, noisy: Tensor, times: Tensor, classes: Tensor | None = None) -> Tensor:
        (ddpm,) = self.owner
        step = round(float(times[0]) / ddpm.time_of_step)
        signal, spread = float(ddpm.signal[step]), float(ddpm.spread[step])
        clean = self.mixture.guess(noisy.double(), signal, spread)
        noise = (noisy.double() - signal * clean) / spread
        return signal * noise - spread * clean if ddpm.predict_v else noise


def perfect_ddpm(mixture: Mixture, **options: Any) -> DDPM:
    """A DDPM whose network knows the mixture that it is to sample."""
    unit, mean, sd = mixture.scaled()
    knowing = Knowing(unit)
    ddpm = DDPM(knowing, shape=(len(mean),), **options)
    knowing.owner.append(ddpm)
    assert ddpm.unit is not None
    ddpm.unit.mean.copy_(mean)
    ddpm.unit.sd.copy_(sd)
    return ddpm.eval()


class Seen:
    """A learner as a task sees it, without a density."""

    def __init__(self, learner: Any) -> None:
        self.sample = learner.sample

    def offers(self, verb: str) -> bool:
        return False
