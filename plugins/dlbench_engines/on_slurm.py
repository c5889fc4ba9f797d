"""SLURM, through submitit: some jobs at once are an array, a profile asks for `--exclusive`.

Answers come through submitit's files, in a folder that the nodes must see. States are asked of `squeue`, which needs no
accounting, as `sacct` would. A job that SLURM preempts, or whose time runs out, is put back into the queue.
"""

from __future__ import annotations

import math
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from dlbench import Executor, Lost, Message, Resources, UsageError, run_job

WARNED_S = 30
"""How long before a job's end SLURM says so, which is time enough to put it back."""
SIGNALS_S, LEAVES_S = 2.0, 120.0
LOOKS_S = 1.0
ASKS_S = 5.0
ENDED = {
    "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT", "GONE",
}  # fmt: skip


class Task:
    """What a batch job runs: one job of dlbench; put back into the queue, it begins anew."""

    def __init__(self, job: Message) -> None:
        self.job = job

    def __call__(self) -> Message:
        """SLURM signals all processes of a job that it is about to end: what comes back then is no answer."""
        signal.signal(signal.SIGTERM, self._leave)
        self.leaving = False
        try:
            answer = run_job(self.job)
        except RuntimeError:
            time.sleep(SIGNALS_S)  # this process's own signal may come a moment later
            if not self.leaving:
                raise
        if self.leaving:
            time.sleep(LEAVES_S)  # until it is ended; in the queue it begins anew
            raise RuntimeError("it was told to end")
        return answer

    def _leave(self, number: int, frame: Any) -> None:
        self.leaving = True

    def checkpoint(self) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


class Slurm(Executor):
    """`options`: partition, account, qos, where given. `cluster`: `local` for submitit's processes on this machine."""

    def __init__(self, folder: Path, resources: Resources, options: Mapping[str, str], cluster: str = "slurm") -> None:
        try:
            import submitit
        except ImportError:
            raise UsageError("submitit is missing: pip install 'dlbench[slurm]'") from None
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise UsageError("there is no sbatch here: run it on a machine that submits to SLURM")
        self.is_local = cluster != "slurm"
        folder.mkdir(parents=True, exist_ok=True)
        self._engine = submitit.AutoExecutor(folder.resolve(), cluster=cluster, slurm_max_num_timeout=1)
        self._parameters = self._asked(resources, options)
        self._asked_at, self._seen = 0.0, dict[Any, int]()

    def _asked(self, resources: Resources, options: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {"name": "dlbench", "tasks_per_node": 1}
        if resources.time_s is not None:
            found["timeout_min"] = math.ceil(resources.time_s / 60)
        if resources.gpus:
            found["gpus_per_node"] = resources.gpus
        if self.is_local:
            return found
        if resources.memory_bytes is not None:
            found["slurm_mem"] = f"{math.ceil(resources.memory_bytes / 2**20)}M"
        found |= {f"slurm_{key}": value for key, value in options.items() if value}
        bound = [f"--cpus-per-task={resources.cpus}"]  # a profile's whole node is the same machine as a cell's share
        return {
            **found, "cpus_per_task": resources.cpus, "slurm_signal_delay_s": WARNED_S, "slurm_srun_args": bound,
        }  # fmt: skip

    def submit(self, jobs: Sequence[Message]) -> Sequence[Any]:
        alone = any(job["alone"] for job in jobs)
        exclusive = {} if self.is_local else {"slurm_exclusive": alone or None}
        self._engine.update_parameters(**self._parameters, **exclusive)
        if len(jobs) == 1:
            return [self._engine.submit(Task(jobs[0]))]
        if not self.is_local:
            self._engine.update_parameters(slurm_array_parallelism=self.jobs)
        with self._engine.batch():
            return [self._engine.submit(Task(job)) for job in jobs]

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Message | Lost]:
        time.sleep(LOOKS_S)
        found: dict[Any, Message | Lost] = {}
        asked = time.monotonic() > self._asked_at + ASKS_S
        states = self._states(handles) if asked else {}
        for handle in handles:
            if handle.paths.result_pickle.exists():
                found[handle] = self._answer(handle)
            elif states.get(handle) in ENDED:
                self._seen[handle] = self._seen.get(handle, 0) + 1
                if self._seen[handle] > 1:  # a shared folder shows files late
                    found[handle] = _lost(states[handle])
        self.cancel([handle for handle, answer in found.items() if isinstance(answer, Lost)])
        return found

    def _answer(self, handle: Any) -> Message | Lost:
        kind, value = handle._get_outcome_and_result()
        if kind == "success":
            return dict(value)
        last = str(value).strip().splitlines()[-1]
        return _lost("TIMEOUT") if "timed-out" in last else Lost(reason=f"its batch job failed: {last}")

    def _states(self, handles: Sequence[Any]) -> dict[Any, str]:
        """Of each job; nothing where the controller is busy or down, and will answer later."""
        self._asked_at = time.monotonic()
        if self.is_local:
            return {handle: "FAILED" if handle.done() else "RUNNING" for handle in handles}
        command = ["squeue", "--me", "--noheader", "--array", "--states=all", "--format=%i|%T"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return {}
        states = dict(line.strip().split("|") for line in done.stdout.splitlines() if "|" in line)
        return {handle: states.get(handle.job_id, "GONE") for handle in handles}

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            handle.cancel(check=False)


def _lost(state: str) -> Lost:
    if state == "TIMEOUT":
        return Lost(reason="its batch job ran out of time; give --resources time= more", status="timeout", again=False)
    if state == "OUT_OF_MEMORY":
        return Lost(reason="its batch job ran out of memory; give --resources mem= more", status="oom", again=False)
    if state == "CANCELLED":
        return Lost(reason="its batch job was cancelled", again=False)
    return Lost(reason=f"its batch job ended ({state.lower()}) before it could answer")
