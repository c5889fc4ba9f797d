"""The fork server: imports torch and the core once, forks one child per job, watches it, and ends every child when its
parent goes.

It runs as a process of its own, in its own session, and sleeps in `select` until the parent sends a job, a child says
something, ends, or reaches its deadline. It never imports a plugin and never touches a CUDA device; if a preloaded
module did, it refuses to fork for CUDA.
"""

from __future__ import annotations

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .preload import open_driver_files, preload
from .wire import Unpacker, pack, send

CORE = ("dlbench.plan.catalog", "dlbench.train.cell", "dlbench.measure.environment", "dlbench.profile.job")
"""Modules of the core that every child needs, with all that they import."""
LOG_BYTES = 1 << 20
DRAINS = 64
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
KILLED_BY_KERNEL = "/proc/vmstat"


@dataclass(eq=False)
class Child:
    """A running job."""

    id: str
    pid: int
    pidfd: int
    messages: int
    output: int
    log: int
    started: float
    deadline: float | None
    oom_kills: int
    unpacker: Unpacker = field(default_factory=Unpacker)
    result: dict[str, Any] | None = None
    logged: int = 0
    timed_out: bool = False


class Server:
    """Sleeps on one selector: the parent's socket and three descriptors per child."""

    def __init__(self, parent: socket.socket, culprits: dict[str, list[str]] | None = None) -> None:
        """`culprits`: the preloaded modules that opened the CUDA driver's files, and which."""
        self.parent, self.culprits = parent, culprits or {}
        self.children: dict[str, Child] = {}
        self.selector = selectors.DefaultSelector()
        self.selector.register(parent, selectors.EVENT_READ, self._on_parent)
        self._unpacker = Unpacker()
        self._gone = False

    def serve(self) -> None:
        """Run until the parent's end of the socket closes."""
        while not self._gone:
            for key, _ in self.selector.select(self._patience()):
                if self.selector.get_map().get(key.fileobj) == key:  # not closed by an event before it
                    key.data()
            self._end_overdue()
        for child in list(self.children.values()):
            kill_group(child.pid)

    def _patience(self) -> float | None:
        deadlines = [c.deadline for c in self.children.values() if c.deadline is not None and not c.timed_out]
        return max(0.0, min(deadlines) - time.monotonic()) if deadlines else None

    def _end_overdue(self) -> None:
        for child in self.children.values():
            if child.deadline is not None and not child.timed_out and time.monotonic() >= child.deadline:
                child.timed_out = True
                signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)

    def _on_parent(self) -> None:
        data = self.parent.recv(1 << 16)
        if not data:
            self._gone = True
            return
        for message in self._unpacker.feed(data):
            self._launch(message)

    def _launch(self, job: dict[str, Any]) -> None:
        if job.get("runtime", {}).get("device", "cpu") != "cpu" and (opened := open_driver_files()):
            self._tell({"type": "refused", "id": job["id"], "reason": self._refusal(opened)})
            return
        message_read, message_write = os.pipe()
        output_read, output_write = os.pipe()
        log = open_log(job["log"])
        oom_kills = kernel_oom_kills()
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            die_with_parent(server)
            self._become_child(job, message_write, output_write)
        os.close(message_write)
        os.close(output_write)
        for descriptor in (message_read, output_read):
            os.set_blocking(descriptor, False)
        now = time.monotonic()
        deadline = now + job["timeout_s"] if job["timeout_s"] is not None else None
        child = Child(job["id"], pid, os.pidfd_open(pid), message_read, output_read, log, now, deadline, oom_kills)
        self.children[child.id] = child
        self.selector.register(message_read, selectors.EVENT_READ, lambda: self._on_messages(child))
        self.selector.register(output_read, selectors.EVENT_READ, lambda: self._on_output(child))
        self.selector.register(child.pidfd, selectors.EVENT_READ, lambda: self._on_exit(child))

    def _refusal(self, opened: list[str]) -> str:
        who = ", ".join(self.culprits) or "a preloaded module"
        return (
            f"{who} opened the CUDA driver ({', '.join(opened)}) in the fork server, which cells can't survive: "
            "take it out of `preload`"
        )

    def _become_child(self, job: dict[str, Any], messages: int, output: int) -> None:
        with last_words(messages):
            os.setsid()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (output, 1), (output, 2)):
                os.dup2(source, target)
            self.parent.close()
            for other in self.children.values():
                for descriptor in (other.pidfd, other.messages, other.output, other.log):
                    os.close(descriptor)
            self.selector.close()
            from .child import main

            main(job, messages)

    def _on_messages(self, child: Child) -> None:
        data = read_some(child.messages)
        if data == b"":
            self.selector.unregister(child.messages)
        for message in child.unpacker.feed(data or b""):
            if message["type"] == "result":
                child.result = message
            else:
                self._tell({**message, "id": child.id})

    def _on_output(self, child: Child) -> None:
        data = read_some(child.output)
        if data == b"":
            self.selector.unregister(child.output)
        if not data or child.logged > LOG_BYTES:
            return
        with contextlib.suppress(OSError):  # a full disk costs the log, not the run
            os.write(child.log, data[: LOG_BYTES - child.logged])
            if child.logged + len(data) > LOG_BYTES:
                os.write(child.log, f"\n[log capped at {LOG_BYTES >> 20} MiB]\n".encode())
        child.logged += len(data)

    def _on_exit(self, child: Child) -> None:
        kill_group(child.pid)  # what the child itself started; its own number is taken until it is reaped
        _, status = os.waitpid(child.pid, 0)
        self._end_strays()
        for descriptor, drain in ((child.messages, self._on_messages), (child.output, self._on_output)):
            for _ in range(DRAINS):
                if descriptor not in self.selector.get_map() or not select_now(descriptor):
                    break
                drain(child)
            if descriptor in self.selector.get_map():
                self.selector.unregister(descriptor)
            os.close(descriptor)
        self.selector.unregister(child.pidfd)
        os.close(child.pidfd)
        os.close(child.log)
        del self.children[child.id]
        self._tell({
            "type": "done", "id": child.id, "result": child.result, "exit": os.waitstatus_to_exitcode(status),
            "timed_out": child.timed_out, "oom_killed": kernel_oom_kills() > child.oom_kills,
            "seconds": time.monotonic() - child.started,
        })  # fmt: skip

    def _end_strays(self) -> None:
        """End what children left behind outside their group: as the subreaper, the server has become its parent."""
        mine = {child.pid for child in self.children.values()}
        for pid in children_of(os.getpid()):
            if pid not in mine:
                with contextlib.suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self.parent.sendall(pack(message))
        except OSError:
            self._gone = True


