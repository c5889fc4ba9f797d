"""Where a result was measured: processor, memory, GPU, versions, load. Never imports torch, names no host or path."""

from __future__ import annotations

import functools
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

from .devices import Answer, ask
from .nvml import Gpu, find_gpu

THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "KMP_AFFINITY", "GOMP_CPU_AFFINITY")


def fingerprint(device: str = "cpu") -> dict[str, Any]:
    """What a record's `environment` holds. What can't be read is None."""
    used = ask(device) if device.startswith("cuda") else Answer()
    gpu = find_gpu(device, used.uuid) if device.startswith("cuda") else find_gpu()
    gpu_name = used.name or (gpu.name() if gpu is not None else None)  # torch's has the instance of a partitioned GPU
    cpu = cpu_model()
    return {
        "machine": machine_slug(cpu=cpu, cores=usable_cores(), gpu=gpu_name),
        "cpu": cpu,
        "cores": {
            "physical": psutil.cpu_count(logical=False),
            "logical": os.cpu_count(),
            "affinity": affinity(),
            "cgroup_quota": cgroup_quota(),
        },
        "ram_bytes": int(psutil.virtual_memory().total),
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "gpu": gpu_name,
        "gpu_state": gpu_state(gpu) if gpu is not None and device.startswith("cuda") else None,
        **versions(device),
        "os": f"{platform.system()} {platform.release()}",
        "threads_env": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "load_average": load_average(),
        "git_commit": git_commit(),
    }


def versions(device: str = "cpu") -> dict[str, str | None]:
    """Of python, numpy, torch, and of CUDA and cuDNN where torch is loaded and runs on them."""
    torch: Any = sys.modules.get("torch")
    cuda = cudnn = None
    if torch is not None and device.startswith("cuda"):
        cuda = torch.version.cuda
        cudnn = str(torch.backends.cudnn.version() or "") or None
    return {
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "torch": _version("torch"),  # never torch's own word, which has the build in it where torch is loaded
        "cuda": cuda,
        "cudnn": cudnn,
    }


def gpu_state(gpu: Gpu) -> dict[str, Any]:
    """What a GPU's speed hangs on at this moment."""
    return {
        "driver": gpu.driver(),
        "clocks_mhz": gpu.clocks_mhz(),
        "temperature_c": gpu.temperature_c(),
        "power_limit_w": gpu.power_limit_w(),
        "throttle_reasons": gpu.throttle_reasons(),
    }


def machine_slug(cpu: str | None = None, cores: int | None = None, gpu: str | None = None) -> str:
    """Processor, cores and GPU in one word, as `amd-epyc-16c-nvidia-h100`. Called with nothing it describes this
    machine; no host name is in it."""
    if cpu is None:
        found = find_gpu()
        cpu, cores, gpu = cpu_model(), usable_cores(), found.name() if found is not None else None
    cpu = re.sub(r"\((r|tm|c)\)|@.*|\b\d+-core\b|\b(cpu|processor)\b|\bwith .*", " ", cpu, flags=re.IGNORECASE)
    parts = [cpu, f"{cores}c" if cores else ""]
    if gpu:
        parts.append(re.sub(r"\b\d+ ?GB\b|\bHBM\w*", " ", gpu))
    words = "-".join(parts).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-")


def cpu_model() -> str:
    """The processor's name, as the system gives it."""
    info = _read("/proc/cpuinfo") or ""
    if found := re.search(r"^model name\s*:\s*(.+)$", info, flags=re.MULTILINE):
        return found[1].strip()
    return platform.processor() or platform.machine() or "unknown"


def usable_cores() -> int:
    """The logical processors that this process may run on, or the control groups' quota where that is less."""
    quota = cgroup_quota()
    return affinity() if quota is None else max(1, min(affinity(), math.ceil(quota)))


