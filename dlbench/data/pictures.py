"""Picture files as arrays of bytes, whatever they hold: grey or coloured, with a palette, turned by the camera. No
torch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import NoData

if TYPE_CHECKING:
    from PIL import Image

SIXTEEN_BITS = 65535 // 255
"""How much one step of 8 bits is in 16."""
SEE_THROUGH = ("RGBA", "LA", "PA", "RGBa", "La")


def read_picture(path: Path, *, size: tuple[int, int] | None = None, grey: bool = False) -> NDArray[np.uint8]:
    """The pixels (3, H, W) of a picture file, or (1, H, W) with `grey`. `size` (height, width): what it is resized to,
    with its proportions kept and what juts out cut off evenly.

    Turned as its EXIF data say; CMYK and palettes become red, green and blue; 16-bit greys are brought to 8 bits; what
    is transparent shows white. Of several frames it is the first. Raises NoData, with the path and the reason, for a
    file that is no picture, is truncated, or holds numbers of 32 bits, whose range nobody knows.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as opened:
            opened.load()
            if opened.mode == "F" or (opened.mode == "I" and opened.format != "PNG"):
                raise NoData(f"{path} holds numbers of 32 bits, whose range isn't known: convert it to 8 or 16 bits")
            shown = _plain(ImageOps.exif_transpose(opened)).convert("L" if grey else "RGB")
    except NoData:
        raise
    except Exception as error:  # each decoder has its own
        raise NoData(f"{path} can't be read as a picture: {' '.join(str(error).split())}") from error
    if size is not None:
        shown = ImageOps.fit(shown, (size[1], size[0]), method=Image.Resampling.BILINEAR)
    pixels = np.asarray(shown)
    return pixels[None] if grey else pixels.transpose(2, 0, 1)


def _plain(picture: Image.Image) -> Any:
    """Of 8 bits and without transparency."""
    from PIL import Image

    if picture.mode.startswith("I"):  # PNG's 16 bits are I;16, or I in older versions of Pillow
        values = np.asarray(picture).astype(np.float64)
        return Image.fromarray(np.round(values / SIXTEEN_BITS).clip(0, 255).astype(np.uint8))
    if picture.mode in SEE_THROUGH or "transparency" in picture.info:
        coloured = picture.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return picture
