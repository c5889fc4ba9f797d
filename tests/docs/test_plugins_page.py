"""docs/plugins.md: its files run with the commands that stand below them, and it shows every hook at work."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from docpages import REPOSITORY, blocks, dlbench_commands

from dlbench.cli import check, run
from dlbench.contract import hookspecs
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import Catalog, discover, import_source
from dlbench.plan.plan import Job, Plan, plan
from dlbench.results import Record, Results
from dlbench.testing import check_plugin, report

PAGE = REPOSITORY / "docs" / "plugins.md"
pytestmark = pytest.mark.slow
COMMANDS = dlbench_commands(PAGE)
RUNS = [words for words in COMMANDS if words[0] == "run"]
CHECKS = [words for words in COMMANDS if words[0] == "check"]
QUICKLY = ["--no-profile", "--set", "budget.epochs=1", "--device", "cpu"]


class Quiet:
    """A display that shows nothing."""

    def started(self, job: Job, position: int, total: int) -> None: ...
    def progress(self, job: Job, point: Any) -> None: ...
    def finished(self, job: Job, record: Record) -> None: ...
    def skipped(self, skip: Any) -> None: ...
    def begins(self, *_: Any) -> None: ...


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The page's files, in the folder where its commands run; only embedded and generated data is at hand."""
    here = tmp_path_factory.mktemp("page")
    for block in blocks(PAGE):
        if block.title is not None:
            (here / block.title).write_text(block.text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(here)
        patch.setenv("DLBENCH_DATA", str(here / "no-data"))
        yield here


@pytest.fixture(scope="module")
def catalog(folder: Path) -> Catalog:
    """The installed plugins and all of the page's."""
    return discover([b.title for b in blocks(PAGE) if b.language == "python" and b.title and b.title[:5] != "test_"])


@pytest.fixture(scope="module")
def outcome(folder: Path, catalog: Catalog) -> tuple[list[Plan], dict[str, Record]]:
    """All of the page's `dlbench run`, planned one by one and run by one fork server, because its start is slow."""
    plans = [planned(words) for words in RUNS]
    jobs = [job for made in plans for job in made.cells]
    catalog.track([words[words.index("--track") + 1] for words in RUNS if "--track" in words], folder / "runs")
    runner = Runner(
        catalog=catalog, results=Results(folder / "runs"), display=Quiet(), limits=Limits(timeout_s=120),
        data_root=folder / "no-data", cache=folder / "cache", command="test",
    )  # fmt: skip
    return plans, {record.name: record for record in runner.run(Plan(cells=jobs))}


def planned(words: list[str]) -> Plan:
    """What the command line makes of a command, cut down to one epoch."""
    given = run.command.make_context("dlbench run", [*words[1:], *QUICKLY]).params
    extra = discover(given["plugins"])
    assert set(given["plugins"]).isdisjoint(extra.problems), extra.problems
    return plan(extra, run.request_of(extra, given))


@pytest.mark.parametrize("number", range(len(RUNS)), ids=[shlex.join(words) for words in RUNS])
def test_a_run_of_the_page_ends_ok(number: int, outcome: tuple[list[Plan], dict[str, Record]]) -> None:
    plans, records = outcome
    assert plans[number].cells
    assert plans[number].skips == []
    for job in plans[number].cells:
        record = records[job.name]
        assert (record.status, record["reason"]) == ("ok", ""), job.title


def test_the_observer_of_the_page_saw_every_record(
    folder: Path, outcome: tuple[list[Plan], dict[str, Record]], catalog: Catalog
) -> None:
    lines = [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]
    assert [line["name"] for line in lines] == list(dict.fromkeys(line["name"] for line in lines))
    assert {line["name"] for line in lines} == set(outcome[1])
    assert catalog.problems == {}


def test_the_tracker_of_the_page_saw_curves_and_ends(
    folder: Path, outcome: tuple[list[Plan], dict[str, Record]]
) -> None:
    lines = (folder / "runs" / "bell" / "rung.txt").read_text().splitlines()
    assert {line for line in lines if line.endswith(": ok")} == {f"{name}: ok" for name in outcome[1]}
    assert any(" step 34: loss " in line for line in lines)


@pytest.mark.parametrize("words", CHECKS, ids=[shlex.join(words) for words in CHECKS])
def test_a_check_of_the_page_holds(words: list[str], folder: Path) -> None:
    plugin = check.command.make_context("dlbench check", words[1:]).params["plugin"]
    findings = check_plugin(plugin)
    assert len(findings) > 5
    assert all(finding.ok for finding in findings), report(findings)


def test_the_test_of_the_page_passes(folder: Path) -> None:
    test, with_fixture = [b.title for b in blocks(PAGE) if b.title and b.title.startswith("test_")]
    import_source(str(folder / test)).test_the_plugin_conforms()
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-m", "pytest", "-p", "dlbench.testing.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, with_fixture], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_every_file_of_the_page_is_used_by_a_command(folder: Path) -> None:
    used = {word for words in COMMANDS for word in words}
    for block in blocks(PAGE):
        if block.title and not block.title.startswith("test_"):
            assert block.title in used, block.title


def test_every_hook_is_named_and_at_work_on_the_page(folder: Path) -> None:
    hooks = {name for name, value in vars(hookspecs).items() if name.startswith("dlbench_") and callable(value)}
    assert len(hooks) >= 7
    text = PAGE.read_text()
    assert {hook for hook in hooks if f"| `{hook}(" not in text} == set()
    defined = {hook for b in blocks(PAGE) for hook in hooks if b.title and f"def {hook}(" in b.text}
    assert defined == hooks


def test_the_skeleton_that_the_page_names_can_be_written(folder: Path) -> None:
    from dlbench.cli.new_plugin import write_plugin

    (words,) = [words for words in COMMANDS if words[0] == "new-plugin"]
    package = write_plugin(words[1], folder)
    assert f'{words[1]} = "dlbench_{words[1]}"' in (package / "pyproject.toml").read_text()
    with pytest.raises(click.ClickException):
        check.command.make_context("dlbench check", [])


def test_the_executor_of_the_page_runs_its_cells(folder: Path) -> None:
    (words,) = [words for words in RUNS if "--executor" in words]
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    command = [sys.executable, "-c", code, *words, "--set", "budget.epochs=1", "--device", "cpu", "--results", "pool"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    records = [json.loads(path.read_text()) for path in (folder / "pool" / "records").glob("*.json")]
    assert [record["status"] for record in records] == ["ok"] * 3
