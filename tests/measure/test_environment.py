"""The environment's fingerprint: what it must hold, and what must not be in it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from dlbench.measure import environment
from dlbench.measure.environment import OtherLoad, fingerprint, git_commit, machine_slug, other_load
from dlbench.measure.nvml import Gpu

SPIN = "import time\nend = time.time() + 20\nwhile time.time() < end: pass"


def test_the_fingerprint_is_plain_json_and_names_no_host_and_no_path() -> None:
    found = fingerprint("cpu")
    text = json.dumps(found)
    assert socket.gethostname() not in text
    assert str(Path.cwd()) not in text
    assert found["machine"] == machine_slug(found["cpu"], environment.usable_cores(), found["gpu"])
    assert found["ram_bytes"] > 2**28
    assert found["cores"]["logical"] == os.cpu_count()
    assert found["python"].startswith(f"{sys.version_info.major}.{sys.version_info.minor}.")
    assert found["torch"]


def test_the_room_and_the_fingerprint_load_no_torch() -> None:
    code = (
        "import sys; from dlbench.measure import environment; found = environment.fingerprint('cpu');"
        "assert found['torch'] and 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("cpu", "cores", "gpu", "slug"),
    [
        ("AMD EPYC", 2, None, "amd-epyc-2c"),
        ("AMD EPYC", 16, "NVIDIA H100 80GB HBM3", "amd-epyc-16c-nvidia-h100"),
        ("AMD EPYC 7763 64-Core Processor", 8, None, "amd-epyc-7763-8c"),
        ("Intel(R) Xeon(R) CPU @ 2.20GHz", 4, "Tesla T4", "intel-xeon-4c-tesla-t4"),
        ("AMD Ryzen 7 5800H with Radeon Graphics", 16, None, "amd-ryzen-7-5800h-16c"),
    ],
)
def test_the_machines_slug(cpu: str, cores: int, gpu: str | None, slug: str) -> None:
    assert machine_slug(cpu, cores, gpu) == slug


CONTAINER = {"/sys/fs/cgroup/cpu.max": "150000 100000"}
NESTED = {
    "/proc/self/cgroup": "0::/slurm/job7/step0",
    "/sys/fs/cgroup/slurm/job7/step0/cpu.max": "max 100000",
    "/sys/fs/cgroup/slurm/job7/cpu.max": "250000 100000",
    "/sys/fs/cgroup/slurm/cpu.max": "1600000 100000",
}
FIRST_VERSION = {
    "/proc/self/cgroup": "9:name=systemd:/\n4:memory:/box\n2:cpu,cpuacct:/docker/1a\n0::/",
    "/sys/fs/cgroup/cpu/docker/1a/cpu.cfs_quota_us": "-1",
    "/sys/fs/cgroup/cpu/docker/cpu.cfs_quota_us": "50000",
    "/sys/fs/cgroup/cpu/docker/cpu.cfs_period_us": "20000",
}
ITS_OWN_ROOT = {
    "/proc/self/cgroup": "2:cpuacct,cpu:/docker/1a",  # a path outside: the group itself is mounted as the root
    "/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "300000",
}
UNLIMITED = {"/proc/self/cgroup": "0::/user", "/sys/fs/cgroup/user/cpu.max": "max 100000", "/sys/fs/cgroup/cpu.max": ""}


@pytest.mark.parametrize(
    ("files", "quota", "cores"),
    [(CONTAINER, 1.5, 2), (NESTED, 2.5, 3), (FIRST_VERSION, 2.5, 3), (ITS_OWN_ROOT, 3, 3), (UNLIMITED, None, 12)],
    ids=["container", "nested", "version 1", "its own root", "unlimited"],
)
def test_quota_and_affinity_bound_the_cores(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], quota: float | None, cores: int
) -> None:
    monkeypatch.setattr(environment, "_read", files.get)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(12)), raising=False)
    assert environment.cgroup_quota() == quota
    assert environment.usable_cores() == cores
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5}, raising=False)
    assert environment.usable_cores() == 1


SIBLINGS = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
TWO_THREADS_A_CORE = {SIBLINGS.format(n): f"{n % 4},{n % 4 + 4}" for n in range(8)}


@pytest.mark.parametrize(
    ("files", "mine", "cores"),
    [
        (TWO_THREADS_A_CORE, range(8), 4),
        (TWO_THREADS_A_CORE, (0, 4, 1), 2),
        (TWO_THREADS_A_CORE | CONTAINER, range(8), 2),
        ({}, range(3), 3),  # a system that doesn't say
    ],
    ids=["all", "pinned", "bounded", "unknown"],
)
def test_two_threads_of_a_core_are_no_separate_cores(
    monkeypatch: pytest.MonkeyPatch, files: dict[str, str], mine: Iterable[int], cores: int
) -> None:
    monkeypatch.setattr(environment, "_read", files.get)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(mine), raising=False)
    assert environment.separate_cores() == cores


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
def test_a_process_that_is_pinned_has_one_core() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))});"
        "from dlbench.measure.environment import fingerprint; found = fingerprint('cpu');"
        "assert found['cores']['affinity'] == 1, found; assert '-1c' in found['machine'], found"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_commit_is_the_working_directorys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert git_commit() is None
    quiet = {"check": True, "capture_output": True, "text": True}
    subprocess.run(["git", "init", "-q"], **quiet)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, "commit", "-q", "--allow-empty", "-m", "first"], **quiet)
    head = subprocess.run(["git", "rev-parse", "HEAD"], **quiet).stdout.strip()
    assert git_commit() == head
    assert len(head) == 40


def test_others_load_is_what_is_busy_and_not_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, own = [(100.0, 50.0), (110.0, 57.0)], [3.0, 5.0]
    monkeypatch.setattr(environment, "_machine_times", lambda: machine.pop(0))
    monkeypatch.setattr(environment, "_own_seconds", lambda: own.pop(0))
    assert OtherLoad().share() == pytest.approx((7 - 2) / 10)


@pytest.mark.skipif(not Path("/proc/stat").exists(), reason="reads /proc/stat")
def test_a_stranger_is_seen(tmp_path: Path) -> None:
    script = tmp_path / "spin.py"
    script.write_text(SPIN)
    # started by a shell that ends: no child of ours any more
    started = subprocess.run(
        ["sh", "-c", f"{sys.executable} {script} >/dev/null 2>&1 & echo $!"], check=True, capture_output=True, text=True
    )
    try:
        share = other_load(1.0)
        assert share is not None
        assert share > 0.3 / (os.cpu_count() or 1)
    finally:
        os.kill(int(started.stdout), 9)


def test_a_child_counts_as_ours() -> None:
    before = environment._own_seconds()
    child = subprocess.Popen([sys.executable, "-c", SPIN])
    try:
        other_load(1.0)
        assert environment._own_seconds() - before > 0.15
    finally:
        child.kill()
        child.wait()


class Driver:
    """A driver that answers some questions, and raises on the others as NVML does."""

    NVML_TEMPERATURE_GPU, NVML_CLOCK_SM, NVML_CLOCK_MEM = 0, 1, 2

    def nvmlDeviceGetName(self, handle: str) -> bytes:
        return b"NVIDIA H100 PCIe"

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: str) -> int:
        return 0x1 | 0x4 | 0x20

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        return 2500

    def nvmlDeviceGetClockInfo(self, handle: str, which: int) -> int:
        return 1980 if which == self.NVML_CLOCK_SM else 2619

    def nvmlDeviceGetEnforcedPowerLimit(self, handle: str) -> int:
        raise RuntimeError("not supported")

    def nvmlSystemGetDriverVersion(self) -> str:
        return "570.1"


def test_a_gpus_readings_and_those_it_lacks() -> None:
    gpu = Gpu(Driver(), "handle")
    state: dict[str, Any] = environment.gpu_state(gpu)
    assert gpu.name() == "NVIDIA H100 PCIe"
    assert state["throttle_reasons"] == ["power cap", "thermal slowdown"]
    assert state["clocks_mhz"] == {"sm": 1980, "sm_max": None, "memory": 2619, "memory_max": None}
    assert state["power_limit_w"] is None
    assert state["temperature_c"] is None
    assert gpu.energy_j() == 2.5
    assert gpu.num_processes() is None


def test_the_version_of_torch_is_the_same_whether_it_is_loaded_or_not() -> None:
    code = (
        "import sys; from dlbench.measure.environment import versions\n"
        "print(versions()['torch'], 'torch' in sys.modules)"
    )
    said = {}
    for first in ("", "import torch; "):
        done = subprocess.run([sys.executable, "-c", first + code], capture_output=True, text=True, check=True)
        version, loaded = done.stdout.split()
        said[loaded] = version
    assert said.keys() == {"False", "True"}
    assert len(set(said.values())) == 1
