"""Executors: where jobs run. A plugin's has four methods, and `Executor.run` makes the rest of them. No torch.

A job is a dict that travels as JSON. Of its keys an executor needs `id`, `alone` (a profile: nothing else may run on
its machine), `timeout_s` and `memory_bytes`. What a worker does with a job is `dlbench.run_job(job)`, and what that
returns is the answer.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from ..errors import DlbenchError

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What a job is given: GPUs, processors, bytes of memory and seconds; None: what the engine gives by itself."""

    gpus: int = 0
    cpus: int = 1
    memory_bytes: int | None = None
    time_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Lost:
    """A job whose worker ended without an answer. `again`: it may run once more: a machine was lost, not a cell."""

    reason: str
    status: Literal["crashed", "oom", "timeout"] = "crashed"
    again: bool = True


class Executor:
    """Runs jobs somewhere, `jobs` at a time.

    `submit(jobs)` starts some at once and returns a handle (hashable) of each, in their order. `ended(handles)`
    returns those that have ended, each with the answer of `run_job` or with `Lost`; it waits while there are none, but
    no longer than some seconds. `cancel(handles)` ends jobs, with all that they started. `close()` gives back what was
    opened.
    """

    jobs: int = 1

    def submit(self, jobs: Sequence[Message]) -> Sequence[Any]:
        raise NotImplementedError

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Message | Lost]:
        raise NotImplementedError

    def cancel(self, handles: Sequence[Any]) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Give back what was opened; no job runs any more."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop()
        self.close()

    def run(self, jobs: Iterable[Message], on_progress: Callable[[Message], None]) -> Iterator[Message]:
        """Yield the `done` message of each job as it ends. A job whose worker was lost runs once more. Progress comes
        with the answer. What still runs when the caller goes is cancelled. Raises DlbenchError if an engine fails."""
        waiting, retried = iter(jobs), set[str]()
        starting: list[Message] = []
        self._running: dict[Any, Message] = {}
        try:
            while True:
                while len(self._running) + len(starting) < self.jobs and (job := next(waiting, None)) is not None:
                    starting.append(job)
                if starting:
                    with self._sentence():
                        self._running |= dict(zip(self.submit(starting), starting, strict=True))
                    starting = []
                if not self._running:
                    return
                with self._sentence():
                    ended = self.ended([*self._running])
                for handle, answer in ended.items():
                    job = self._running.pop(handle)
                    if isinstance(answer, Lost) and answer.again and job["id"] not in retried:
                        retried.add(job["id"])
                        starting.append(job)
                    else:
                        yield _arrived(job, answer, on_progress)
        finally:
            self._stop()

    def _stop(self) -> None:
        running, self._running = getattr(self, "_running", {}), {}
        if running:
            ended = sys.exc_info()[0] is not None  # by what must be heard, as an interrupt
            with contextlib.suppress(Exception) if ended else self._sentence():
                self.cancel([*running])

    @contextlib.contextmanager
    def _sentence(self) -> Iterator[None]:
        """What an engine raises, as one sentence: that is no fault of a cell."""
        try:
            yield
        except DlbenchError:
            raise
        except Exception as error:
            said = " ".join(f"{type(error).__name__}: {error}".split())[:300]
            raise DlbenchError(f"{type(self).__name__} can't run cells: {said}; what is done is kept") from error


def _arrived(job: Message, answer: Message | Lost, on_progress: Callable[[Message], None]) -> Message:
    """The `done` message of an answer; its log and pictures are written where the job wants them."""
    if isinstance(answer, Lost):
        result = {"status": answer.status, "reason": answer.reason, "where": ""}
        return {"type": "done", "id": job["id"], "result": result, "timed_out": False, "lost": True}
    from base64 import b64decode

    for point in answer["progress"]:
        on_progress(point)
    files = {Path(job["log"]): answer["log"].encode()}
    if job.get("pictures"):
        first = Path(job["pictures"])
        files |= {first.parent / name: b64decode(data) for name, data in answer["pictures"].items()}
    for path, data in files.items():
        with contextlib.suppress(OSError):  # a full disk costs the log, not the run
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {**answer["done"], "environment": answer["environment"]}
