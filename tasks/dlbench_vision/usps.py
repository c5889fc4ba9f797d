"""USPS: 9,298 handwritten digits of 16x16, segmented from envelopes and scaled by the U.S. Postal Service.

Y. LeCun, B. Boser, J. Denker, D. Henderson, R. Howard, W. Hubbard, L. Jackel (1989): Backpropagation Applied to
Handwritten Zip Code Recognition.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from dlbench import NoData
from dlbench.data import Data

from .images import ImageClassification, hold_out_last

NUM_VAL = 1000
NUM_CLASSES = 10
SIDE = 16
SCALE = 1000  # of the stored numbers: -1000 is background, 1000 is ink


def load(data: Data) -> ImageClassification:
    """The published test set is the test split; the last 1,000 of the 7,291 training images, which are in no order of
    classes, are validation. Raises NoData for missing or damaged files."""
    images, labels = read(data.path("vision/usps/usps_train.npz"))
    splits = {**hold_out_last(images, labels, NUM_VAL), "test": read(data.path("vision/usps/usps_test.npz"))}
    return ImageClassification(splits, num_classes=NUM_CLASSES, device=data.device)


def read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Images (N, 1, 16, 16), ink bright, and labels (N,), uint8; raises NoData, with the file's name, for anything
    else."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            ink, labels = archive["x"], archive["y"]
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise NoData(f"{path.name} can't be read as arrays x and y: {error}") from error
    if ink.dtype != np.int16 or ink.shape[1:] != (SIDE, SIDE) or ink.ndim != 3:
        raise NoData(f"{path.name} does not hold images of {SIDE}x{SIDE} in thousandths: x is {ink.dtype} {ink.shape}")
    if labels.dtype != np.uint8 or labels.shape != ink.shape[:1] or not len(labels):
        raise NoData(f"{path.name} holds {len(ink)} images but labels {labels.dtype} {labels.shape}")
    if np.abs(ink.astype(np.int32)).max() > SCALE or labels.max() >= NUM_CLASSES:
        raise NoData(f"{path.name} holds ink beyond -{SCALE}..{SCALE} or labels beyond 0..{NUM_CLASSES - 1}")
    grey = ((ink.astype(np.int32) + SCALE) * 255 + SCALE) // (2 * SCALE)  # rounded to 0..255
    return grey.astype(np.uint8)[:, None], labels
