"""Texts with units: durations, sizes, seeds."""

from __future__ import annotations

import re

from ..errors import UsageError

SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
BYTES = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
         "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}  # fmt: skip


def duration(text: str) -> float | None:
    """Seconds of `90`, `90s`, `30m`, `2h`; None of `none`."""
    return None if text == "none" else _read(text, SECONDS, "a duration such as 90s, 30m or 2h")


def size(text: str) -> int | None:
    """Bytes of `8GiB`, `500MB`; None of `none`."""
    return None if text == "none" else int(_read(text, BYTES, "a size such as 8GiB or 500MB"))


def seeds(text: str) -> int | tuple[int, ...]:
    """A count (`5`: seeds 0 to 4), or the seeds themselves (`41,95,12,35`; `7,` is the one seed 7)."""
    try:
        if "," in text and (listed := dict.fromkeys(int(item) for item in text.split(",") if item.strip())):
            return tuple(listed)
        count = int(text)
    except ValueError:
        raise UsageError(f"--seeds takes a count or a list such as 41,95,12,35, not {text!r}") from None
    if count < 1:
        raise UsageError("--seeds needs at least 1")
    return count


def _read(text: str, units: dict[str, float] | dict[str, int], what: str) -> float:
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*", text)
    if not match or match[2].lower() not in units or float(match[1]) <= 0:
        raise UsageError(f"{text!r} is not {what}")
    return float(match[1]) * units[match[2].lower()]
