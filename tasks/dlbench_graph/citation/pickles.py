"""Read the pickles in which old data sets are kept, without letting them run anything.

A pickle may call any function that it names. These may name only what holds numbers: arrays, sparse matrices, lists and
dictionaries.
"""

from __future__ import annotations

import pickle
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from dlbench import NoData


class Csr:
    """Stands for a scipy CSR matrix: it only takes the pickled attributes `data`, `indices`, `indptr` and `_shape`."""


_ARRAY = np.empty(0).__reduce__()[0]  # numpy's function that makes an empty array, wherever this numpy keeps it
ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): _ARRAY,
    ("numpy._core.multiarray", "_reconstruct"): _ARRAY,
    ("scipy.sparse.csr", "csr_matrix"): Csr,
    ("scipy.sparse._csr", "csr_matrix"): Csr,
    ("collections", "defaultdict"): defaultdict,
    ("__builtin__", "list"): list,
    ("builtins", "list"): list,
}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ADMITTED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no data")
        return ADMITTED[module, name]


def read_pickle(path: Path) -> Any:
    """The content of a pickle written by Python 2 or 3. Raises NoData where it is damaged or holds more than data."""
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # numpy warns of the types that Python 2 wrote
            return _Reader(stream, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise NoData(f"can't read {path.name}: {error}") from error
