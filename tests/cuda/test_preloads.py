"""The fork server asks the CUDA runtime nothing: a child forked after that could never use a device."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import driver
import pytest

from dlbench.execute.local import PRELOAD
from dlbench.execute.wire import pack
from workshop import catalog

pytestmark = pytest.mark.skipif(bool(driver.WHY_NOT), reason=driver.WHY_NOT)

ASKED = "import ctypes; asked = ctypes.CDLL(None).spy_questions"
# a server that, when its parent goes, says how often the driver was asked
SERVER = f"""
import os, sys
{ASKED}
leave = os._exit
os._exit = lambda code: (print(asked(), flush=True), leave(code))
from dlbench.execute.server import main
main()
"""


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return driver.compiled(tmp_path_factory.mktemp("spy"), "spy", driver.SPY)


def preloads() -> list[str]:
    """All that any plan could ask the server to import."""
    found = catalog()
    specs = [spec for kind in ("models", "tasks") for spec in found.specs[kind].values()]
    return list(dict.fromkeys([*PRELOAD, *(module for spec in specs for module in spec.preload)]))


def questions_of_server(spy: Path, preload: list[str]) -> int:
    """How often a server with these preloads has asked the driver by the time that it ends."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(pack({"type": "start", "path": sys.path, "preload": preload}))
        ours.shutdown(socket.SHUT_WR)  # the parent has gone: the server preloads, and ends
        number = theirs.fileno()
        done = driver.python(["-c", SERVER, str(number)], spy, pass_fds=[number], timeout=120)
    assert done.returncode == 0, done.stderr
    return int(done.stdout.split()[-1])


def test_the_spy_sees_who_asks_and_nobody_else(spy: Path) -> None:
    script = f"""
import contextlib, torch
{ASKED}
torch.ones(2).sum()
print(asked())
for ask in (torch.cuda.is_available, torch.cuda.init, lambda: torch.zeros(1, device="cuda"), torch.__config__.show):
    before = asked()
    with contextlib.suppress(Exception):
        ask()
    print(asked() - before)
"""
    nobody, *somebody = map(int, driver.python(["-c", script], spy, timeout=120).stdout.split())
    assert nobody == 0
    assert somebody[0] > 0  # torch keeps the first answer, so that later ones needn't ask again
    assert len(somebody) == 4


def test_no_preload_of_a_built_in_plugin_asks(spy: Path) -> None:
    found = preloads()
    assert "torch_geometric" in found
    assert len(found) > len(PRELOAD) + 10
    assert questions_of_server(spy, found) == 0


def test_a_preload_that_asks_is_seen(spy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "asks.py").write_text("import ctypes\nctypes.CDLL('libcuda.so.1').cuInit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert questions_of_server(spy, ["asks"]) > 0
