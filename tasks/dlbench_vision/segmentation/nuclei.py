"""Nuclei of cells under a fluorescence microscope: which pixels belong to one.

Caicedo, Goodman, Karhohs and others, 2019, "Nucleus Segmentation across Imaging Experiments: The 2018 Data Science
Bowl" (BBBC038); here the 334 grey images of 256x256 pixels. They have no published split: of every five in order, the
first three are to train on, the fourth is validation, the fifth test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Mask, NoData, UsageError
from dlbench.data import Data

from .dense import DensePrediction

FOLDER = "vision/nuclei"
SIDE, ROWS, COLUMNS = 256, 6, 8
NUM_IMAGES, NUM_SHEETS = 334, 7
JUDGED_AT_ONCE = 11


class Foreground(DensePrediction):
    """Images in which class 1 is what is looked for. `judge` gives `dice` and `iou` (intersection over union) of
    class 1, each the mean over images, and `cross_entropy` in nats, the mean over pixels."""

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        totals = torch.zeros(3, dtype=torch.float64, device=self.device)
        for batch in self.batches(split, JUDGED_AT_ONCE, None):
            assert batch.targets is not None
            logits = learner.predict(batch)  # (B, 2, H, W)
            dice, iou = overlap(logits.argmax(1) == 1, batch.targets == 1)
            nats = F.cross_entropy(logits.double(), batch.targets, reduction="none").mean(dim=(1, 2))
            totals += torch.stack([dice.sum(), iou.sum(), nats.sum()])
        dice, iou, nats = (totals / self.count(split)).tolist()
        return {"dice": dice, "iou": iou, "cross_entropy": nats}


def overlap(found: Tensor, wanted: Tensor) -> tuple[Tensor, Tensor]:
    """Dice coefficient and intersection over union of each of two sets of bool images (B, H, W); 1 where both are
    empty."""
    both = (found & wanted).sum(dim=(1, 2)).double()
    sizes = found.sum(dim=(1, 2)).double() + wanted.sum(dim=(1, 2)).double()
    empty = sizes == 0
    dice = torch.where(empty, 1.0, 2 * both / sizes.clamp(min=1))
    return dice, torch.where(empty, 1.0, both / (sizes - both).clamp(min=1))


def load(data: Data, *, crop: int) -> Foreground:
    """`crop`: side of the squares to train on, 0 for whole images. Raises NoData for missing or damaged files,
    UsageError for a side that can't be."""
    if crop < 0 or crop > SIDE:
        raise UsageError(f"the images of nuclei have a side of {SIDE}: they can't be cropped to {crop}")
    sheets = [read_sheet(data.path(f"{FOLDER}/images_{number}.webp")) for number in range(NUM_SHEETS)]
    images = np.concatenate(sheets)[:NUM_IMAGES, None]
    labels = read_labels(data.path(f"{FOLDER}/labels.npz"))
    fold = np.arange(NUM_IMAGES) % 5
    chosen = {"train": fold < 3, "val": fold == 3, "test": fold == 4}
    splits = {split: (images[rows], (labels[rows] > 0).astype(np.uint8)) for split, rows in chosen.items()}
    return Foreground(splits, output=Mask(num_classes=2), crop=crop, device=data.device)


def read_sheet(path: Path) -> np.ndarray:
    """The images (48, 256, 256) uint8 of one sheet, row by row. Raises NoData for anything else."""
    from PIL import Image

    try:
        with Image.open(path) as sheet:
            pixels = np.asarray(sheet.convert("L"))
    except (OSError, SyntaxError, ValueError) as error:
        raise NoData(f"{path.name} can't be read as a picture: {error}") from error
    if pixels.shape != (ROWS * SIDE, COLUMNS * SIDE):
        height, width = pixels.shape
        raise NoData(f"{path.name} has {height}x{width} pixels, not {ROWS * SIDE}x{COLUMNS * SIDE}")
    return pixels.reshape(ROWS, SIDE, COLUMNS, SIDE).transpose(0, 2, 1, 3).reshape(-1, SIDE, SIDE)


def read_labels(path: Path) -> np.ndarray:
    """The number of the nucleus at each pixel, 0 for none, (334, 256, 256) uint8. Raises NoData for anything else."""
    import zipfile
    import zlib

    try:
        with np.load(path, allow_pickle=False) as archive:
            labels = archive["label"]
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise NoData(f"{path.name} can't be read: {error}") from error
    if labels.shape != (NUM_IMAGES, SIDE, SIDE) or labels.dtype != np.uint8:
        raise NoData(f"{path.name} holds {labels.dtype} {labels.shape}, not uint8 {(NUM_IMAGES, SIDE, SIDE)}")
    return np.asarray(labels)
