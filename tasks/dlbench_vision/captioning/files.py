"""The files of the emoji: two styles of drawing, and a table of names."""

from __future__ import annotations

from dlbench import DataFile, DataSet, unknown

TABLE = DataFile(
    path="vision/emoji/emoji.tsv.xz",
    sha256="4fb9f2e8c7418f589dee73a8bb416813ccbbdbd348757616cf54052b47d3afc5",
)


def _style(name: str, sheet: str, sha256: str, licence: str) -> DataSet:
    return DataSet(
        name=f"emoji_{name}",
        files=(DataFile(path=f"vision/emoji/{sheet}", sha256=sha256), TABLE),
        licence=f"{licence}; the table of names: MIT, (c) 2013 Cal Henderson",
        source="the packages emoji-datasource-google and emoji-datasource-twitter 16.0.0, halved to 32x32 on white, as "
        "one lossless WebP picture of 3,786 fields",
    )


EMOJI = {
    "noto": _style(
        "noto",
        "noto32.webp",
        "de7c0a88ce1bc1ccc934bcc28f65e91bf84742d91ef1f8a91a15ac73ee2f637b",
        "Noto Emoji, Google: Apache License 2.0",
    ),
    "twemoji": _style(
        "twemoji",
        "twemoji32.webp",
        "129df0cb142a8b2ccb1deb9d051987df095b39c57ddbdea73193018635650d96",
        "Twemoji, Twitter, Inc and other contributors: CC BY 4.0, name it with its pictures",
    ),
}
"""By `style`: the sheet of pictures, then the table."""


def emoji_files(*, style: str = "noto", **_: object) -> DataSet:
    """The data set behind `emoji_captions[style=...]`; raises UsageError for an unknown style."""
    if style not in EMOJI:
        raise unknown("style of emoji_captions", style, EMOJI)
    return EMOJI[style]
