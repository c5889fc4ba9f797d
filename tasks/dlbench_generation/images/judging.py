"""What samples are compared with, and by what measures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from dlbench.data import Data
from dlbench.data.kept import Arrays, kept

from .copies import copied, to_nearest
from .frechet import Moments, frechet, moments
from .inception import inception_features, read_inception
from .manifold import precision_and_recall
from .network import checksum, feature_net, features_and_classes, fresh, trained
from .read import Pictures

FLOOR_SEED = 60
SCORE_WIDTHS, SCORE_STEPS = (16, 32), 300
"""Of the classifier that is trained on samples, at each validation."""
COMPARED = 2000
"""The most real pictures whose distance to training pictures, and whose manifold, is looked at."""
MOSTLY_COPIES = 0.5
"""Of new pictures 1 % count as copies, of models that learn at most 1.5 % on digits, of training pictures all. Blurred
pictures, which lie near to everything, may reach some per cent more; half of them can't be chance."""
ALIKE = 0.05
FEW_CLASSES, LESS_SPREAD = math.log(2), 0.75


@dataclass(frozen=True)
class Reference:
    """Real pictures of a split: features (N, 64), their moments, the share whose class the network finds, and, of the
    first ones of test, the distances to the nearest training picture."""

    features: Tensor
    moments: Moments
    recognised: float
    distances: Tensor


class Judge:
    """A feature network and real pictures. `count`: how many samples it is given."""

    def __init__(
        self, pictures: Pictures, data: Data, *, count: int, widths: tuple[int, ...], steps: int, inception: str = ""
    ) -> None:
        """`pictures`: on the CPU. `widths`, `steps`: of the network and its training. `inception`: a file of weights
        for the true FID."""
        self._pictures, self._data = pictures, data
        self.count = count
        self._on_cpu = feature_net(pictures, data, widths=widths, steps=steps)
        self.network = fresh(pictures, widths)
        self.network.load_state_dict(self._on_cpu.state_dict())
        self.network.to(data.device).eval().requires_grad_(False)
        self.metric = f"frechet_{pictures.name}_{count}"
        self.checksum = checksum(self._on_cpu)
        self._inception = read_inception(inception).to(data.device) if inception else None
        self.reference = cache(self._reference)

    def measure(self, samples: Tensor, split: str, asked: Tensor | None = None) -> dict[str, float]:
        """Of samples (count, C, H, W) from -1 to 1, compared with a split. `asked`: the class that each should be of.
        What takes long is measured on the test split alone."""
        reference = self.reference(split)
        features, found = features_and_classes(self.network, samples)
        scores = {
            self.metric: frechet(moments(features), reference.moments),
            "frechet_floor": frechet(moments(self._some_training()), reference.moments),
            "class_entropy": entropy(found, self._pictures.num_classes),
        }
        if asked is not None:
            scores["accuracy_score"] = self.accuracy_score(samples, asked, split)
            scores["recognised"] = float((found == asked).double().mean())
            scores["recognised_real"] = reference.recognised
        if split == "test":
            real = reference.features[:COMPARED]
            scores["precision"], scores["recall"] = precision_and_recall(features, real)
            nearest = to_nearest(samples.flatten(1), self._training(), self._pictures.floats)
            scores["copies"], scores["nearest_ratio"] = copied(nearest, reference.distances)
            scores["spread"] = self._spread(samples, split)
            scores["distinct"] = distinct(samples)
            if self._inception is not None:
                scores[f"fid_{self.count}"] = self._fid(samples, split)
        return scores

    def accuracy_score(self, samples: Tensor, asked: Tensor, split: str) -> float:
        """How many of a split's pictures a classifier finds the class of that was trained on the samples: Ravuri and
        Vinyals 2019, "Classification Accuracy Score for Conditional Generative Models"."""
        network = trained(fresh(self._pictures, SCORE_WIDTHS), samples, asked, steps=SCORE_STEPS)
        pixels, classes = (tensor.to(samples.device) for tensor in self._pictures.splits[split])
        found = [features_and_classes(network, self._pictures.floats(part))[1] for part in pixels.split(COMPARED)]
        return float((torch.cat(found) == classes).double().mean())

    def _fid(self, samples: Tensor, split: str) -> float:
        """The Frechet distance in the features of Inception, for so many samples."""
        real = self._pictures.floats(self._pictures.splits[split][0]).to(samples.device)
        both = (moments(inception_features(self._inception, pictures)) for pictures in (samples, real))
        return frechet(*both)

    def _some_training(self) -> Tensor:
        """Features of as many training pictures as there are samples, always the same."""
        features = self.reference("train").features
        chosen = torch.randperm(len(features), generator=torch.Generator().manual_seed(FLOOR_SEED))[: self.count]
        return features[chosen.to(features.device)]

    def _spread(self, samples: Tensor, split: str) -> float:
        """The samples' variance, summed over pixels, as a share of that of real pictures."""
        real = self._pictures.floats(self._pictures.splits[split][0][:COMPARED])
        return float(samples.double().var(dim=0).sum()) / float(real.double().var(dim=0).sum())

    def _training(self) -> Tensor:
        return self._pictures.splits["train"][0].to(self._data.device)

    def _reference(self, split: str) -> Reference:
        """Made on the CPU, so that it is the same for every device."""
        pixels, classes = self._pictures.splits[split]

        def make() -> Arrays:
            parts = [features_and_classes(self._on_cpu, self._pictures.floats(part)) for part in pixels.split(COMPARED)]
            features, found = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
            right = (found == classes).double().mean()
            arrays = {"features": features.numpy(), "recognised": right.numpy()}
            if split == "test":
                points = self._pictures.floats(pixels[:COMPARED]).flatten(1)
                nearest = to_nearest(points, self._pictures.splits["train"][0], self._pictures.floats)
                arrays["distances"] = nearest.numpy()
            return arrays

        key = {"network": self.checksum, "data": self._pictures.digest(), "compared": COMPARED}
        arrays = kept(self._data.cache, f"generation/{self._pictures.name}_{split}", key, make)
        features = torch.from_numpy(np.array(arrays["features"])).to(self._data.device)
        distances = torch.from_numpy(np.array(arrays.get("distances", np.zeros(0)))).to(self._data.device)
        return Reference(features, moments(features), float(arrays["recognised"]), distances)


def entropy(classes: Tensor, num_classes: int) -> float:
    """Of the shares of the classes among some, in nats: ln num_classes where all come as often, 0 where one does."""
    shares = torch.bincount(classes, minlength=num_classes).double() / len(classes)
    return abs(float(torch.special.entr(shares).sum()))


def distinct(samples: Tensor) -> float:
    """The share of samples (N, ...) from -1 to 1 that are left when equal ones, in 256 shades, are taken as one."""
    shades = ((samples.flatten(1) + 1) * 127.5).round().to(torch.uint8)
    return len(shades.unique(dim=0)) / len(shades)


def warnings(metrics: dict[str, float]) -> list[str]:
    """`copies`: most samples are nearer to a training picture than nearly all new pictures are. `collapsed`: they vary
    hardly at all, or most are the same, or they show fewer than two classes' worth and vary less than pictures do."""
    flags = ["copies"] if metrics["copies"] > MOSTLY_COPIES else []
    alike = metrics["spread"] < ALIKE or metrics["distinct"] < 0.5
    if alike or (metrics["class_entropy"] < FEW_CLASSES and metrics["spread"] < LESS_SPREAD):
        flags.append("collapsed")
    return flags
