"""Files that a crash or a full disk leaves whole."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

LINE = 240
"""Characters of JSON on a line, as far as they can be broken."""


def write_json(path: Path, value: Any) -> None:
    """Write JSON as `write_text` writes."""
    write_text(path, json_text(value))


def json_text(value: Any, depth: int = 0) -> str:
    """JSON as records are written: what fits a line is on one. With an indent, json leaves its fast encoder."""
    text = json.dumps(value)
    if len(text) <= LINE or not isinstance(value, (dict, list)):
        return text
    if isinstance(value, dict):
        parts, (begin, end) = [f"{json.dumps(str(k))}: {json_text(v, depth + 1)}" for k, v in value.items()], "{}"
    else:
        parts, (begin, end) = [json_text(v, depth + 1) for v in value], "[]"
    pad = "\n" + " " * depth
    return f"{begin}{pad} " + f",{pad} ".join(parts) + f"{pad}{end}"


def write_text(path: Path, text: str) -> None:
    """Write a text as UTF-8 as `write_bytes` writes."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file so that a reader sees the old one or the whole new one, also after a crash or on a full disk.
    Raises OSError with the file's name."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
