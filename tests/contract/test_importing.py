"""Files beside the user don't replace Python's, and what the core itself caused is never done."""

from __future__ import annotations

import errno
import importlib
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from dlbench.contract.importing import import_path
from dlbench.data import unpack
from dlbench.execute import local
from dlbench.execute.child import caused_by_core
from dlbench.results import Record, is_done

PACKAGE = """
from dlbench import Classes, Image, ModelSpec

def build(signature):
    from torch import nn
    i = signature.input
    return nn.Sequential(nn.Flatten(), nn.Linear(i.channels * i.height * i.width, signature.output.num_classes))

def dlbench_models():
    yield ModelSpec(name="beside", build=build, accepts=[(Image, Classes)])
"""
CONSOLE = [sys.executable, "-P", "-c", "from dlbench.cli import main; main()"]  # as the console script starts it


@pytest.mark.slow
def test_a_run_in_a_folder_of_files_named_like_the_standard_library(tmp_path: Path) -> None:
    for name in ("struct", "copy", "json", "random", "selectors", "resource", "torch"):
        (tmp_path / f"{name}.py").write_text('VOCAB = {"a": 1}\n')
    (tmp_path / "my_models_here").mkdir()
    (tmp_path / "my_models_here" / "__init__.py").write_text(PACKAGE)
    words = ["run", "-p", "my_models_here", "-m", "beside", "-t", "digits", "--seeds", "1", "--no-profile",
             "--device", "cpu", "--set", "budget.epochs=1", "--json"]  # fmt: skip
    done = subprocess.run([*CONSOLE, *words], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in json.loads(done.stdout)["rows"]] == ["ok"]


def test_the_current_folder_comes_last_unless_it_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    for first in ("", str(tmp_path)):
        monkeypatch.setattr(sys, "path", [first, "/library"])
        assert import_path() == ["/library", str(tmp_path)]
    monkeypatch.setattr(sys, "path", ["/bin", "/library"])
    assert import_path() == ["/bin", "/library"]
    monkeypatch.setattr(sys, "path", [str(tmp_path), "/library"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/other", "."]))
    assert import_path() == [str(tmp_path), "/library"]


def test_the_folder_of_dlbench_itself_keeps_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    import dlbench

    home = str(Path(dlbench.__file__).parents[1])
    monkeypatch.chdir(home)
    monkeypatch.delenv("PYTHONPATH", raising=False)
    monkeypatch.setattr(sys, "path", [home, "/library"])
    assert import_path() == [home, "/library"]


def test_a_broken_import_is_the_cores_fault_unless_a_plugin_made_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "struct", types.ModuleType("struct"))
    monkeypatch.delitem(sys.modules, "zipfile", raising=False)
    with pytest.raises((ImportError, AttributeError)) as caught:
        exec(compile("import zipfile", unpack.__file__, "exec"))
    assert caused_by_core(_without_this_file(caught.value))
    (tmp_path / "a_plugin_of_ours.py").write_text("import zipfile\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises((ImportError, AttributeError)) as caught:
        importlib.import_module("a_plugin_of_ours")
    assert not caused_by_core(_without_this_file(caught.value))
    assert not caused_by_core(ImportError("the plugin x can't be imported"))  # as the core says of a plugin


def test_a_full_disk_is_no_fault_of_the_cell() -> None:
    assert caused_by_core(OSError(errno.ENOSPC, "No space left on device"))
    assert not caused_by_core(FileNotFoundError(errno.ENOENT, "No such file"))


def _without_this_file(error: BaseException) -> BaseException:
    assert error.__traceback__ is not None
    return error.with_traceback(error.__traceback__.tb_next)


def test_a_child_that_fails_before_its_job_says_that_it_was_the_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PRELOAD", ())
    job = {"type": "job", "id": "1", "timeout_s": 60, "log": str(tmp_path / "log")}  # what a child needs is missing
    with local.LocalExecutor() as executor:
        (done,) = executor.run([job], lambda point: None)
    assert done["result"]["fault"] == "core"
    assert done["result"]["reason"].startswith("dlbench itself failed: KeyError")


def test_what_the_core_caused_is_never_done() -> None:
    failed = {"name": "x", "type": "cell", "status": "failed"}
    assert is_done(Record(failed), {})
    assert not is_done(Record({**failed, "fault": "core"}), {})
