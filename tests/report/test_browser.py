"""The page in a real browser: it draws, sorts, filters, answers to pointer and keys, fits a phone, and asks no host."""

from __future__ import annotations

import contextlib
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import HOSTILE, WORSE, folder, many, row, written

from factories import cell

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright (python)")
RESULTS = Path(__file__).resolve().parents[2] / "results"
LIMIT_S = 3.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        pytest.skip("needs chromium on the PATH")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@contextlib.contextmanager
def opened(browser: Any, path: Path, width: int = 1200, theme: str = "light") -> Iterator[Any]:
    """The page, ready. At the end: no error was logged, no dialog opened, and nothing but the file was asked for."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=theme)
    page = context.new_page()
    asked, said, dialogs = list[str](), list[str](), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", timeout=20_000)
    yield page
    assert (said, dialogs) == ([], [])
    assert {url for url in asked if not url.startswith("data:")} == {path.as_uri()}
    context.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two tasks of three models each: of the first `best` and `fast` are on the front of training speed."""
    root = tmp_path_factory.mktemp("small")
    other = {"name": "other", "digest": "o", "milestones": [0.5]}
    records = [
        *row("best", 0.95, step_s=0.002, params=2_000_000), *row("fast", 0.9, step_s=0.0005, params=300_000),
        *row("bad", 0.5, step_s=0.003, params=40_000), *row("best", 0.7, task=other), *row("fast", 0.8, task=other),
        cell(status="failed", reason="no luck", model={"name": "broken", "digest": "x"}, task=other),
    ]  # fmt: skip
    written(folder(root, records), root / "page.html")
    return root / "page.html"


def names(page: Any, body: int = 0) -> list[str]:
    """The models of a body's rows that are shown, in order."""
    found: list[str] = page.locator("tbody").nth(body).locator("tr.line:visible button.row").all_inner_texts()
    return found


