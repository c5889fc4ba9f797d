"""`zinc` and `aqsol`: a property of a molecule from its atoms and bonds.

Dwivedi et al. 2023, "Benchmarking Graph Neural Networks". `aqsol` has the published graphs and splits. `zinc` has the
published molecules for validation and test but other ones of the same pool for training, and targets recomputed with a
present RDKit (about 0.002 off the published ones): its errors compare with published ones in distribution only.

Differs: atom and bond types are one-hot columns, which a first linear layer embeds as an embedding table would.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench import Graph, GraphValue, Signature, UsageError
from dlbench.data import Data
from dlbench.data.graphs import GraphSet

from ..many import ManyGraphs
from ..positions import add_positions
from ..scores import absolute_error, mean_absolute_error

SPLITS = ("train", "val", "test")


@dataclass(frozen=True)
class Molecules:
    """Where a set lies, and how many types of atoms and bonds its dictionary has (0, no bond, included)."""

    path: str
    atom_types: int
    bond_types: int


ZINC = Molecules("graph/molecules/zinc/zinc12k_graphs.npz", atom_types=28, bond_types=4)
AQSOL = Molecules("graph/molecules/aqsol/aqsol_graphs.npz", atom_types=65, bond_types=5)


def load(data: Data, *, molecules: Molecules, edge_features: bool, pe: int, train: int | None) -> ManyGraphs:
    """`edge_features`: give the bond types. `pe`: eigenvectors to add. `train`: keep only the first so many training
    molecules (None: all). Raises UsageError for a number that can't be."""
    with np.load(data.path(molecules.path)) as arrays:
        found = dict(arrays)
    sizes, links = np.diff(found["node_ptr"]), np.diff(found["edge_ptr"])
    nodes = one_hot(found["node_type"], molecules.atom_types)
    nodes = add_positions(nodes, sizes, links, found["edge_index"], pe, data.cache)
    bonds = one_hot(found["edge_type"], molecules.bond_types) if edge_features else None
    splits = {name: np.nonzero(found["split"] == number)[0] for number, name in enumerate(SPLITS)}
    splits["train"] = _first(splits["train"], train)
    return ManyGraphs(
        graphs=GraphSet(
            node_counts=sizes, nodes=nodes, edge_counts=links, edges=found["edge_index"], edge_features=bonds,
            device=data.device,
        ),
        targets=torch.from_numpy(found["y"]).to(data.device),
        level="graph",
        signature=Signature(
            input=Graph(
                node_features=nodes.shape[1],
                edge_features=molecules.bond_types if edge_features else 0,
                positions=pe,
            ),
            output=GraphValue(),
        ),
        splits={name: torch.from_numpy(index).to(data.device) for name, index in splits.items()},
        metric="mae",
        score=mean_absolute_error,
        loss_of=absolute_error,
    )  # fmt: skip


def one_hot(types: NDArray[np.uint8], count: int) -> NDArray[np.float32]:
    """One column per type, (N, count)."""
    return np.asarray(np.eye(count, dtype=np.float32)[types])


def _first(index: NDArray[np.int64], count: int | None) -> NDArray[np.int64]:
    if count is None:
        return index
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= len(index):
        raise UsageError(f"option 'train' needs a whole number from 1 to {len(index)}, not {count!r}")
    return index[:count]
