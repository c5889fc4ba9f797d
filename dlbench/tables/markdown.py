"""Tables in Markdown, in which no text of a plugin or a record can be more than text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

MARKS = re.compile(r"(?<=\])(?=[(\[])|^(?=\[[^]]*\]:)")
"""Between the two halves of a link or a picture, and before what would say where one leads."""


def escaped(text: str) -> str:
    """A text as Markdown shows it, on one line: no tags, links, pictures or columns of its own. Brackets, underscores
    and stars stay, as names and intervals are full of them."""
    line = " ".join(text.split())
    plain = line.replace("\\", "\\\\").replace("<", "&lt;").replace("|", "\\|")
    return MARKS.sub(r"\\", plain)


def markdown_table(header: Sequence[str], body: Iterable[Sequence[str]], left: frozenset[str]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(map(escaped, header)) + " |"]
    lines.append("|" + "|".join("---" if name in left else "--:" for name in header) + "|")
    lines += ["| " + " | ".join(map(escaped, cells)) + " |" for cells in body]
    return "\n".join(lines) + "\n"
