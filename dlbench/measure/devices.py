"""Which CUDA devices torch can really use. Asked of torch in a process of its own, so that this one stays without
torch and without the CUDA runtime; files of a driver alone don't say it (containers without devices, batch systems that
hide them, subsystems that show other files)."""

from __future__ import annotations

import ctypes
import functools
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from glob import glob
from typing import Any

DRIVER_FILES = ("/dev/nvidia", "/dev/dxg", "/dev/nvhost", "/dev/nvmap")
"""How the names of the CUDA driver's files begin: on Linux, on Windows' subsystem for it, and on Jetson."""
DRIVER_VERSION, DRIVER_LIBRARY = "/proc/driver/nvidia/version", "libcuda.so.1"
_PATIENCE_S = 120


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What torch said of one device: its name and UUID, or in `why_not` why it can't be used, as a sentence's end; and
    how many devices it sees."""

    name: str | None = None
    uuid: str | None = None
    why_not: str | None = None
    count: int = 1


def hinted() -> bool:
    """Whether anything speaks for a CUDA device, so that asking is worth the seconds that it takes."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "all").strip() in ("", "-1"):
        return False
    files = any(glob(f"{beginning}*") for beginning in (*DRIVER_FILES, DRIVER_VERSION))
    return files or shutil.which("nvidia-smi") is not None or _has_driver_library()


@functools.cache
def ask(device: str) -> Answer:
    """What torch says of `cuda:N`, after making a tensor there; asked once per process."""
    command = [sys.executable, "-P", __file__, device.partition(":")[2]]
    try:
        done = subprocess.run(
            command, env=environment(), capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(why_not=f"torch was asked for it and didn't answer in {_PATIENCE_S} s")
    try:
        return Answer(**json.loads(done.stdout.splitlines()[-1]))
    except (IndexError, ValueError, TypeError):
        return Answer(why_not=f"the process that asked torch for it left with exit status {done.returncode}")


def cards() -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES calls each device that torch sees, in the order of `cuda:N`."""
    count = ask("cuda:0").count
    named = [entry.strip() for entry in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if entry.strip()]
    return tuple(named[:count] or map(str, range(count)))


def environment() -> dict[str, str]:
    """This process's environment for those that use CUDA: devices in the driver's own order, unless the user chose
    another, so that `cuda:N` is the card that nvidia-smi calls N."""
    return {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", **os.environ}


def look(index: int) -> dict[str, Any]:
    """The fields of an `Answer`. Loads torch and starts CUDA: for a process that asks."""
    import torch

    if not torch.cuda._is_compiled():
        return {"why_not": "this torch is built without CUDA"}
    try:
        # says why there are none, where `device_count` is silently 0
        torch.cuda.init()  # type: ignore[no-untyped-call]
        count = torch.cuda.device_count()
        if index >= count:
            there = f"{count} devices, cuda:0 to cuda:{count - 1}" if count > 1 else "one device, cuda:0"
            return {"why_not": f"torch sees {there}"}
        torch.ones(8, device=f"cuda:{index}").sum().item()
    except (RuntimeError, AssertionError) as error:
        first = re.split(r"\.\s|\.?$", str(error).strip(), maxsplit=1, flags=re.MULTILINE)[0]
        return {"why_not": f"torch can't use it ({first})"}
    found = torch.cuda.get_device_properties(index)
    uuid = getattr(found, "uuid", None)
    return {"name": found.name, "uuid": None if uuid is None else str(uuid), "count": count}


def _has_driver_library() -> bool:
    try:
        ctypes.CDLL(DRIVER_LIBRARY)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    print(json.dumps(look(int(sys.argv[1]))))
