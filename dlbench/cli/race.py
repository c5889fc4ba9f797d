"""`dlbench race`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..contract.recipe import parse_settings
from ..contract.runtime import PRECISIONS, Runtime, resolve_runtime
from ..data.root import absolute_root, default_cache
from ..errors import UsageError
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.plan import Job, Request, plan
from ..results import Results
from . import units
from .run import fetch_missing, warn_of_problems

if TYPE_CHECKING:
    from ..execute.racing import Contender, Standing


@click.command()
@click.option("-t", "--task", required=True, metavar="TASK", help="The task, with options.")
@click.option(
    "-m", "--model", "models", multiple=True, required=True, metavar="MODEL", help="One, or two, with options."
)
@click.option("--against", type=click.Path(path_type=Path), metavar="FOLDER", help="Another checkout of dlbench.")
@click.option("--within", default="2%", show_default=True, help="How well the ratio should be known.")
@click.option("--time", "time_", default="60s", show_default=True, help="How long to go on at most.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the recipe: batch_size=32.")
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N.")
@click.option("--precision", default="fp32", type=click.Choice(PRECISIONS), show_default=True)
@click.option("--threads", type=int, help="Threads of torch on the CPU; default: 1.")
@click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA.")
def command(**given: Any) -> None:
    """Race the training steps of two models, or of one model in this and in another checkout of dlbench, and say by how
    much the first is faster or slower.

    Pairs of fresh processes work in turns of a few milliseconds, on this machine as busy as it is, until the ratio of
    their times is known as well as asked or the time is up.
    """
    from ..execute.racing import race

    within, seconds = units.share(given["within"]), units.duration(given["time_"])
    if seconds is None:
        raise UsageError("a race needs an end: give --time, such as 60s")
    runtime = resolve_runtime(given["device"], given["precision"], threads=given["threads"])
    on_cpu = runtime.device_type == "cpu" and runtime.threads == 1
    with contenders_of(given, runtime) as contenders:
        standing = race(
            contenders, clock="cpu_s_per_step" if on_cpu else "s_per_step", within=within, time_s=seconds, watch=show
        )
    hide()
    click.echo(report(contenders, standing, "processor time" if on_cpu else "wall time"))


@contextmanager
def contenders_of(given: Mapping[str, Any], runtime: Runtime) -> Iterator[tuple[Contender, Contender]]:
    """The two, ready to run; raises UsageError where they aren't two, or can't run."""
    from ..execute.local import LocalExecutor
    from ..execute.racing import Contender
    from ..execute.run import Limits, Runner

    models, old = list(given["models"]), given["against"]
    if len(models) != (1 if old else 2):
        raise UsageError("a race needs -m twice, or -m once and --against another checkout")
    catalog = discover(given["plugins"])
    check_extra(catalog, given["plugins"])
    warn_of_problems(catalog.problems)
    request = Request(
        tasks=(given["task"],), seeds=1, settings=parse_settings(given["settings"]), runtime=runtime,
        data_root=absolute_root(given["data"]), cache=default_cache(),
    )  # fmt: skip
    jobs = [job_of(catalog, request, model) for model in models] * (2 if old else 1)
    names = [str(jobs[0].model), f"{jobs[1].model} in {old}" if old else str(jobs[1].model)]
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            catalog=catalog, results=Results(Path(folder)), display=None,  # type: ignore[arg-type]
            limits=Limits(), data_root=request.data_root, cache=request.cache, command="",
        )  # fmt: skip
        preload = [module for job in jobs for module in job.preload]
        with LocalExecutor(preload) as here, LocalExecutor(preload, path=checkout(old) if old else ()) as there:
            messages = [runner._message(job) for job in jobs]
            yield (
                Contender(name=names[0], message=messages[0], executor=here),
                Contender(name=names[1], message=messages[1], executor=there),
            )


def checkout(folder: Path) -> list[str]:
    """The import path of a checkout; raises UsageError where there is none."""
    root = folder.resolve()
    if not (root / "dlbench" / "__init__.py").exists():
        raise UsageError(f"{folder} is no checkout of dlbench: it has no dlbench/__init__.py")
    return [str(root), str(root / "plugins"), str(root / "tasks")]


def job_of(catalog: Catalog, request: Request, model: str) -> Job:
    """The profile's job of one model; raises UsageError where it isn't one, or can't run here."""
    request = replace(request, models=(model,))
    made = plan(catalog, request)
    if made.missing:
        fetch_missing(made, request)
        made = plan(catalog, request)
    if len(made.cells) != 1:
        alone = len(made.cells) + len(made.skips) == 1
        why = made.skips[0].reason if alone else "together they name several pairs, and a race is between two"
        raise UsageError(f"{model} can't race on {request.tasks[0]}: {why}")
    if (no_data := made.cells[0].no_data) is not None:
        raise UsageError(f"{model} can't race on {request.tasks[0]}: {no_data}")
    return made.profiles[0]


def show(standing: Standing) -> None:
    """The standing on one line that rewrites itself, in a terminal."""
    if sys.stderr.isatty():
        low, high = standing.interval
        click.echo(
            f"\r\x1b[2K{standing.pairs} pairs: x{standing.ratio:.3f} [{low:.3f}, {high:.3f}]", nl=False, err=True
        )


def hide() -> None:
    if sys.stderr.isatty():
        click.echo("\r\x1b[2K", nl=False, err=True)


def report(contenders: tuple[Contender, Contender], standing: Standing, clock: str) -> str:
    """What came of it, in three lines."""
    from statistics import median

    from ..execute.racing import CONFIDENCE, FEWEST

    (first, second), (low, high) = contenders, standing.interval
    lines = [
        f"{contender.name}: {1e3 * median(seconds):.4g} ms of {clock} per training step"
        for contender, seconds in zip(contenders, zip(*standing.seconds, strict=True), strict=False)
    ]
    if standing.pairs < FEWEST:
        return "\n".join([*lines, f"can't tell: {standing.pairs} pairs in this time, {FEWEST} are needed: more --time"])
    interval = f"x{standing.ratio:.3f} [{low:.3f}, {high:.3f}] ({CONFIDENCE:.0%}, {standing.pairs} pairs)"
    return "\n".join([*lines, f"{first.name} against {second.name}: {interval}: {standing.verdict}"])
