"""Which device a run gets: torch is asked in a process of its own, once, and only where something speaks for CUDA."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dlbench.cli import run
from dlbench.contract import runtime
from dlbench.contract.runtime import Runtime, resolve_runtime
from dlbench.errors import UsageError
from dlbench.measure import devices
from dlbench.measure.devices import Answer, ask, environment, hinted

TORCH = """
import os
from types import SimpleNamespace as cards
COUNT, BROKEN = {count}, {broken!r}
with open({log!r}, "a") as file:
    print(os.environ["CUDA_DEVICE_ORDER"], file=file)

class cuda:
    _is_compiled = staticmethod(lambda: {compiled})
    device_count = staticmethod(lambda: COUNT)
    get_device_properties = staticmethod(lambda index: cards(name=f"Card {{index}}", uuid=f"aa-{{index}}"))

    @staticmethod
    def init():
        if not COUNT:
            raise RuntimeError("No CUDA GPUs are available. Ask somebody.\\nMore")

def ones(size, device):
    if BROKEN:
        raise RuntimeError(BROKEN)
    return cards(sum=lambda: cards(item=lambda: size))
"""


@pytest.fixture
def fake_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`fake_torch(count=2)`: the torch that a process which is asked will import; returns a file with a line for each
    such process."""

    def make(count: int = 0, broken: str = "", compiled: bool = True) -> Path:
        log = tmp_path / "asked"
        log.touch()
        source = TORCH.format(count=count, broken=broken, compiled=compiled, log=str(log))
        (tmp_path / "torch.py").write_text(source)
        ask.cache_clear()
        return log

    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)
    yield make
    ask.cache_clear()


def test_torch_is_asked_once_in_another_process_in_the_drivers_order(fake_torch: Callable[..., Path]) -> None:
    log = fake_torch(count=2)
    assert ask("cuda:1") == ask("cuda:1") == Answer(name="Card 1", uuid="aa-1", count=2)
    assert log.read_text() == "PCI_BUS_ID\n"


@pytest.mark.parametrize(
    ("torch", "device", "why"),
    [
        ({"count": 1}, "cuda:7", "torch sees one device, cuda:0"),
        ({"count": 4}, "cuda:7", "torch sees 4 devices, cuda:0 to cuda:3"),
        ({"count": 0}, "cuda:0", "torch can't use it (No CUDA GPUs are available)"),
        ({"count": 1, "broken": "no kernel image for the device"}, "cuda:0", "torch can't use it (no kernel image for"),
        ({"compiled": False}, "cuda:0", "this torch is built without CUDA"),
    ],
    ids=str,
)
def test_a_device_that_cannot_be_used_is_one_sentence(
    fake_torch: Callable[..., Path], torch: dict[str, object], device: str, why: str
) -> None:
    fake_torch(**torch)
    with pytest.raises(UsageError) as error:
        resolve_runtime(device)
    assert str(error.value).startswith(f"--device {device}: {why}")
    assert str(error.value).endswith("; use --device auto")
    assert "\n" not in str(error.value)


def test_a_process_that_dies_while_it_asks_is_a_no(tmp_path: Path, fake_torch: Callable[..., Path]) -> None:
    fake_torch()
    (tmp_path / "torch.py").write_text("import os\nos.abort()")
    assert ask("cuda:0").why_not == "the process that asked torch for it left with exit status -6"


@pytest.mark.parametrize(("count", "device"), [(0, "cpu"), (1, "cuda:0")])
def test_auto_is_what_torch_can_use(
    fake_torch: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, count: int, device: str
) -> None:
    fake_torch(count=count)
    monkeypatch.setattr(runtime, "hinted", lambda: True)
    assert resolve_runtime("auto").device == device


def test_a_run_says_why_auto_is_the_cpu_where_something_speaks_for_cuda(
    fake_torch: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake_torch(count=0)
    monkeypatch.setattr(run, "hinted", lambda: True)
    run.warn_of_unused_device("cpu", Runtime())
    assert capsys.readouterr().err == ""
    run.warn_of_unused_device("auto", Runtime())
    said = "dlbench: running on the CPU: cuda:0: torch can't use it (No CUDA GPUs are available)\n"
    assert capsys.readouterr().err == said


def test_nothing_is_asked_for_the_cpu_nor_where_nothing_speaks_for_cuda(
    fake_torch: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = fake_torch(count=1)
    monkeypatch.setattr(runtime, "hinted", lambda: True)
    assert resolve_runtime("cpu") == Runtime()
    monkeypatch.setattr(runtime, "hinted", lambda: False)
    assert resolve_runtime("auto") == Runtime()
    assert log.read_text() == ""


def test_each_trace_of_a_driver_is_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "DRIVER_FILES", (str(tmp_path / "dxg"),))
    monkeypatch.setattr(devices, "DRIVER_VERSION", str(tmp_path / "version"))
    monkeypatch.setattr(devices, "DRIVER_LIBRARY", str(tmp_path / "no-library"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not hinted()
    for name in ("dxg", "version", "nvidia-smi"):
        trace = tmp_path / name
        trace.touch(0o755)
        assert hinted(), name
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
        assert not hinted(), name
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "NoDevFiles")  # SLURM's: only torch knows what it means
        assert hinted(), name
        trace.unlink()
    assert not hinted()
    monkeypatch.setattr(devices, "DRIVER_LIBRARY", "libc.so.6")  # any library that can be loaded
    assert hinted()


def test_an_order_that_the_user_chose_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")
    assert environment()["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"
    monkeypatch.delenv("CUDA_DEVICE_ORDER")
    assert environment()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_real_torch_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-P", devices.__file__, "99"], env=environment(), capture_output=True, text=True, check=True
    )
    why_not = json.loads(done.stdout)["why_not"]
    assert why_not.startswith(("torch sees ", "torch can't use it (", "this torch is built without"))
