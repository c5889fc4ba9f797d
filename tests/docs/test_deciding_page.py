"""docs/deciding.md: its commands print what the page says, on published results and on records as runs leave them."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from docpages import REPOSITORY, dlbench_commands

from dlbench.cli import main
from dlbench.results import Record, Results
from dlbench.tables.filters import NUMBERS, OPERATORS, SIZES, TIMES
from dlbench.tables.groups import RowKey
from dlbench.tables.picking import LIMITS
from factories import cell, cells, profile

PAGE = REPOSITORY / "docs" / "deciding.md"
COMMANDS = dlbench_commands(PAGE)
VALUES = [0.90, 0.91, 0.92]
BF16 = {"runtime": {"precision": "bf16"}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with the published results that the page reads and with folders of runs."""
    for name in ("quick", "vision-small"):
        shutil.copytree(REPOSITORY / "results" / name, tmp_path / "results" / name)
    plain, bf16 = [*cells(VALUES), profile()], [*cells(VALUES, **BF16), profile(**BF16)]
    tuned = cells(VALUES, variant="lr=0.01", recipe={"lr": 0.01})
    failed = [cell(status="failed", model={"name": "my-net", "digest": "n"})]
    runs = {"fp32-runs": plain, "bf16-runs": bf16, "dlbench-runs": [*plain, *bf16, *tuned, *failed]}
    for name, records in runs.items():
        fill(Results(tmp_path / name), records)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def fill(results: Results, records: list[Record]) -> None:
    for i, record in enumerate(records):
        results.save(record)
        results.assign("quick", {json.dumps({"i": i, "variant": record["variant"]}): record.name})


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words) for words in COMMANDS])
def test_a_command_of_the_page_works(
    words: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["dlbench", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code in (0, None), said.err
    assert said.out.strip() or "0 of " in said.err, "a table without rows says so"


def test_there_are_commands_of_every_verb() -> None:
    assert {words[0] for words in COMMANDS} == {"pick", "table", "compare", "forget"}


def test_the_page_names_every_limit_unit_operator_and_key() -> None:
    text = PAGE.read_text()
    rows = dict(re.findall(r"^\| `--([a-z-]+) \S+` \| `(\w+)` \|", text, flags=re.MULTILINE))
    assert rows == {option.replace("_", "-"): column for option, column in LIMITS.items()}
    words = {unit for span in re.findall(r"`([^`\n]+)`", text) for unit in re.split(r"[\d ]+", span)}
    assert {sign for sign in OPERATORS if sign != "=="} <= words
    assert set(TIMES) <= words
    assert {"MB", "GiB"} <= words
    assert {"mb", "gib"} <= set(SIZES)
    assert {"k", "M", "%"} <= words & set(NUMBERS)
    assert set(RowKey._fields) <= words
