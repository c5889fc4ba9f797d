"""Arrays kept in the cache folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dlbench.data.kept import Arrays, kept


def test_the_cache_gives_back_what_was_kept(tmp_path: Path) -> None:
    calls = []

    def make() -> Arrays:
        calls.append(1)
        return {"a": np.arange(3, dtype=np.int16), "b": np.eye(2)}

    first = kept(tmp_path, "thing", {"size": 3}, make)
    again = kept(tmp_path, "thing", {"size": 3}, make)
    assert len(calls) == 1
    assert all(np.array_equal(first[key], again[key]) and first[key].dtype == again[key].dtype for key in first)
    kept(tmp_path, "thing", {"size": 4}, make)
    assert len(calls) == 2
    assert not [path for path in tmp_path.rglob("*") if path.name.startswith(".")]  # no temporary file is left


def test_a_broken_cache_is_made_anew(tmp_path: Path) -> None:
    def make() -> Arrays:
        return {"a": np.arange(3)}

    kept(tmp_path, "thing", {}, make)
    (file,) = tmp_path.rglob("*.npz")
    file.write_bytes(file.read_bytes()[:40])
    assert kept(tmp_path, "thing", {}, make)["a"].tolist() == [0, 1, 2]
    assert kept(tmp_path, "thing", {}, lambda: {})["a"].tolist() == [0, 1, 2]


def test_a_cache_that_cannot_be_written_only_costs_time(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    assert kept(blocked, "thing", {}, lambda: {"a": np.arange(3)})["a"].tolist() == [0, 1, 2]
