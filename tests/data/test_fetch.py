"""Downloads, from a real server on this machine."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dlbench.data import DataFile, DataSet
from dlbench.data.fetch import fetch, target
from dlbench.errors import NoData

CONTENT = b"some bytes " * 50_000


@dataclass
class Site:
    """A server's answers: path -> content; a path under /broken/ breaks off half way."""

    address: str = ""
    asked: list[str] = field(default_factory=list)
    pages: dict[str, bytes] = field(default_factory=dict)


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            content = site.pages.get(self.path.removeprefix("/broken"))
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if self.path.startswith("/broken") else content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


def one_file(*urls: str, path: str = "vision/set/data.bin") -> DataSet:
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    return DataSet(name="set", files=(DataFile(path=path, sha256=sha256, urls=urls),))


def everything(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_a_missing_file_is_fetched(site: Site, tmp_path: Path) -> None:
    site.pages["/data.bin"] = CONTENT
    root = tmp_path / "root"
    assert fetch(one_file(f"{site.address}/data.bin"), root) == [root / "vision/set/data.bin"]
    assert (root / "vision/set/data.bin").read_bytes() == CONTENT
    assert everything(tmp_path) == ["root/vision/set/data.bin"]


def test_a_file_that_is_there_is_left_alone(site: Site, tmp_path: Path) -> None:
    (tmp_path / "vision/set").mkdir(parents=True)
    (tmp_path / "vision/set/data.bin").write_bytes(b"mine")
    assert fetch(one_file(f"{site.address}/data.bin"), tmp_path) == []
    assert (tmp_path / "vision/set/data.bin").read_bytes() == b"mine"
    assert site.asked == []


def test_the_second_address_is_tried_after_a_404(site: Site, tmp_path: Path) -> None:
    site.pages["/second"] = CONTENT
    fetch(one_file(f"{site.address}/first", f"{site.address}/second"), tmp_path)
    assert site.asked == ["/first", "/second"]
    assert everything(tmp_path) == ["vision/set/data.bin"]


def test_the_second_address_is_tried_after_a_wrong_checksum(site: Site, tmp_path: Path) -> None:
    site.pages |= {"/first": b"an error page", "/second": CONTENT}
    fetch(one_file(f"{site.address}/first", f"{site.address}/second"), tmp_path)
    assert (tmp_path / "vision/set/data.bin").read_bytes() == CONTENT


def test_the_second_address_is_tried_after_a_break(site: Site, tmp_path: Path) -> None:
    site.pages["/data.bin"] = CONTENT
    fetch(one_file(f"{site.address}/broken/data.bin", f"{site.address}/data.bin"), tmp_path)
    assert (tmp_path / "vision/set/data.bin").read_bytes() == CONTENT


def test_a_wrong_checksum_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.pages["/data.bin"] = b"something else"
    with pytest.raises(NoData, match=r"wrong checksum.*try `dlbench data fetch set`$"):
        fetch(one_file(f"{site.address}/data.bin"), tmp_path)
    assert everything(tmp_path) == []


def test_an_interrupted_download_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.pages["/data.bin"] = CONTENT
    with pytest.raises(NoData, match=r"broke off.*try `dlbench data fetch set`$"):
        fetch(one_file(f"{site.address}/broken/data.bin"), tmp_path)
    assert everything(tmp_path) == []


def test_a_stop_by_the_user_leaves_nothing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pooch

    class Stopped(pooch.HTTPDownloader):
        def __call__(self, url: str, output_file: str, *rest: object) -> None:
            Path(output_file).write_bytes(b"half")
            raise KeyboardInterrupt

    monkeypatch.setattr(pooch, "HTTPDownloader", Stopped)
    with pytest.raises(KeyboardInterrupt):
        fetch(one_file(f"{site.address}/data.bin"), tmp_path)
    assert everything(tmp_path) == []


def test_every_failure_is_named(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NoData) as caught:
        fetch(one_file(f"{site.address}/one", f"{site.address}/two"), tmp_path)
    assert str(caught.value) == (
        f"vision/set/data.bin of set could not be fetched: {site.address}/one answered with status 404, "
        f"{site.address}/two answered with status 404; try `dlbench data fetch set`"
    )


def test_a_server_that_is_not_there(site: Site, tmp_path: Path) -> None:
    with pytest.raises(NoData, match="could not be reached"):
        fetch(one_file("http://127.0.0.1:9/data.bin"), tmp_path)


@pytest.mark.parametrize("url", ["not an address", "ftp://127.0.0.1/data.bin"])
def test_an_address_of_another_kind_is_a_failure_like_others(tmp_path: Path, url: str) -> None:
    with pytest.raises(NoData, match="could not be fetched"):
        fetch(one_file(url), tmp_path)


def test_a_set_without_addresses_says_where_files_belong(tmp_path: Path) -> None:
    files = tuple(DataFile(path=f"here/{name}", sha256="0" * 64) for name in "ab")
    with pytest.raises(NoData) as caught:
        fetch(DataSet(name="closed", files=files, source="ask the authors"), tmp_path)
    expected = f"closed can't be fetched openly: put here/a and 1 more into {tmp_path} yourself"
    assert str(caught.value) == f"{expected} (source: ask the authors)"


def test_nothing_is_fetched_where_another_file_is_closed(site: Site, tmp_path: Path) -> None:
    closed = DataFile(path="closed.bin", sha256="0" * 64)
    with pytest.raises(NoData, match=r"put closed\.bin into"):
        fetch(DataSet(name="set", files=(*one_file(f"{site.address}/x").files, closed)), tmp_path)
    assert site.asked == []


def test_a_root_that_can_not_be_written(site: Site, tmp_path: Path) -> None:
    site.pages["/data.bin"] = CONTENT
    (tmp_path / "vision").write_text("a file where a folder should be")
    with pytest.raises(NoData, match="can't write"):
        fetch(one_file(f"{site.address}/data.bin"), tmp_path)


@pytest.mark.parametrize("path", ["../out.bin", "/out.bin", "a/../../out.bin", "C:/out.bin", ""])
def test_a_path_outside_the_root_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="inside the data root"):
        target(DataFile(path=path, sha256="0" * 64), tmp_path)


def test_a_progress_bar_only_where_asked_for(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site.pages["/data.bin"] = CONTENT
    fetch(one_file(f"{site.address}/data.bin"), tmp_path / "quiet")
    assert capsys.readouterr().err == ""
    fetch(one_file(f"{site.address}/data.bin"), tmp_path / "shown", progress=True)
    assert "100%" in capsys.readouterr().err
