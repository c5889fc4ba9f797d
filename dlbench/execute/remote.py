"""One job on another machine, isolated as on this one, in a process of its own beside the engine's worker.

The process takes nothing over from the worker but its machine and what it may use of it: the folder, the variables that
change numbers and the path of modules are those of where the run was started. It ends when the worker does, because its
standard input ends then.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..contract.executor import Message
from ..contract.importing import guest
from ..data.verify import HashCache
from ..errors import DlbenchError
from ..measure.environment import THREAD_VARIABLES, fingerprint
from ..plan.catalog import import_source
from ..plan.inputs import kept, roots_of
from ..plan.plan import Job
from ..plan.versions import differences, installed_of
from .local import LocalExecutor

CARRIED = (*THREAD_VARIABLES, "ATEN_CPU_CAPABILITY", "MKL_CBWR", "CUBLAS_WORKSPACE_CONFIG", "PYTHONPATH")
"""Variables that a job takes along: they change numbers, or where modules are found."""
LOOKS_S = 0.5


def travelling(job: Job, message: Message) -> Message:
    """A job's message with all that another machine needs to know."""
    return {
        **message, "preload": [*job.preload], "covered": [str(path) for path in job.covered], "folder": os.getcwd(),
        "versions": {name: v for name, v in job.head["versions"].items() if not name.startswith("plugin ")},
        "carried": {name: os.environ.get(name) for name in CARRIED},
    }  # fmt: skip


def run_job(job: Message, stopped: Callable[[], bool] = lambda: False) -> Message:
    """Run one job on this machine, as `--executor local` does, and return the answer, a dict that can travel as JSON.
    `stopped` is asked twice a second whether nobody waits for it any more; then, and when this process ends, so does
    the job. Raises RuntimeError where its process was ended from outside."""
    variables = {name: value for name, value in os.environ.items() if name not in job["carried"]}
    variables |= {name: value for name, value in job["carried"].items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=variables,
        cwd=job["folder"] if os.path.isdir(job["folder"]) else None, start_new_session=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    answer = bytearray()
    try:
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        while not stopped():
            if select.select([process.stdout], [], [], LOOKS_S)[0]:
                if not (data := os.read(process.stdout.fileno(), 1 << 16)):
                    break
                answer += data
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.stdout.close()
        process.wait()
    if not answer.endswith(b"\n"):
        raise RuntimeError(f"the process of a job left with exit status {process.returncode} before it could answer")
    return dict(json.loads(answer))


def answer_of(job: Message, folder: Path) -> Message:
    """Run a job in this process's own fork server; its log and pictures lie in `folder` and go into the answer."""
    points: list[Message] = []
    mine = {**job, "log": str(folder / "log")}
    if job.get("pictures"):
        mine["pictures"] = str(folder / "pictures" / Path(job["pictures"]).name)
    done = _done(mine, points.append)
    result = done["result"]
    if result is not None and "inputs" in result:
        result["kept"] = _kept(job, result.pop("inputs"))
    log = Path(mine["log"])
    return {
        "done": done, "progress": points, "log": log.read_text(errors="replace") if log.exists() else "",
        "pictures": {
            path.name: base64.b64encode(path.read_bytes()).decode() for path in folder.glob("pictures/*.png")
        },
        "environment": fingerprint(job["runtime"]["device"]),
    }  # fmt: skip


def _done(job: Message, on_progress: Callable[[Message], None]) -> Message:
    """The `done` message of a job; a fault of the core where this machine isn't one that can run it."""
    if others := differences(job["versions"], installed_of(job["versions"])):
        return _refused(job, f"the machine that should run it has other versions: {', '.join(others)}")
    try:
        with LocalExecutor(job["preload"]) as executor:
            (done,) = executor.run([job], on_progress)
    except DlbenchError as error:
        return _refused(job, str(error))
    return done


def _refused(job: Message, reason: str) -> Message:
    result = {"status": "failed", "reason": reason, "where": "", "fault": "core"}
    return {"type": "done", "id": job["id"], "result": result, "timed_out": False}


def _kept(job: Message, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the record keeps of the files that the job read on this machine."""
    targets = [source["target"] for source in job["sources"]]
    for target in targets:
        with contextlib.suppress(Exception), guest():
            import_source(target)  # by its module the folder of a plugin is found
    hashes = HashCache(Path(job["cache"]))
    found = kept(report, map(Path, job["covered"]), roots_of(targets, Path(job["data_root"])), hashes)
    with contextlib.suppress(OSError):
        hashes.save()
    return found


def main() -> None:
    """`python -P -m dlbench.execute.remote`: a job as a line on standard input, its answer as one on the output."""
    job = json.loads(sys.stdin.buffer.readline())
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what libraries print is no answer
    folder = Path(tempfile.mkdtemp(prefix="dlbench-"))

    def leave() -> None:
        os.read(0, 1)  # nothing more is written there: its end is the worker's
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=leave, daemon=True).start()
    try:
        answer = answer_of(job, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.close()


if __name__ == "__main__":
    main()
