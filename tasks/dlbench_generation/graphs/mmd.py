"""The maximum mean discrepancy of two sets of graphs, under the kernels of the papers.

Squared and with each graph also compared with itself, as You et al. 2018, "GraphRNN", published it; such an estimate
lies above 0 for two sets of one distribution, the more so the smaller they are. Kernels of histograms:

- `emd`: Gaussian of the earth mover's distance, which on a line is the sum of the absolute differences of the
  cumulative histograms; GraphRNN's;
- `tv`: Gaussian of the total variation distance; Liao et al. 2019, "Efficient Graph Generation with Graph Recurrent
  Attention Networks";
- `gaussian`: Gaussian of the Euclidean distance; in the code of Niu et al. 2020, "Permutation Invariant Graph
  Generation via Score-Based Generative Modeling".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .statistics import CLUSTERING_BINS, Described

Rows = NDArray[np.float64]
Kernel = Callable[[Rows, Rows], Rows]


class Discrepancy(NamedTuple):
    """`of`: a field of `Described`; `width`: of the Gaussian; `step`: how far apart two neighbouring bins are."""

    of: str
    kernel: str
    width: float
    step: float = 1.0


DISCREPANCIES = {
    "degree_emd": Discrepancy("degrees", "emd", 1.0),
    "degree_tv": Discrepancy("degrees", "tv", 1.0),
    "degree_gaussian": Discrepancy("degrees", "gaussian", 1.0),
    "clustering_emd": Discrepancy("clustering", "emd", 0.1, 1 / CLUSTERING_BINS),
    "clustering_tv": Discrepancy("clustering", "tv", 0.1),
    "clustering_gaussian": Discrepancy("clustering", "gaussian", 0.1),
    "orbits": Discrepancy("orbits", "gaussian", 30.0),
    "orbits_tv": Discrepancy("orbits", "tv", 30.0),
}
"""Under the names of the metrics."""


def distances(first: Rows, second: Rows, kernel: str, step: float = 1.0) -> Rows:
    """Between each two rows of (A, K) and (B, K): (A, B)."""
    if kernel == "emd":
        first, second = first.cumsum(axis=1), second.cumsum(axis=1)
    apart = first[:, None] - second[None]
    if kernel == "gaussian":
        return np.sqrt(np.square(apart).sum(axis=2))
    return np.abs(apart).sum(axis=2) * (step if kernel == "emd" else 0.5)


def discrepancy(first: Rows, second: Rows, how: Discrepancy, missing: int = 0) -> float:
    """The squared MMD of rows (A, K) and (B, K). `missing`: how many more of the first set are no graphs; they are like
    each other and like nothing else, so that a set is the further away the more it has of them."""

    def total(one: Rows, other: Rows) -> float:
        return float(np.exp(-np.square(distances(one, other, how.kernel, how.step)) / (2 * how.width**2)).sum())

    a, b = len(first) + missing, len(second)
    within = (total(first, first) + missing**2) / a**2 + total(second, second) / b**2
    return max(0.0, within - 2 * total(first, second) / (a * b))


def discrepancies(found: Described, reference: Described, missing: int = 0) -> dict[str, float]:
    """All of them, by their names."""
    return {
        name: discrepancy(getattr(found, how.of), getattr(reference, how.of), how, missing)
        for name, how in DISCREPANCIES.items()
    }
