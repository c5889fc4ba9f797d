"""Text that fits a terminal: lines are broken between words, names after a comma, figures never."""

from __future__ import annotations

import os
import re
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence

DEFAULT_WIDTH = 120
NARROWEST = 40
NAME = 20
"""A column of names as wide as this is worth a column of figures."""
INDENT = "  "
BREAKS = re.compile(r"(?<=,)(?!\d)|(?<= )(?!->)")

Rows = Sequence[Sequence[str]]


def terminal_width(default: int = DEFAULT_WIDTH) -> int:
    """The columns to fill: what COLUMNS says, else those of the terminal on standard output, else the default. As
    shutil has it, whose import takes longer than a help page."""
    asked = os.environ.get("COLUMNS", "")
    width = int(asked) if asked.isdecimal() else 0
    if not width and sys.__stdout__ is not None:
        try:
            width = os.get_terminal_size(sys.__stdout__.fileno()).columns
        except (ValueError, OSError):  # closed, or no terminal
            width = 0
    return max(NARROWEST, width or default)


def paragraph(text: str, width: int, hanging: str = INDENT) -> list[str]:
    """Lines of whole words. A word that is longer than a line has one of its own."""
    return textwrap.wrap(
        text, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False
    ) or [""]  # fmt: skip


def folded(text: str, width: int) -> list[str]:
    """Lines of a cell, broken after a comma or between words."""
    lines, line = [], ""
    for piece in BREAKS.split(text):
        if line and len((line + piece).rstrip()) > width:
            lines.append(line.rstrip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.rstrip()]


def columns(header: Sequence[str], body: Rows, left: Collection[int], width: int, rule: bool = False) -> list[str]:
    """A table whose cells are folded where it is too wide: those of the columns in `left` first, then the others. What
    fits in no way has its last column below each row. `rule`: a line under the header."""
    table = [list(header), *map(list, body)]
    indices = range(len(header))
    widths = [max(len(row[i]) for row in table) for i in indices]
    least = [max(len(piece.rstrip()) for row in table for piece in BREAKS.split(row[i])) for i in indices]
    below = sum(least) + len(least) - 1 > width and len(header) > 2
    if below:
        indices = range(len(header) - 1)
        del widths[-1], least[-1]
    gap = INDENT if sum(least) + 2 * (len(widths) - 1) <= width else " "
    spare = width - len(gap) * (len(widths) - 1)
    for movable in ([i for i in indices if i in left], list(indices)):
        while sum(widths) > spare and (wide := [i for i in movable if widths[i] > least[i]]):
            widths[max(wide, key=lambda i: widths[i])] -= 1
    blocks = []
    for row in table:
        cells = [folded(row[i], widths[i]) for i in indices]
        block = []
        for k in range(max(map(len, cells))):
            parts = [_placed(cells[i][k] if k < len(cells[i]) else "", widths[i], i in left) for i in indices]
            block.append(gap.join(parts).rstrip())
        if below and row[-1]:
            block += paragraph(2 * INDENT + row[-1], width, 2 * INDENT)
        blocks.append(block)
    if rule:
        blocks[0].append("─" * min(width, sum(widths) + len(gap) * (len(widths) - 1)))
    return [line for block in blocks for line in block]


def board(
    header: Sequence[str], body: Iterable[tuple[str, Sequence[str]]], width: int, *, left: Collection[str],
    spare: Sequence[str],
) -> tuple[list[str], list[str]]:  # fmt: skip
    """A table of named rows of figures, with a heading line where the heading changes, and the names of the columns
    that had to be left out: those of `spare`, from its front, until the figures fit beside a name. A name that is
    longer than its column has a line of its own above its figures."""
    rows = list(body)
    out: list[str] = []
    longest = max((len(cells[0]) for _, cells in rows), default=0) + len(INDENT)
    for dropped in range(len(spare) + 1):
        out = list(spare[:dropped])
        kept = [i for i, name in enumerate(header) if i and name not in out]
        widths = {i: max(len(cells[i]) for cells in (header, *(cells for _, cells in rows))) for i in kept}
        fits = [gap for gap in (2, 1) if width - sum(widths.values()) - gap * len(kept) >= min(longest, NAME)]
        if fits:
            break
    gap = fits[0] if fits else 1
    room = max(len(header[0]), width - sum(widths.values()) - gap * len(kept))
    lengths = [n for _, cells in rows if (n := len(INDENT + cells[0])) <= room]
    room = min(room, max([len(header[0]), *lengths]))

    def line(cells: Sequence[str], name: str) -> str:
        figures = [_placed(cells[i], widths[i], header[i] in left) for i in kept]
        return (" " * gap).join([name.ljust(room), *figures]).rstrip()

    lines, last = [line(header, header[0])], None
    lines.append("─" * min(width, room + sum(widths.values()) + gap * len(kept)))
    for heading, cells in rows:
        if heading != last:
            lines += paragraph(heading, width)
            last = heading
        name = INDENT + cells[0]
        if len(name) > room:
            lines += [INDENT + part if k == 0 else 2 * INDENT + part
                      for k, part in enumerate(folded(cells[0], width - 2 * len(INDENT)))]  # fmt: skip
            name = ""
        lines.append(line(cells, name))
    return lines, [name for name in header if name in out]


def _placed(text: str, width: int, left: bool) -> str:
    return text.ljust(width) if left else text.rjust(width)
