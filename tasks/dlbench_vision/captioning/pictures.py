"""Attention as a picture: a row for each image, a tile for each word that was written of it. No torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

TILE, LINE, EDGE = 96, 14, 2  # pixels: a tile's side, the words above it, the border around it
DARKEST = 0.25  # how much of the image is left where nothing is looked at


def strip(
    images: NDArray[np.uint8], words: Sequence[Sequence[str]], attention: NDArray[np.float32]
) -> NDArray[np.uint8]:
    """Images (B, H, W, 3), or of one channel, and where the model looked at each word of theirs, (B, U, rows, columns),
    as one picture (height, width, 3): the image itself, then its tiles, lit up where the attention is, its largest cell
    fully."""
    from PIL import Image, ImageDraw

    columns = 1 + max(1, *(len(row) for row in words))
    wide, high = TILE + 2 * EDGE, TILE + LINE + 2 * EDGE
    sheet = Image.new("RGB", (columns * wide, len(images) * high), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (pixels, spoken, looks) in enumerate(zip(images, words, attention, strict=True)):
        plain = np.asarray(Image.fromarray(_coloured(pixels)).resize((TILE, TILE), Image.Resampling.NEAREST))
        tiles = [("", plain), *((word, _lit(plain, look)) for word, look in zip(spoken, looks, strict=False))]
        for column, (word, tile) in enumerate(tiles):
            left, top = column * wide + EDGE, row * high + EDGE
            pen.text((left, top), word, fill="black")
            sheet.paste(Image.fromarray(tile), (left, top + LINE))
    return np.asarray(sheet)


def _coloured(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.ascontiguousarray(pixels)


def _lit(plain: NDArray[np.uint8], look: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The image (TILE, TILE, 3) under the light of `look` (rows, columns)."""
    rows = np.arange(TILE) * look.shape[0] // TILE
    columns = np.arange(TILE) * look.shape[1] // TILE
    light = DARKEST + (1 - DARKEST) * (look / max(float(look.max()), 1e-9))[rows][:, columns, None]
    return (plain * light).round().astype(np.uint8)
