"""Checksums of data sets, and the cache that spares hashing them twice."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dlbench.data import DataFile, DataSet, verify
from dlbench.data.verify import HASHES, HashCache, digest, sha256_of, state
from dlbench.errors import NoData


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "root"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "one.bin").write_bytes(b"one")
    (folder / "two.bin").write_bytes(b"two!")
    monkeypatch.setattr(verify, "SETTLED_NS", 0)  # only files that have lain still for a while are remembered
    return folder


@pytest.fixture
def dataset() -> DataSet:
    files = (DataFile(path="a/one.bin", sha256=sha(b"one")), DataFile(path="two.bin", sha256=sha(b"two!")))
    return DataSet(name="pair", files=files)


def test_a_whole_set_is_verified(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    found = state(dataset, root, tmp_path / "cache")
    assert found.status == "verified"
    assert [file.status for file in found.files] == ["verified", "verified"]
    assert found.bytes == 7
    assert found.files[0].path == root / "a" / "one.bin"
    assert found.summary == "pair: 2 of 2 files verified"


def test_a_changed_file_makes_the_set_unverified(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    (root / "two.bin").write_bytes(b"changed")
    found = state(dataset, root, tmp_path / "cache")
    assert found.status == "unverified"
    assert found.paths("differs") == ["two.bin"]
    assert found.files[1].sha256 == sha(b"changed")
    assert "two.bin" in found.summary


def test_a_missing_file_outweighs_a_changed_one(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    (root / "a" / "one.bin").unlink()
    (root / "two.bin").write_bytes(b"changed")
    found = state(dataset, root, tmp_path / "cache")
    assert found.status == "missing"
    assert [file.status for file in found.files] == ["missing", "differs"]
    assert found.files[0].sha256 is None
    assert found.files[0].bytes is None
    assert not found.fetchable


def test_a_folder_in_the_place_of_a_file_is_missing(root: Path, dataset: DataSet) -> None:
    (root / "two.bin").unlink()
    (root / "two.bin").mkdir()
    assert state(dataset, root, None).status == "missing"


def test_an_unchanged_file_is_not_hashed_again(
    root: Path, dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []
    monkeypatch.setattr(verify, "sha256_of", lambda path: hashed.append(path) or sha256_of(path))
    for _ in range(2):
        assert state(dataset, root, tmp_path / "cache").status == "verified"
    assert hashed == [root / "a" / "one.bin", root / "two.bin"]


def test_an_edit_that_keeps_size_and_time_is_hashed_again(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    cache, path = tmp_path / "cache", root / "two.bin"
    state(dataset, root, cache)
    stamp = path.stat()
    path.write_bytes(b"TWO?")
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert state(dataset, root, cache).status == "unverified"


@pytest.mark.parametrize("content", [b"TWO?", b"longer"])
def test_a_new_time_or_size_is_hashed_again(root: Path, dataset: DataSet, tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "cache"
    state(dataset, root, cache)
    (root / "two.bin").write_bytes(content)
    assert state(dataset, root, cache).status == "unverified"


def test_a_file_changed_just_now_is_not_remembered(
    root: Path, dataset: DataSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "SETTLED_NS", 500_000_000)
    time.sleep(0.6)
    (root / "two.bin").write_bytes(b"two!")
    state(dataset, root, tmp_path / "cache")
    remembered = json.loads((tmp_path / "cache" / HASHES).read_text())
    assert list(remembered) == [str(root / "a" / "one.bin")]


@pytest.mark.parametrize(
    "content", ["", "{", "[1, 2]", '{"x": 3}', '{"x": [1, 2]}', '{"x": ["1", 2, "3"]}', "\xff\xfe"]
)
def test_a_broken_cache_is_put_right(root: Path, dataset: DataSet, tmp_path: Path, content: str) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / HASHES).write_bytes(content.encode("latin1"))
    assert state(dataset, root, cache).status == "verified"
    assert len(json.loads((cache / HASHES).read_text())) == 2


def test_an_impossible_cache_folder_does_no_harm(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert state(dataset, root, tmp_path / "cache").status == "verified"


def test_no_temporary_file_is_left(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    state(dataset, root, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [HASHES]


def test_two_users_of_one_cache_keep_each_others_entries(root: Path, tmp_path: Path) -> None:
    first, second = HashCache(tmp_path / "cache"), HashCache(tmp_path / "cache")
    first.sha256(root / "a" / "one.bin")
    second.sha256(root / "two.bin")
    first.save()
    second.save()
    assert len(json.loads((tmp_path / "cache" / HASHES).read_text())) == 2


def test_the_digest_names_the_contents(root: Path, dataset: DataSet, tmp_path: Path) -> None:
    before = digest(dataset, root, tmp_path / "cache")
    turned = DataSet(name="other name", files=dataset.files[::-1])
    assert len(before) == 64
    assert digest(turned, root, None) == before
    (root / "two.bin").write_bytes(b"changed")
    assert digest(dataset, root, tmp_path / "cache") != before


def test_the_digest_tells_swapped_files_apart(root: Path, dataset: DataSet) -> None:
    before = digest(dataset, root, None)
    (root / "a" / "one.bin").write_bytes(b"two!")
    (root / "two.bin").write_bytes(b"one")
    assert digest(dataset, root, None) != before


def test_no_digest_without_all_files(root: Path, dataset: DataSet) -> None:
    (root / "two.bin").unlink()
    with pytest.raises(NoData, match=r"1 of 2 files missing, first two\.bin"):
        digest(dataset, root, None)


def test_sha256_of_a_file(root: Path) -> None:
    assert sha256_of(root / "a" / "one.bin") == sha(b"one")


def test_the_data_room_does_not_load_torch() -> None:
    code = "import sys, dlbench.data.verify, dlbench.data.fetch, dlbench.data.unpack; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# --- alternatives -----------------------------------------------------------------------------------------


@pytest.fixture
def three(dataset: DataSet) -> DataSet:
    """A set of which there are two more forms."""
    forms = (
        DataSet(name=name, files=(DataFile(path=f"{name}.bin", sha256=sha(name.encode())),)) for name in ("b", "c")
    )
    return DataSet(name="pair", files=dataset.files, alternatives=tuple(forms))


def test_an_alternative_stands_for_a_set_that_is_not_whole(root: Path, three: DataSet) -> None:
    own = digest(three, root, None)
    (root / "c.bin").write_bytes(b"c")
    assert state(three, root, None).dataset is three
    (root / "a" / "one.bin").unlink()
    found = state(three, root, None)
    assert (found.dataset.name, found.status, found.bytes) == ("c", "verified", 1)
    assert digest(three, root, None) == own  # what it holds is the same
    (root / "b.bin").write_bytes(b"b")
    assert state(three, root, None).dataset.name == "b"


def test_an_alternative_that_differs_is_told_apart(root: Path, three: DataSet) -> None:
    own = digest(three, root, None)
    (root / "a" / "one.bin").unlink()
    (root / "c.bin").write_bytes(b"d")
    found = state(three, root, None)
    assert (found.status, found.paths("differs")) == ("unverified", ["c.bin"])
    assert digest(three, root, None) != own


def test_without_any_form_the_set_itself_is_missing(root: Path, three: DataSet) -> None:
    (root / "a" / "one.bin").unlink()
    found = state(three, root, None)
    assert (found.dataset, found.status, found.paths("missing")) == (three, "missing", ["a/one.bin"])
    with pytest.raises(NoData, match=r"pair: 1 of 2 files missing, first a/one\.bin"):
        digest(three, root, None)