@contextlib.contextmanager
def last_words(messages: int) -> Iterator[None]:
    """All that a forked process does: it ends here, and says why where it fails before or after its job's own code:
    what the core caused never counts as done."""
    code = 1
    try:
        yield
        code = 0
    except BaseException as error:
        traceback.print_exc()
        report_fault(error, messages)
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


def report_fault(error: BaseException, messages: int) -> None:
    """Say that the core failed."""
    text = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    result = {"type": "result", "status": "failed", "reason": f"dlbench itself failed: {text}", "where": ""}
    with contextlib.suppress(Exception):
        send(messages, {**result, "fault": "core"})


def read_some(descriptor: int) -> bytes | None:
    """What is there to read now: b"" at the end, None if nothing."""
    try:
        return os.read(descriptor, 1 << 16)
    except BlockingIOError:
        return None


def select_now(descriptor: int) -> bool:
    """Whether a descriptor can be read without waiting."""
    with selectors.DefaultSelector() as selector:
        selector.register(descriptor, selectors.EVENT_READ)
        return bool(selector.select(0))


def kill_group(pid: int) -> None:
    """End a child and all that it started in its group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def open_log(path: str) -> int:
    """A descriptor for a child's log; of nowhere, where the file can't be made."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    except OSError:
        return os.open(os.devnull, os.O_WRONLY)


def prctl(option: int, value: int) -> None:
    """Linux's prctl; elsewhere nothing."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def die_with_parent(server: int) -> None:
    """Ask the kernel to end this process when the server dies, and leave at once if it has died already."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)


def children_of(pid: int) -> list[int]:
    """The direct children of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in task.read_text().split()]
    return found


def kernel_oom_kills() -> int:
    """How many processes the kernel has ended for want of memory since it started."""
    try:
        with open(KILLED_BY_KERNEL) as file:
            return next((int(line.split()[1]) for line in file if line.startswith("oom_kill ")), 0)
    except OSError:
        return 0


def main() -> None:
    """`python -P -c "..; from dlbench.execute.server import main; main()" FD`, started by the local executor."""
    parent = socket.socket(fileno=int(sys.argv[1]))
    unpacker = Unpacker()
    first: list[dict[str, Any]] = []
    while not first:
        data = parent.recv(1 << 16)
        if not data:
            return
        first = unpacker.feed(data)
    culprits = preload([*first[0]["preload"], *CORE])
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    gc.collect()
    gc.freeze()
    server = Server(parent, culprits)
    server._unpacker = unpacker
    for message in first[1:]:
        server._launch(message)
    server.serve()
    os._exit(0)  # nothing to tidy up, and libraries that were preloaded complain when they are torn down