def separate_cores() -> int:
    """How many of the processors that this process may run on are cores of their own (two threads of a core share its
    units), or the control groups' quota where that is less."""
    try:
        mine: set[int] = os.sched_getaffinity(0)
    except (AttributeError, OSError):  # not on this system
        return min(psutil.cpu_count(logical=False) or 1, usable_cores())
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    return min(len({_read(topology.format(number)) or number for number in mine}), usable_cores())


def affinity() -> int:
    """How many logical processors this process may run on, as `taskset`, batch systems and containers set them."""
    try:
        return len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on this system
        return os.cpu_count() or 1


def cgroup_quota() -> float | None:
    """How many processors' time the control groups allow: the least of this process's group and all around it; None
    without a limit."""
    quotas = (_quota(folder) for folder in _cpu_groups())
    return min((quota for quota in quotas if quota is not None), default=None)


def _cpu_groups() -> Iterator[str]:
    """The folders of the control groups that bound this process's time, innermost first. A container may see its own
    group as the root under a path that it can't see: then only the root is there."""
    for line in (_read("/proc/self/cgroup") or "0::/").splitlines():  # NUMBER:CONTROLLERS:PATH
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            mounts = ["/sys/fs/cgroup"]
        elif "cpu" in controllers.split(","):
            mounts = ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"]
        else:
            continue
        group = PurePosixPath(path)
        yield from (f"{mount}{level}".rstrip("/") for mount in mounts for level in (group, *group.parents))


def _quota(folder: str) -> float | None:
    if both := _read(f"{folder}/cpu.max"):  # version 2: "QUOTA PERIOD", QUOTA is "max" without a limit
        quota, _, period = both.partition(" ")
    else:
        quota = _read(f"{folder}/cpu.cfs_quota_us") or "-1"
        period = _read(f"{folder}/cpu.cfs_period_us") or "100000"
    try:
        share = int(quota) / int(period or 100000)
    except (ValueError, ZeroDivisionError):
        return None
    return share if share > 0 else None


def load_average() -> float | None:
    """Over the last minute; None where the system has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except (OSError, AttributeError):
        return None


def git_commit() -> str | None:
    """The commit of the working directory's repository."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


class OtherLoad:
    """Counts, from its making on, the CPU time that is neither idle nor used by this process and its children. Time
    that a hypervisor took away counts as others'."""

    def __init__(self) -> None:
        self._start = _machine_times()
        self._own = _own_seconds()

    def share(self, ours: float = 0.0) -> float | None:
        """The share of the machine's CPU that others used since the start, 0 to 1; None where it can't be read. `ours`:
        seconds that processes which work with this one used meanwhile."""
        now = _machine_times()
        if self._start is None or now is None:
            return None
        total = now[0] - self._start[0]
        if total <= 0:
            return None
        busy, own = now[1] - self._start[1], _own_seconds() - self._own
        return min(1.0, max(0.0, (busy - own - ours) / total))


def other_load(seconds: float = 0.3) -> float | None:
    """The share of the machine's CPU that other processes use right now, watched for some seconds."""
    load = OtherLoad()
    time.sleep(seconds)
    return load.share()


def _machine_times() -> tuple[float, float] | None:
    """(all, busy) seconds of all processors since boot, from the first line of /proc/stat."""
    first, _, _ = (_read("/proc/stat") or "").partition("\n")
    fields = first.split()
    if len(fields) < 5 or fields[0] != "cpu":
        return None
    # user nice system idle iowait irq softirq steal; guest time, which follows, is in user already
    ticks = [float(field) for field in fields[1:9]]
    hertz = os.sysconf("SC_CLK_TCK")
    return sum(ticks) / hertz, (sum(ticks) - sum(ticks[3:5])) / hertz


def _own_seconds() -> float:
    mine = os.times()
    seconds = mine.user + mine.system + mine.children_user + mine.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            used = child.cpu_times()
        except psutil.Error:
            continue
        seconds += used.user + used.system
    return seconds


@functools.cache
def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _read(path: str) -> str | None:
    try:
        return Path(path).read_text().strip() or None
    except (OSError, UnicodeDecodeError):
        return None
