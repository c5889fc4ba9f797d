"""The input pipeline of the vision tasks beside the usual one: a DataLoader over PIL images with torchvision's
transforms. The same crops, mirrorings and normalisation; one process each, so that the ratio is per core."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from dlbench_regularize.crop_flip import CropFlip
from images import random_images, random_task
from turns import cpu_s, in_turns

BATCH = 128
COUNT = 8 * BATCH
TIMES_FASTER = 7


class Pictures(Dataset):
    """CIFAR-sized images as torchvision keeps them: arrays, made into PIL images one by one."""

    def __init__(self) -> None:
        pixels, self.labels = random_images(3, 32, COUNT)
        self.pixels = pixels.transpose(0, 2, 3, 1).copy()
        self.transform = transforms.Compose([
            transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip(), transforms.ToTensor(),
            transforms.Normalize((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        ])  # fmt: skip

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.pixels[index])), int(self.labels[index])


def usual_pass() -> Callable[[], None]:
    loader = DataLoader(Pictures(), batch_size=BATCH, shuffle=True)

    def run() -> None:
        for inputs, _ in loader:
            assert inputs.shape == (BATCH, 3, 32, 32)

    return run


def dlbench_pass() -> Callable[[], None]:
    task, augment = random_task(3, 32, COUNT), CropFlip(pad=4)
    generator = torch.Generator().manual_seed(0)

    def run() -> None:
        for batch in task.batches("train", BATCH, generator):
            assert augment.on_batch(batch, generator).inputs.shape == (BATCH, 3, 32, 32)

    return run


@pytest.mark.benchmark(timer=time.process_time)
def test_pipeline(benchmark) -> None:
    usual, ours = usual_pass(), dlbench_pass()
    readings = in_turns({"usual": lambda: cpu_s(usual), "ours": lambda: cpu_s(ours)}, rounds=15)
    faster = median(a / b for a, b in zip(readings["usual"], readings["ours"], strict=True))
    benchmark.pedantic(ours, rounds=15)
    benchmark.extra_info |= {
        "us_per_image": round(1e6 * median(readings["ours"]) / COUNT, 1),
        "usual_us_per_image": round(1e6 * median(readings["usual"]) / COUNT, 1), "times_faster": round(faster, 2),
    }  # fmt: skip
    assert faster >= TIMES_FASTER, benchmark.extra_info
