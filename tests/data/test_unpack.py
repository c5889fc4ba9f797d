"""Archives, honest and malicious ones."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from dlbench.data.unpack import unpack
from dlbench.errors import NoData


def entry(name: str, **attributes: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info


def make_tar(path: Path, *entries: tuple[tarfile.TarInfo, bytes], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as archive:
        for info, content in entries:
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def make_zip(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return path


def everything(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tar.xz", "w:xz"), (".tar.bz2", "w:bz2")]
)
def test_a_tar_is_unpacked(tmp_path: Path, suffix: str, mode: str) -> None:
    archive = make_tar(tmp_path / f"x{suffix}", (entry("a/one.txt"), b"one"), (entry("./two.txt"), b"two"), mode=mode)
    assert unpack(archive, tmp_path / "deep" / "out") == tmp_path / "deep" / "out"
    assert everything(tmp_path / "deep") == {"out/a/one.txt": b"one", "out/two.txt": b"two"}


def test_a_zip_is_unpacked(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "x.zip", **{"a/one.txt": b"one", "two.txt": b"two"})
    unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == {"a/one.txt": b"one", "two.txt": b"two"}


def test_a_folder_that_is_there_counts_as_done(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    assert unpack(tmp_path / "no such archive", tmp_path / "out") == tmp_path / "out"


def test_links_inside_are_kept(tmp_path: Path) -> None:
    archive = make_tar(
        tmp_path / "x.tar",
        (entry("a/one.txt"), b"one"),
        (entry("a/soft", type=tarfile.SYMTYPE, linkname="one.txt"), b""),
        (entry("hard", type=tarfile.LNKTYPE, linkname="a/one.txt"), b""),
    )
    unpack(archive, tmp_path / "out")
    assert everything(tmp_path / "out") == {"a/one.txt": b"one", "a/soft": b"one", "hard": b"one"}


MALICIOUS = {
    "parent": [(entry("../evil"), b"x")],
    "hidden parent": [(entry("a/../../evil"), b"x")],
    "absolute": [(entry("/evil"), b"x")],
    "backslashes": [(entry("..\\evil"), b"x")],
    "drive": [(entry("C:evil"), b"x")],
    "absolute link": [(entry("a", type=tarfile.SYMTYPE, linkname="/"), b"")],
    "parent link": [(entry("a", type=tarfile.SYMTYPE, linkname=".."), b""), (entry("a/evil"), b"x")],
    # Each target looks as if it stayed inside; together they climb out.
    "chain of links": [
        (entry("d", type=tarfile.DIRTYPE), b""),
        (entry("d/up", type=tarfile.SYMTYPE, linkname=".."), b""),
        (entry("out", type=tarfile.SYMTYPE, linkname="d/up/.."), b""),
        (entry("out/evil"), b"x"),
    ],
    "hard link outside": [(entry("a", type=tarfile.LNKTYPE, linkname="../secret"), b"")],
    "absolute hard link": [(entry("a", type=tarfile.LNKTYPE, linkname="/secret"), b"")],
    "character device": [(entry("null", type=tarfile.CHRTYPE, devmajor=1, devminor=3), b"")],
    "block device": [(entry("disk", type=tarfile.BLKTYPE), b"")],
    "pipe": [(entry("pipe", type=tarfile.FIFOTYPE), b"")],
}


@pytest.mark.parametrize("entries", MALICIOUS.values(), ids=MALICIOUS)
def test_a_malicious_tar_is_refused_whole(tmp_path: Path, entries: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    (tmp_path / "secret").write_text("secret")
    archive = make_tar(tmp_path / "x.tar", (entry("good.txt"), b"good"), *entries)
    with pytest.raises(NoData, match=r"refused.*nothing was unpacked"):
        unpack(archive, tmp_path / "inner" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "secret", "x.tar"]


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/evil", "..\\evil", "C:\\evil"])
def test_a_malicious_zip_is_refused_whole(tmp_path: Path, name: str) -> None:
    archive = make_zip(tmp_path / "x.zip", **{"good.txt": b"good", name: b"x"})
    with pytest.raises(NoData, match=r"refused.*nothing was unpacked"):
        unpack(archive, tmp_path / "inner" / "out")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "x.zip"]


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("link")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc")
    with pytest.raises(NoData, match="refused because it holds the link 'link'"):
        unpack(tmp_path / "x.zip", tmp_path / "out")


def test_no_set_user_bits(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "x.tar", (entry("run", mode=0o6755), b"x"))
    unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out" / "run").stat().st_mode & (stat.S_ISUID | stat.S_ISGID)


def noise(count: int) -> bytes:
    return os.urandom(count)


def truncated_tar_gz(folder: Path) -> Path:
    path = make_tar(folder / "x.tar.gz", (entry("one"), noise(50_000)), (entry("two"), noise(50_000)), mode="w:gz")
    path.write_bytes(path.read_bytes()[:60_000])
    return path


def truncated_tar_xz(folder: Path) -> Path:
    path = make_tar(folder / "x.tar.xz", (entry("one"), noise(50_000)), (entry("two"), noise(50_000)), mode="w:xz")
    path.write_bytes(path.read_bytes()[:60_000])
    return path


def truncated_tar(folder: Path) -> Path:
    path = make_tar(folder / "x.tar", (entry("one"), noise(50_000)), (entry("two"), noise(50_000)))
    path.write_bytes(path.read_bytes()[:60_000])
    return path


def flipped_zip(folder: Path) -> Path:
    path = make_zip(folder / "x.zip", one=noise(50_000))
    content = bytearray(path.read_bytes())
    content[25_000] ^= 0xFF
    path.write_bytes(content)
    return path


def truncated_zip(folder: Path) -> Path:
    path = make_zip(folder / "x.zip", one=noise(50_000))
    path.write_bytes(path.read_bytes()[:30_000])
    return path


def no_archive(folder: Path) -> Path:
    (folder / "x.tar.gz").write_text("an error page")
    return folder / "x.tar.gz"


DAMAGED = [truncated_tar_gz, truncated_tar_xz, truncated_tar, flipped_zip, truncated_zip, no_archive]


@pytest.mark.parametrize("make", DAMAGED)
def test_a_damaged_archive_leaves_nothing(tmp_path: Path, make: Callable[[Path], Path]) -> None:
    archive = make(tmp_path)
    with pytest.raises(NoData, match=archive.name):
        unpack(archive, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == [archive.name]


def test_a_missing_archive(tmp_path: Path) -> None:
    with pytest.raises(NoData, match="is missing"):
        unpack(tmp_path / "x.tar", tmp_path / "out")
