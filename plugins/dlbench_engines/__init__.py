"""Executors: SLURM, Ray and Dask, for `dlbench run --executor NAME`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from dlbench import Executor, ExecutorSpec, Resources


def _slurm(
    folder: Path, resources: Resources, *, partition: str = "", account: str = "", qos: str = "", cluster: str = "slurm"
) -> Executor:
    from .on_slurm import Slurm

    return Slurm(folder, resources, {"partition": partition, "account": account, "qos": qos}, cluster)


def _ray(folder: Path, resources: Resources, *, address: str = "auto") -> Executor:
    from .on_ray import Ray

    return Ray(resources, address)


def _dask(folder: Path, resources: Resources, *, address: str = "") -> Executor:
    from .on_dask import Dask

    return Dask(resources, address)


def dlbench_executors() -> Iterator[ExecutorSpec]:
    yield ExecutorSpec(name="slurm", build=_slurm, description="arrays of batch jobs, by submitit")
    yield ExecutorSpec(name="ray", build=_ray, description="tasks on a Ray cluster that runs")
    yield ExecutorSpec(name="dask", build=_dask, description="tasks of a Dask scheduler that runs", profiles=False)
