"""Ray: a task for each job on a cluster that runs already. A profile takes all processors and GPUs of one node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dlbench import Executor, Lost, Message, Resources, UsageError, run_job

LOOKS_S = 5.0


class Ray(Executor):
    """`address`: of the cluster's head, or `auto` for the one that this machine belongs to."""

    def __init__(self, resources: Resources, address: str = "auto") -> None:
        try:
            import ray
        except ImportError:
            raise UsageError("ray is missing: pip install 'dlbench[ray]'") from None
        self._ray, self._mine = ray, not ray.is_initialized()
        if self._mine:
            try:
                ray.init(address=address, log_to_driver=False, logging_level="ERROR")
            except ConnectionError as error:
                raise UsageError(f"there is no Ray cluster at {address!r}: {error}") from None
        asked: dict[str, Any] = {"num_cpus": resources.cpus, "num_gpus": resources.gpus}
        if resources.memory_bytes is not None:
            asked["memory"] = resources.memory_bytes
        self._share = asked
        # a worker that was lost is seen and replaced by `Executor.run`; one worker serves one job
        self._task = ray.remote(max_retries=0, max_calls=1)(run_job)

    def submit(self, jobs: Sequence[Message]) -> Sequence[Any]:
        return [self._task.options(**(self._node() if job["alone"] else self._share)).remote(job) for job in jobs]

    def _node(self) -> dict[str, Any]:
        """All of the node that has most, the same one each time."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        nodes = [node for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        if not nodes:
            raise UsageError("no node of the Ray cluster has processors")
        most = max(nodes, key=lambda n: (n["Resources"].get("GPU", 0), n["Resources"]["CPU"], n["NodeID"]))
        return {
            "num_cpus": most["Resources"]["CPU"], "num_gpus": most["Resources"].get("GPU", 0),
            "scheduling_strategy": NodeAffinitySchedulingStrategy(most["NodeID"], soft=False),
        }  # fmt: skip

    def ended(self, handles: Sequence[Any]) -> Mapping[Any, Message | Lost]:
        ready, _ = self._ray.wait([*handles], timeout=LOOKS_S)
        return {handle: self._answer(handle) for handle in ready}

    def _answer(self, handle: Any) -> Message | Lost:
        try:
            return dict(self._ray.get(handle))
        except self._ray.exceptions.OutOfMemoryError:
            return Lost(reason="Ray ended its worker because the node ran out of memory", status="oom", again=False)
        except self._ray.exceptions.RayTaskError as error:
            return Lost(reason=f"its worker failed: {error.cause}")
        except self._ray.exceptions.RayError as error:
            return Lost(reason=f"its worker was lost ({type(error).__name__})")

    def cancel(self, handles: Sequence[Any]) -> None:
        for handle in handles:
            self._ray.cancel(handle, force=True)

    def close(self) -> None:
        if self._mine:
            self._ray.shutdown()
