"""docs/report.md: its commands make pages of the published results, and it names what the page has."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from docpages import REPOSITORY, dlbench_commands

from dlbench.cli import main
from dlbench.report.content import CURVE_POINTS, LONGEST_TEXT
from dlbench.report.curves import SHARES
from dlbench.report.places import LARGEST_PICTURE

PAGE = REPOSITORY / "docs" / "report.md"
COMMANDS = dlbench_commands(PAGE)


@pytest.mark.parametrize("words", COMMANDS, ids=[" ".join(words) for words in COMMANDS])
def test_a_command_of_the_page_works(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").symlink_to(REPOSITORY / "results")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # tests/report draws PNG files
    monkeypatch.setattr(sys, "argv", ["dlbench", *words])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code in (0, None), said.err
    assert re.match(r"[1-9]\d* rows: ", said.out)
    assert (tmp_path / words[words.index("--out") + 1]).is_file()


def test_the_page_says_what_the_code_does() -> None:
    text = " ".join(PAGE.read_text().split())
    assert f"about {CURVE_POINTS:,} points" in text
    assert f"at most {LARGEST_PICTURE // 1024} KiB" in text
    assert f"cut at {LONGEST_TEXT:,} characters" in text
    assert f"{', '.join(f'{100 * share:g}' for share in SHARES[:-1])} and {100 * SHARES[-1]:g} % of the way" in text
    script = (REPOSITORY / "dlbench" / "report" / "page" / "rest.js").read_text()
    sections = re.findall(r"sectionOf\('\w+', '([\w ]+)'", script)
    assert {"Failures", "Pictures", "Environment"} <= {*sections}
    assert all(f"| {name} |" in text for name in sections if name != "How to read this")
