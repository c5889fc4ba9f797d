"""What an exception in a child means, and what it starts on the side."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch

from dlbench.execute import child
from dlbench.execute.child import status_of


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4.00 GiB."),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
        RuntimeError("CUDA error: CUSPARSE_STATUS_ALLOC_FAILED when calling `cusparseCreate(handle)`"),
        RuntimeError("cusolver error: CUSOLVER_STATUS_ALLOC_FAILED, when calling `cusolverDnCreate(handle)`"),
        RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
        RuntimeError("NCCL error: unhandled cuda error\nLast error:\nFailed to CUDA calloc async 608 bytes"),
        RuntimeError("NCCL error: unhandled cuda error\nLast error:\nCuda failure 2 'out of memory'"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
        RuntimeError("std::bad_alloc"),
        OSError(12, "Cannot allocate memory"),
    ],
    ids=lambda error: str(error)[:50],
)
def test_want_of_memory_is_oom_whoever_says_it(error: Exception) -> None:
    assert status_of(error) == "oom"


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm(...)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_NOT_SUPPORTED"),
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        ValueError("out of memory is only a word here"),
        OSError(2, "No such file or directory"),
    ],
    ids=lambda error: str(error)[:50],
)
def test_another_fault_is_failed(error: Exception) -> None:
    assert status_of(error) == "failed"


@pytest.mark.parametrize(("device", "woken"), [("cpu", []), ("cuda:1", ["cuda:1"])])
def test_a_device_starts_on_the_side_before_plugins_are_imported(
    device: str, woken: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    started, order = threading.Event(), []

    def synchronize(device: str) -> None:
        order.append(device)
        started.set()
        raise RuntimeError("no CUDA GPUs are available")  # which isn't for this thread to say

    def outcome(job: dict[str, Any], report: Any, watch: Any) -> dict[str, Any]:
        if woken:
            assert started.wait(10)
        order.append("outcome")
        return {"status": "ok"}

    sent: list[Any] = []
    monkeypatch.setattr(torch.cuda, "synchronize", synchronize)
    monkeypatch.setattr(child, "outcome", outcome)
    monkeypatch.setattr(child, "send", lambda channel, message: sent.append(message))
    child.work({"type": "probe", "runtime": {"device": device}, "memory_bytes": None}, 0)
    assert order == [*woken, "outcome"]
    assert sent == [{"type": "result", "status": "ok"}]
