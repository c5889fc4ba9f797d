"""What a CUDA device did and held, read from stand-ins for torch's profiler, events and allocator."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dlbench.contract.specs import ProfileProtocol
from dlbench.measure import clock, memory
from dlbench.measure.clock import Blocks, DeviceWork, covered, device_work, time_blocks
from dlbench.profile import launch
from dlbench.profile.subject import Subject

QUICK = ProfileProtocol(rounds=3, block_s=0.01, warmup_s=0.02)
Make = Callable[..., Subject]


@pytest.mark.parametrize(
    ("spans", "length"),
    [
        ([], 0),
        ([(0, 2), (5, 6)], 3),
        ([(5, 6), (0, 2), (1, 3)], 4),  # at once counts once, in any order
        ([(0, 10), (2, 3), (4, 11)], 11),
        ([(1, 1)], 0),
    ],
)
def test_the_union_of_spans(spans: list[tuple[float, float]], length: float) -> None:
    assert covered(spans) == length


class Profiler:
    """A trace with `kernels` kernels a step of 2 us, 5 us apart, each with its launch on the host and all within an
    annotation that torch draws over them."""

    def __init__(self, kernels: int) -> None:
        self.kernels, self.steps = kernels, 0

    def __call__(self, activities: Any) -> Profiler:
        return self

    def __enter__(self) -> Profiler:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def step(self) -> int:
        self.steps += 1
        return 1

    def events(self) -> list[Any]:
        def event(kind: str, start: float, end: float, annotation: bool = False) -> Any:
            return SimpleNamespace(
                device_type=SimpleNamespace(name=kind), is_user_annotation=annotation,
                time_range=SimpleNamespace(start=start, end=end),
            )  # fmt: skip

        starts = [5.0 * k for k in range(self.kernels * self.steps)]
        found = [event("CUDA", start, start + 2) for start in starts] + [event("CPU", s, s + 4) for s in starts]
        return [*found, event("CUDA", 0, 5.0 * len(starts), annotation=True)] if starts else []


@pytest.mark.parametrize("kernels", [1, 50, 3000])
def test_a_steps_work_is_what_ran_on_the_device_however_many_launches(
    kernels: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    profiler = Profiler(kernels)
    monkeypatch.setattr(torch.profiler, "profile", profiler)
    found = device_work(profiler.step, lambda: None)
    assert found is not None
    assert found.launches == kernels
    assert found.busy_s == pytest.approx(2e-6 * kernels)


def test_a_trace_without_the_device_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.profiler, "profile", Profiler(0))
    assert device_work(lambda: 1, lambda: None) is None


@pytest.fixture
def on_cuda(make_subject: Make) -> Any:
    """A launch that believes to be on CUDA."""
    made = launch._Launch(make_subject(), QUICK)
    made.on_cuda = True
    return made


@pytest.mark.parametrize(
    ("work", "share", "flagged"),
    [
        (DeviceWork(busy_s=0.009, launches=3000), 0.9, False),
        (DeviceWork(busy_s=0.002, launches=3000), 0.2, True),
        (DeviceWork(busy_s=0.011, launches=9), 1.0, False),
        (None, None, False),
    ],
)
def test_busy_share_is_recorded_and_a_waiting_device_is_flagged(
    on_cuda: Any, monkeypatch: pytest.MonkeyPatch, work: DeviceWork | None, share: float | None, flagged: bool
) -> None:
    monkeypatch.setattr(clock, "device_work", lambda step, sync: work)
    found = on_cuda._device(Blocks(steps=10, wall_s=[0.01, 0.01, 0.5]))
    assert found["busy_share"] == (share if share is None else pytest.approx(share))
    assert found["busy_s_per_step"] == (work and work.busy_s)
    assert found["launches_per_step"] == (work and work.launches)
    assert ("launch_bound" in on_cuda.flags) == flagged


@pytest.mark.parametrize(
    ("cuda", "cpu_share", "processes", "shared"),
    [
        (False, 0.5, 0, True),
        (False, 0.05, 0, False),
        (True, 0.5, 1, False),
        (True, 0.5, None, False),
        (True, 0, 2, True),
    ],
)
def test_a_gpus_row_is_shared_by_who_uses_the_gpu_and_a_cpus_by_who_uses_the_cpu(
    on_cuda: Any, monkeypatch: pytest.MonkeyPatch, cuda: bool, cpu_share: float, processes: int | None, shared: bool
) -> None:
    gpu = SimpleNamespace(throttle_reasons=lambda: [], num_processes=lambda: processes)
    monkeypatch.setattr(launch, "find_gpu", lambda device: gpu)
    on_cuda.on_cuda = cuda
    on_cuda._note_disturbances(SimpleNamespace(share=lambda ours: cpu_share), helped=0.0)
    assert on_cuda.flags == ({"device_shared"} if shared else set())


class Event:
    """A CUDA event whose device takes 4 ms between two of them."""

    def record(self) -> None:
        pass

    def elapsed_ms(self, later: Event) -> float:
        return 4.0


def test_the_devices_time_of_each_block_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_event_pair", lambda device: (Event(), Event()) if device == "cuda:0" else None)
    blocks = time_blocks(lambda: 1, rounds=2, block_s=1e-4, sync=lambda: None, device="cuda:0", limit_s=0)
    assert launch._figures(blocks)["device_s_per_step"] == [0.004 / blocks.steps] * 2
    blocks = time_blocks(lambda: 1, rounds=2, block_s=1e-4, sync=lambda: None, limit_s=0)
    assert "device_s_per_step" not in launch._figures(blocks)


class Allocator:
    """Rounds up to 512 bytes and reserves 2 MiB at a time; 1,000 bytes are alive from before."""

    def __init__(self, requests: bool = True) -> None:
        self.requested = self.requested_peak = 1000
        self.allocated = self.allocated_peak = 1024
        self.requests = requests

    def ask(self, size: int) -> None:
        self.requested += size
        self.allocated += -(-size // 512) * 512
        self.requested_peak = max(self.requested_peak, self.requested)
        self.allocated_peak = max(self.allocated_peak, self.allocated)

    def reset_peak_memory_stats(self, device: str) -> None:
        self.requested_peak, self.allocated_peak = self.requested, self.allocated

    def memory_stats(self, device: str) -> dict[str, int]:
        known = 1 if self.requests else 0
        return {
            "requested_bytes.all.peak": known * self.requested_peak,
            "requested_bytes.all.current": known * self.requested,
            "allocated_bytes.all.peak": self.allocated_peak, "allocated_bytes.all.current": self.allocated,
        }  # fmt: skip

    def max_memory_reserved(self, device: str) -> int:
        return -(-self.allocated_peak // 2**21) * 2**21


@pytest.mark.parametrize(("requests", "peak"), [(True, 513 + 700), (False, 1024 + 1024)])
def test_peak_memory_is_what_was_asked_for_and_beside_it_what_the_card_must_hold(
    monkeypatch: pytest.MonkeyPatch, requests: bool, peak: int
) -> None:
    allocator = Allocator(requests)
    for name in ("reset_peak_memory_stats", "memory_stats", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, getattr(allocator, name))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(memory, "find_gpu", lambda device: SimpleNamespace(process_bytes=lambda: 600 * 2**20))

    def work() -> None:
        allocator.ask(513)
        allocator.ask(700)
        allocator.requested, allocator.allocated = 1000, 1024

    assert memory.peak_bytes(work, "cuda:0") == peak
    assert memory.held_on_card("cuda:0") == {"reserved_peak_bytes": 2**21, "process_bytes": 600 * 2**20}
    monkeypatch.setattr(memory, "find_gpu", lambda device: None)
    assert memory.held_on_card("cuda:0")["process_bytes"] is None


def test_the_card_is_read_after_training_before_another_pass_starts_its_peaks_anew(
    on_cuda: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes: list[str] = []
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: passes.append("empty"))
    monkeypatch.setattr(
        launch, "peak_bytes", lambda work, device: passes.append(getattr(work, "func", work).__name__) or len(passes)
    )
    monkeypatch.setattr(
        launch, "held_on_card", lambda device: passes.append("card") or {"reserved_peak_bytes": 7, "process_bytes": 9}
    )
    found = on_cuda._memory()
    assert passes == ["empty", "_train_from_scratch", "card", "_evaluate_from_scratch"]
    assert found == {
        "train_peak_bytes": 2, "infer_peak_bytes": 4, "reserved_peak_bytes": 7, "process_bytes": 9,
        "method": "cuda requested bytes", "rss_train_peak_bytes": None, "rss_too_coarse": None,
    }  # fmt: skip
