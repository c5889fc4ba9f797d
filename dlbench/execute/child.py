"""What a child does with its job: run it, and say in one message how it ended."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import sysconfig
import threading
import traceback
from pathlib import Path
from typing import Any

from ..errors import ContractError, Diverged, NoData, NotApplicable
from ..plan.inputs import Watch
from .wire import send

OUT_OF_MEMORY = re.compile(
    r"can(no|')t allocate memory|not enough memory|out of memory|bad_alloc"
    r"|alloc(ation)?_failed"  # cuBLAS, cuDNN, cuSPARSE, cuSOLVER, cuFFT
    r"|failed to cuda (host )?\w*alloc",  # NCCL
    re.IGNORECASE,
)


def main(job: dict[str, Any], channel: int) -> None:
    """Run a job in this process, or in several that it starts, and write progress and result to `channel`."""
    if job["runtime"].get("devices", 1) > 1 and job["type"] == "job":
        from .ranks import lead

        lead(job, channel, work)
    else:
        work(job, channel)


def work(job: dict[str, Any], channel: int) -> None:
    """Run a job in this process and write progress and result to `channel`."""
    if "visible" in job:  # before anything starts CUDA: the fork server has it asleep
        os.environ["CUDA_VISIBLE_DEVICES"] = job["visible"]
    wake(job["runtime"]["device"])
    watch = Watch()
    limit_memory(job)
    result = outcome(job, lambda point: send(channel, {"type": "progress", **point}), watch)
    seen = {"inputs": watch.report(job["data_root"], job["cache"])} if job["type"] == "job" else {}
    send(channel, {"type": "result", **result, **seen})


def wake(device: str) -> None:
    """Start a CUDA device on the side, while plugins are imported and Python is busy. What goes wrong is said where the
    device is used first."""
    if device != "cpu":
        threading.Thread(target=_wake, args=(device,), name="wake", daemon=True).start()


def _wake(device: str) -> None:
    with contextlib.suppress(Exception):
        import torch

        torch.cuda.synchronize(device)  # which waits for nothing but for the device to be there, without Python's lock


def outcome(job: dict[str, Any], report: Any, watch: Watch) -> dict[str, Any]:
    """The result of a job whatever happens: `status`, `reason`, `where`, and `body` where it ended well."""
    from ..plan.catalog import Source, load_sources
    from ..profile.job import run_profile
    from ..train.cell import run_cell
    from ..train.stacking import Apart
    from ..train.team import Reaching

    try:
        if job["type"] == "probe":
            return {"status": "ok", "reason": "", "where": "", "body": probe(job["runtime"]["device"])}
        catalog = load_sources(Source(**source) for source in job["sources"])
        watch.collected(catalog.plugins.get_plugins())
        job = {**job, "catalog": catalog}
        if "cells" in job:
            return {"status": "ok", "reason": "", "where": "", "cells": several(job, report)}
        body = run_profile(job) if job["protocol"] else run_cell(job, report)
        return ended_well(job, body)
    except Apart as error:
        return {"status": "apart", "reason": str(error), "where": ""}
    except NotApplicable as error:
        again = {"again": True} if isinstance(error, Reaching) else {}
        return {"status": "skip", "reason": str(error), "where": "", **again}
    except BaseException as error:
        lift_memory_limit()
        traceback.print_exc()
        fault = {"fault": "core"} if caused_by_core(error) else {}
        return {**ended_by(error), **fault}


def several(job: dict[str, Any], report: Any) -> dict[str, Any]:
    """The results of cells that train together, by id."""
    from ..train.together import run_together

    return {
        name: ended_by(found) if isinstance(found, Diverged) else ended_well(job, found)
        for name, found in run_together(job, report).items()
    }


def ended_well(job: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The result of a job whose `body` is this."""
    from ..measure.environment import versions

    seen = versions(job["runtime"]["device"])  # here torch is loaded, so CUDA's versions can be asked
    return {
        "status": "ok",
        "reason": "",
        "where": "",
        "body": {**body, "cuda": seen["cuda"], "cudnn": seen["cudnn"]},
    }


def ended_by(error: BaseException) -> dict[str, Any]:
    """The result of what an exception has ended."""
    return {"status": status_of(error), "reason": sentence(error), "where": place_of(error)}


def probe(device: str) -> dict[str, Any]:
    """Makes a tensor on a device: what `dlbench doctor` asks of a child."""
    import torch

    return {"sum": torch.ones(8, device=device).sum().item()}


def status_of(error: BaseException) -> str:
    """The status that an exception means."""
    if isinstance(error, Diverged):
        return "diverged"
    if isinstance(error, NoData):
        return "no_data"
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return "oom"
    if isinstance(error, (RuntimeError, OSError)) and OUT_OF_MEMORY.search(str(error)):
        return "oom"
    return "failed"


def sentence(error: BaseException) -> str:
    """An exception as one line."""
    text = " ".join(str(error).split())[:300]
    if isinstance(error, (ContractError, Diverged, NoData)):
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def place_of(error: BaseException) -> str:
    """FILE:LINE in FUNCTION of the innermost frame outside torch and the core; the innermost one if there is none."""
    frames = traceback.extract_tb(error.__traceback__)
    foreign = [f for f in frames if not _is_inner(f.filename)]
    if not frames:
        return ""
    frame = (foreign or frames)[-1]
    file = Path(frame.filename)
    shown = "/".join(file.parts[-2:]) if (file.parent / "__init__.py").exists() else file.name  # no account's folder
    return f"{shown}:{frame.lineno} in {frame.name}"


def _is_inner(filename: str) -> bool:
    core = str(Path(__file__).resolve().parents[1])
    torch = sys.modules.get("torch")
    library = str(Path(torch.__file__).parent) if torch is not None and torch.__file__ else core
    return filename.startswith((core + os.sep, library + os.sep, "<"))


def caused_by_core(error: BaseException) -> bool:
    """Whether the disk was full, or an import failed in which no plugin had a hand: the next run may find it mended."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    importing = (isinstance(error, ImportError) and error.name) or any(f.name == "<module>" for f in frames)
    return bool(importing) and all(_is_inner(f.filename) or _is_standard(f.filename) for f in frames)


def _is_standard(filename: str) -> bool:
    library = sysconfig.get_path("stdlib") + os.sep
    return filename.startswith(library) and "-packages" not in filename


def limit_memory(job: dict[str, Any]) -> None:
    """Bound the growth of this process's private memory above what it started with (Linux)."""
    if job["memory_bytes"] is None or job["runtime"]["device"] != "cpu":
        return
    import resource

    with open("/proc/self/status") as file:
        held = next(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData"))
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    most = held + job["memory_bytes"]
    resource.setrlimit(resource.RLIMIT_DATA, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def lift_memory_limit() -> None:
    """Give the process room to report how it ended."""
    try:
        import resource
    except ImportError:
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
