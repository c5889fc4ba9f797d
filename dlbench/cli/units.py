"""Texts with units: durations, sizes, shares, seeds."""

from __future__ import annotations

import re

from ..contract.vetting import RULES
from ..errors import UsageError

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST, LARGEST = 1000 * SECONDS["d"], 1 << 50
BYTES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
         "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}  # fmt: skip
MOST_JOBS = 1024

Seeds = int | tuple[int, ...]


def duration(text: str) -> float | None:
    """Seconds of `90`, `90s`, `30m`, `2h`; None of `none`."""
    return None if text == "none" else _read(text, SECONDS, LONGEST, "a duration such as 90s, 30m or 2h, up to 1000d")


def size(text: str) -> int | None:
    """Bytes of `8GiB`, `500MB`; None of `none`."""
    return None if text == "none" else int(_read(text, BYTES, LARGEST, "a size such as 8GiB or 500MB, up to 1024TiB"))


def share(text: str) -> float:
    """A share as a number, of `2%`, `0.5%`."""
    return _read(text, {"%": 0.01}, 10.0, "a share such as 2%, up to 1000%")


def seeds(text: str) -> Seeds:
    """A count (`5`: seeds 0 to 4), or the seeds themselves (`41,95,12,35`; `7,` is the one seed 7)."""
    try:
        if "," in text and (listed := dict.fromkeys(int(item) for item in text.split(",") if item.strip())):
            return _vetted(tuple(listed))
        return _vetted(int(text))
    except ValueError:
        raise UsageError(f"--seeds takes a count or a list such as 41,95,12,35, not {text!r}") from None


def jobs(text: str) -> int | None:
    """How many cells at a time; None of `auto`."""
    if text == "auto":
        return None
    if not text.isdecimal() or not 1 <= int(text) <= MOST_JOBS:
        raise UsageError(f"--jobs takes a number from 1 to {MOST_JOBS}, or auto, not {text!r}")
    return int(text)


def _vetted(value: Seeds) -> Seeds:
    holds, what = RULES["seeds"]
    if not holds(value):
        raise UsageError(f"--seeds takes {what}")
    return value


def _read(text: str, units: dict[str, float] | dict[str, int], most: float, what: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z%]*)\s*", text)
    if not match or match[2].lower() not in units:
        raise UsageError(f"{text!r} is not {what}")
    value = float(match[1]) * units[match[2].lower()]
    if not 0 < value <= most:
        raise UsageError(f"{text!r} is not {what}")
    return value
