"""Preloading leaves CUDA asleep, and a server in which it woke refuses to fork for it."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from dlbench.cli.doctor import fork_server
from dlbench.errors import DlbenchError
from dlbench.execute.local import LocalExecutor
from dlbench.execute.preload import cuda_asleep, preload


@pytest.fixture
def importable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`importable(name, source)` writes a module that `import name` finds."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name: str, source: str) -> str:
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return name

    return write


def test_what_libraries_warn_of_is_not_shown_and_their_filters_stay(
    importable: Any, recwarn: pytest.WarningsRecorder
) -> None:
    source = "import warnings; warnings.warn('old', FutureWarning); warnings.filterwarnings('ignore', 'of warner')"
    preload([importable("warner", source)])
    assert [str(seen.message) for seen in recwarn] == []
    warnings.warn("of warner", UserWarning, stacklevel=1)
    assert [str(seen.message) for seen in recwarn] == []
    warnings.warn("another", UserWarning, stacklevel=1)
    assert [str(seen.message) for seen in recwarn] == ["another"]


def test_what_a_preloaded_module_asks_cuda_is_answered_by_another_process(
    importable: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "pids"
    told.touch()

    def recorded(name: str, answer: Any) -> Any:
        def function() -> Any:
            with told.open("a") as file:
                file.write(f"{name} {os.getpid()}\n")
            return answer

        return function

    monkeypatch.setattr(torch._C, "_show_config", recorded("config", "USE_MKL=OFF"))
    monkeypatch.setattr(torch._C, "_cuda_getDeviceCount", recorded("count", 3), raising=False)
    monkeypatch.setattr(torch.cuda, "_device_count_nvml", recorded("nvml", -1))
    monkeypatch.setattr(torch.cuda, "_is_compiled", lambda: True)
    monkeypatch.setattr(torch.cuda, "_cached_device_count", None)
    source = "import torch\ntext = torch.__config__.show()\n"
    source += "many, any = torch.cuda.device_count(), torch.cuda.is_available()\n"
    assert preload([importable("asks_cuda", source)]) == {}
    module = sys.modules["asks_cuda"]
    assert (module.text, module.many, module.any) == ("USE_MKL=OFF", 3, True)
    asked = [line.split() for line in told.read_text().splitlines()]
    assert {name for name, _ in asked} == {"config", "count", "nvml"}
    assert str(os.getpid()) not in {pid for _, pid in asked}
    torch.__config__.show()  # afterwards a call is a call again
    assert told.read_text().splitlines()[-1] == f"config {os.getpid()}"


def test_a_preloaded_module_cannot_start_cuda(importable: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[int] = []
    monkeypatch.setattr(torch._C, "_cuda_init", lambda: started.append(1), raising=False)
    name = importable("starts_cuda", "import torch\ntorch._C._cuda_init()")
    assert preload([name]) == {}
    assert name not in sys.modules
    assert not started
    with cuda_asleep(), pytest.raises(RuntimeError, match="must not start CUDA"):
        torch._C._cuda_init()


def test_a_server_with_an_open_driver_file_forks_for_the_cpu_and_refuses_for_cuda(
    importable: Any, tmp_path: Path
) -> None:
    name = importable(
        "opens_driver",
        f"from dlbench.execute import preload\npreload.DRIVER_FILES = ({str(tmp_path)!r} + '/nvidia',)\n"
        f"held = open({str(tmp_path / 'nvidia0')!r}, 'w')\n",
    )
    job = {"type": "probe", "id": "probe", "timeout_s": 60, "memory_bytes": None, "log": str(tmp_path / "log")}
    with LocalExecutor() as executor:
        executor.preload = ["torch", name]
        (done,) = executor.run([{**job, "runtime": {"device": "cpu"}}], lambda point: None)
        assert done["result"]["body"] == {"sum": 8.0}
        with pytest.raises(DlbenchError, match=r"opens_driver opened the CUDA driver \(.*nvidia0\).*take it out"):
            list(executor.run([{**job, "runtime": {"device": "cuda:0"}}], lambda point: None))


def test_doctor_has_a_child_of_the_server_make_a_tensor_and_says_what_it_answers() -> None:
    fine, what, text = fork_server("cuda:99", [])
    assert (fine, what) == (False, "fork server")
    assert text.startswith("a child could make no tensor on cuda:99: ")