def width_of(page: Any) -> int:
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.slow
def test_a_page_of_500_rows_opens_and_sorts_within_three_seconds(browser: Any, tmp_path: Path) -> None:
    """By the time that the page's thread works, as other processes of a busy machine keep it waiting."""
    written(folder(tmp_path / "r", many(500)), tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as page:
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.reload()
        page.wait_for_selector("html[data-ready]", timeout=60_000)
        page.locator("th[data-column=params] button").first.click()
        page.locator("th[data-column=mean] button").first.click()
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        assert page.locator("tr.line").count() == 500
        assert page.locator("tr.line button.row").first.inner_text() == "model490"
    assert 0.05 < metrics["TaskDuration"] < LIMIT_S


def test_headings_sort_within_each_task(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        assert names(page) == ["best", "fast", "bad"]
        heading = page.locator("thead th[data-column=params] button").first
        heading.click()
        assert (names(page), names(page, 1)[:2]) == (["bad", "fast", "best"], ["fast", "best"])
        assert page.locator("thead th[data-column=params]").first.get_attribute("aria-sort") == "ascending"
        heading.press("Enter")
        assert names(page) == ["best", "fast", "bad"]
        assert page.locator("thead th[data-column=params]").first.get_attribute("aria-sort") == "descending"
        heading.click()
        page.locator("thead th[data-column=train_examples_per_s] button").first.click()
        assert names(page) == ["fast", "best", "bad"], "more is better"
        page.locator("thead th[data-column=mean] button").first.dblclick()
        assert names(page, 1) == ["best", "fast", "broken"], "what has no score stands last, whichever way"


@pytest.mark.parametrize(
    ("text", "first", "second"),
    [
        ("fast", ["fast"], ["fast"]),
        ("-fast", ["best", "bad"], ["best", "broken"]),
        ("task=digits params<=300k", ["fast", "bad"], []),
        ("mean>=80%", ["best", "fast"], ["fast"]),
        ("status!=ok", [], ["broken"]),
        ("latency_p95_ms<1 best", ["best"], ["best"]),
        ('"nothing like it"', [], []),
    ],
)
def test_the_filter(text: str, first: list[str], second: list[str], browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Filter").fill(text)
        assert (names(page), names(page, 1)) == (first, second)
        said = page.locator("#count").inner_text()
        assert said.startswith(f"{len(first) + len(second)} of 6 rows")
        page.get_by_role("button", name="Reset").click()
        assert len(names(page)) == 3


def test_a_filter_that_is_not_understood_says_so_and_plots_follow_one_that_is(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Filter").fill("parms<3 params<1x best")
        assert "Not understood: parms<3 params<1x" in page.locator("#count").inner_text()
        assert page.get_by_label("Filter").get_attribute("aria-invalid") == "true"
        assert page.locator("figure.cost").first.locator(".dot").count() == 1
        page.get_by_role("combobox", name="task").select_option(label="other")
        assert (names(page), names(page, 1)) == ([], ["best"])


def test_pointing_at_a_plot_says_what_it_is_and_a_click_opens_the_row(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Table").select_option("0")
        plot = page.locator("figure.cost").filter(has_text="peak memory").locator("svg.plot")
        plot.scroll_into_view_if_needed()
        plot.locator(".dot[data-name=fast] path").hover()
        tip = page.locator("#tip")
        assert tip.is_visible()
        said = tip.inner_text()
        assert said.startswith("fast\naccuracy, %: 90 [")
        assert "peak memory of training, MiB: 4\non the front" in said
        assert plot.locator(".series.on").count() == 1
        plot.locator(".dot[data-name=fast] path").click()
        assert page.locator("tr.detail:visible").count() == 1
        assert page.evaluate("document.activeElement.textContent") == "fast"
        detail = page.locator("tr.detail:visible").inner_text()
        assert re.search(r"dlbench reproduce \S*/records/digits--fast--s0--\w+\.json", detail)
        page.mouse.move(1, 1)
        assert not tip.is_visible()


def test_everything_answers_to_the_keyboard(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        plot = page.locator("figure.curve svg.plot")
        plot.focus()
        page.keyboard.press("ArrowRight")
        first = page.locator("#tip").inner_text()
        page.keyboard.press("ArrowRight")
        assert page.locator("#tip").inner_text() != first
        page.keyboard.press("ArrowDown")
        name = page.locator("#tip strong").inner_text()
        assert name != first.splitlines()[0]
        page.keyboard.press("Escape")
        assert not page.locator("#tip").is_visible()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator("button.row[aria-expanded=true]").inner_text() == first.splitlines()[0]
        page.keyboard.press("Enter")
        assert page.locator("tr.detail:visible").count() == 0


def test_the_front_is_drawn_in_steps(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Table").select_option("0")
        figure = page.locator("figure.cost").filter(has_text="against training, images/s")
        front = figure.locator("path.front")
        assert front.get_attribute("data-points") == "2"
        best, corner, fast = [
            tuple(map(float, pair.split(","))) for pair in re.split("[ML]", front.get_attribute("d"))[1:]
        ]
        assert corner == (best[0], fast[1]), "beyond the speed of the best only the score of the fast one is left"
        assert best[0] < fast[0]
        assert best[1] < fast[1], "on a screen better is higher, so smaller"


def test_the_legend_hides_a_row_in_every_plot(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Table").select_option("0")
        entry = page.locator(".legend button").filter(has_text="bad")
        assert page.locator("svg.plot [data-name=bad]").count() > 5
        entry.click()
        assert page.locator("svg.plot [data-name=bad]").count() == 0
        assert entry.get_attribute("aria-pressed") == "false"
        entry.click()
        assert page.locator("svg.plot [data-name=bad]").count() > 5


def test_axes_are_chosen_and_kept_for_the_next_table(browser: Any, small: Path) -> None:
    with opened(browser, small) as page:
        page.get_by_label("Table").select_option("0")
        page.get_by_role("combobox", name="Learning curves: x axis").select_option(label="FLOPs of training")
        assert "FLOPs" in page.locator("figure.curve text.label").text_content()
        page.locator("button.link", has_text="plots").nth(1).click()
        assert page.locator("#table").input_value() == "1"
        assert "FLOPs" in page.locator("figure.curve text.label").text_content()
        assert page.locator("figure.target svg.plot .dot").count() == 2
        assert page.locator("figure.rank svg.plot .line").count() == 2


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_is_the_systems_until_it_is_chosen(theme: str, browser: Any, small: Path) -> None:
    def brightness(page: Any) -> float:
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(float, re.findall(r"[\d.]+", color)[:3])) / 765

    with opened(browser, small, theme=theme) as page:
        assert (brightness(page) > 0.5) == (theme == "light")
        page.locator("#theme").click()
        assert (brightness(page) > 0.5) == (theme == "dark")
        page.reload()
        assert (brightness(page) > 0.5) == (theme == "dark"), "the choice stays"
        page.locator("#theme").click()
        assert (brightness(page) > 0.5) == (theme == "light")


@pytest.mark.parametrize("name", ["vision-small", "quick", "optimizers", "generative"])
def test_published_results_on_a_phone(name: str, browser: Any, tmp_path: Path) -> None:
    written(RESULTS / name, tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html", width=360) as page:
        assert width_of(page) <= 360
        page.locator("button.row").nth(1).click()
        page.locator(".legend-flags summary").click()
        assert width_of(page) <= 360
        assert page.locator("svg.plot").count() >= 6
        for plot in page.locator("svg.plot").all()[:8]:
            box = plot.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 360
        if name == "generative":
            page.locator("#pictures").scroll_into_view_if_needed()
            page.evaluate("document.images[0].decode()")  # fails where the picture is none
            assert page.evaluate("document.images[0].naturalWidth") > 10


def test_hostile_names_do_nothing_and_fit(browser: Any, tmp_path: Path) -> None:
    names_ = [HOSTILE, "javascript:alert(3)", "x" * 900, "__proto__", "gnp.exe"]
    records = [
        record for i, name in enumerate(names_)
        for record in row(name, 0.9 - i / 100, model={"family": HOSTILE}, flags=[HOSTILE], task={"name": HOSTILE})
    ]  # fmt: skip
    records.append(cell(status="failed", reason=WORSE, model={"name": "bad", "digest": "b"}, task={"name": HOSTILE}))
    for i, record in enumerate(records):
        record.body["name"] = f"r{i}"
    written(folder(tmp_path / "r", records), tmp_path / "page.html", title="<b>title</b>")
    with opened(browser, tmp_path / "page.html", width=360) as page:
        assert page.title() == "<b>title</b>"
        assert page.locator("tr.line").count() == 6
        for button in page.locator("button.row").all():
            button.click()
        assert page.locator("h1 b, img, iframe").count() == 0
        assert page.locator("button.row").first.inner_text().startswith("</script><script>alert(1)")
        page.get_by_label("Filter").fill("__proto__")
        assert page.locator("tr.line:visible").count() == 1
        assert width_of(page) <= 360
