"""The small classifier in whose features pictures are compared, and how it is trained: the same one everywhere.

It is trained on one thread of the CPU from a fixed seed, so it comes out the same on the same processor and release of
torch. Elsewhere rounding makes another of it: `checksum` tells them apart, and every record has it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench.data import Data
from dlbench.data.kept import Arrays, kept

from .read import Pictures

VERSION = 1  # of the network and its training; raise it when it is another
FEATURES = 64
SEED = 20
BATCH, LR = 64, 2e-3
AT_ONCE = 500


class FeatureNet(nn.Module):
    """Pictures (B, *shape) -> logits (B, num_classes): convolutions of 3x3 with ReLU, the first in steps of 2, others
    halved by a maximum, then a layer of 64 numbers with ReLU, which are the features."""

    def __init__(self, *, shape: tuple[int, int, int], widths: tuple[int, ...], num_classes: int) -> None:
        super().__init__()
        before, height, width = shape
        layers: list[nn.Module] = []
        for channels in widths:
            layers += [nn.Conv2d(before, channels, 3, padding=1, stride=1 if layers else 2), nn.ReLU()]
            if len(layers) > 2:
                layers.append(nn.MaxPool2d(2))
            before, height, width = channels, height // 2, width // 2
        self.body = nn.Sequential(*layers, nn.Flatten(), nn.Linear(before * height * width, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, num_classes)

    def forward(self, pictures: Tensor) -> Tensor:
        return self.head(self.body(pictures))


def fresh(pictures: Pictures, widths: tuple[int, ...]) -> FeatureNet:
    """A network for a set that isn't trained yet. The global generators stay as they are."""
    with torch.random.fork_rng(devices=[]):
        return FeatureNet(shape=pictures.shape, widths=widths, num_classes=pictures.num_classes)


def trained(
    network: FeatureNet,
    pictures: Tensor,
    classes: Tensor,
    *,
    steps: int,
    floats: Callable[[Tensor], Tensor] = Tensor.float,
) -> FeatureNet:
    """The network after some steps on pictures (N, C, H, W), which `floats` makes numbers of, and their classes (N,),
    with first weights and an order of its own: the global generators stay as they are."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(SEED)
        for layer in network.modules():
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.reset_parameters()
        network.to(pictures.device).train()
        optimizer = torch.optim.Adam(network.parameters(), lr=LR)
        passes = -(-steps * BATCH // len(pictures))
        order = torch.cat([torch.randperm(len(pictures)) for _ in range(passes)]).to(pictures.device)
        for index in order[: steps * BATCH].split(BATCH):
            optimizer.zero_grad()
            F.cross_entropy(network(floats(pictures[index])), classes[index]).backward()
            optimizer.step()
    return network.eval().requires_grad_(False)


def features_and_classes(network: FeatureNet, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Of pictures (N, C, H, W) float: features (N, 64) and the likeliest class of each (N,)."""
    with torch.no_grad():
        features = torch.cat([network.body(part) for part in pictures.split(AT_ONCE)])
        return features, network.head(features).argmax(dim=1)


def feature_net(pictures: Pictures, data: Data, *, widths: tuple[int, ...], steps: int) -> FeatureNet:
    """The network for a set, on the CPU, from the cache where it was trained before. It learns from the pictures of
    train and val, never from those of test."""
    network = fresh(pictures, widths)

    def make() -> Arrays:
        parts = [pictures.splits[split] for split in ("train", "val")]
        pixels, classes = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
        with one_thread():
            trained(network, pixels, classes, steps=steps, floats=pictures.floats)
        return {name: tensor.numpy() for name, tensor in network.state_dict().items()}

    parameters = {"version": VERSION, "widths": widths, "steps": steps, "data": pictures.digest()}
    arrays = kept(data.cache, f"generation/{pictures.name}_network", parameters, make)
    network.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})
    return network.eval().requires_grad_(False)


def checksum(network: nn.Module) -> str:
    """The sha256 of its weights."""
    found = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        found.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return found.hexdigest()


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, torch computes on one thread: sums are then rounded in one way."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
