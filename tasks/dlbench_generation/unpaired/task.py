"""Unpaired translation: batches of two domains that have nothing to do with each other, and what comes of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, Batches, Image, Signature, Translate
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches

from ..drawing import sheet
from ..images.network import checksum
from .domains import Domains, Split
from .recognizer import Recognizer, as_floats

JUDGED_TOGETHER = 500
SHOWN = 10  # columns of the picture
COLLAPSED = 0.1  # of the true spread


class Pair:
    """A split on the device: bytes of both domains, and the classes of partners, None where there are no partners."""

    def __init__(self, split: Split, device: str) -> None:
        self.first, self.second = (torch.from_numpy(part).to(device) for part in (split.first, split.second))
        self.classes = None if split.classes is None else torch.from_numpy(split.classes).to(device)


class UnpairedBatches:
    """A pass over the larger domain; the smaller one begins anew where it ends. Both orders are drawn apart, from
    `generator` (CPU), or both are as they come without one."""

    def __init__(
        self, pair: Pair, batch_size: int, generator: torch.Generator | None, levels: int, device: str
    ) -> None:
        self.pair, self.batch_size, self.generator, self.levels, self.device = (
            pair, batch_size, generator, levels, device,
        )  # fmt: skip
        self.count = max(len(pair.first), len(pair.second))

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        first, second = (self._order(len(part)) for part in (self.pair.first, self.pair.second))
        for one, other in zip(first, second, strict=True):
            inputs, targets = self.pair.first.index_select(0, one), self.pair.second.index_select(0, other)
            yield Batch(
                inputs=as_floats(inputs, self.levels), targets=as_floats(targets, self.levels), size=len(inputs)
            )

    def _order(self, count: int) -> tuple[Tensor, ...]:
        rounds = -(-self.count // count)
        if self.generator is None:
            order = torch.arange(count).repeat(rounds)
        else:
            order = torch.cat([torch.randperm(count, generator=self.generator) for _ in range(rounds)])
        return order[: self.count].to(self.device, non_blocking=True).split(self.batch_size)


class UnpairedTask:
    """Training batches hold pictures of the first domain and, as targets, as many of the second; those of other splits
    only the first domain's. Values are -1 to 1. Errors are given for values from 0 to 1."""

    def __init__(self, domains: Domains, *, data: Data) -> None:
        channels, height, width = domains.splits["train"].first.shape[1:]
        self.signature = Signature(input=Image(channels=channels, height=height, width=width), output=Translate())
        self.domains, self.data, self.device = domains, data, data.device
        self.pairs = {name: Pair(split, data.device) for name, split in domains.splits.items()}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Batches:
        pair, levels = self.pairs[split], self.domains.levels
        if split == "train":
            return UnpairedBatches(pair, batch_size, generator, levels, self.device)

        def gather(index: Tensor) -> Batch:
            return Batch(inputs=as_floats(pair.first.index_select(0, index), levels), size=len(index))

        return GatheredBatches(len(pair.first), batch_size, generator, gather, self.device)

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: without pairs a model brings its own."""
        raise NotImplementedError("translation without pairs has no loss of its own: build a Learner that defines one")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """See the task's description. A translation that isn't a number makes `error` or the distance none."""
        pair = self.pairs[split]
        first, second = (as_floats(part, self.domains.levels) for part in (pair.first, pair.second))
        there, and_back = self._round_trip(learner, first, back=False)
        here, and_there = self._round_trip(learner, second, back=True)
        back_judge, judge = self.judges
        classes = judge.look(there)[1]
        found = {
            self.domains.metric: judge.distance(there, second),
            "frechet_floor": self._floor(split),
            "cycle_error": (_difference(and_back, first) + _difference(and_there, second)) / 2,
            "spread": spread(there) / max(spread(second), 1e-9),
        }
        back_classes = back_judge.look(here)[1]
        if pair.classes is None:
            return {
                **found, "accepted": _share(classes == 1), "accepted_back": _share(back_classes == 0),
            }  # fmt: skip
        return {
            "error": (there - second).square().mean().item() / 4,
            **found,
            "kept": _share(classes == pair.classes),
            "kept_back": _share(back_classes == pair.classes),
            "kept_true": _share(judge.look(second)[1] == pair.classes),
        }

    def warnings(self, metrics: Mapping[str, float]) -> Iterable[str]:
        """`collapsed` where all translations are nearly the same."""
        return ["collapsed"] if metrics["spread"] < COLLAPSED else []

    def pictures(self, learner: Any) -> dict[str, np.ndarray]:
        """`translations`, (H, W, 3) uint8: test pictures, one of each class, their translations, what these become on
        the way back, and the true partners where there are some, a row each."""
        pair = self.pairs["test"]
        chosen = shown(pair).to(self.device)
        first = as_floats(pair.first.index_select(0, chosen), self.domains.levels)
        rows = [first, *self._round_trip(learner, first, back=False)]
        if pair.classes is not None:
            rows.append(as_floats(pair.second.index_select(0, chosen), self.domains.levels))
        return {"translations": sheet(rows)}

    @cached_property
    def judges(self) -> tuple[Recognizer, Recognizer]:
        """What recognises classes in the first and in the second domain."""
        first, second = self.domains.lessons
        networks = [
            Recognizer(
                lessons, name=f"generation/{self.domains.name}", levels=self.domains.levels, cache=self.data.cache,
                device=self.device,
            )
            for lessons in ([first] if first is second else [first, second])
        ]  # fmt: skip
        return networks[0], networks[-1]

    @property
    def checksums(self) -> dict[str, str]:
        """Of the networks that recognise."""
        names = ("first_network", "second_network")
        return {name: checksum(judge.network) for name, judge in zip(names, self.judges, strict=True)}

    @cached_property
    def _floors(self) -> dict[str, float]:
        return {}

    def _floor(self, split: str) -> float:
        """The Frechet distance between the second domain's training pictures and its own of this split."""
        if split not in self._floors:
            both = (as_floats(self.pairs[name].second, self.domains.levels) for name in ("train", split))
            self._floors[split] = self.judges[1].distance(*both)
        return self._floors[split]

    def _round_trip(self, learner: Any, pictures: Tensor, *, back: bool) -> tuple[Tensor, Tensor]:
        """Translations (N, C, H, W), and these translated the other way, both clamped to -1 to 1."""
        there, home = [], []
        for part in pictures.split(JUDGED_TOGETHER):
            there.append(learner.translate(Batch(inputs=part, size=len(part)), back=back).clamp(-1, 1))
            home.append(learner.translate(Batch(inputs=there[-1], size=len(part)), back=not back).clamp(-1, 1))
        return torch.cat(there), torch.cat(home)


def spread(pictures: Tensor) -> float:
    """The standard deviation over pictures (N, C, H, W), in the mean over places."""
    return pictures.double().std(dim=0, correction=0).mean().item()


def shown(pair: Pair) -> Tensor:
    """Which test pictures are drawn: the first of each class, or some at equal steps."""
    if pair.classes is None:
        return torch.linspace(0, len(pair.first) - 1, min(SHOWN, len(pair.first))).long()
    firsts = np.unique(pair.classes.cpu().numpy(), return_index=True)[1]
    return torch.from_numpy(firsts[:SHOWN])


def _difference(first: Tensor, second: Tensor) -> float:
    """The mean absolute difference, of values from 0 to 1."""
    return (first - second).abs().mean().item() / 2


def _share(right: Tensor) -> float:
    return right.double().mean().item()
