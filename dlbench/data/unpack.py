"""Unpack an archive without trusting it. No torch."""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import tarfile
import zipfile
import zlib
from pathlib import Path, PureWindowsPath

from ..errors import NoData

BROKEN = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, RuntimeError, NotImplementedError)


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack a tar (plain, .gz, .bz2, .xz) or zip archive as `folder`, and return it.

    A `folder` that is there counts as done: it gets its name only after everything was unpacked. Nothing is written
    outside of it: a member with an absolute path or `..`, a link whose target has either, a link in a zip archive,
    or a device file refuses the whole archive. Raises NoData for such an archive, and for one that is damaged, of
    another format or missing.
    """
    if folder.is_dir():
        return folder
    if not archive.is_file():
        raise NoData(f"the archive {archive} is missing")
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        _extract(archive, temporary)
        _rename(temporary, folder)
    except BROKEN as error:
        raise NoData(f"the archive {archive} is damaged: {error or type(error).__name__}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def _rename(temporary: Path, folder: Path) -> None:
    try:
        temporary.rename(folder)
    except OSError:
        if not folder.is_dir():  # else another process was faster, and its folder is as good
            raise


def _extract(archive: Path, folder: Path) -> None:
    # A zip file is known by its end, so a tar that holds one could pass for it: tar goes first.
    if tarfile.is_tarfile(archive):
        _extract_tar(archive, folder)
    elif zipfile.is_zipfile(archive):
        _extract_zip(archive, folder)
    else:
        raise NoData(f"{archive} is neither a tar nor a zip archive, or its start is damaged")


def _extract_tar(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as tar:
        members = tar.getmembers()
        for member in members:
            _check_member(archive, member)
        if hasattr(tarfile, "data_filter"):
            tar.extractall(folder, members, filter="data")
        else:  # Python before 3.11.4
            tar.extractall(folder, members)


def _check_member(archive: Path, member: tarfile.TarInfo) -> None:
    _check_path(archive, member.name, "a member")
    if member.issym() or member.islnk():
        # Without `..` a chain of links can only lead further down, never out.
        _check_path(archive, member.linkname, "a link to")
    elif not (member.isfile() or member.isdir()):
        raise _refusal(archive, f"the special file {member.name!r}")


def _extract_zip(archive: Path, folder: Path) -> None:
    with zipfile.ZipFile(archive) as package:
        for info in package.infolist():
            _check_path(archive, info.filename, "a member")
            if stat.S_ISLNK(info.external_attr >> 16):
                raise _refusal(archive, f"the link {info.filename!r}")
        package.extractall(folder)


def _check_path(archive: Path, name: str, what: str) -> None:
    path = PureWindowsPath(name)  # reads both kinds of slash, and drive letters
    if path.anchor or path.drive or ".." in path.parts:
        raise _refusal(archive, f"{what} {name!r}, which may lead outside")


def _refusal(archive: Path, what: str) -> NoData:
    return NoData(f"the archive {archive} was refused because it holds {what}; nothing was unpacked")
