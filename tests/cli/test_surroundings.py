"""What the system refuses: a full disk, a file in a folder's place, no home, a closed pipe, a narrow encoding."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dlbench

from dlbench.cli.progress import Display
from dlbench.data.root import default_cache, default_root
from dlbench.errors import UsageError
from dlbench.results import Results, read_record, write_json
from dlbench.tables.publishing import publish
from factories import cells

CONSOLE = [sys.executable, "-P", "-c", "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"]


def filled(folder: Path) -> Path:
    results = Results(folder)
    records = cells([0.9, 0.8])
    for record in records:
        results.save(record)
    results.assign("quick", {json.dumps({"seed": r["seed"], "variant": ""}): r.name for r in records})
    return folder


def files(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuse(_descriptor: int) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_leaves_the_old_file_whole_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_json(tmp_path / "a.json", {"old": 1})
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match=r"No space left on device: .*a\.json") as caught:
        write_json(tmp_path / "a.json", {"new": 2})
    assert caught.value.errno == errno.ENOSPC
    assert files(tmp_path) == {tmp_path / "a.json": b'{\n "old": 1\n}'}
    with pytest.raises(TypeError):  # nor does what can't be written leave anything
        write_json(tmp_path / "b.json", {"new": object()})
    assert list(tmp_path.iterdir()) == [tmp_path / "a.json"]


def test_publishing_to_a_full_disk_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs, public = filled(tmp_path / "runs"), tmp_path / "public"
    assert dlbench("publish", runs, "--to", public).code == 0
    before = files(public)
    monkeypatch.setattr(os, "fsync", refuse)
    done = dlbench("publish", runs, "--to", public)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"dlbench: {public}/")
    assert done.err.endswith(": No space left on device\n")
    assert files(public) == before
    edited = cells([0.7], model={"digest": "edited"})
    with pytest.raises(OSError, match="No space left"):
        publish({"quick": edited}, public)
    assert files(public) == before  # the old record goes once the new one is there


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs RLIMIT_FSIZE")
def test_a_run_whose_records_do_not_fit_ends_in_a_sentence_and_keeps_what_was_there(tmp_path: Path) -> None:
    runs = filled(tmp_path / "runs")
    before = files(runs)
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)); "
    words = ["run", "-t", "digits", "-m", "constant", "--seeds", "2", "--device", "cpu", "--results", str(runs)]
    command = [*CONSOLE[:3], limit + CONSOLE[3], *words]
    environment = {**os.environ, "DLBENCH_CACHE": str(tmp_path / "cache"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"dlbench: {runs}/suites/custom.json: File too large\n"
    assert files(runs) == before


def test_results_that_are_no_folder_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    words = ["run", "-t", "digits", "-m", "constant", "--seeds", 1, "--device", "cpu"]
    done = dlbench(*words, "--results", tmp_path / "file")
    assert (done.code, done.out) == (2, "")
    assert done.err == f"dlbench: {tmp_path}/file/suites: Not a directory\n"
    assert (tmp_path / "file").read_text() == "mine"
    assert dlbench("publish", filled(tmp_path / "runs"), "--to", tmp_path / "file").code == 2


@pytest.mark.parametrize("words", [["list", "models"], ["table"]])
def test_a_closed_pipe_is_quiet(words: list[str], tmp_path: Path) -> None:
    filled(tmp_path / "dlbench-runs")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([*CONSOLE, *words], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, timeout=120)
    os.close(writer)
    assert done.stderr == b""


def test_a_display_that_nobody_reads_any_more_does_not_end_the_run() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as stream:
        display = Display(stream)
        display.line("one")
        display.line("two")
        assert display.stream is None
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())  # what is left to flush goes nowhere


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "utf-16"])
def test_a_table_is_printed_whatever_the_encoding(encoding: str, tmp_path: Path) -> None:
    filled(tmp_path / "dlbench-runs")
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([*CONSOLE, "table"], cwd=tmp_path, env=environment, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, b"")
    assert "digits" in done.stdout.decode("latin-1").replace("\0", "")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    import pwd

    def nobody(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    for name in ("HOME", "DLBENCH_DATA", "DLBENCH_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", nobody)
    for look, variable in ((default_root, "DLBENCH_DATA"), (default_cache, "DLBENCH_CACHE")):
        with pytest.raises(UsageError, match=f"this user has no home folder: set {variable}, or HOME"):
            look()
    done = dlbench("data", "path")
    assert (done.code, done.err) == (2, "dlbench: this user has no home folder: set DLBENCH_DATA, or HOME\n")
    monkeypatch.setenv("DLBENCH_DATA", "/somewhere")
    assert dlbench("data", "path").out == "/somewhere\n"


def test_a_user_without_a_home_can_publish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "DLBENCH_DATA", "XDG_DATA_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    runs = filled(tmp_path / "runs")
    assert dlbench("publish", runs, "--to", tmp_path / "public").code == 0
    assert [read_record(p).status for p in (tmp_path / "public").rglob("records/*.json")] == ["ok", "ok"]
