"""MolGAN: De Cao & Kipf 2018, "MolGAN: An implicit generative model for small molecular graphs".

A perceptron makes all atoms and bonds of a molecule at once from noise; a critic with a relational graph convolution
looks at them, blind to their order. Differs from the paper: no reward network, as there is no property to optimise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Generator(nn.Module):
    """Noise (B, noise) -> logits of the kinds of atoms (B, N, A) and of bonds (B, N, N, K); the first of each is none.
    Those of bonds are the same in both directions; from an atom to itself there is none."""

    def __init__(self, *, nodes_max: int, atom_kinds: int, bond_kinds: int, noise: int = 32, width: int = 128) -> None:
        super().__init__()
        self.nodes_max, self.kinds = nodes_max, (atom_kinds, bond_kinds)
        layers: list[nn.Module] = []
        for before, after in ((noise, width), (width, 2 * width), (2 * width, 4 * width)):
            layers += [nn.Linear(before, after), nn.Tanh()]
        self.layers = nn.Sequential(*layers)
        self.atoms = nn.Linear(4 * width, nodes_max * atom_kinds)
        self.bonds = nn.Linear(4 * width, nodes_max * nodes_max * bond_kinds)

    def forward(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        hidden, size = self.layers(noise), self.nodes_max
        atoms = self.atoms(hidden).view(-1, size, self.kinds[0])
        bonds = self.bonds(hidden).view(-1, size, size, self.kinds[1])
        return atoms, (bonds + bonds.transpose(1, 2)) / 2


class Critic(nn.Module):
    """Atoms (B, N, A) and bonds (B, N, N, K), kinds as shares of which the first is none -> a score each (B,)."""

    def __init__(self, *, atom_kinds: int, bond_kinds: int, width: int = 128) -> None:
        super().__init__()
        half = width // 2
        sizes = ((atom_kinds, half), (half + atom_kinds, half // 2))
        self.own = nn.ModuleList(nn.Linear(before, after) for before, after in sizes)
        self.others = nn.ModuleList(nn.Linear(before, after * (bond_kinds - 1)) for before, after in sizes)
        whole = half // 2 + atom_kinds
        self.gate, self.value = nn.Linear(whole, width), nn.Linear(whole, width)
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1))

    def forward(self, atoms: Tensor, bonds: Tensor) -> Tensor:
        count, size = atoms.shape[:2]
        joined = bonds[..., 1:].flatten(2)  # (B, N, N * (K - 1)): to which node by what
        seen = atoms
        for own, others in zip(self.own, self.others, strict=True):
            told = others(seen).view(count, size * (bonds.shape[3] - 1), -1)  # (B, N * (K - 1), H)
            hidden = torch.tanh(own(seen) + joined @ told)
            seen = torch.cat([hidden, atoms], dim=2)
        whole = (self.gate(seen).sigmoid() * self.value(seen).tanh()).sum(dim=1).tanh()
        return self.score(whole).squeeze(1)
