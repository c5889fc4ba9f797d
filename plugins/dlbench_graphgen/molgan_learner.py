"""MolGAN's two players, in the game of Gulrajani et al. 2017, "Improved Training of Wasserstein GANs".

What the generator gives is made of kinds that are all there to some share. To the critic they are shown as they are
(`soft`), or after a draw of Gumbel's (Jang et al. 2017, "Categorical Reparameterization with Gumbel-Softmax"), as
shares (`gumbel`) or as one kind each with the gradient of the shares (`hard`). Samples have the likeliest kinds, after
a draw where training has one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, GraphBatch, Learner, Optimizers

from .dense import DenseGraphs, in_order, to_dense, to_graphs
from .molgan import Critic, Generator

SHOWN = ("soft", "gumbel", "hard")


class Shares(NamedTuple):
    """Molecules: of which kinds atoms (B, N, A) and bonds (B, N, N, K) are, to which share; the first kind is none."""

    atoms: Tensor
    bonds: Tensor


class Draw(NamedTuple):
    """All that chance decides of B molecules: `noise` (B, Z), and what is added to logits before they are compared,
    shaped like them; None where nothing is."""

    noise: Tensor
    atoms: Tensor | None
    bonds: Tensor | None


class MolGAN(Learner):
    """`critic_steps`: steps of the critic for each of the generator, all on the same true molecules."""

    def __init__(
        self, *, nodes_max: int, node_features: int, edge_features: int, width: int = 128, noise: int = 32,
        critic_steps: int = 1, penalty: float = 10.0, shown: str = "gumbel",
    ) -> None:  # fmt: skip
        super().__init__()
        self.nodes_max, self.noise = nodes_max, noise
        self.critic_steps, self.penalty, self.shown = critic_steps, penalty, shown
        self.kinds = (node_features + 1, edge_features + 1)
        kinds = dict(zip(("atom_kinds", "bond_kinds"), self.kinds, strict=True))
        self.generator = Generator(nodes_max=nodes_max, noise=noise, width=width, **kinds)
        self.critic = Critic(width=width, **kinds)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {"generator": self.generator.parameters(), "critic": self.critic.parameters()}

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """Steps of the critic, then one of the generator. Returns the critic's mean loss."""
        real = self.molecules(batch.inputs)
        count, device = len(real.atoms), real.atoms.device
        losses = []
        for _ in range(self.critic_steps):
            # drawn outside the closures, so that an optimizer that evaluates one several times sees one function
            with torch.no_grad():
                fake = self.show(self.chance(count, device=device))
            mix = torch.rand(count, 1, 1, device=device)
            losses.append(self._criticise(real, fake, mix, optimizers))
        chance = self.chance(count, device=device)
        optimizers.minimize(lambda: self.generator_loss(chance), part="generator")
        return torch.stack(losses).mean()

    def _criticise(self, real: Shares, fake: Shares, mix: Tensor, optimizers: Optimizers) -> Tensor:
        return optimizers.minimize(lambda: self.critic_loss(real, fake, mix), part="critic")

    def critic_loss(self, real: Shares, fake: Shares, mix: Tensor) -> Tensor:
        """How much higher the critic scores what is drawn than what is true, and how far its slope is from 1 between
        the two, at shares `mix` (B, 1, 1) of what is true."""
        apart = self.critic(*fake).float().mean() - self.critic(*real).float().mean()
        with torch.autocast(mix.device.type, enabled=False):  # slopes of half precision have no room
            atoms = torch.lerp(fake.atoms.float(), real.atoms.float(), mix).requires_grad_()
            bonds = torch.lerp(fake.bonds.float(), real.bonds.float(), mix[..., None]).requires_grad_()
            # copies: what counts operations puts hooks on what a network is given, which must not be where a slope ends
            score = self.critic(atoms.clone(), bonds.clone()).sum()
            slopes = torch.autograd.grad(score, (atoms, bonds), create_graph=True)
            steepness = torch.cat([slope.flatten(1) for slope in slopes], dim=1).norm(dim=1)
        return apart + self.penalty * (steepness - 1).square().mean()

    def generator_loss(self, chance: Draw) -> Tensor:
        return -self.critic(*self.show(chance)).float().mean()

    def chance(
        self, count: int, *, generator: torch.Generator | None = None, device: str | torch.device = "cpu"
    ) -> Draw:
        """With a generator, which is on the CPU, drawn there and moved."""
        where = device if generator is None else "cpu"

        def uniform(*size: int) -> Tensor:
            return torch.rand(count, *size, generator=generator, device=where)

        noise = torch.randn(count, self.noise, generator=generator, device=where).to(device)
        if self.shown == "soft":
            return Draw(noise, None, None)
        atoms = _gumbel(uniform(self.nodes_max, self.kinds[0])).to(device)
        bonds = _gumbel(uniform(self.nodes_max, self.nodes_max, self.kinds[1])).to(device)
        upper = torch.ones(self.nodes_max, self.nodes_max, dtype=torch.bool, device=device).triu()
        return Draw(noise, atoms, torch.where(upper[..., None], bonds, bonds.transpose(1, 2)))

    def show(self, chance: Draw) -> Shares:
        """Molecules as the critic sees them."""
        atoms, bonds = self.logits(chance)
        return Shares(self._shares(atoms), self._shares(bonds))

    def logits(self, chance: Draw) -> tuple[Tensor, Tensor]:
        """Of the kinds of atoms (B, N, A) and of bonds (B, N, N, K), in float32; an atom has no bond to itself."""
        atoms, bonds = (part.float() for part in self.generator(chance.noise))
        if chance.atoms is not None and chance.bonds is not None:
            atoms, bonds = atoms + chance.atoms, bonds + chance.bonds
        itself = torch.eye(self.nodes_max, dtype=torch.bool, device=atoms.device)[..., None]
        some = torch.arange(self.kinds[1], device=atoms.device) > 0
        return atoms, bonds.masked_fill(itself & some, -1e4)

    def molecules(self, graphs: GraphBatch) -> Shares:
        """True molecules."""
        dense = to_dense(graphs, self.nodes_max)
        none = (~dense.mask).to(dense.nodes)[..., None]
        return Shares(torch.cat([none, dense.nodes], dim=2), F.one_hot(dense.bonds, self.kinds[1]).to(dense.nodes))

    def sample(self, count: int, generator: torch.Generator) -> GraphBatch:
        """`count` graphs from what `generator` draws on the CPU."""
        device = next(self.parameters()).device
        atoms, bonds = self.logits(self.chance(count, generator=generator, device=device))
        kinds = atoms.argmax(dim=2)
        there = kinds > 0
        nodes = F.one_hot((kinds - 1).clamp(min=0), self.kinds[0] - 1).float()
        dense = DenseGraphs(nodes, bonds.argmax(dim=3), there.sum(dim=1))
        return to_graphs(in_order(dense, (~there).long().argsort(dim=1, stable=True)), self.kinds[1] - 1)

    def _shares(self, logits: Tensor) -> Tensor:
        shares = logits.softmax(dim=-1)
        if self.shown != "hard":
            return shares
        single = F.one_hot(shares.argmax(dim=-1), shares.shape[-1]).to(shares)
        return single + shares - shares.detach()


def _gumbel(uniform: Tensor) -> Tensor:
    return -(-uniform.clamp(1e-20, 1 - 1e-7).log()).log()
