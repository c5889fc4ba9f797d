"""What a set of molecules is compared by, worked out once and kept in the cache: names of those to train on, properties
and scaffolds of those to compare with, and all of them as graphs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import NoData
from dlbench.data.kept import Arrays, kept

from .chemistry import Atom, chemistry, name_of, parsed, quiet, taken_apart
from .measures import NUM_SAMPLES, Described, describe, measure

VERSION = 1
SEED = 47
MOST_COMPARED = 10_000
"""Molecules of a split that samples are compared with; of more, every second, third and so on."""


@dataclass(frozen=True)
class Library:
    """`training`: the names of the molecules to train on. `sets`: what there is to compare with, of `val` and `test`,
    and `train` for 1,000 drawn from training."""

    training: frozenset[str]
    sets: Mapping[str, Described]

    def floors(self, split: str) -> dict[str, float]:
        """What the measures are of molecules that no model drew: the shares for up to 1,000 of the split itself, the
        other measures for 1,000 of training."""
        others = self.sets[split]
        own = measure(_some(others), self.training, others)
        drawn = measure(self.sets["train"], self.training, others)
        shares = ("valid", "distinct_molecules", "new_molecules")
        alike = ("property_distance", *(["scaffolds"] if others.scaffolds else []))
        return {f"{name}_floor": (own if name in shares else drawn)[name] for name in (*shares, *alike)}


def library(splits: Mapping[str, Sequence[str]], *, scaffolds: bool, cache: Path) -> Library:
    """The library of a set that is split into SMILES strings."""
    parameters = {**_parameters(splits), "scaffolds": scaffolds}
    found = kept(cache, "molecules/library", parameters, lambda: _described(splits, scaffolds))
    sets = {}
    for split in ("train", "val", "test"):
        names = _unpacked(found[f"{split}_names"])
        rings = _unpacked(found[f"{split}_scaffolds"]) if scaffolds else []
        sets[split] = Described(len(names), names, found[f"{split}_properties"], rings)
    return Library(frozenset(_unpacked(found["training"])), sets)


def graphs(splits: Mapping[str, Sequence[str]], cache: Path) -> tuple[list[Atom], Arrays]:
    """Every molecule as a graph, one split after the other: the kinds of atoms, and flat arrays `node_counts` (G,),
    `atoms` (N,) which kind each is, `edge_counts` (G,), `edges` (2, E) in both directions, `orders` (E,) 1 to 3."""
    found = kept(cache, "molecules/graphs", _parameters(splits), lambda: _graph_arrays(splits))
    kinds = list(zip(_unpacked(found["symbols"]), found["charges"].tolist(), strict=True))
    return kinds, found


def _parameters(splits: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """All that the arrays depend on."""
    chemistry()
    from rdkit import __version__

    texts = "\n\n".join("\n".join(splits[split]) for split in ("train", "val", "test"))
    return {"version": VERSION, "rdkit": __version__, "molecules": hashlib.sha256(texts.encode()).hexdigest()}


def _described(splits: Mapping[str, Sequence[str]], scaffolds: bool) -> Arrays:
    chosen = np.random.RandomState(SEED).permutation(len(splits["train"]))[:NUM_SAMPLES]
    compared = {"train": [splits["train"][i] for i in chosen]}
    for split in ("val", "test"):
        compared[split] = list(splits[split][:: -(-len(splits[split]) // MOST_COMPARED)])
    with quiet():
        names = [name_of(molecule) for molecule in _molecules(splits["train"])]
    found = {"training": _packed(sorted(set(names)))}
    for split, texts in compared.items():
        with quiet():
            molecules = _molecules(texts)
        about = describe(molecules, scaffolds=scaffolds)
        found |= {f"{split}_names": _packed(about.names), f"{split}_properties": about.properties}
        if scaffolds:
            found[f"{split}_scaffolds"] = _packed(about.scaffolds)
    return found


def _graph_arrays(splits: Mapping[str, Sequence[str]]) -> Arrays:
    with quiet():
        found = [taken_apart(molecule) for split in ("train", "val", "test") for molecule in _molecules(splits[split])]
    kinds = sorted({atom for atoms, _ in found for atom in atoms})
    number = {atom: place for place, atom in enumerate(kinds)}
    bonds = np.array([bond for _, bonds in found for bond in bonds], dtype=np.int64).reshape(-1, 3)
    there = np.stack([bonds[:, :2], bonds[:, 1::-1]], axis=1)  # (bonds, 2 directions, 2 ends)
    return {
        "symbols": _packed([symbol for symbol, _ in kinds]),
        "charges": np.array([charge for _, charge in kinds]),
        "node_counts": np.array([len(atoms) for atoms, _ in found]),
        "atoms": np.array([number[atom] for atoms, _ in found for atom in atoms], dtype=np.uint8),
        "edge_counts": np.array([2 * len(bonds) for _, bonds in found]),
        "edges": there.reshape(-1, 2).T.astype(np.int16),
        "orders": bonds[:, 2].repeat(2).astype(np.uint8),
    }


def _molecules(texts: Sequence[str]) -> list[Any]:
    """Raises NoData naming the first string that isn't a molecule."""
    found = [parsed(text) for text in texts]
    if None in found:
        raise NoData(f"{texts[found.index(None)]!r} isn't a molecule that RDKit knows")
    return found


def _some(described: Described) -> Described:
    """At most 1,000 of them."""
    chosen = np.random.RandomState(SEED).permutation(len(described.names))[:NUM_SAMPLES]
    rings = [described.scaffolds[i] for i in chosen] if described.scaffolds else []
    return Described(len(chosen), [described.names[i] for i in chosen], described.properties[chosen], rings)


def _packed(texts: Sequence[str]) -> NDArray[np.uint8]:
    """Texts without line ends as one array."""
    return np.frombuffer("".join(f"{text}\n" for text in texts).encode(), dtype=np.uint8)


def _unpacked(array: NDArray[np.uint8]) -> list[str]:
    return array.tobytes().decode().split("\n")[:-1]
