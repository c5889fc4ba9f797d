"""`dlbench doctor`."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import click

from ..data.root import default_cache, default_root
from ..data.verify import state
from ..errors import DlbenchError
from ..measure.devices import Answer, ask, hinted
from ..plan.catalog import Catalog, discover
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

    cuda = ask("cuda:0") if hinted() else None
    device = "cuda:0" if cuda is not None and cuda.why_not is None else "cpu"
    found = fingerprint(device)
    yield sys.platform == "linux", "platform", f"{sys.platform}; isolation and memory limits need Linux"
    yield True, "machine", found["machine"]
    yield True, "device", f"cpu ({_why_no_cuda(cuda)})" if device == "cpu" else f"{device}, {found['gpu']}"
    yield found.get("torch") is not None, "torch", str(found.get("torch"))
    catalog = discover()
    yield True, "plugins", f"{len(catalog.sources)} loaded"
    for name, problem in catalog.problems.items():
        yield False, f"plugin {name}", problem
    for dataset in sets(catalog).values():
        look = state(dataset, default_root(), default_cache())
        yield look.status != "unverified", "data", look.summary
    yield fork_server(device, preloads(catalog) if device != "cpu" else ())


def _why_no_cuda(asked: Answer | None) -> str:
    return "nothing here speaks of CUDA" if asked is None else f"cuda:0: {asked.why_not}"


def preloads(catalog: Catalog) -> list[str]:
    """Every module that a model or a task asks the fork server to import."""
    specs = [*catalog.specs["models"].values(), *catalog.specs["tasks"].values()]
    return sorted({module for spec in specs for module in spec.preload})


def fork_server(device: str, preload: Iterable[str]) -> tuple[bool, str, str]:
    """Start the fork server with these preloads and let a child make a tensor: the whole way there and back."""
    from ..execute.local import LocalExecutor

    job = {"type": "probe", "id": "probe", "timeout_s": 120, "memory_bytes": None, "runtime": {"device": device}}
    start = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory() as folder, LocalExecutor(preload) as executor:
            (done,) = executor.run([{**job, "log": str(Path(folder) / "log")}], lambda point: None)
    except DlbenchError as error:
        return False, "fork server", str(error)
    result = done["result"] or {"status": "crashed", "reason": f"it left with exit status {done['exit']}"}
    if result["status"] != "ok":
        return False, "fork server", f"a child could make no tensor on {device}: {result['reason']}"
    return True, "fork server", f"a child made a tensor on {device} after {time.perf_counter() - start:.1f} s"
