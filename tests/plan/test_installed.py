"""Entry points read from folders are those that importlib.metadata finds."""

from __future__ import annotations

import sys
import zipfile
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dlbench.plan.installed import GROUP, plugins

HEAD = "[console_scripts]\nx = y:z\n"


def by_the_library() -> list[tuple[str, str]]:
    return [(point.name, point.value) for point in entry_points(group=GROUP)]


def distribution(folder: Path, name: str, text: str | bytes | None) -> None:
    folder.joinpath(name).mkdir(parents=True)
    if text is not None:
        folder.joinpath(name, "entry_points.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


def test_the_installed_plugins_are_those_that_the_library_finds() -> None:
    assert sorted(plugins()) == sorted(by_the_library())
    assert ("mlp", "dlbench_mlp") in plugins()


def test_a_distribution_that_is_there_twice_counts_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    distribution(first, "Some_Waves-1.0.dist-info", f"{HEAD}[dlbench]\n# not = this\nwaves = dlbench_waves\n a=b:c \n")
    distribution(second, "some.waves-2.0.dist-info", "[dlbench]\nwaves = dlbench_older\n")
    distribution(second, "tides.egg-info", "[dlbench]\ntides = dlbench_tides\n[other]\nno = dlbench_no\n")
    distribution(second, "silent-1.0.dist-info", None)
    monkeypatch.setattr(sys, "path", [str(first), str(tmp_path / "nowhere"), str(second)])
    assert plugins() == [("waves", "dlbench_waves"), ("a", "b:c"), ("tides", "dlbench_tides")]
    assert sorted(plugins()) == sorted(by_the_library())


@pytest.mark.parametrize("archive", [False, True])
def test_an_unreadable_file_of_another_package_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, archive: bool
) -> None:
    """By our own reading, and by the library's, which an archive on the path asks for."""
    distribution(tmp_path, "broken-1.0.dist-info", b"\xff\xfe[dlbench]\n")
    distribution(tmp_path, "waves-1.0.dist-info", "[dlbench]\nwaves = dlbench_waves\n")
    with zipfile.ZipFile(tmp_path / "other.zip", "w"):
        pass
    monkeypatch.setattr(sys, "path", [str(tmp_path), *([str(tmp_path / "other.zip")] if archive else [])])
    assert plugins() == [("waves", "dlbench_waves")]


def test_what_is_no_folder_is_left_to_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "waves-1.0.egg", "w") as archive:
        archive.writestr("EGG-INFO/PKG-INFO", "Metadata-Version: 2.1\nName: waves\nVersion: 1.0\n")
        archive.writestr("EGG-INFO/entry_points.txt", "[dlbench]\nwaves = dlbench_waves\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "waves-1.0.egg")])
    assert plugins() == by_the_library()
