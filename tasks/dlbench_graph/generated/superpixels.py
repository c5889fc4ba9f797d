"""MNIST as graphs of superpixels: patches of similar pixels, joined to those that lie near.

Dwivedi, Joshi, Luu, Laurent, Bengio & Bresson 2023, "Benchmarking Graph Neural Networks", after Knyazev, Taylor & Amer
2019, "Understanding Attention and Generalization in Graph Neural Networks". The superpixels are those of SLIC (Achanta
et al. 2012, "SLIC Superpixels Compared to State-of-the-Art Superpixel Methods") by scikit-image: 95 are asked for, and
one fewer each time until there are at most 75. Node features: mean intensity, row / 28, column / 28 of the centre. The
similarity of two nodes is A = exp(-(distance / s)^2), made symmetric, where s is a node's mean distance to its 8
nearest; an edge leads from each node to each of its 8 most similar ones, with A as its feature.

Differs from the published set: nodes are in another random order; numbers aren't rounded to 16 bits; and an edge leads
to the 8 most similar nodes exactly, where the published code drops an arbitrary one of the 9 most similar.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import NoData

SIDE = 28
ASKED, MOST, COMPACTNESS = 95, 75, 0.25
NEIGHBOURS = 8
SMALLEST, LARGEST = 0.5, 3.0  # of a patch, in shares of the mean size of the patches that were asked for
Features = NDArray[np.float32]


def slic() -> Any:
    """scikit-image's function; raises NoData where the package is missing."""
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise NoData(f"superpixels need the package scikit-image: pip install scikit-image ({error})") from error
    return slic


def release() -> str:
    """scikit-image's version, on which superpixels depend; raises NoData where the package is missing."""
    from importlib.metadata import version

    slic()
    return version("scikit-image")


def superpixels(image: NDArray[np.uint8], segment: Any) -> NDArray[np.int64]:
    """The number of the superpixel at each pixel (28, 28), from 0; at most 75 of them. `segment` is `slic()`."""
    from skimage.util import regular_grid

    pixels = (image / 255.0).astype(np.float32)
    for asked in range(ASKED, 0, -1):
        centres = np.zeros((1, SIDE, SIDE), dtype=bool)
        centres[regular_grid(centres.shape, asked)] = True  # type: ignore[no-untyped-call]
        # Patches that are too small are merged. scikit-image of the time when the set was made compared their size
        # with the mean size of as many as were asked for, later releases with that of as many as there are centres.
        as_published = centres.sum() / asked * (1 + 1e-9)
        found = segment(
            pixels,
            n_segments=asked,
            compactness=COMPACTNESS,
            channel_axis=None,
            start_label=0,
            min_size_factor=SMALLEST * as_published,
            max_size_factor=LARGEST * as_published,
        )
        numbers, patches = np.unique(found, return_inverse=True)
        if len(numbers) <= MOST:
            break
    return patches.reshape(SIDE, SIDE)


def graph(
    image: NDArray[np.uint8], random: np.random.RandomState, segment: Any
) -> tuple[Features, NDArray[np.int16], Features]:
    """Of an image (28, 28): nodes (n, 3) in random order; edges (2, E) sorted by target and source; A of each (E,)."""
    patches = superpixels(image, segment)
    count = int(patches.max()) + 1
    patches = random.permutation(count)[patches].ravel()
    rows, columns = np.divmod(np.arange(SIDE * SIDE), SIDE)
    sizes = np.bincount(patches)
    columns_of_nodes = [np.bincount(patches, weights=w) / sizes for w in (image.ravel() / 255.0, rows, columns)]
    nodes = np.stack(columns_of_nodes, axis=1) / [1.0, SIDE, SIDE]
    similarity = similarities(nodes[:, 1:])
    nearest = min(NEIGHBOURS, count - 1)
    found = similarity.argsort(axis=1, kind="stable")[:, count - nearest :]
    chosen = np.zeros((count, count), dtype=bool)  # (target, source)
    chosen[found, np.arange(count)[:, None]] = True
    target, source = np.nonzero(chosen)
    edges = np.stack([source, target]).astype(np.int16)
    return nodes.astype(np.float32), edges, similarity[source, target].astype(np.float32)


def similarities(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """A of each pair of places (n, 2), symmetric, -1 on the diagonal so that no node is its own neighbour."""
    distances = np.sqrt(np.square(places[:, None] - places[None]).sum(axis=2))
    nearest = min(NEIGHBOURS, len(places) - 1)
    scale = np.sort(distances, axis=1)[:, 1 : nearest + 1].sum(axis=1, keepdims=True) / max(nearest, 1) + 1e-8
    one_way = np.exp(-np.square(distances / scale))
    both = (one_way + one_way.T) / 2
    np.fill_diagonal(both, -1.0)
    return np.asarray(both)
