"""`dlbench doctor`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import click

from ..catalog import discover
from ..data.root import default_cache, default_root
from ..data.verify import state
from ..runtime import cuda_present
from .data import sets


@click.command()
def command() -> None:
    """Check this machine and this installation; exit status 1 where something is broken."""
    broken = 0
    for ok, what, text in examine():
        click.echo(f"{'ok   ' if ok else 'BAD  '}{what:14} {text}")
        broken += not ok
    sys.exit(1 if broken else 0)


def examine() -> Iterator[tuple[bool, str, str]]:
    """(fine, what, what was seen) of each thing that a run needs."""
    from ..measure.environment import fingerprint

    found = fingerprint("cuda:0" if cuda_present() else "cpu")
    yield sys.platform == "linux", "platform", f"{sys.platform}; isolation and memory limits need Linux"
    yield True, "machine", found["machine"]
    yield True, "device", "cuda" if cuda_present() else "cpu (no CUDA device is visible)"
    yield found.get("torch") is not None, "torch", str(found.get("torch"))
    catalog = discover()
    yield True, "plugins", f"{len(catalog.sources)} loaded"
    for name, problem in catalog.problems.items():
        yield False, f"plugin {name}", problem
    for dataset in sets(catalog).values():
        look = state(dataset, default_root(), default_cache())
        yield look.status != "unverified", "data", look.summary
    yield _fork_server()


def _fork_server() -> tuple[bool, str, str]:
    """Start the fork server and let a child fail on purpose: the whole way there and back."""
    from ..execute.local import LocalExecutor

    job = {"type": "job", "id": "probe", "timeout_s": 60, "memory_bytes": None, "sources": [], "model": "no-such-model",
           "task": "no-such-task", "recipe": {}, "runtime": {"device": "cpu"}, "seed": 0, "protocol": None,
           "data_root": ".", "cache": "."}  # fmt: skip
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder, LocalExecutor() as executor:
        (done,) = executor.run([{**job, "log": str(Path(folder) / "log")}], lambda point: None)
    seconds = time.perf_counter() - start
    answered = done["result"] is not None and "no-such-task" in done["result"]["reason"]
    return answered, "fork server", f"started and answered in {seconds:.1f} s"
