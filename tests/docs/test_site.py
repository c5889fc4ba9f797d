"""The site: made of docs/ without a warning, it asks no other host for anything, and a broken link ends the build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest
from docpages import DOCS, REPOSITORY, links, load

pytest.importorskip("material")
FETCHING = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "form": "action"}
OTHER_HOST = re.compile(r"(?:https?:)?//")


class Fetched(HTMLParser):
    """What a browser fetches by itself while it shows a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if address := dict(attrs).get(FETCHING.get(tag, "")):
            self.addresses.append(address)


def build(repository: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(target)]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def website() -> ModuleType:
    return load("website")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build(REPOSITORY, target)
    assert done.returncode == 0, done.stderr
    return target


@pytest.mark.slow
def test_every_page_is_made_and_what_pages_link_to_comes_along(site: Path) -> None:
    for page in DOCS.glob("*.md"):
        assert (site / (page.stem if page.stem != "README" else "") / "index.html").is_file(), page.name
    assert not list(site.rglob("*.py"))
    for table in (REPOSITORY / "results").glob("*/*/leaderboard.csv"):
        suite, machine = table.parts[-3:-1]
        page = (site / "results" / suite / "index.html").read_text(encoding="utf-8")
        assert f'href="{machine}/leaderboard.csv"' in page
        assert "<table>" in page
        published = table.with_name("metrics.csv").read_bytes()
        assert (site / "results" / suite / machine / "metrics.csv").read_bytes() == published
    pictures = {path.name for path in (REPOSITORY / "results" / "generative").rglob("*.png")}
    assert {path.name for path in (site / "results" / "generative").rglob("*.png")} == pictures != set()
    assert "House rules" in (site / "CONTRIBUTING" / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_reader_s_browser_asks_no_other_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        reader = Fetched()
        reader.feed(page.read_text(encoding="utf-8"))
        assert reader.addresses
        assert [address for address in reader.addresses if OTHER_HOST.match(address)] == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import )[\"']?(?:https?:)?//", sheet.read_text(encoding="utf-8")) == [], sheet


@pytest.mark.slow
def test_the_navigation_leads_to_places_that_exist(site: Path, website: ModuleType) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for address in ("measuring/#the-columns-of-leaderboardcsv", "first-run/", "results/", "CHANGELOG/"):
        assert f'href="{address}"' in home, address
    assert 'id="the-columns-of-leaderboardcsv"' in (site / "measuring" / "index.html").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "added", "said"),
    [
        ("tuning.md", "\n[x](no-such-page.md)\n", "no-such-page.md"),
        ("tuning.md", "\n[x](recipes.md#no-such-place)\n", "no-such-place"),
        ("README.md", "\n- [x](no-such-page.md): y\n", "lists no-such-page.md"),
        ("unlisted.md", "# A page\n", "unlisted.md"),
    ],
)
def test_what_is_broken_ends_it(name: str, added: str, said: str, tmp_path: Path) -> None:
    """In a small copy: the pages that README.md lists are few there."""
    (tmp_path / "docs").mkdir()
    for file in ("website.py", "site.css", "tuning.md", "recipes.md"):
        shutil.copy(DOCS / file, tmp_path / "docs")
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    (tmp_path / "docs" / "README.md").write_text(
        "# Few\n\n## Guides\n\n- [Tune](tuning.md): x\n- [Recipe](recipes.md)\n"
    )
    assert build(tmp_path, tmp_path / "whole").returncode == 0
    with (tmp_path / "docs" / name).open("a") as page:
        page.write(added)
    done = build(tmp_path, tmp_path / "broken")
    assert done.returncode != 0
    assert said in done.stderr


def test_headings_and_lists_become_the_navigation(website: ModuleType) -> None:
    text = "# T\n\n## A\n\n- [One](one.md): words\n\n### B\n\n- [Two](two.md#x)\n\n## C\n\n- [R](../results)\n"
    a = {"A": [{"One": "one.md"}, {"B": [{"Two": "two.md#x"}]}]}
    assert website.navigation(text)[1:] == [a, {"C": [{"R": "results/README.md"}]}]


def test_the_front_page_lists_every_page_once() -> None:
    listed = [link for link in links(DOCS / "README.md") if "#" not in link and not link.startswith("../")]
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md") if page.name != "README.md")
