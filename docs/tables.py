"""Puts the tables of published results into the pages that show them: README.md and those of docs/.

    python docs/tables.py

A place for one is marked `<!-- table SUITE -->` (the leaderboard) or `<!-- own tests SUITE -->` (what augmentations
give on tests of their own), with a sentence behind it or none, and ends with `<!-- end -->`. A place whose suite isn't
published stays as it is. Between `<!-- published -->` and `<!-- end -->` stands the table of every leaderboard.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import own_tests

from dlbench.tables import leaderboard
from dlbench.tables.rendering import render

ROOT = Path(__file__).resolve().parents[1]
PLACE = re.compile(
    r"(?P<mark><!-- (?P<what>table|own tests) (?P<suite>\S+) -->)(?P<text>[^|]*?)\n\n(?:(?:\*\*|\|).*?)?"
    r"(?P<end><!-- end -->)",
    re.DOTALL,
)
EVERY = re.compile(r"(<!-- published -->)\n\n(?:\|.*?)?(<!-- end -->)", re.DOTALL)


def pages() -> list[Path]:
    """The pages that may have places."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def places(text: str) -> Iterator[tuple[str, str]]:
    """What each place of a page shows, and of which suite."""
    yield from ((match["what"], match["suite"]) for match in PLACE.finditer(text))


def filled(text: str) -> str:
    """A page with what the published results say today in each place."""

    def fill(match: re.Match[str]) -> str:
        folders = sorted((ROOT / "results" / match["suite"]).glob("*/leaderboard.csv"))
        if not folders:
            return match[0]
        (csv,) = folders
        return f"{match['mark']}{match['text']}\n\n{SHOWN[match['what']](csv)}{match['end']}"

    text = PLACE.sub(fill, text)
    return (
        EVERY.sub(lambda match: f"{match[1]}\n\n{every_leaderboard()}{match[2]}", text) if EVERY.search(text) else text
    )


@cache
def every_leaderboard() -> str:
    """The table of all that is published."""
    import generate
    import published

    return published.table(ROOT / "results", published.Makings(generate.built_in()), "results/")


def leaderboard_table(csv: Path) -> str:
    """The leaderboard with bold titles, as headings would disturb the page's own."""
    text = re.sub(r"^### (.*)$", r"**\1**", render(leaderboard.read_csv(csv), "md"), flags=re.MULTILINE)
    return text.strip() + "\n"


SHOWN: dict[str, Callable[[Path], str]] = {
    "table": leaderboard_table,
    "own tests": lambda csv: own_tests.table(csv.parent),
}


def main() -> None:
    """Fill every page."""
    for page in pages():
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
