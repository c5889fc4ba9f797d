"""Mixup, CutMix and label smoothing: targets become probabilities of classes."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, Classes, Learner, NotApplicable, Optimizers, Regularizer, Signature, UsageError

from .base import check_images, check_range
from .cutout import inside


class Softening(Regularizer):
    """Turns targets int64 (B,) into probabilities float32 (B, num_classes), which `cross_entropy` takes. Targets that
    another one has softened already are mixed further."""

    name: ClassVar[str]
    of_images: ClassVar[bool] = True
    idle: bool = False
    num_classes = 0

    def start(self, learner: Learner, signature: Signature, optimizers: Optimizers) -> None:
        if self.of_images:
            check_images(self.name, signature)
        if not isinstance(signature.output, Classes):
            raise NotApplicable(f"the regularizer {self.name} is for one class an example, not for {signature.output}")
        self.num_classes = signature.output.num_classes
        if not self.idle:
            check_loss(self.name, learner, self.num_classes)

    def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
        if self.idle:
            return batch
        if batch.targets is None or not self.num_classes:
            raise UsageError(f"the regularizer {self.name} works on batches with a class for each example only")
        if self.of_images and batch.mask is not None:
            raise UsageError(
                f"the regularizer {self.name} mixes all examples of a batch, and this one's mask hides some"
            )
        return self.soften(batch, probabilities(batch.targets, self.num_classes), generator)

    def soften(self, batch: Batch, targets: Tensor, generator: torch.Generator) -> Batch:
        """The batch to train on. `targets`: its own, float (B, num_classes)."""
        raise NotImplementedError


class Mixup(Softening):
    """Each image and its target become a mixture with those of another image of the batch, whose shares are drawn from
    a Beta distribution with both parameters `alpha` (Zhang et al., 2018), for each image anew; the paper's code draws
    one share for a batch."""

    name: ClassVar[str] = "mixup"

    def __init__(self, *, alpha: float = 1.0) -> None:
        self.alpha = check_range(self.name, "an alpha", alpha, 0)
        self.idle = not alpha

    def soften(self, batch: Batch, targets: Tensor, generator: torch.Generator) -> Batch:
        images = batch.inputs
        order = torch.randperm(len(images), generator=generator).to(images.device, non_blocking=True)
        drawn = torch.from_numpy(shares(self.alpha, len(images), generator)).float()
        share = drawn.to(images.device, non_blocking=True)
        mixed = torch.lerp(images.index_select(0, order), images, share[:, None, None, None].to(images.dtype))
        return replace(batch, inputs=mixed, targets=torch.lerp(targets[order], targets, share[:, None]), index=None)


class CutMix(Softening):
    """A rectangle of each image is filled from the same place of another image of the batch, and its target becomes a
    mixture in the shares of their areas (Yun et al., 2019). The area left is drawn from a Beta distribution with both
    parameters `alpha`, for each image anew, before what lies outside the image is cut off the rectangle."""

    name: ClassVar[str] = "cutmix"

    def __init__(self, *, alpha: float = 1.0) -> None:
        self.alpha = check_range(self.name, "an alpha", alpha, 0)
        self.idle = not alpha

    def soften(self, batch: Batch, targets: Tensor, generator: torch.Generator) -> Batch:
        images = batch.inputs
        count, _, height, width = images.shape
        order = torch.randperm(count, generator=generator).to(images.device, non_blocking=True)
        side = torch.from_numpy(np.sqrt(1 - shares(self.alpha, count, generator)))
        high, wide = (side * height).long(), (side * width).long()
        top = torch.randint(height, (count,), generator=generator) - high // 2
        left = torch.randint(width, (count,), generator=generator) - wide // 2
        cut, share = inside(images, top, left, high, wide)
        mixed = torch.lerp(images, images.index_select(0, order), cut)  # exact at 0 and 1
        kept = 1 - share[:, None]
        return replace(batch, inputs=mixed, targets=torch.lerp(targets[order], targets, kept), index=None)


class LabelSmoothing(Softening):
    """The class gets 1 - `epsilon` of the probability, and all classes share the rest alike (Szegedy et al., 2016)."""

    name: ClassVar[str] = "label_smoothing"
    of_images: ClassVar[bool] = False

    def __init__(self, *, epsilon: float = 0.1) -> None:
        self.epsilon = check_range(self.name, "an epsilon", epsilon, 0, 1)
        self.idle = not epsilon

    def soften(self, batch: Batch, targets: Tensor, generator: torch.Generator) -> Batch:
        return replace(batch, targets=targets * (1 - self.epsilon) + self.epsilon / self.num_classes)


def shares(alpha: float, count: int, generator: torch.Generator) -> np.ndarray:
    """(count,) draws from Beta(alpha, alpha): numpy's, seeded from `generator`, as torch's take no generator."""
    seed = int(torch.randint(0, 2**62, (), generator=generator))
    return np.random.default_rng(seed).beta(alpha, alpha, count)


def probabilities(targets: Tensor, num_classes: int) -> Tensor:
    """Classes int64 (B,), or what is soft already, as float (B, num_classes)."""
    if targets.is_floating_point():
        return targets
    hard = torch.zeros((len(targets), num_classes), device=targets.device)
    return hard.scatter_(1, targets[:, None], 1.0)


def check_loss(name: str, learner: Learner, num_classes: int) -> None:
    """Raise NotApplicable where a model takes its step without a loss, or the task's loss, tried on two examples,
    doesn't take probabilities. A model's own loss isn't tried."""
    task_loss = getattr(learner, "_task_loss", None)  # as the core lends it to plain modules
    if task_loss is None:
        if type(learner).train_step is not Learner.train_step:
            raise NotApplicable(
                f"the regularizer {name} gives a loss probabilities of classes, but {type(learner).__name__} takes its "
                "own step on whole classes"
            )
        return
    device = next((p.device for p in learner.parameters()), torch.device("cpu"))
    soft = torch.full((2, num_classes), 1 / num_classes, device=device)
    try:
        task_loss(torch.zeros_like(soft), Batch(inputs=None, targets=soft, size=2))
    except Exception as error:
        raise NotApplicable(
            f"the regularizer {name} needs a loss that takes probabilities (B, num_classes), as cross_entropy does; "
            f"the task's takes whole classes int64 (B,) only ({type(error).__name__})"
        ) from error
