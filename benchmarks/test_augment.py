"""Microseconds of processor time an image for each augmentation, at 3x32x32 in batches of 128, in turns with kornia's
where it has the same, for whole batches, and with torchvision's v2 transforms, image by image: for a batch they draw
once.

kornia and torchvision get images from 0 to 1, as they want them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import pytest
import torch

from dlbench import Batch
from dlbench.contract.choice import Choice
from dlbench_augment import dlbench_regularizers
from turns import cpu_s, in_turns

COUNT, SIDE, ROUNDS = 128, 32, 7
SINGLE = 16  # images that torchvision gets in a round
LIMIT_US, SLOWER_US = 15.0, {"colour_jitter": 120.0}
"""For an image, on a core that nobody shares."""
KORNIA: dict[str, Callable[[Any], Any]] = {
    "rotation": lambda k: k.RandomRotation(15.0, p=1.0),
    "translation": lambda k: k.RandomAffine(0.0, translate=(0.1, 0.1), p=1.0),
    "rescale": lambda k: k.RandomAffine(0.0, scale=(0.8, 1.25), p=1.0),
    "shear": lambda k: k.RandomAffine(0.0, shear=15.0, p=1.0),
    "flip": lambda k: k.RandomHorizontalFlip(p=0.5),
    "crop": lambda k: k.RandomCrop((SIDE, SIDE), padding=4, p=1.0),
    "resized_crop": lambda k: k.RandomResizedCrop((SIDE, SIDE), scale=(0.5, 1.0), p=1.0),
    "colour_jitter": lambda k: k.ColorJitter(0.4, 0.4, 0.4, 0.05, p=1.0),
    "brightness": lambda k: k.RandomBrightness((0.5, 1.5), p=1.0),
    "contrast": lambda k: k.RandomContrast((0.5, 1.5), p=1.0),
    "saturation": lambda k: k.RandomSaturation((0.5, 1.5), p=1.0),
    "hue": lambda k: k.RandomHue((-0.08, 0.08), p=1.0),
    "blur": lambda k: k.RandomGaussianBlur((7, 7), (0.1, 1.0), p=1.0),
    "cutout": lambda k: k.RandomErasing(scale=(0.25, 0.25), ratio=(1.0, 1.0), p=1.0),
    "rand_augment": lambda k: k.auto.RandAugment(n=2, m=9),
}
TORCHVISION: dict[str, Callable[[Any], Any]] = {
    "rotation": lambda v2: v2.RandomRotation(15.0, interpolation=v2.InterpolationMode.BILINEAR),
    "translation": lambda v2: v2.RandomAffine(0.0, translate=(0.1, 0.1)),
    "rescale": lambda v2: v2.RandomAffine(0.0, scale=(0.8, 1.25), interpolation=v2.InterpolationMode.BILINEAR),
    "shear": lambda v2: v2.RandomAffine(0.0, shear=15.0, interpolation=v2.InterpolationMode.BILINEAR),
    "flip": lambda v2: v2.RandomHorizontalFlip(),
    "crop": lambda v2: v2.RandomCrop(SIDE, padding=4),
    "resized_crop": lambda v2: v2.RandomResizedCrop(SIDE, scale=(0.5, 1.0)),
    "colour_jitter": lambda v2: v2.ColorJitter(0.4, 0.4, 0.4, 0.05),
    "brightness": lambda v2: v2.ColorJitter(brightness=0.5),
    "contrast": lambda v2: v2.ColorJitter(contrast=0.5),
    "saturation": lambda v2: v2.ColorJitter(saturation=0.5),
    "hue": lambda v2: v2.ColorJitter(hue=0.08),
    "blur": lambda v2: v2.GaussianBlur(7, (0.1, 1.0)),
    "cutout": lambda v2: v2.RandomErasing(p=1.0, scale=(0.25, 0.25), ratio=(1.0, 1.0)),
}
SPECS = {spec.name: spec for spec in dlbench_regularizers()}


def kornia_call(name: str, images: torch.Tensor) -> Callable[[], object] | None:
    """None where kornia has nothing of the kind, or isn't there."""
    try:
        import kornia.augmentation as augmentation
        import kornia.augmentation.auto  # noqa: F401
    except ImportError:
        return None
    if name not in KORNIA:
        return None
    transform = KORNIA[name](augmentation)
    return lambda: transform(images)


def torchvision_call(name: str, images: torch.Tensor) -> Callable[[], object] | None:
    from torchvision.transforms import v2

    if name not in TORCHVISION:
        return None
    transform = TORCHVISION[name](v2)
    return lambda: [transform(image) for image in images[:SINGLE]]


def own_call(name: str, images: torch.Tensor) -> Callable[[], object]:
    regularizer: Any = SPECS[Choice.parse(name).name].build()
    regularizer.num_classes = 10
    batch, generator = Batch(images, torch.arange(COUNT) % 10, size=COUNT), torch.Generator().manual_seed(0)
    return lambda: regularizer.on_batch(batch, generator)


@pytest.mark.parametrize("name", SPECS)
@pytest.mark.benchmark(timer=time.process_time)
def test_an_image_takes_microseconds(benchmark: Any, name: str) -> None:
    images = torch.rand(COUNT, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    calls = {
        "own": (own_call(name, images), COUNT), "kornia": (kornia_call(name, images), COUNT),
        "torchvision": (torchvision_call(name, images), SINGLE),
    }  # fmt: skip
    repeats = 5

    def reading(call: Callable[[], object]) -> Callable[[], float]:
        return lambda: cpu_s(lambda: [call() for _ in range(repeats)])

    found = in_turns({who: reading(call) for who, (call, _) in calls.items() if call is not None}, ROUNDS)
    us = {who: median(times) / repeats / calls[who][1] * 1e6 for who, times in found.items()}
    benchmark.pedantic(calls["own"][0], rounds=1)
    benchmark.extra_info |= {f"{who}_us": round(value, 1) for who, value in us.items()}
    assert us["own"] <= SLOWER_US.get(name, LIMIT_US), benchmark.extra_info
    assert us["own"] == min(us.values()), benchmark.extra_info
