"""Kernel density on the sphere by von Mises and Fisher's distribution: Hall, Watson & Cabrera 1987, "Kernel Density
Estimation with Spherical Data".

The density is the mean of exp(c (x . p)) c / (4 pi sinh c) over the training points p, and c, the concentration (one
over the squared width), is the one of a fixed list under which held-out training points are likeliest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dlbench import Batch, Learner, Optimizers

CONCENTRATIONS = tuple(10 ** (k / 4) for k in range(25))  # from 1 to a million: widths from 57 to 0.06 degrees
HELD_OUT, MOST_HELD_OUT = 0.1, 1000
SEED = 0
OFF = 1e-3  # how far a length may be from 1
BLOCK = 2**22  # pairs of points at a time
JOINED_FROM = 1024  # points


class SphereKDE(Learner):
    """Points (B, 3) of the unit sphere. It keeps the training set, each point once with how often it came; it has no
    parameters and no loss.

    The concentration is chosen on a tenth of the distinct points (at most 1,000), which the others have to explain: a
    point on both sides would ask for kernels without width. Before it has seen anything it is uniform.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("points", torch.zeros(0, 3))
        self.register_buffer("counts", torch.zeros(0, dtype=torch.int64))
        self.register_buffer("concentration", torch.zeros((), dtype=torch.float64))
        self._new: list[Tensor] = []  # one batch each
        self._num_new = 0
        self._chosen = True
        self.register_state_dict_pre_hook(_fit)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        self._new.append(batch.inputs.detach())
        self._num_new += len(batch.inputs)
        self._chosen = False
        if self._num_new > max(len(self.points), JOINED_FROM):  # so joining takes a constant time per point
            self._join()
        return batch.inputs.new_zeros(())

    def log_density(self, inputs: Tensor) -> Tensor:
        """Nats against the area of the unit sphere, (B,); of each input (B, 3) only the direction counts."""
        _fit(self)
        if not len(self.points):
            return inputs.new_full((len(inputs),), -math.log(4 * math.pi))
        known = _directions(self.points)
        return _log_density(_directions(inputs), known, self.counts, self.concentration[None])[0].float()

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """`count` points (count, 3) of the unit sphere: training points, each moved by von Mises and Fisher's noise."""
        _fit(self)
        chosen = torch.rand(count, generator=generator, dtype=torch.float64)
        level = torch.rand(count, 1, generator=generator, dtype=torch.float64)
        aside = torch.randn(count, 3, generator=generator, dtype=torch.float64)
        device = self.points.device
        if not len(self.points):
            return _directions(aside).to(device).float()
        ends = self.counts.cumsum(0)
        index = torch.searchsorted(ends, (chosen.to(device) * ends[-1]).long(), right=True)
        centres = _directions(self.points)[index.clamp(max=len(ends) - 1)]
        return _moved(centres, level.to(device), aside.to(device), self.concentration).float()

    def _join(self) -> None:
        """Add the batches that came since to the buffers. Raises ValueError for points that aren't on the sphere."""
        rows = torch.cat([self.points, *self._new])
        if not bool(((rows.norm(dim=1) - 1).abs() <= OFF).all()):
            raise ValueError("vmf_kde needs points of length 1, as those of a sphere are")
        weights = torch.cat([self.counts, self.counts.new_ones(self._num_new)])
        self.points, place = rows.unique(dim=0, return_inverse=True)
        self.counts = self.counts.new_zeros(len(self.points)).index_add_(0, place, weights)
        self._new, self._num_new = [], 0

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The saved set may be larger or smaller than the one here."""
        self._new, self._num_new, self._chosen = [], 0, True
        for name in ("points", "counts"):
            if (saved := state_dict.get(prefix + name)) is not None:
                setattr(self, name, getattr(self, name).new_empty(saved.shape))
        super()._load_from_state_dict(state_dict, prefix, *args)


def _fit(learner: Any, *_: Any) -> None:
    """Join what came since, and choose the concentration where anything came."""
    if learner._new:
        learner._join()
    if not learner._chosen:
        learner.concentration.copy_(choose_concentration(_directions(learner.points), learner.counts))
        learner._chosen = True


def choose_concentration(points: Tensor, counts: Tensor) -> Tensor:
    """The concentration, a float64 scalar, under which a tenth of distinct points (N, 3), each once, is likeliest by
    the others, each as often as `counts` (N,) says; the smallest of all where there are fewer than two points."""
    choices = torch.tensor(CONCENTRATIONS, dtype=torch.float64, device=points.device)
    if len(points) < 2:
        return choices[0]
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(SEED)).to(points.device)
    held = min(MOST_HELD_OUT, math.ceil(HELD_OUT * len(points)))
    asked, rest = points[order[:held]], order[held:]
    known, weights = points[rest], counts[rest]
    likelihoods = _log_density(asked, known, weights, choices).mean(dim=1)
    return choices[likelihoods.argmax()]


def _log_density(asked: Tensor, known: Tensor, counts: Tensor, concentrations: Tensor) -> Tensor:
    """Of unit vectors (B, 3) under each of several concentrations (K,), given those (N, 3) of the kernels and how often
    each counts (N,); all float64: (K, B)."""
    rows, weights, sums = max(1, BLOCK // len(known)), counts.double().log(), []
    for part in asked.split(rows):
        # x . p - 1 from the difference: the product itself has lost the digits that narrow kernels need
        squared = torch.cdist(part, known, compute_mode="donot_use_mm_for_euclid_dist").square_()
        sums.append(torch.stack([(squared * (-0.5 * c) + weights).logsumexp(dim=1) for c in concentrations]))
    # c / (4 pi sinh c) = c exp(-c) / (2 pi (1 - exp(-2 c)))
    scales = concentrations.log() - torch.log1p(-(-2 * concentrations).exp()) - math.log(2 * math.pi)
    return torch.cat(sums, dim=1) + scales[:, None] - counts.sum().double().log()


def _moved(centres: Tensor, level: Tensor, aside: Tensor, concentration: Tensor) -> Tensor:
    """Unit vectors (B, 3), each turned away from its centre: by inversion, since on this sphere the distribution
    function of the height along the centre has a closed form (Ulrich 1984). `level` (B, 1) is even from 0 to 1,
    `aside` (B, 3) normal."""
    height = 1 + torch.log(level + (1 - level) * (-2 * concentration).exp()) / concentration
    height = height.clamp(-1, 1)
    across = aside - (aside * centres).sum(dim=1, keepdim=True) * centres
    across = across / across.norm(dim=1, keepdim=True).clamp(min=1e-12)
    return height * centres + (1 - height.square()).sqrt() * across


def _directions(points: Tensor) -> Tensor:
    """Of length 1, in float64."""
    points = points.double()
    return points / points.norm(dim=1, keepdim=True).clamp(min=1e-12)
