"""Rows of pictures as one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

TILE, GAP, GROUND = 48, 3, 128  # the least side of a tile, and the grey lines between, in pixels


def sheet(rows: Sequence[Tensor]) -> NDArray[np.uint8]:
    """Rows of as many pictures each (K, C, H, W), -1 to 1, as one picture (height, width, 3); small ones enlarged."""
    tiles = [_tiles(row) for row in rows]
    high, wide = tiles[0].shape[1:3]
    columns = max(len(row) for row in tiles)
    whole = np.full((len(tiles) * (high + GAP) + GAP, columns * (wide + GAP) + GAP, 3), GROUND, dtype=np.uint8)
    for place, row in enumerate(tiles):
        for column, tile in enumerate(row):
            top, left = GAP + place * (high + GAP), GAP + column * (wide + GAP)
            whole[top : top + high, left : left + wide] = tile
    return whole


def _tiles(pictures: Tensor) -> NDArray[np.uint8]:
    values = pictures.float().nan_to_num().clamp(-1, 1).add(1).mul(127.5).round().byte()
    pixels = values.permute(0, 2, 3, 1).cpu().numpy()
    pixels = np.repeat(pixels, 3, axis=3) if pixels.shape[3] == 1 else pixels
    factor = max(1, -(-TILE // max(pixels.shape[1:3])))
    return pixels.repeat(factor, axis=1).repeat(factor, axis=2)
