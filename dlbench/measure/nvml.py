"""The NVIDIA driver's own figures, through NVML (`nvidia-ml-py`, imported late). None wherever there is no driver."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

_LIMITING = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
"""The bits of NVML's clock event reasons that make a GPU slower than it was asked to be (idle clocks and clocks set by
the user are no fault)."""


class Gpu:
    """One GPU, or an instance of one that is partitioned (MIG); every reading is None where the driver doesn't give
    it. An instance shares clocks, temperature and power with the whole GPU."""

    def __init__(self, nvml: Any, handle: Any) -> None:
        self._nvml, self._handle = nvml, handle
        self._is_instance = bool(self._read("nvmlDeviceIsMigDeviceHandle"))
        if self._is_instance:
            self._whole = self._read("nvmlDeviceGetDeviceHandleFromMigDeviceHandle")
        else:
            self._whole = handle
        self._is_partitioned = self._is_instance or (self._read("nvmlDeviceGetMigMode") or [0])[0] == 1

    def name(self) -> str | None:
        return _text(self._read("nvmlDeviceGetName"))

    def driver(self) -> str | None:
        return _text(_try(self._nvml.nvmlSystemGetDriverVersion))

    def temperature_c(self) -> int | None:
        return _integer(self._ask_whole("nvmlDeviceGetTemperature", self._nvml.NVML_TEMPERATURE_GPU))

    def power_limit_w(self) -> float | None:
        limit = self._ask_whole("nvmlDeviceGetEnforcedPowerLimit")
        return None if limit is None else float(limit) / 1000

    def clocks_mhz(self) -> dict[str, int | None]:
        """Of the multiprocessors and the memory: now, and the highest."""
        sm, memory = self._nvml.NVML_CLOCK_SM, self._nvml.NVML_CLOCK_MEM
        return {
            "sm": _integer(self._ask_whole("nvmlDeviceGetClockInfo", sm)),
            "sm_max": _integer(self._ask_whole("nvmlDeviceGetMaxClockInfo", sm)),
            "memory": _integer(self._ask_whole("nvmlDeviceGetClockInfo", memory)),
            "memory_max": _integer(self._ask_whole("nvmlDeviceGetMaxClockInfo", memory)),
        }

    def throttle_reasons(self) -> list[str] | None:
        """Why the clocks are held down right now; an empty list where they are not."""
        bits = self._ask_whole("nvmlDeviceGetCurrentClocksEventReasons")
        if bits is None:
            bits = self._ask_whole("nvmlDeviceGetCurrentClocksThrottleReasons")
        return None if bits is None else [text for bit, text in _LIMITING.items() if int(bits) & bit]

    def energy_j(self) -> float | None:
        """Energy used since the driver was loaded (Volta and newer). None where others use the same GPU's counter."""
        if self._is_partitioned:
            return None
        millijoules = self._read("nvmlDeviceGetTotalEnergyConsumption")
        return None if millijoules is None else float(millijoules) / 1000

    def num_processes(self) -> int | None:
        """How many processes compute on it, this one among them."""
        processes = self._read("nvmlDeviceGetComputeRunningProcesses")
        return None if processes is None else len(processes)

    def process_bytes(self) -> int | None:
        """What this process holds of its memory: context, libraries, and all that the allocator keeps. A container may
        number processes otherwise than the driver: then the only one there is this one."""
        processes = self._read("nvmlDeviceGetComputeRunningProcesses") or []
        mine = [p for p in processes if p.pid == os.getpid()] or (processes if len(processes) == 1 else [])
        return _integer(mine[0].usedGpuMemory) if mine else None

    def _read(self, function: str, *arguments: Any) -> Any:
        return _try(getattr(self._nvml, function, None), self._handle, *arguments)

    def _ask_whole(self, function: str, *arguments: Any) -> Any:
        return _try(getattr(self._nvml, function, None), self._whole, *arguments)


def find_gpu(device: str = "cuda:0", uuid: str | None = None) -> Gpu | None:
    """The GPU that torch calls `device`; None without a driver. Starts no CUDA context. `uuid`: of the device, where
    torch was asked for it; by itself this looks for it only where torch runs CUDA in this process."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no package, no library, no driver, no permission: all the same here
        return None
    index = int(device.partition(":")[2] or 0)
    handle = _handle(pynvml, index, uuid or _torch_uuid(index))
    return None if handle is None else Gpu(pynvml, handle)


def _handle(nvml: Any, index: int, uuid: str | None) -> Any:
    """By UUID, which torch gives without the prefix that says whether it is a GPU's or an instance's; else by what the
    user lets CUDA see, in the driver's order."""
    if uuid is None:
        visible = [entry.strip() for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()]
        name = visible[index] if index < len(visible) else str(index)
        if name.isdigit():
            return _try(nvml.nvmlDeviceGetHandleByIndex, int(name))
        names = [name]
    else:
        names = [f"MIG-{uuid}", f"GPU-{uuid}"]
    found = (_try(nvml.nvmlDeviceGetHandleByUUID, name) for name in names)
    return next((handle for handle in found if handle is not None), None)


def _torch_uuid(index: int) -> str | None:
    """Asked of torch where it runs CUDA already: its order of devices need not be the driver's."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    uuid = getattr(torch.cuda.get_device_properties(index), "uuid", None)
    return None if uuid is None else str(uuid)


def _try(function: Callable[..., Any] | None, *arguments: Any) -> Any:
    if function is None:
        return None
    try:
        return function(*arguments)
    except Exception:  # NVML says "not supported" by raising
        return None


def _text(value: Any) -> str | None:
    if value is None:
        return None
    return value.decode() if isinstance(value, bytes) else str(value)


def _integer(value: Any) -> int | None:
    return None if value is None else int(value)
