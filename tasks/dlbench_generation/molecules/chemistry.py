"""What RDKit knows of molecules: whether one can be, its name, its graph, its properties. RDKit is an extra.

A molecule's name is its canonical SMILES without stereochemistry: two molecules that differ in it alone count as one,
since graphs don't tell them apart. Hydrogen atoms are left out: RDKit adds as many as an atom's valence has room for.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from dlbench import NoData

Atom = tuple[str, int]
"""Element and formal charge."""
Bond = tuple[int, int, int]
"""Two atoms and the order, 1 to 3."""
ORDERS = (1, 2, 3)
PROPERTIES = ("weight", "logP", "polar surface", "rings")
MISSING = "molecules are judged by RDKit, which isn't installed here: pip install 'dlbench[molecules]'"


def chemistry() -> Any:
    """RDKit's module of molecules. Raises NoData, with what to install, where RDKit is missing."""
    try:
        from rdkit import Chem
    except ImportError as error:
        raise NoData(MISSING) from error
    return Chem


@contextmanager
def quiet() -> Iterator[None]:
    """RDKit writes nothing to the error stream in this block: most molecules that a model draws can't be."""
    chemistry()
    from rdkit import rdBase

    with rdBase.BlockLogs():
        yield


def parsed(text: str | None) -> Any:
    """The molecule of a SMILES string, sanitised; None where it is none, or has no atoms."""
    if not text:
        return None
    molecule = chemistry().MolFromSmiles(text)
    return molecule if molecule is not None and molecule.GetNumAtoms() else None


def assembled(atoms: Sequence[Atom], bonds: Sequence[Bond]) -> Any:
    """The molecule of these atoms and bonds (each pair of atoms once), sanitised; None where it can't be, or has no
    atoms."""
    chem = chemistry()
    if not atoms:
        return None
    orders = dict(zip(ORDERS, (chem.BondType.SINGLE, chem.BondType.DOUBLE, chem.BondType.TRIPLE), strict=True))
    molecule = chem.RWMol()
    for symbol, charge in atoms:
        atom = chem.Atom(symbol)
        atom.SetFormalCharge(charge)
        molecule.AddAtom(atom)
    for first, second, order in bonds:
        molecule.AddBond(first, second, orders[order])
    if chem.SanitizeMol(molecule, catchErrors=True) != chem.SanitizeFlags.SANITIZE_NONE:
        return None
    return molecule.GetMol()


def taken_apart(molecule: Any) -> tuple[list[Atom], list[Bond]]:
    """Atoms and bonds of a molecule, aromatic rings as alternating single and double bonds."""
    chem = chemistry()
    molecule = chem.Mol(molecule)
    chem.Kekulize(molecule, clearAromaticFlags=True)
    atoms = [(atom.GetSymbol(), atom.GetFormalCharge()) for atom in molecule.GetAtoms()]
    bonds = [
        (bond.GetBeginAtomIdx(), bond.GetEndAtomIdx(), round(bond.GetBondTypeAsDouble()))
        for bond in molecule.GetBonds()
    ]
    return atoms, bonds


def name_of(molecule: Any) -> str:
    """The canonical SMILES without stereochemistry; pieces that hang together with nothing are parted by dots."""
    return str(chemistry().MolToSmiles(molecule, isomericSmiles=False))


def properties_of(molecule: Any) -> tuple[float, ...]:
    """`PROPERTIES`: daltons; Crippen's estimate of the logarithm of the partition between octanol and water; square
    angstroms; a count. An estimate that isn't a number is 0."""
    from rdkit.Chem import rdMolDescriptors as descriptors

    found = (
        descriptors.CalcExactMolWt(molecule),
        descriptors.CalcCrippenDescriptors(molecule)[0],
        descriptors.CalcTPSA(molecule),
        descriptors.CalcNumRings(molecule),
    )
    return tuple(float(value) if math.isfinite(value) else 0.0 for value in found)


def scaffold_of(molecule: Any) -> str:
    """The canonical SMILES of its rings and what joins them (Bemis and Murcko 1996, "The Properties of Known Drugs.
    1. Molecular Frameworks"); empty for fewer than two rings, as in MOSES."""
    from rdkit.Chem import rdmolops

    if molecule.GetRingInfo().NumRings() < 2:
        return ""
    return name_of(rdmolops.MurckoDecompose(molecule))


def drawn(molecules: Sequence[Any], columns: int = 4, side: int = 160) -> Any:
    """Their formulae in a grid, (H, W, 3) uint8."""
    import numpy as np
    from rdkit.Chem import Draw

    image = Draw.MolsToGridImage(list(molecules), molsPerRow=columns, subImgSize=(side, side))
    return np.asarray(image.convert("RGB"))
