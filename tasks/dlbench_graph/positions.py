"""Laplacian eigenvectors as positional encodings of nodes.

Dwivedi et al. 2023, "Benchmarking Graph Neural Networks": the eigenvectors 2 .. k + 1, by ascending eigenvalue, of
I - D^-1/2 A D^-1/2. Where an eigenvalue is repeated, any basis of its eigenspace is right, and which one comes out is
up to LAPACK: it may differ between machines and between two orders of the same nodes.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import UsageError
from dlbench.data.graphs import check_graphs

METHOD = "1"  # part of the cache's key: raise it with every change that gives other numbers
SLOW_S = 2.0
AT_ONCE = 1 << 22  # numbers in one stack of adjacency matrices: 32 MB
WHOLE = 128  # up to this size all eigenvectors together are faster than the first few one by one


def add_positions(
    nodes: NDArray[Any],
    node_counts: NDArray[Any],
    edge_counts: NDArray[Any],
    edges: NDArray[Any],
    k: int,
    cache: Path | None = None,
) -> NDArray[Any]:
    """`nodes` (N, F) with the encodings as its last k columns, (N, F + k); `nodes` itself for k = 0.

    The arrays are those that a `GraphSet` takes. What took longer than 2 seconds is kept in the folder `cache`, under
    a name made of the content. Raises UsageError for a k that isn't a whole number of at least 0, BadGraph as
    `GraphSet` does.
    """
    if isinstance(k, bool) or not isinstance(k, int) or k < 0:
        raise UsageError(f"option 'pe' needs a whole number of at least 0, not {k!r}")
    if k == 0:
        return nodes
    check_graphs(node_counts, nodes, edge_counts, edges)
    path = None if cache is None else _place(cache, k, node_counts, edge_counts, edges)
    columns = None if path is None else _recall(path, (len(nodes), k))
    if columns is None:
        start = time.perf_counter()
        columns = laplacian_positions(node_counts, edge_counts, edges, k)
        if path is not None and time.perf_counter() - start > SLOW_S:
            _keep(path, columns)
    return np.concatenate([nodes, columns.astype(nodes.dtype, copy=False)], axis=1)


def laplacian_positions(
    node_counts: NDArray[Any], edge_counts: NDArray[Any], edges: NDArray[Any], k: int
) -> NDArray[np.float32]:
    """Encodings (N, k) of the nodes of all graphs. `node_counts`, `edge_counts` (G,); `edges` (2, E), numbered from 0
    within each graph.

    An edge links both its ends, however often and in whichever direction it is listed. An isolated node counts as one
    of degree 1, as in the published code, which gives it an eigenvalue of 1. A graph with fewer than k + 1 nodes has
    fewer eigenvectors: the missing columns are zero. Each eigenvector has length 1, and the first of its largest
    entries is positive.
    """
    sizes, links = np.asarray(node_counts, dtype=np.int64), np.asarray(edge_counts, dtype=np.int64)
    ends = np.asarray(edges)
    node_starts, edge_starts = sizes.cumsum() - sizes, links.cumsum() - links
    positions = np.zeros((int(sizes.sum()), k), dtype=np.float32)
    for size in np.unique(sizes):
        width = min(k, int(size) - 1)
        members = np.nonzero(sizes == size)[0]
        step = max(1, AT_ONCE // int(size) ** 2)
        for first in range(0, len(members) if width else 0, step):
            chunk = members[first : first + step]
            of_edge = np.repeat(np.arange(len(chunk)), links[chunk])
            adjacency = np.zeros((len(chunk), size, size))
            source, target = ends[:, _rows(edge_starts[chunk], links[chunk])].astype(np.int64)
            adjacency[of_edge, source, target] = 1.0
            adjacency[of_edge, target, source] = 1.0
            rows = node_starts[chunk, None] + np.arange(size)  # (graphs, size)
            positions[rows, :width] = _eigenvectors(_laplacian(adjacency), width)
    return positions


def _laplacian(adjacency: NDArray[np.float64]) -> NDArray[np.float64]:
    """I - D^-1/2 A D^-1/2 of each (graphs, n, n)."""
    scale = np.maximum(adjacency.sum(axis=2), 1.0) ** -0.5
    return np.asarray(np.eye(adjacency.shape[1]) - scale[:, :, None] * adjacency * scale[:, None, :])


def _eigenvectors(laplacian: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """The eigenvectors 2 .. width + 1 as columns (graphs, n, width), signs fixed."""
    if laplacian.shape[1] <= WHOLE:
        vectors = np.linalg.eigh(laplacian)[1][:, :, 1 : width + 1]
    else:
        from scipy.linalg import eigh

        vectors = np.stack([eigh(one, subset_by_index=[1, width])[1] for one in laplacian])
    magnitude = np.abs(vectors)
    largest = magnitude >= magnitude.max(axis=1, keepdims=True) * (1 - 1e-6)  # rounding must not decide among equals
    signs = np.sign(np.take_along_axis(vectors, largest.argmax(axis=1)[:, None, :], axis=1))
    return np.asarray(vectors * signs)


def _rows(starts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The numbers start .. start + size - 1 of each pair, one after the other."""
    shift = np.repeat(starts - (sizes.cumsum() - sizes), sizes)
    return np.asarray(shift + np.arange(int(sizes.sum())))


def _place(cache: Path, k: int, *arrays: NDArray[Any]) -> Path:
    digest = hashlib.sha256(f"{METHOD}/{k}".encode())
    for array in arrays:
        digest.update(np.ascontiguousarray(array, dtype=np.int64).tobytes())
    return cache / "laplacian_positions" / f"{digest.hexdigest()[:32]}.npz"


def _recall(path: Path, shape: tuple[int, int]) -> NDArray[np.float32] | None:
    """What was kept, or None where there is nothing or a broken file."""
    try:
        with np.load(path) as found:
            columns = found["positions"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return columns if columns.shape == shape and columns.dtype == np.float32 else None


def _keep(path: Path, columns: NDArray[np.float32]) -> None:
    """Write the file in one step; where that can't be done, the numbers are computed again next time."""
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(temporary, positions=columns)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
