"""Dask: a task for each job, on a scheduler that runs already. Its workers share machines, so it takes no profiles.

Workers declare GPUs and memory that are asked for (`dask worker --resources "GPU=1 MEMORY=16e9"`); processors are a
worker's threads, of which a job takes one. A job on CUDA needs workers that each see their own GPU.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from dlbench import Executor, Lost, Message, Resources, UsageError, run_job

LOOKS_S = 5.0


def wanted_job(job: Message, begun: str) -> Message | None:
    """Run a job for as long as the scheduler wants it: a thread can't be interrupted, so it looks. None where the
    scheduler begins by itself again what a lost worker had begun: that is for `Executor.run` to say."""
    from distributed import Event
    from distributed.worker import get_worker, thread_state

    event = Event(begun)
    if event.is_set():
        return None
    event.set()
    worker, key = get_worker(), thread_state.key

    def stopped() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state != "executing"

    return run_job(job, stopped)


class Dask(Executor):
    """`address`: of the scheduler, as tcp://HOST:8786."""

    def __init__(self, resources: Resources, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise UsageError("distributed is missing: pip install 'dlbench[dask]'") from None
        if not address:
            raise UsageError("name its scheduler: --executor 'dask[address=tcp://HOST:8786]'")
        try:
            self._client = Client(address, timeout=30, set_as_default=False)
        except OSError as error:
            raise UsageError(f"there is no Dask scheduler at {address}: {error}") from None
        asked = {"GPU": resources.gpus, "MEMORY": resources.memory_bytes}
        self._resources = {name: amount for name, amount in asked.items() if amount}

    def submit(self, jobs: Sequence[Message]) -> Sequence[Any]:
        return [
            self._client.submit(
                wanted_job, job, uuid.uuid4().hex, pure=False, retries=0, resources=self._resources or None
            )
            for job in jobs
        ]

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Message | Lost]:
        from distributed import TimeoutError, wait

        try:
            with self._client.as_current():
                done = wait([*handles], timeout=LOOKS_S, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            return {}
        return {handle: self._answer(handle) for handle in done}

    def _answer(self, handle: Any) -> Message | Lost:
        if handle.status != "finished":
            seen = handle.exception() if handle.status == "error" else handle.status
            return Lost(reason=f"its worker failed: {seen}")
        answer = handle.result()
        return Lost(reason="its worker was lost") if answer is None else dict(answer)

    def cancel(self, handles: Sequence[Any]) -> None:
        self._client.cancel([*handles], force=True)

    def close(self) -> None:
        self._client.close()
