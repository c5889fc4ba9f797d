"""Imports in the fork server that leave CUDA asleep: once a process has started the CUDA runtime, nothing that it forks
can use a device (some calls that only ask, such as `torch.__config__.show()`, start it)."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from ..measure.devices import DRIVER_FILES


def preload(modules: Iterable[str]) -> dict[str, list[str]]:
    """Import what can be imported, CUDA asleep. Returns the modules that opened driver files all the same, with these
    files: a library of its own may call the driver past torch."""
    culprits: dict[str, list[str]] = {}
    with cuda_asleep():
        before = open_driver_files()
        for module in modules:
            with contextlib.suppress(Exception), _unwarned():  # the child that needs it will say what is wrong
                importlib.import_module(module)
            if opened := sorted(set(open_driver_files()) - set(before)):
                culprits[module] = opened
                before += opened
    return culprits


@contextlib.contextmanager
def cuda_asleep() -> Iterator[None]:
    """Torch's ways to the CUDA runtime and to NVML: those that ask are answered by a process of their own, and the one
    that starts it raises."""
    try:
        import torch
    except Exception:  # the child will say what is wrong
        yield
        return
    asking = ((torch._C, "_show_config"), (torch._C, "_cuda_getDeviceCount"), (torch.cuda, "_device_count_nvml"))
    kept = [(where, name, getattr(where, name)) for where, name in asking if hasattr(where, name)]
    stand_ins = [(where, name, _asked_elsewhere(function)) for where, name, function in kept]
    if hasattr(torch._C, "_cuda_init"):  # not in a build for the CPU
        kept.append((torch._C, "_cuda_init", torch._C._cuda_init))
        stand_ins.append((torch._C, "_cuda_init", _refuse))
    try:
        for where, name, function in stand_ins:
            setattr(where, name, function)
        yield
    finally:
        for where, name, function in kept:
            setattr(where, name, function)


@contextlib.contextmanager
def _unwarned() -> Iterator[None]:
    """What libraries say to each other's authors while they are imported is no news; the filters that they set stay."""
    shown = warnings.showwarning
    warnings.showwarning = lambda *said, **more: None
    try:
        yield
    finally:
        warnings.showwarning = shown


def open_driver_files() -> list[str]:
    """The CUDA driver's files that this process holds open (Linux)."""
    found = set()
    for descriptor in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(OSError):  # closed meanwhile
            found.add(os.readlink(descriptor))
    return sorted(name for name in found if name.startswith(DRIVER_FILES))


def _asked_elsewhere(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function, called in a forked process that ends with its answer."""

    def ask(*arguments: Any) -> Any:
        context = multiprocessing.get_context("fork")
        answers, tell = context.Pipe(duplex=False)
        process = context.Process(target=lambda: tell.send(function(*arguments)))
        process.start()
        tell.close()
        try:
            return answers.recv()
        except EOFError:
            raise RuntimeError("CUDA couldn't be asked while preloading") from None
        finally:
            answers.close()
            process.join()

    return ask


def _refuse() -> None:
    raise RuntimeError("a module that is preloaded must not start CUDA: cells that are forked later couldn't use it")
