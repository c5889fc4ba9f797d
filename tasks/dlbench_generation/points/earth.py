"""`earth`: draw places on the globe like those of fires, earthquakes or volcanic eruptions.

Places are unit vectors, and likelihoods are densities over the sphere's area, as in Mathieu & Nickel 2020, "Riemannian
Continuous Normalizing Flows". The splits are random, 80 / 10 / 10 %.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, NoData, UsageError

from .discrepancy import Discrepancy, collapsed
from .task import PointTask

NUM_SAMPLES = 1000
SCALES = (0.03, 0.1, 0.3)  # of the chord, in radii of the earth: 190, 640 and 1,900 km
SEED = 70
SHORTEST = 1e-12
HELD_OUT = 0.1
PROBES = 64


def read_places(path: Path, header: int) -> NDArray[np.float64]:
    """Latitudes and longitudes (N, 2) in degrees of a CSV file, after so many lines. Raises NoData for another file."""
    try:
        places = np.loadtxt(path, delimiter=",", skiprows=header, ndmin=2)
    except ValueError as error:
        raise NoData(f"{path} isn't a table of latitudes and longitudes: {error}") from error
    if places.shape[1] != 2 or not (np.abs(places) <= (90, 360)).all():
        raise NoData(f"{path} isn't a table of latitudes and longitudes in degrees")
    return places


def unit_vectors(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Latitudes and longitudes (N, 2) in degrees -> points (N, 3) of the unit sphere, the north pole at (0, 0, 1)."""
    latitude, longitude = np.radians(places).T
    level = np.cos(latitude)
    return np.stack([level * np.cos(longitude), level * np.sin(longitude), np.sin(latitude)], axis=1)


def on_sphere(points: Tensor) -> Tensor:
    """Points (N, 3) along their radius to the unit sphere, float64; the north pole for those without a direction, such
    as zeros and what is no number."""
    points = points.double()
    length = points.norm(dim=1, keepdim=True)
    good = length.isfinite() & (length > SHORTEST)
    pole = torch.tensor([0.0, 0.0, 1.0], dtype=points.dtype, device=points.device)
    return torch.where(good, points / length, pole)


class EarthTask(PointTask):
    """Judging draws 1,000 samples and brings them to the sphere along their radius.

    `mmd_1000`: their maximum mean discrepancy to the split's points; `mmd_1000_floor`: that of 1,000 training points,
    drawn with replacement. `spread`: how far samples lie from their mean, relative to true points.
    `nll`: nats per point, against the area of the unit sphere; the uniform density has log 4 pi, 2.531. Only densities
    of directions have one, those that are the same at a point and at twice the point: others are of points in space.
    """

    name, seed, num_samples = "earth", SEED, NUM_SAMPLES
    frame = (-180.0, -90.0, 180.0, 90.0)

    def __init__(self, points: dict[str, Tensor], device: str = "cpu") -> None:
        super().__init__(points, device)
        self.truth = {split: Discrepancy(on_sphere(points[split]), SCALES) for split in ("val", "test")}
        drawn = np.random.RandomState(SEED).randint(len(points["train"]), size=NUM_SAMPLES)
        resampled = on_sphere(points["train"][torch.from_numpy(drawn).to(device)])
        self.floor = {split: truth.mmd(resampled) for split, truth in self.truth.items()}

    def measure(self, samples: Tensor, split: str) -> dict[str, float]:
        places = on_sphere(samples)
        return {
            "mmd_1000": self.truth[split].mmd(places),
            "spread": self.truth[split].spread(places),
            "mmd_1000_floor": self.floor[split],
        }

    def comparable(self, learner: Any) -> bool:
        points = self.points["test"][:PROBES]
        at, beyond = (learner.log_density(Batch(inputs=factor * points, size=len(points))) for factor in (1.0, 2.0))
        return torch.allclose(at, beyond, rtol=1e-3, atol=1e-3)

    def place(self, points: Tensor) -> Tensor:
        """Longitude and latitude (N, 2) in degrees."""
        x, y, z = on_sphere(points).unbind(dim=1)
        return torch.stack([torch.atan2(y, x), torch.asin(z.clamp(-1, 1))], dim=1).rad2deg()

    def warnings(self, metrics: dict[str, float]) -> Iterable[str]:
        """`collapsed`: samples are all at one place."""
        return collapsed(metrics)


def make_task(path: Path, *, header: int, split: int, repeats: bool, device: str = "cpu") -> EarthTask:
    """`split`: the seed of the random splits. Raises UsageError for a seed below 0."""
    if not 0 <= split < 2**32:
        raise UsageError(f"option 'split' needs a whole number from 0 to {2**32 - 1}, not {split}")
    places = read_places(path, header)
    if not repeats:
        places = np.unique(places, axis=0)
    held = round(HELD_OUT * len(places))
    order = np.random.RandomState(split).permutation(len(places))
    parts = np.split(order, [len(order) - 2 * held, len(order) - held])
    vectors = unit_vectors(places).astype(np.float32)
    points = {
        name: torch.from_numpy(vectors[part]).to(device)
        for name, part in zip(("train", "val", "test"), parts, strict=True)
    }
    return EarthTask(points, device)
