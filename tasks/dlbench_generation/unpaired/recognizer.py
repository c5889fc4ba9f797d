"""What recognises the classes of one domain, by which translations are judged: the network that judges pictures drawn
anew, trained in the same way on the training pictures of this domain."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from dlbench.data.kept import Arrays, kept

from ..images.frechet import frechet, moments
from ..images.network import VERSION, FeatureNet, features_and_classes, one_thread, trained
from .domains import Labelled

STEPS = 400
SMALL, FEW_CHANNELS, MANY_CHANNELS = 16, (32, 64), (16, 32, 64)  # below this side the first, which halve it twice


class Recognizer:
    """A trained network, on the CPU, then on a device; `name` is that of what is kept, a folder and a name."""

    def __init__(self, lessons: Labelled, *, name: str, levels: int, cache: Path, device: str) -> None:
        channels, height, width = lessons.pictures.shape[1:]
        widths = FEW_CHANNELS if min(height, width) < SMALL else MANY_CHANNELS
        self.height, self.width = (side - side % 2 ** len(widths) for side in (height, width))
        classes = int(lessons.classes.max()) + 1
        shape = (channels, self.height, self.width)
        with torch.random.fork_rng(devices=[]):  # it may be made in the midst of training
            self.network = FeatureNet(shape=shape, widths=widths, num_classes=classes)

        def make() -> Arrays:
            pixels = torch.from_numpy(np.ascontiguousarray(lessons.pictures[:, :, : self.height, : self.width]))
            with one_thread():
                trained(
                    self.network,
                    pixels,
                    torch.from_numpy(lessons.classes),
                    steps=STEPS,
                    floats=lambda part: as_floats(part, levels),
                )
            return {key: value.numpy() for key, value in self.network.state_dict().items()}

        parameters = {"version": VERSION, "widths": widths, "steps": STEPS, "levels": levels, "data": _digest(lessons)}
        arrays = kept(cache, name, parameters, make)
        self.network.load_state_dict({key: torch.from_numpy(np.array(value)) for key, value in arrays.items()})
        self.network.eval().requires_grad_(False).to(device)

    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 64) and most probable classes (N,) of pictures from -1 to 1; of sides that can't be halved as
        often as the network does, the last rows and columns aren't seen."""
        return features_and_classes(self.network, pictures[:, :, : self.height, : self.width])

    def distance(self, first: Tensor, second: Tensor) -> float:
        """The Frechet distance of pictures to others; NaN where some aren't numbers."""
        return frechet(*(moments(self.look(pictures)[0]) for pictures in (first, second)))


def _digest(lessons: Labelled) -> str:
    found = hashlib.sha256(str(lessons.pictures.shape).encode())
    found.update(np.ascontiguousarray(lessons.pictures).tobytes())
    found.update(lessons.classes.tobytes())
    return found.hexdigest()


def as_floats(pictures: Tensor, levels: int) -> Tensor:
    """Numbers from 0 to `levels` as floats from -1 to 1."""
    return pictures.float().mul_(2 / levels).sub_(1)
