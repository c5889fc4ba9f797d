"""The local executor: the parent's side of the fork server. It sleeps until the server says something."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from ..contract.executor import Executor, Message
from ..contract.importing import import_path
from ..errors import DlbenchError
from ..measure import devices
from .wire import Unpacker, pack

PRELOAD = (
    "torch",
    "torch._dynamo",  # what a first optimizer step imports otherwise, for 1.7 s in each child
    "torch.utils.flop_counter",
    "dlbench.train.cell",
    "dlbench.profile.job",
    "dlbench.execute.child",
)


class LocalExecutor(Executor):
    """Runs jobs in isolated children of a fork server, `jobs` at a time; the server starts with the first job.

    `path`: folders that the server and its children look in for modules before all others, dlbench itself included.
    `cards`: where there are several GPUs, what CUDA_VISIBLE_DEVICES calls each: a cell on CUDA then sees the one on
    which fewest run, as its `cuda:0`, and its `done` message has the number in `card`. What is `alone` sees them all.
    """

    def __init__(
        self, preload: Iterable[str] = (), jobs: int = 1, path: Iterable[str] = (), cards: Sequence[str] = ()
    ) -> None:
        self.preload, self.jobs, self.path, self.cards = [*PRELOAD, *preload], jobs, [*path], cards
        self._places: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._unpacker = Unpacker()

    def run(self, jobs: Iterable[Message], on_progress: Callable[[Message], None]) -> Iterator[Message]:
        """Yield the `done` message of each job as it ends. Each job has `id`, `log`, `timeout_s` and what the child
        needs; progress goes to the callback."""
        waiting, running = iter(jobs), 0
        while True:
            while running < self.jobs and (job := next(waiting, None)) is not None:
                self._send(self._placed(job))
                running += 1
            if not running:
                return
            for message in self._receive():
                if message["type"] == "refused":
                    raise DlbenchError(message["reason"])
                if message["type"] == "done":
                    running -= 1
                    card = self._places.pop(message["id"], None)
                    yield message if card is None else {**message, "card": card}
                else:
                    on_progress(message)

    def _placed(self, job: Message) -> Message:
        """The job with the name of its GPU, where it gets one of several."""
        if len(self.cards) < 2 or job["alone"] or job["runtime"]["device"] == "cpu":
            return job
        taken = [*self._places.values()]
        card = min(range(len(self.cards)), key=taken.count)
        self._places[job["id"]] = card
        return {**job, "visible": self.cards[card]}

    def close(self) -> None:
        """End the server and every child that still runs."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._process = None

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        environment, path = {**devices.environment(), "PYTHONHASHSEED": "0"}, [*self.path, *import_path()]
        code = f"import sys; sys.path[:] = {path!r}; from dlbench.execute.server import main; main()"
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", code, str(theirs.fileno())],  # -P: the current folder isn't the first
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
            env=environment,
        )
        theirs.close()
        # a server of an older checkout takes the path from here
        ours.sendall(pack({"type": "start", "path": path, "preload": list(dict.fromkeys(self.preload))}))
        return ours

    def _send(self, job: Message) -> None:
        if self._socket is None:
            self._socket = self._start()
        with contextlib.suppress(BrokenPipeError):  # receiving says that the server has gone
            self._socket.sendall(pack(job))

    def _receive(self) -> list[Message]:
        assert self._socket is not None
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionResetError:
            data = b""
        if not data:
            raise DlbenchError("the fork server ended by itself; run `dlbench doctor`")
        return self._unpacker.feed(data)
