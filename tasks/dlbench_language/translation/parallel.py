"""Reading parallel text: two files, line n of one the translation of line n of the other. No torch."""

from __future__ import annotations

from pathlib import Path

from dlbench import NoData

from ..lines import place, read_lines

Sentence = list[str]


def read_pairs(source: Path, target: Path) -> list[tuple[Sentence, Sentence]]:
    """The words of every pair of lines, which blanks separate. Raises NoData naming file and line where a line is empty
    or isn't UTF-8, or has no partner."""
    sides = [(path, read_lines(path)) for path in (source, target)]
    (short, fewer), (long, more) = sorted(sides, key=lambda side: len(side[1]))
    if len(fewer) != len(more):
        raise NoData(
            f"{place(long, len(fewer) + 1)} has no translation, as {short.name} ends before; fetch both files again"
        )
    return [(one.split(), other.split()) for one, other in zip(sides[0][1], sides[1][1], strict=True)]
