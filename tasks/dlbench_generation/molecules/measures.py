"""How molecules that were drawn are judged: can they be, are they different, new, and like the others?

`valid`, `unique` and `novel` are those of Polykovskiy et al. 2020, "Molecular Sets (MOSES): A Benchmarking Platform for
Molecular Generation Models", and so is the similarity of scaffolds. The Frechet ChemNet distance isn't here: the
weights of its network don't come with this package.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .chemistry import PROPERTIES, name_of, properties_of, quiet, scaffold_of

NUM_SAMPLES = 1000
"""How many are drawn for every judgement: repeats become more likely the more there are."""
FEW_DIFFERENT, FEW_NEW, ENOUGH_VALID = 0.3, 0.05, 0.05


@dataclass(frozen=True)
class Described:
    """`count` molecules, of which those that can be have `names`, `properties` (V, 4) and `scaffolds`; the last is
    empty where nobody asks for them."""

    count: int
    names: list[str]
    properties: NDArray[np.float64]
    scaffolds: list[str]


def describe(molecules: Iterable[Any], *, scaffolds: bool = False) -> Described:
    """What there is to know of RDKit's molecules; None stands for one that can't be."""
    found = list(molecules)
    valid = [molecule for molecule in found if molecule is not None]
    with quiet():
        names = [name_of(molecule) for molecule in valid]
        properties = np.array([properties_of(molecule) for molecule in valid]).reshape(-1, len(PROPERTIES))
        rings = [scaffold_of(molecule) for molecule in valid] if scaffolds else []
    return Described(len(found), names, properties, rings)


def measure(samples: Described, training: frozenset[str], others: Described) -> dict[str, float]:
    """Compare samples with the names of the training molecules and with `others`, molecules of the split.

    Shares: `valid` of all; of the valid ones, `connected` in one piece and `unique`, how many different ones there are;
    `novel`, of the different ones those that aren't in training. Of all samples, `distinct_molecules`: different, valid
    and in one piece, and `new_molecules`: those among them that aren't in training. A share of nothing is 0.
    `property_distance`: see `distance`. `scaffolds`: see `likeness`, where scaffolds are known.
    """
    different = set(samples.names)
    whole = {name for name in different if "." not in name}
    found = {
        "valid": _share(len(samples.names), samples.count),
        "connected": _share(sum("." not in name for name in samples.names), len(samples.names)),
        "unique": _share(len(different), len(samples.names)),
        "novel": _share(len(different - training), len(different)),
        "distinct_molecules": _share(len(whole), samples.count),
        "new_molecules": _share(len(whole - training), samples.count),
        "property_distance": distance(samples.properties, others.properties),
    }
    if others.scaffolds:
        found["scaffolds"] = likeness(samples.scaffolds, others.scaffolds)
    return found


def distance(samples: NDArray[np.float64], others: NDArray[np.float64]) -> float:
    """Between two sets of properties (N, 4) and (M, 4): how far the values of one must be moved on average to become
    those of the other (Wasserstein's distance), in standard deviations of the others, the mean over properties. No
    molecules at all count as one whose properties are 0."""
    from scipy.stats import wasserstein_distance

    samples = samples if len(samples) else np.zeros((1, others.shape[1]))
    spread = others.std(axis=0)
    scale = np.where(spread > 0, spread, 1.0)
    columns = range(others.shape[1])
    return float(np.mean([wasserstein_distance(samples[:, i], others[:, i]) / scale[i] for i in columns]))


def likeness(samples: Sequence[str], others: Sequence[str]) -> float:
    """The cosine between how often each scaffold is there, 0 where there are none; a molecule without one doesn't
    count."""
    ours, theirs = (Counter(name for name in names if name) for names in (samples, others))
    product = sum(count * theirs[name] for name, count in ours.items())
    norms = [sum(count * count for count in counts.values()) ** 0.5 for counts in (ours, theirs)]
    return min(1.0, product / (norms[0] * norms[1])) if all(norms) else 0.0


def warnings(metrics: dict[str, float]) -> list[str]:
    """`collapsed`: of the valid molecules few are different. `copies`: hardly any isn't a training molecule. Neither is
    said where hardly any are valid."""
    if metrics["valid"] < ENOUGH_VALID:
        return []
    few = {"collapsed": metrics["unique"] < FEW_DIFFERENT, "copies": metrics["novel"] < FEW_NEW}
    return [flag for flag, holds in few.items() if holds]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
