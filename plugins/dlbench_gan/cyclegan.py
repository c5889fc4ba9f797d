"""CycleGAN: Zhu, Park, Isola, Efros 2017, "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
Networks".

Two generators and two discriminators under least-squares losses, the cycle loss, and, where asked, the identity loss.
As in the authors' code both generators take one step together, then both discriminators, on pictures that a buffer of
past translations mixes in. Differs from the paper: sizes follow the pictures (`sizes`), batches are
the recipe's, and the cycle loss weighs 2, not 10, with which one of three first runs on 8x8 digits stayed near a copy,
which is a perfect cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, Optimizers

from .translators import ConvGenerator, DenseDiscriminator, DenseGenerator, PatchDiscriminator

DENSE = 8  # units of a dense layer for each of `width`


class CycleGAN(Learner):
    """Pictures of `shape` (C, H, W), -1 to 1, both ways. `width`: channels after the first convolution of every player;
    `depth`: residual blocks; `dense`: players without convolutions, of `depth` hidden layers; `cycle` and `identity`:
    the weights of these losses; `buffer`: how many past translations each discriminator may be shown."""

    def __init__(
        self, *, shape: tuple[int, int, int], width: int = 16, depth: int = 2, cycle: float = 2.0,
        identity: float = 0.0, buffer: int = 50, dense: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.cycle, self.identity = cycle, identity
        channels, (downs, stem, layers) = shape[0], sizes(min(shape[1:]))

        def generator() -> nn.Module:
            if dense:
                return DenseGenerator(shape=shape, width=DENSE * width, depth=depth)
            return ConvGenerator(channels=channels, width=width, depth=depth, downs=downs, stem=stem)

        def discriminator() -> nn.Module:
            if dense:
                return DenseDiscriminator(shape=shape, width=DENSE * width, depth=depth)
            return PatchDiscriminator(channels=channels, width=width, layers=layers)

        self.generator, self.generator_back = generator(), generator()
        self.discriminator, self.discriminator_back = (
            discriminator(),
            discriminator(),
        )  # of the second domain, the first
        self.past, self.past_back = Past(buffer), Past(buffer)

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {
            "generator": chain(self.generator.parameters(), self.generator_back.parameters()),
            "discriminator": chain(self.discriminator.parameters(), self.discriminator_back.parameters()),
        }

    def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
        """(B, C, H, W) of the first domain to the second; `back`: of the second to the first."""
        return (self.generator_back if back else self.generator)(inputs)

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """One step of both generators, then one of both discriminators. Returns the generators' loss."""
        assert batch.targets is not None
        first, second = batch.inputs, batch.targets
        fakes: list[Tensor] = []

        def generators() -> Tensor:
            loss, fakes[:] = self.generator_loss(first, second)
            return loss

        loss = optimizers.minimize(generators, part="generator")
        # drawn outside the closure, so that an optimizer that evaluates it several times sees one function
        to_second, to_first = self.past(fakes[0]), self.past_back(fakes[1])
        optimizers.minimize(
            lambda: (
                discriminator_loss(self.discriminator, second, to_second)
                + discriminator_loss(self.discriminator_back, first, to_first)
            ),
            part="discriminator",
        )
        return loss

    def generator_loss(self, first: Tensor, second: Tensor) -> tuple[Tensor, list[Tensor]]:
        """What both generators minimize, and, detached, their translations of both batches."""
        to_second, to_first = self.generator(first), self.generator_back(second)
        loss = fooling_loss(self.discriminator, to_second) + fooling_loss(self.discriminator_back, to_first)
        if self.cycle:
            loss = loss + self.cycle * (
                F.l1_loss(self.generator_back(to_second).float(), first)
                + F.l1_loss(self.generator(to_first).float(), second)
            )
        if self.identity:
            loss = loss + self.identity * (
                F.l1_loss(self.generator(second).float(), second) + F.l1_loss(self.generator_back(first).float(), first)
            )
        return loss, [to_second.detach().float(), to_first.detach().float()]


class Past:
    """The last translations, as Shrivastava et al. 2017, "Learning from Simulated and Unsupervised Images through
    Adversarial Training", keep them: each new one is, by a coin, handed on or exchanged for one of `size` past ones.
    They are no part of the state that is saved."""

    def __init__(self, size: int) -> None:
        self.size, self.held = size, 0
        self.pictures: Tensor | None = None

    def __call__(self, new: Tensor) -> Tensor:
        """Pictures (B, C, H, W), some of which are older than `new`."""
        if self.pictures is None:
            self.pictures = new.new_zeros(self.size, *new.shape[1:])
        if self.held < self.size:  # what there is room for is kept, and all is handed on
            room = min(len(new), self.size - self.held)
            self.pictures[self.held : self.held + room] = new[:room]
            self.held += room
            return new
        count = min(len(new), self.size)
        places = torch.rand(self.size, device=new.device).argsort()[:count]
        exchanged = (torch.rand(count, device=new.device) < 0.5).view(-1, 1, 1, 1)
        old = self.pictures.index_select(0, places)
        self.pictures.index_copy_(0, places, torch.where(exchanged, new[:count], old))
        return torch.cat([torch.where(exchanged, old, new[:count]), new[count:]])


def sizes(side: int) -> tuple[int, int, int]:
    """For pictures whose smaller side this is: how often generators halve it, the side of their outer kernels, and how
    often discriminators halve it; from 64 on as published."""
    downs = 0 if side < 16 else 1 if side < 32 else 2
    halvings = max(1, min(3, (side // 3).bit_length() - 1))  # down to 3 or more
    return downs, 7 if side >= 64 else 3, halvings


def fooling_loss(discriminator: nn.Module, fake: Tensor) -> Tensor:
    """How far a discriminator is from calling these real: the squared distance from 1."""
    return (discriminator(fake).float() - 1).square().mean()


def discriminator_loss(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    """Half the squared distances from 1 for real pictures and from 0 for translations."""
    return ((discriminator(real).float() - 1).square().mean() + discriminator(fake).float().square().mean()) / 2
