"""Peak memory of a piece of work: exact by the allocator, and what the system saw beside it."""

from __future__ import annotations

import ctypes
import gc
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from .nvml import find_gpu

TOO_COARSE_BYTES = 32 * 2**20
"""Resident memory says little below this: pages, and freed heap that is used again."""


def peak_bytes(function: Callable[[], object], device: str = "cpu") -> int:
    """The most bytes that `function()` held at once in torch's allocator, of what it allocated itself.

    What is alive before it starts is not counted, nor is it when freed inside. On the CPU this is every allocation and
    release that the profiler reports on the calling thread: exact to the byte; scratch memory that kernel libraries
    take by themselves is not seen. On CUDA it is the most that was asked of the caching allocator, also to the byte:
    what it rounds up and keeps depends on what came before (see `held_on_card`).
    """
    if device.startswith("cuda"):
        return _cuda_peak(function, device)
    with _no_collections():
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profiler:
            kept = function()
        del kept
    inner: Any = profiler.profiler
    return _peak_of(_allocations(inner.kineto_results.experimental_event_tree()))


def resident_peak_bytes(function: Callable[[], object]) -> int | None:
    """How far `function()` raised the process's resident memory (Linux; None elsewhere, or where it isn't permitted).
    See `TOO_COARSE_BYTES`."""
    try:
        with _no_collections():
            _return_freed_heap()
            Path("/proc/self/clear_refs").write_text("5")  # the high-water mark starts again from here
            start = _status_bytes("VmRSS")
            kept = function()
            peak = _status_bytes("VmHWM")
        del kept
    except (OSError, KeyError):
        return None
    return max(0, peak - start)


class _no_collections:
    """Cycles are collected before and not inside, so that the same work gives the same peak."""

    def __enter__(self) -> None:
        self._was_on = gc.isenabled()
        gc.collect()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if self._was_on:
            gc.enable()


def held_on_card(device: str) -> dict[str, int | None]:
    """Bytes of a CUDA device's memory, to tell whether something fits: the most that the allocator has reserved since
    the last `peak_bytes` began, data and all, and what the process holds now by the driver's count."""
    gpu = find_gpu(device)
    return {
        "reserved_peak_bytes": int(torch.cuda.max_memory_reserved(device)),
        "process_bytes": gpu.process_bytes() if gpu is not None else None,
    }


def _cuda_peak(function: Callable[[], object], device: str) -> int:
    with _no_collections():
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        start = torch.cuda.memory_stats(device)
        kept = function()
        torch.cuda.synchronize(device)
        stats = torch.cuda.memory_stats(device)
        del kept
    # an allocator of another kind counts only what it gave
    kind = "requested_bytes" if stats.get("requested_bytes.all.peak") else "allocated_bytes"
    return int(stats[f"{kind}.all.peak"] - start[f"{kind}.all.current"])


def _allocations(roots: Iterable[Any]) -> list[tuple[int, int]]:
    """(address, bytes) of every event on the CPU in the order of time; bytes are negative where it is given back."""
    found = []
    for node in _walk(roots):
        if node.tag.name == "Allocation":
            fields = node.extra_fields
            if fields.device.type == "cpu":
                found.append((node.start_time_ns, fields.ptr, fields.alloc_size))
    found.sort(key=lambda event: event[0])
    return [(address, size) for _, address, size in found]


def _walk(roots: Iterable[Any]) -> Iterator[Any]:
    """Every node, parents first. Without recursion: nests of operators can be deep."""
    stack = list(roots)[::-1]
    while stack:
        node = stack.pop()
        yield node
        stack.extend(list(node.children)[::-1])


def _peak_of(events: Iterable[tuple[int, int]]) -> int:
    """Kept by address, because the profiler also reports releases of memory from before, with the size that the address
    once had."""
    alive: dict[int, int] = {}
    held = peak = 0
    for address, size in events:
        held -= alive.pop(address, 0)
        if size > 0:
            alive[address] = size
            held += size
            peak = max(peak, held)
    return peak


def _return_freed_heap() -> None:
    """Let glibc give back what is free, or a peak would hide in pages that are resident already."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def _status_bytes(field: str) -> int:
    found = re.search(rf"^{field}:\s+(\d+) kB", Path("/proc/self/status").read_text(), flags=re.MULTILINE)
    if found is None:
        raise KeyError(field)
    return int(found[1]) * 1024
