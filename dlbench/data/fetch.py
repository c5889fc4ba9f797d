"""Fetch the files of a data set from their published addresses. No torch."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

from ..contract.sets import DataFile, DataSet, home_of
from ..errors import NoData
from .verify import sha256_of

CHUNK = 1 << 16
TIMEOUT_S = 30.0  # to connect, and between two pieces of an answer


def fetch(dataset: DataSet, root: Path, progress: bool | None = None) -> list[Path]:
    """Fetch the missing files, trying each file's addresses in turn; returns the paths that were written.

    A file that is there is left alone, whatever it holds: `verify.state` judges it. A file gets its name only after
    its checksum was found right. `progress`: show a bar; None: where stderr is a terminal. Raises NoData, in one
    sentence, with what failed and what to do.
    """
    root = home_of(dataset, root)
    missing = [file for file in dataset.files if not target(file, root).is_file()]
    _refuse_closed(dataset, missing, root)
    if progress is None:
        progress = sys.stderr.isatty()
    return [_fetch_file(dataset, file, target(file, root), progress) for file in missing]


def target(file: DataFile, root: Path) -> Path:
    """Where the file belongs; raises ValueError for a path that leaves the data root."""
    parts = PurePosixPath(file.path).parts
    if not parts or ".." in parts or PurePosixPath(file.path).is_absolute() or PureWindowsPath(file.path).anchor:
        raise ValueError(f"the data file path {file.path!r} must be relative and stay inside the data root")
    return root.joinpath(*parts)


def _refuse_closed(dataset: DataSet, missing: list[DataFile], root: Path) -> None:
    closed = [file.path for file in missing if not file.urls]
    if not closed:
        return
    others = f" and {len(closed) - 1} more" if len(closed) > 1 else ""
    origin = f" (source: {dataset.source})" if dataset.source else ""
    raise NoData(f"{dataset.name} can't be fetched openly: put {closed[0]}{others} into {root} yourself{origin}")


def _fetch_file(dataset: DataSet, file: DataFile, path: Path, progress: bool) -> Path:
    again = f"try `dlbench data fetch {dataset.name}`"
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    failures = []
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for url in file.urls:
            failure = _download(url, temporary, file.sha256, progress)
            if failure is None:
                os.replace(temporary, path)
                return path
            failures.append(f"{url} {failure}")
    except OSError as error:
        raise NoData(f"can't write {path}: {error.strerror or error}; make room or rights, then {again}") from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    raise NoData(f"{file.path} of {dataset.name} could not be fetched: {', '.join(failures)}; {again}")


def _download(url: str, temporary: Path, sha256: str, progress: bool) -> str | None:
    """Write the content of `url` to `temporary`; returns why that failed, or None."""
    import pooch
    import requests

    # The published checksum is of the stored bytes, so the server must not compress them for the transfer.
    headers = {"Accept-Encoding": "identity"}
    download = pooch.HTTPDownloader(progressbar=progress, chunk_size=CHUNK, timeout=TIMEOUT_S, headers=headers)
    try:
        download(url, str(temporary), None)
    except requests.HTTPError as error:
        return f"answered with status {getattr(error.response, 'status_code', 'unknown')}"
    except requests.Timeout:
        return "did not answer in time"
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError):
        return "broke off or could not be reached"
    except requests.RequestException as error:
        return f"failed ({type(error).__name__})"
    actual = sha256_of(temporary)
    if actual != sha256:
        return f"sent a wrong checksum (sha256 {actual[:12]}..., published {sha256[:12]}...)"
    return None
