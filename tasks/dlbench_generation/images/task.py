"""The task: draw pictures like those of a set, of any kind or of a class that is asked for."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, ConditionalSample, Image, Sample, Signature
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches

from ..drawing import sheet
from .judging import Judge, warnings
from .read import Pictures

SEED = 50
SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3, "pictures": 4}
ROWS = COLUMNS = 10


class PictureGeneration:
    """Batches hold true pictures, float32 from -1 to 1, and with `by_class` their classes. Judging draws as many
    samples as the judge asks for, clamps them to that range, and, with `by_class`, asks for the classes that the split
    has."""

    def __init__(self, pictures: Pictures, judge: Judge, data: Data, *, by_class: bool) -> None:
        channels, height, width = pictures.shape
        output = ConditionalSample(num_classes=pictures.num_classes) if by_class else Sample()
        self.signature = Signature(input=Image(channels=channels, height=height, width=width), output=output)
        self.pictures_of = pictures.to(data.device)
        self.judge_of, self.device, self.by_class = judge, data.device, by_class

    @property
    def checksums(self) -> dict[str, str]:
        """Of the network in whose features samples are judged."""
        return {f"{self.pictures_of.name}_network": self.judge_of.checksum}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        pixels, classes = self.pictures_of.splits[split]

        def gather(index: Tensor) -> Batch:
            inputs = self.pictures_of.floats(pixels.index_select(0, index))
            return Batch(
                inputs=inputs, targets=classes.index_select(0, index) if self.by_class else None, size=len(index)
            )

        return GatheredBatches(len(pixels), batch_size, generator, gather, self.device)

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: a generative model brings its own."""
        raise NotImplementedError(
            "drawing pictures has no loss of its own: build a Learner that defines loss or train_step"
        )

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """Where a sample isn't finite, nothing is: the metric is NaN."""
        count, asked = self.judge_of.count, None
        if self.by_class:
            classes = self.pictures_of.splits[split][1]
            asked = classes[torch.arange(count, device=classes.device) % len(classes)]
        samples = self._draw(learner, count, split, asked)
        if not bool(samples.isfinite().all()):
            return dict.fromkeys((*(("accuracy_score",) if self.by_class else ()), self.judge_of.metric), float("nan"))
        return self.judge_of.measure(samples, split, asked)

    def warnings(self, metrics: dict[str, float]) -> list[str]:
        return warnings(metrics)

    def pictures(self, learner: Any) -> dict[str, NDArray[np.uint8]]:
        """A grid of samples; with `by_class` each column is of one class."""
        asked = torch.arange(ROWS * COLUMNS, device=self.device) % COLUMNS if self.by_class else None
        return {"samples": sheet(self._draw(learner, ROWS * COLUMNS, "pictures", asked).split(COLUMNS))}

    def _draw(self, learner: Any, count: int, split: str, asked: Tensor | None) -> Tensor:
        """Samples (count, C, H, W), clamped. Raises ValueError for another shape."""
        generator = torch.Generator().manual_seed(SEED + SPLIT_SEEDS[split])
        samples = learner.sample(count, generator, *(() if asked is None else (asked,)))
        expected = (count, *self.pictures_of.shape)
        if not isinstance(samples, Tensor) or tuple(samples.shape) != expected:
            got = tuple(samples.shape) if isinstance(samples, Tensor) else type(samples).__name__
            raise ValueError(f"sample returned {got} instead of pictures of the shape {expected}")
        return samples.to(self.device).float().clamp(-1, 1)
