"""`--executor` and `--resources`: where the cells of `dlbench run` and `dlbench tune` run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..contract.choice import Choice
from ..contract.executor import Executor, Resources
from ..contract.importing import guest
from ..errors import UsageError, unknown
from ..plan.catalog import Catalog
from ..plan.hooks import line_of
from . import units

if TYPE_CHECKING:
    from ..execute.run import Engine

LOCAL = "local"
ROOM_S = 120
"""Of an engine's time for a cell, what isn't the cell's: starting, sending back what came out."""
KEYS = ("gpus", "cpus", "mem", "time")


def is_elsewhere(given: Mapping[str, Any]) -> bool:
    """Whether cells run on an engine; raises UsageError on what belongs to one where there is none."""
    elsewhere: bool = given["executor"] != LOCAL
    if given["resources"] and not elsewhere:
        raise UsageError("--resources says what an engine gives each cell; --executor local has none to ask")
    if given.get("together") and elsewhere:
        raise UsageError("--together trains seeds as one on this machine; leave it out with --executor")
    return elsewhere


def resources_of(given: Mapping[str, Any]) -> Resources:
    """What each cell is given: of `--resources gpus=1,cpus=4,mem=16GiB,time=30m`. A cell on CUDA gets a GPU, one of
    several threads as many processors. Raises UsageError."""
    pairs = [part.partition("=") for part in (given["resources"] or "").split(",") if part]
    said = {key.strip(): value.strip() for key, _, value in pairs}
    for key in said:
        if key not in KEYS:
            raise unknown("resource", key, KEYS)
    gpus = _count(said, "gpus", 1 if given["device"].startswith("cuda") else 0)
    time_s = units.duration(said["time"]) if "time" in said else None
    timeout_s = units.duration(given["timeout"])
    if time_s is None and timeout_s is not None:
        time_s = timeout_s + 5 * ROOM_S
    memory = units.size(said["mem"]) if "mem" in said else None
    cpus = _count(said, "cpus", given["threads"] or 1)
    if not cpus:
        raise UsageError("--resources: a cell needs a processor")
    return Resources(gpus=gpus, cpus=cpus, memory_bytes=memory, time_s=time_s)


def _count(said: Mapping[str, str], key: str, default: int) -> int:
    text = said.get(key, str(default))
    if not text.isdecimal():
        raise UsageError(f"--resources: {key} is a whole number, not {text!r}")
    return int(text)


def timeout_of(given: Mapping[str, Any]) -> float | None:
    """Seconds of wall clock for a cell: no more than its engine gives it, so that it is the cell's own limit that ends
    it and not the engine's."""
    timeout_s = units.duration(given["timeout"])
    if not is_elsewhere(given) or (time_s := resources_of(given).time_s) is None:
        return timeout_s
    most = max(time_s - ROOM_S, time_s / 2)
    return most if timeout_s is None else min(timeout_s, most)


def device_of(given: Mapping[str, Any]) -> str:
    """The device that was asked for; on an engine `auto` is what its resources say, and nothing is asked here."""
    device: str = given["device"]
    if device == "auto" and is_elsewhere(given):
        return "cuda" if resources_of(given).gpus else "cpu"
    return device


def engine_of(catalog: Catalog, given: Mapping[str, Any]) -> Engine | None:
    """Where cells run; None for this machine. Raises UsageError."""
    if not is_elsewhere(given):
        return None
    from ..execute.run import Engine

    choice, resources = Choice.parse(given["executor"]), resources_of(given)
    if "/" not in choice.name and choice.name not in catalog.specs["executors"]:
        raise unknown("executor", choice.name, [LOCAL, *catalog.specs["executors"]])
    spec = catalog.spec("executors", catalog.checked("executors", choice).name)
    if not spec.profiles and not given["no_profile"]:
        raise UsageError(
            f"--executor {spec.name} can't give a profile a machine of its own: run with --no-profile, and measure "
            "with `--executor local --only-profile` on one of its machines"
        )

    def open() -> Executor:
        try:
            with guest():
                found = spec.build(given["results"] / choice.name, resources, **dict(choice.options))
        except (Exception, SystemExit) as error:
            text = str(error) if isinstance(error, UsageError) else line_of(error)
            raise UsageError(f"--executor {choice}: {text}") from error
        if not isinstance(found, Executor):
            raise UsageError(f"--executor {choice}: its build returned {type(found).__name__}, not an Executor")
        return found

    return Engine(open=open, resources=resources)
