"""Pictures of two domains, as arrays. No torch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pictures = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Pictures (N, C, H, W) and the class of each, (N,)."""

    pictures: Pictures
    classes: NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Split:
    """Pictures of both domains, (N, C, H, W) and (M, C, H, W). `classes` (N,): where they are there, row i of the
    second domain is the true partner of row i of the first, and both are of this class."""

    first: Pictures
    second: Pictures
    classes: NDArray[np.int64] | None = None


@dataclass(frozen=True, kw_only=True)
class Domains:
    """`train`, `val` and `test`. `lessons`: training pictures with classes, of the first and of the second domain, from
    which the judging networks learn; one for both where they are the same. `levels`: the number that is white; 0 is
    black. `name`: of what is kept of it; `metric`: of the Frechet distance."""

    name: str
    metric: str
    splits: dict[str, Split]
    lessons: tuple[Labelled, Labelled]
    levels: int = 255
