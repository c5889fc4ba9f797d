"""Plots as files: well-formed, with the right points in the right places, and with a sentence where PNG can't be."""

from __future__ import annotations

import math
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from pages import HOSTILE, folder, row

from dlbench.report.content import Content
from dlbench.report.files import WITHOUT_MATPLOTLIB, write_plots
from dlbench.report.panels import Axis, Panel, Series, front_line
from dlbench.report.svg import scale, svg
from dlbench.results import load_by_suite

NAMESPACE = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    return folder(tmp_path / "r", [*row("best", 0.95, step_s=0.002), *row("fast", 0.9), *row("bad", 0.5, step_s=0.003)])


def test_each_plot_is_a_well_formed_svg(results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    said = write_plots(Content(load_by_suite(results)).tables, tmp_path / "plots")
    files = sorted((tmp_path / "plots").iterdir())
    assert said == [f"{len(files)} plots: {tmp_path / 'plots'} (SVG)", WITHOUT_MATPLOTLIB]
    assert {re.sub(r".*--(\w+)--.*", r"\1", path.name) for path in files} == {"cost", "curve", "target", "rank"}
    for path in files:
        root = ElementTree.parse(path).getroot()
        marks = root.findall(f"{NAMESPACE}path[@class='mark']")
        assert len(marks) >= 3, path
        assert len(root.findall(f"{NAMESPACE}path[@class='line']")) == (
            3 if "--curve--" in path.name or "--rank--" in path.name else 0
        )
    cost = ElementTree.parse(tmp_path / "plots" / "01-digits--cost--train_examples_per_s.svg").getroot()
    assert len(cost.findall(f"{NAMESPACE}path[@class='front']")) == 1


def test_png_where_matplotlib_is_there(results: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="PNG files need matplotlib")
    tables = [(title, members, panels[:1]) for title, members, panels in Content(load_by_suite(results)).tables]
    write_plots(tables, tmp_path / "plots")
    files = sorted((tmp_path / "plots").glob("*.png"))
    assert len(files) == len(list((tmp_path / "plots").glob("*.svg"))) > 3
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in files)


def test_untrusted_text_in_a_plot_stays_text(tmp_path: Path) -> None:
    name = f"$a_{HOSTILE}"
    records = [*row(name, 0.9), *row("mlp", 0.8)]
    for i, record in enumerate(records):
        record.body["task"]["name"] = f"../../{name}"
        record.body["name"] = f"r{i}"
    tables = Content(load_by_suite(folder(tmp_path / "r", records))).tables
    write_plots([(title, members, panels[:1]) for title, members, panels in tables], tmp_path / "out" / "plots")
    files = list((tmp_path / "out" / "plots").glob("*.svg"))
    assert len(files) > 5
    assert {path.parent for path in (tmp_path / "out").rglob("*.*") if path.is_file()} == {tmp_path / "out" / "plots"}
    for path in files:
        tags = {element.tag.removeprefix(NAMESPACE) for element in ElementTree.parse(path).iter()}
        assert tags <= {"svg", "rect", "path", "text"}


def test_the_front_steps_where_a_cost_allows_no_better() -> None:
    axis = [Axis(key="params", label="p"), Axis(key="infer_examples_per_s", label="i")]
    series = [
        Series(name=n, color=i, rows=[i], data={}, front=["params", "infer_examples_per_s"]) for i, n in enumerate("ab")
    ]
    panel = Panel(kind="cost", title="", about="", xs=axis, ys=[Axis(key="mean", label="m")], series=series)
    dear, cheap = (series[0], [10], [0.9]), (series[1], [1], [0.5])
    assert front_line(panel, [dear, cheap], axis[0]) == [(1, 0.5), (10, 0.5), (10, 0.9)]
    slow, fast = (series[0], [1], [0.9]), (series[1], [10], [0.5])
    assert front_line(panel, [slow, fast], axis[1]) == [(1, 0.9), (1, 0.5), (10, 0.5)]


@pytest.mark.parametrize(
    ("values", "log"),
    [([1, 10, 1e6], True), ([0, 1, 100], True), ([3, 3], False), ([-5, 5], False), ([1e-9, 2e-9], False), ([], False)],
)
def test_a_scale_keeps_the_order_and_its_ends(values: list[float], log: bool) -> None:
    found = scale(Axis(key="x", label="x", log=log), values, 0, 100)
    places = [found.at(v) for v in values]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert 1 <= len(found.ticks) <= 12
    assert all(0 <= found.at(tick) <= 100 for tick, _ in found.ticks)


def test_a_missing_value_breaks_a_line() -> None:
    data = {"step": [1, 2, 3, 4], "val": [0.1, math.nan, 0.3, 0.4]}
    series = [Series(name="a", color=0, rows=[0], data=data)]
    x, y = Axis(key="step", label="s"), Axis(key="val", label="v")
    text = svg(Panel(kind="curve", title="", about="", xs=[x], ys=[y], series=series), x, y, "t", "b")
    (line,) = ElementTree.fromstring(text).findall(f"{NAMESPACE}path[@class='line']")
    assert re.sub(r"[\d.,]", "", line.attrib["d"]) == "MML"
