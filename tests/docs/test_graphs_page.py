"""docs/graphs.md: its files run with the commands that stand below them."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from docpages import REPOSITORY, blocks, dlbench_commands
from test_plugins_page import Quiet

from dlbench.cli import check, run
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Job, Plan, plan
from dlbench.results import Record, Results
from dlbench.testing import check_plugin, report

PAGE = REPOSITORY / "docs" / "graphs.md"
pytestmark = pytest.mark.slow
COMMANDS = dlbench_commands(PAGE)
RUNS = [words for words in COMMANDS if words[0] == "run"]
CHECKS = [words for words in COMMANDS if words[0] == "check"]
SHORT = ["--no-profile", "--device", "cpu", "--seeds", "1"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the page's files, which is the current one as long as this module's tests run."""
    place = tmp_path_factory.mktemp("graphs")
    for block in blocks(PAGE):
        if block.title:
            (place / block.title).write_text(block.text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("DLBENCH_DATA", str(place / "no-data"))
        yield place


@pytest.fixture(scope="module")
def records(folder: Path) -> dict[str, Record]:
    """Of each run of the page with one seed, by model."""
    plugins = ["rings.py", "neighbourhood.py", "rescal.py"]
    catalog = discover(plugins)
    jobs: dict[str, Job] = {}
    assert set(plugins).isdisjoint(catalog.problems), catalog.problems
    for words in RUNS:
        given = run.command.make_context("dlbench run", [*words[1:], *SHORT]).params
        made = plan(catalog, run.request_of(catalog, given))
        assert made.skips == []
        jobs |= {job.name: job for job in made.cells}
    runner = Runner(
        catalog=catalog, results=Results(folder / "runs"), display=Quiet(), limits=Limits(timeout_s=120),
        data_root=folder / "no-data", cache=folder / "cache", command="test",
    )  # fmt: skip
    found = {record.name: record for record in runner.run(Plan(cells=list(jobs.values())))}
    return {f"{job.model} {job.variant}".strip(): found[name] for name, job in jobs.items()}


def test_every_run_of_the_page_ends_ok(records: dict[str, Record]) -> None:
    assert len(records) == 11
    for title, record in records.items():
        assert (record.status, record["reason"]) == ("ok", ""), title


def test_the_networks_see_what_the_features_hide(records: dict[str, Record]) -> None:
    judged = {title: record["metrics"]["test"] for title, record in records.items()}
    accuracy = {title: metrics["accuracy"] for title, metrics in judged.items() if "accuracy" in metrics}
    assert accuracy["constant"] == accuracy["mlp"] == 0.5
    assert accuracy["neighbourhood"] > 0.95
    assert accuracy["gin"] > 0.95


def test_who_looks_at_the_anchor_knows_more(records: dict[str, Record]) -> None:
    mrr = {title: records[title]["metrics"]["test"]["mrr"] for title in ("rescal", "distmult", "frequent_links")}
    assert min(mrr["rescal"], mrr["distmult"]) > 2 * mrr["frequent_links"]


def test_the_budget_of_the_page_is_met(records: dict[str, Record]) -> None:
    sized = [record for title, record in records.items() if "budget.params" in title]
    assert len(sized) == 2
    for record in sized:
        assert record["params"] == pytest.approx(20_000, rel=0.05)


@pytest.mark.parametrize("words", CHECKS, ids=[shlex.join(words) for words in CHECKS])
def test_a_check_of_the_page_holds(words: list[str], folder: Path) -> None:
    plugin = check.command.make_context("dlbench check", words[1:]).params["plugin"]
    findings = check_plugin(plugin)
    assert len(findings) > 5
    assert all(finding.ok for finding in findings), report(findings)
