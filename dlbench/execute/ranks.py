"""Several processes for one cell, a rank each: the cell's child forks them, watches them, and hands on what they say.

They stay in the child's process group, which the server ends at a deadline, and the kernel ends them when the child
dies. The child itself computes nothing, so that it can always say which of them died, and end the others, which would
wait for it.
"""

from __future__ import annotations

import contextlib
import os
import re
import selectors
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..contract.runtime import Runtime
from .server import die_with_parent, kernel_oom_kills, last_words, read_some
from .wire import Unpacker, send

GRACE_S = 1.0
"""How long the others may go on after one has failed: what they say by then may be the reason."""
LOST = re.compile(r"closed by peer|reset by peer|broken pipe|timed out|NCCL|gloo", re.IGNORECASE)
"""What a rank says that another one has left alone."""
Work = Callable[[dict[str, Any], int], None]


@dataclass(eq=False)
class Rank:
    """A process of the cell; `ended`: its exit status as `os.waitstatus_to_exitcode` has it."""

    number: int
    pid: int
    pidfd: int
    messages: int
    unpacker: Unpacker = field(default_factory=Unpacker)
    result: dict[str, Any] | None = None
    ended: int | None = None


def lead(job: dict[str, Any], channel: int, work: Work) -> None:
    """Run a job in as many processes as its runtime has devices; `work(job, channel)` is what each does. Where a model
    can't be sharded block by block, it is done again with each network as one."""
    found = run_all(job, channel, work, by_blocks=True)
    if found.pop("again", False):
        found = run_all(job, channel, work, by_blocks=False)
        found.pop("again", None)
    send(channel, found)


def run_all(job: dict[str, Any], channel: int, work: Work, by_blocks: bool) -> dict[str, Any]:
    """Start a process for each device, and return the cell's result once they have ended."""
    store, devices = os.memfd_create("ranks"), Runtime(**job["runtime"]).devices
    given = {
        "size": devices, "store": f"/proc/{os.getpid()}/fd/{store}", "orders": [os.pipe() for _ in range(devices)],
        "board": (os.memfd_create("board"), [os.eventfd(0, os.EFD_SEMAPHORE) for _ in range(devices)]),
        "by_blocks": by_blocks,
    }  # fmt: skip
    oom_kills = kernel_oom_kills()
    watch = _Watch(channel)
    try:
        for number in range(devices):
            watch.add(start(job, {**given, "rank": number}, work))
        watch.until_over()
    finally:
        watch.end_all()
    return verdict(watch.ranks, watch.failed, kernel_oom_kills() > oom_kills)


def start(job: dict[str, Any], team: dict[str, Any], work: Work) -> Rank:
    """Fork one of a job's processes: `team` is what it needs to know of the others (see `dlbench.train.team`)."""
    number = team["rank"]
    read, write = os.pipe()
    leader = os.getpid()
    pid = os.fork()
    if pid == 0:
        die_with_parent(leader)
        with last_words(write):
            os.close(read)
            runtime = Runtime(**job["runtime"])
            if runtime.device == "cpu":
                os.environ["GLOO_SOCKET_IFNAME"] = "lo"
            work({**job, "runtime": runtime.of_rank(number).as_dict(), "team": team}, write)
    os.close(write)
    os.set_blocking(read, False)
    return Rank(number, pid, os.pidfd_open(pid), read)


class _Watch:
    """Sleeps until ranks say something or end; progress goes on at once, results are kept. `failed`: those that didn't
    end well, in the order in which it was known."""

    def __init__(self, channel: int) -> None:
        self.ranks: list[Rank] = []
        self.failed: list[Rank] = []
        self._channel = channel
        self._selector = selectors.DefaultSelector()

    def add(self, rank: Rank) -> None:
        self.ranks.append(rank)
        self._selector.register(rank.messages, selectors.EVENT_READ, lambda: self._hear(rank))
        self._selector.register(rank.pidfd, selectors.EVENT_READ, lambda: self._bury(rank))

    def until_over(self) -> None:
        """Until all have ended, or `GRACE_S` after the first failure."""
        deadline: float | None = None
        while any(rank.ended is None for rank in self.ranks):
            patience = None if deadline is None else deadline - time.monotonic()
            if patience is not None and patience <= 0:
                return
            for key, _ in self._selector.select(patience):
                if self._selector.get_map().get(key.fileobj) == key:
                    key.data()
            if self.failed and deadline is None:
                deadline = time.monotonic() + GRACE_S

    def end_all(self) -> None:
        """End those that still run."""
        for rank in self.ranks:
            if rank.ended is None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(rank.pidfd, signal.SIGKILL)
                os.waitpid(rank.pid, 0)

    def _hear(self, rank: Rank) -> None:
        data = read_some(rank.messages)
        if data == b"":
            self._selector.unregister(rank.messages)
        for message in rank.unpacker.feed(data or b""):
            if message["type"] == "result":
                rank.result = message
                if message["status"] != "ok":
                    self._failed(rank)
            elif rank.number == 0:
                send(self._channel, message)

    def _bury(self, rank: Rank) -> None:
        while rank.messages in self._selector.get_map() and read_is_due(rank.messages):
            self._hear(rank)
        _, status = os.waitpid(rank.pid, 0)
        rank.ended = os.waitstatus_to_exitcode(status)
        self._selector.unregister(rank.pidfd)
        if rank.result is None:
            self._failed(rank)

    def _failed(self, rank: Rank) -> None:
        if rank not in self.failed:
            self.failed.append(rank)


def read_is_due(descriptor: int) -> bool:
    """Whether a descriptor has data, or its end, to be read now."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(0))


def verdict(ranks: list[Rank], failed: list[Rank], oom_killed: bool) -> dict[str, Any]:
    """The result of a cell: the first process's, or why not: one that died before one that failed, and that before
    those that only missed another."""
    for rank in failed:
        if rank.result is None:
            return _died(rank, len(ranks), oom_killed)
    told = [rank.result for rank in failed if rank.result is not None]
    own = [result for result in told if not LOST.search(result["reason"])]
    found = next(iter([*own, *told]), ranks[0].result)
    assert found is not None
    return found


def _died(rank: Rank, size: int, oom_killed: bool) -> dict[str, Any]:
    code = rank.ended or 0
    status = "oom" if oom_killed and code == -signal.SIGKILL else "crashed"
    known = {int(number): number.name for number in signal.Signals}
    how = f"was ended by {known.get(-code, f'signal {-code}')}" if code < 0 else f"left with exit status {code}"
    why = ": the machine ran out of memory" if status == "oom" else ""
    reason = f"process {rank.number + 1} of {size} {how} before it could report{why}"
    return {"type": "result", "status": status, "reason": reason, "where": ""}
