"""What mkdocs asks while it makes the site of these pages (`make site`; mkdocs.yml names this file).

The pages stay as a forge shows them. Navigation is the list in docs/README.md. What a page links to outside docs/ comes
along: a Markdown file as a page, a folder of published results as a page of its leaderboards, any other file as it is.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.nav import Link, Navigation
from mkdocs.structure.pages import Page

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
RESULTS = ROOT / "results"
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))")
HEADING = re.compile(r"(#{2,3}) (.+)")
OFF_NAV = InclusionLevel.NOT_IN_NAV  # no need to be listed
ENTRY = re.compile(r"- \[([^\]]+)\]\(([^)\s]+)\)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Take the navigation from docs/README.md."""
    config.nav = navigation((DOCS / "README.md").read_text(encoding="utf-8"))
    return config


def navigation(text: str) -> list[dict[str, Any]]:
    """The lists below a page's headings as mkdocs wants them: title -> source, or section -> such a list."""
    within: list[dict[str, Any]] = [{"Home": "README.md"}]
    levels = {1: within}
    for line in text.splitlines():
        if heading := HEADING.fullmatch(line):
            depth = len(heading[1])
            within = levels[depth] = []
            levels[depth - 1].append({heading[2]: within})
        elif entry := ENTRY.match(line):
            within.append({entry[1]: source(DOCS / entry[2])})
    return levels[1]


def source(path: Path) -> str:
    """Where a file or a folder of the repository stands among the site's sources."""
    path = path.resolve()
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    if path == RESULTS:
        return "results/README.md"
    if path.is_dir() and path.is_relative_to(RESULTS):
        return f"results/{path.relative_to(RESULTS).parts[0]}.md"
    return path.relative_to(ROOT).as_posix()


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what the pages link to outside docs/, and what those link to."""
    queue = [(DOCS / file.src_uri, file.content_string) for file in files.documentation_pages()]
    while queue:
        page, text = queue.pop()
        for path in targets(page, text):
            if files.get_file_from_path(name := source(path)) is None:
                kept = _folder(path) if path.is_dir() else {"abs_src_path": str(path)}
                files.append(file := File.generated(config, name, inclusion=OFF_NAV, **kept))
                if file.is_documentation_page():
                    queue.append((ROOT / name, file.content_string))
    return files


def targets(page: Path, text: str) -> Iterator[Path]:
    """What a page links to of the repository, but for what doesn't exist."""
    for target, _ in LINK.findall(text):
        path = (page.parent / target).resolve()
        if path.is_relative_to(ROOT) and path.exists():
            yield path


def _folder(path: Path) -> dict[str, str]:
    """A suite's published leaderboards; raises ValueError for a folder that has none."""
    from dlbench.tables import leaderboard
    from dlbench.tables.rendering import render

    suite = RESULTS / Path(source(path)).stem
    parts = [f"# Results of {suite.name}"]
    for table in sorted(suite.glob("*/leaderboard.csv")):
        machine = f"{suite.name}/{table.parent.name}"
        parts += [
            f"## {table.parent.name}",
            f"The records are in `results/{machine}/records`. As CSV: [leaderboard]({machine}/leaderboard.csv), "
            f"[all metrics]({machine}/metrics.csv). [The columns](../docs/measuring.md#the-columns-of-leaderboardcsv).",
            render(leaderboard.read_csv(table), "md"),
        ]
    if len(parts) == 1:
        raise ValueError(f"a page links to {path}, which is neither a file nor a folder of published results")
    return {"content": "\n\n".join(parts)}


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Entries with an anchor, which mkdocs took for addresses, lead to a place on a page."""
    links = [item for item in _items(nav.items) if isinstance(item, Link)]
    for link in links:
        name, _, anchor = link.url.partition("#")
        file = files.get_file_from_path(name)
        if file is None:
            raise PluginError(f"docs/README.md lists {name}, which isn't there")
        link.url = f"{file.url}#{anchor}"
    return nav


def _items(items: list[Any]) -> Iterator[Any]:
    for item in items:
        yield item
        yield from _items(item.children or [])


def on_page_markdown(text: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links between files of the repository become links between sources of the site."""
    inside = page.file.abs_src_path is not None and Path(page.file.abs_src_path).is_relative_to(DOCS)
    origin = (DOCS if inside else ROOT) / page.file.src_uri

    def moved(match: re.Match[str]) -> str:
        path = (origin.parent / match[1]).resolve()
        if not (path.is_relative_to(ROOT) and path.exists()):
            return match[0]
        return posixpath.relpath(source(path), posixpath.dirname(page.file.src_uri)) + (match[2] or "")

    return LINK.sub(moved, text)
