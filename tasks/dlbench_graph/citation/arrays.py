"""From what files hold to what tasks hold: features and edges of one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import UsageError

LAYOUTS = ("csr", "dense")


def to_features(matrix: Any, layout: str, device: str = "cpu") -> Tensor:
    """A scipy CSR matrix (N, F) as a float32 tensor whose rows add up to 1 (empty rows stay 0), `csr` or `dense`.

    Raises UsageError on another layout.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"option 'features' is 'csr' or 'dense', not {layout!r}")
    sums = np.asarray(matrix.sum(axis=1), dtype=np.float64).ravel()
    sums[sums == 0] = 1
    scaled = (matrix.data / np.repeat(sums, np.diff(matrix.indptr))).astype(np.float32)
    pointers, columns = matrix.indptr.astype(np.int64), matrix.indices.astype(np.int64)
    parts = (torch.from_numpy(part) for part in (pointers, columns, scaled))
    tensor = torch.sparse_csr_tensor(*parts, size=matrix.shape, check_invariants=True)
    return (tensor if layout == "csr" else tensor.to_dense()).to(device)


def clean_edges(source: Any, target: Any, *, directed: bool = False) -> NDArray[np.int64]:
    """Edges (2, E) without self-loops and repetitions; unless `directed`, each in both directions."""
    edges = np.stack([np.asarray(source, dtype=np.int64), np.asarray(target, dtype=np.int64)])
    if not directed:
        edges = np.concatenate([edges, edges[::-1]], axis=1)
    return np.unique(edges[:, edges[0] != edges[1]], axis=1)


def to_indices(splits: dict[str, Any], device: str = "cpu") -> dict[str, Tensor]:
    """Splits as index tensors, int64."""
    return {
        name: torch.as_tensor(np.asarray(index), dtype=torch.int64, device=device) for name, index in splits.items()
    }
