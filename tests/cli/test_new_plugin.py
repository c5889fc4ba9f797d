"""`dlbench new-plugin`: what it writes of each kind is found, listed, conforms and passes its own tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dlbench

from dlbench.cli.new_plugin import KINDS, write_plugin
from dlbench.plan.catalog import discover
from dlbench.testing import check_plugin, report

LISTED = {
    "both": {"models": "reef_both", "tasks": "reef_both_waves"}, "model": {"models": "reef_model"},
    "task": {"tasks": "reef_task"}, "optimizer": {"optimizers": "reef_optimizer"},
    "regularizer": {"regularizers": "reef_regularizer"}, "suite": {"suites": "reef_suite"},
}  # fmt: skip


def test_every_kind_is_tried() -> None:
    assert [*LISTED] == [*KINDS]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_listed_and_conforms(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = f"dlbench_reef_{kind}"
    folder = write_plugin(f"reef_{kind}", tmp_path, kind)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("DLBENCH_DATA", str(tmp_path / "none"))
    assert discover([module]).problems == {}
    for what, name in LISTED[kind].items():
        assert name in dlbench("list", what, "-p", module).out.split()
    findings = check_plugin(module)
    assert len(findings) >= 2
    assert all(finding.ok for finding in findings), report(findings)


def test_names_and_folders_are_checked_and_nothing_is_left_of_the_template(tmp_path: Path) -> None:
    for kind in KINDS:
        done = dlbench("new-plugin", f"x_{kind}", "--kind", kind, "--to", tmp_path)
        folder = tmp_path / f"dlbench-x_{kind}"
        assert done.out.startswith(f"wrote {folder}/; next: pip install -e {folder} && cd {folder} && pytest --dlbench")
        assert "@" not in "".join(p.read_text() for p in folder.rglob("*.md"))
        assert "@NAME@" not in "".join(p.read_text() for p in folder.rglob("*") if p.is_file())
        again = dlbench("new-plugin", f"x_{kind}", "--kind", kind, "--to", tmp_path)
        assert (again.code, again.err) == (2, f"dlbench: {folder} exists already\n")
    assert dlbench("new-plugin", "x", "--kind", "schedul").code == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_generated_package_passes_its_own_tests_and_the_conformance_kit(kind: str, tmp_path: Path) -> None:
    folder = write_plugin(f"reef_{kind}", tmp_path, kind)
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    environment = {
        **os.environ, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "DLBENCH_DATA": str(tmp_path / "none"),
    }  # fmt: skip
    words = ["-q", "-p", "dlbench.testing.pytest_plugin", "-p", "no:cacheprovider", "--dlbench"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    last = done.stdout.splitlines()[-1]
    assert int(last.split()[0]) >= 3, last


def test_what_an_author_types_is_short() -> None:
    """`.ci/run` runs it, with pip."""
    script = (Path(__file__).resolve().parents[2] / ".ci" / "author").read_text()
    typed = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
    assert len(typed) < 60
    for step in ("dlbench new-plugin", "pytest --dlbench", "pip install", "dlbench run", "dlbench publish"):
        assert any(step in line for line in typed), step
