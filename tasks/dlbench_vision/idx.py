"""The idx format of MNIST: a magic number, the sizes, then one unsigned byte per value, all gzip-ed.

The format was published with LeCun, Cortes and Burges, The MNIST database of handwritten digits.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from dlbench import NoData

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, num_dims: int) -> np.ndarray:
    """The uint8 array in a gzip-ed idx file with `num_dims` dimensions; raises NoData for anything else."""
    try:
        with gzip.open(path) as stream:
            raw = bytearray(stream.read())  # a bytearray, so that the array can be written to
    except (OSError, EOFError, zlib.error) as error:
        raise NoData(f"{path.name} is not a whole gzip file: {error}") from error
    start = 4 + 4 * num_dims
    magic = UNSIGNED_BYTE << 8 | num_dims
    if len(raw) < start:
        raise NoData(f"{path.name} is too short for an idx file: {len(raw)} bytes")
    found, *shape = struct.unpack(f">{1 + num_dims}I", raw[:start])
    if found != magic:
        raise NoData(f"{path.name} starts with the magic number {found:#010x}, not with {magic:#010x}")
    if len(raw) - start != math.prod(shape):
        size = "x".join(map(str, shape))
        raise NoData(f"{path.name} announces {size} = {math.prod(shape)} values but holds {len(raw) - start}")
    return np.frombuffer(raw, dtype=np.uint8, offset=start).reshape(shape)


def read_pair(images: Path, labels: Path, num_classes: int = 10) -> tuple[np.ndarray, np.ndarray]:
    """Grey images (N, 1, H, W) and their labels (N,); raises NoData where the two files don't belong together."""
    pixels, classes = read_idx(images, 3), read_idx(labels, 1)
    if len(pixels) != len(classes):
        raise NoData(f"{images.name} holds {len(pixels)} images but {labels.name} holds {len(classes)} labels")
    if len(classes) and classes.max() >= num_classes:
        raise NoData(f"{labels.name} holds the label {classes.max()}, but there are {num_classes} classes")
    return pixels[:, None], classes
