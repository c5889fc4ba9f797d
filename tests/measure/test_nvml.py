"""The card that is named is the card that is used: by torch's UUID, whole or partitioned, with and without NVML."""

from __future__ import annotations

import os
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from dlbench.measure import environment
from dlbench.measure.devices import Answer
from dlbench.measure.environment import fingerprint
from dlbench.measure.nvml import Gpu, find_gpu


class Driver:
    """NVML on a machine with two cards, the second partitioned; what it doesn't know, it raises as NVML does."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2
    UUIDS = {"GPU-aa": "old card", "GPU-bb": "new card", "MIG-cc": "instance"}  # noqa: RUF012

    def __init__(self) -> None:
        self.processes: list[Any] = []

    def nvmlInit(self) -> None:
        pass

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.1"

    def nvmlDeviceGetHandleByIndex(self, index: int) -> str:
        return list(self.UUIDS.values())[index]

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> str:
        return self.UUIDS[uuid]

    def nvmlDeviceIsMigDeviceHandle(self, handle: str) -> int:
        return int(handle == "instance")

    def nvmlDeviceGetDeviceHandleFromMigDeviceHandle(self, handle: str) -> str:
        return "new card"

    def nvmlDeviceGetMigMode(self, handle: str) -> list[int]:
        return [int(handle == "new card"), 0]

    def nvmlDeviceGetName(self, handle: str) -> str:
        return {"old card": "NVIDIA T4", "new card": "NVIDIA A100", "instance": "NVIDIA A100 MIG 1g.5gb"}[handle]

    def nvmlDeviceGetTemperature(self, handle: str, which: int) -> int:
        return {"old card": 40, "new card": 60}[handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return {"old card": 2500, "new card": 9000}[handle]

    def nvmlDeviceGetComputeRunningProcesses(self, handle: str) -> list[Any]:
        return self.processes


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    fake = Driver()
    monkeypatch.setitem(sys.modules, "pynvml", fake)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return fake


def found(device: str, uuid: str | None = None) -> Gpu:
    gpu = find_gpu(device, uuid)
    assert gpu is not None
    return gpu


@pytest.mark.parametrize(
    ("visible", "device", "uuid", "name"),
    [
        (None, "cuda:0", "bb", "NVIDIA A100"),  # torch's word, whatever the driver's order
        (None, "cuda:0", None, "NVIDIA T4"),
        ("1", "cuda:0", None, "NVIDIA A100"),
        ("1,0", "cuda:1", None, "NVIDIA T4"),
        ("GPU-bb", "cuda:0", None, "NVIDIA A100"),
        ("MIG-cc", "cuda:0", None, "NVIDIA A100 MIG 1g.5gb"),
        (None, "cuda:0", "cc", "NVIDIA A100 MIG 1g.5gb"),
    ],
)
def test_the_card_of_a_device(
    driver: Driver, monkeypatch: pytest.MonkeyPatch, visible: str | None, device: str, uuid: str | None, name: str
) -> None:
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert found(device, uuid).name() == name


def test_an_instance_has_the_whole_cards_temperature_and_no_energy_of_its_own(driver: Driver) -> None:
    assert found("cuda:0", "cc").temperature_c() == found("cuda:0", "bb").temperature_c() == 60
    assert found("cuda:0", "cc").energy_j() is None
    assert found("cuda:0", "bb").energy_j() is None  # partitioned: the counter is everybody's
    assert found("cuda:0", "aa").energy_j() == 2.5


def test_the_memory_of_this_process(driver: Driver) -> None:
    other, mine = SimpleNamespace(pid=1, usedGpuMemory=7), SimpleNamespace(pid=os.getpid(), usedGpuMemory=5)
    driver.processes = [other, mine]
    assert found("cuda:0").process_bytes() == 5
    driver.processes = [other]  # a container with numbers of its own
    assert found("cuda:0").process_bytes() == 7
    driver.processes = [other, other]
    assert found("cuda:0").process_bytes() is None
    driver.processes = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=None)]  # not told to guests
    assert found("cuda:0").process_bytes() is None


def test_the_machine_has_the_card_that_torch_names_with_and_without_nvml(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(device: str) -> Answer:
        asked.append(device)
        return Answer(name="NVIDIA A100 MIG 1g.5gb", uuid="cc")

    monkeypatch.setattr(environment, "ask", ask)
    seen = fingerprint("cuda:1")
    assert asked == ["cuda:1"]
    assert seen["gpu"] == "NVIDIA A100 MIG 1g.5gb"
    assert seen["gpu_state"]["temperature_c"] == 60
    monkeypatch.setattr(environment, "find_gpu", lambda *_: None)
    without = fingerprint("cuda:1")
    assert without["gpu"] == seen["gpu"]
    assert without["gpu_state"] is None
    assert without["machine"] == seen["machine"]
    assert without["machine"].endswith("nvidia-a100-mig-1g-5gb")
    asked.clear()
    assert fingerprint("cpu")["gpu"] is None
    assert asked == []
