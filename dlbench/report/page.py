"""The page's content as one HTML file: its style, its scripts and its data stand inside, and its policy lets a browser
load nothing else, nor run a script that isn't these."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from .content import Content, clipped, plain
from .places import Places, hung

SCRIPTS = ("base", "numbers", "board", "detail", "plot", "plots", "rest", "start")
MOST_BYTES = 5_000_000
"""Of a page of up to 500 rows; pictures get what is left."""


def page(content: Content, results: Sequence[Path], out: Path, title: str) -> str:
    """The HTML text, ASCII but for the title."""
    places = Places(results, out)
    body = content.as_json(places, title)
    style, script = asset("style.css"), "\n".join(asset(f"{name}.js") for name in SCRIPTS)
    script = f"(() => {{\n'use strict';\n{script}\n}})();\n"
    left = MOST_BYTES - len(embedded(body)) - len(style) - len(script) - 100_000
    shown, left_out = hung(content.groups, places, left)
    body |= {"pictures": plain(shown), "pictures_left_out": clipped(left_out)}
    return filled(asset("page.html"), {
        "TITLE": html.escape(title), "POLICY": policy(style, script), "STYLE": style, "DATA": embedded(body),
        "SCRIPT": script,
    })  # fmt: skip


def asset(name: str) -> str:
    """A file of the page's own."""
    return (files(__package__) / "page" / name).read_text(encoding="utf-8")


def embedded(body: Any) -> str:
    """JSON that can stand in a script element: nothing in it can end the element or begin a comment."""
    text = json.dumps(body, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def policy(style: str, script: str) -> str:
    """The Content-Security-Policy under which only this style and this script act, and nothing else is loaded."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (style, script)]
    return (
        f"default-src 'none'; style-src 'sha256-{hashes[0]}'; script-src 'sha256-{hashes[1]}'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def filled(template: str, values: dict[str, str]) -> str:
    """The template with each `@NAME@` replaced; what is put in is not looked at again."""
    pieces = template.split("@")
    return "".join(values.get(piece, piece) for piece in pieces)
