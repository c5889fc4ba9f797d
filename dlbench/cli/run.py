"""`dlbench run`."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..contract.recipe import parse_settings
from ..contract.runtime import COMPILE_MODES, MATMUL_PRECISIONS, PRECISIONS, Runtime, resolve_runtime
from ..data.root import absolute_root, default_cache
from ..errors import DlbenchError, NoData, UsageError
from ..measure.devices import ask, cards, hinted
from ..measure.environment import separate_cores
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.plan import Plan, Request, plan
from ..results import BySuite, Results
from . import units
from .choose import choose_suites
from .engine import device_of, engine_of, is_elsewhere, timeout_of

if TYPE_CHECKING:
    from ..execute.run import Runner
    from ..tables.groups import Group

DEFAULT_RESULTS = "dlbench-runs"
NOT_OK, INTERRUPTED = 3, 130
SPREAD = ("auto", "cuda")
"""Words for a device under which each of several cells gets a GPU of its own."""


def options(*decorators: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Several click options as one decorator."""

    def decorate(function: Any) -> Any:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate


suite = click.option("--suite", "suites", multiple=True, metavar="NAME|FILE.toml", help="A suite; default: quick.")
what = options(
    click.option(
        "-m", "--model", "models", multiple=True, metavar="MODEL", help="A model, with options: 'gat[heads=4]'."
    ),
    click.option("-t", "--task", "tasks", multiple=True, metavar="TASK", help="A task, with options: 'csl[pe=20]'."),
    click.option("--seeds", metavar="N|A,B,...", help="How many seeds, or which."),
    click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of the recipe: lr=0.01."),
    click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin."),
)
where = options(
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or cuda:N."),
    click.option("--precision", default="fp32", type=click.Choice(PRECISIONS), show_default=True),
    click.option(
        "--matmul-precision", type=click.Choice(MATMUL_PRECISIONS), help="Of fp32 products; default: as --precision."
    ),
    click.option("--compile", is_flag=True, help="Compile models with torch.compile."),
    click.option("--compile-mode", type=click.Choice(COMPILE_MODES), help="Of torch.compile; implies --compile."),
    click.option("--cuda-graph", is_flag=True, help="Record the training step once, and replay it."),
    click.option("--channels-last", is_flag=True, help="Keep networks' weights in channels-last order."),
    click.option("--threads", type=int, help="Threads of torch on the CPU; default: 1."),
    click.option("--devices", default=1, show_default=True, help="Devices that train a cell together."),
    click.option("--shard", is_flag=True, help="Divide weights, gradients and optimizer state between the devices."),
    click.option(
        "--executor",
        default="local",
        show_default=True,
        metavar="NAME",
        help="local, slurm, ray, dask, or a plugin's.",
    ),
    click.option(
        "--resources", metavar="KEY=VALUE,...", help="For each cell on an engine: gpus=1,cpus=4,mem=16GiB,time=30m."
    ),
    click.option("--jobs", default="1", show_default=True, metavar="N|auto", help="Cells at a time."),
    click.option("--timeout", default="1h", show_default=True, help="Wall clock per cell: 90s, 30m, none."),
    click.option("--memory-limit", default="none", show_default=True, help="Growth of memory per cell: 8GiB."),
)
folders = options(
    click.option("--results", default=DEFAULT_RESULTS, show_default=True, type=click.Path(path_type=Path)),
    click.option("--data", type=click.Path(path_type=Path), help="The data root; default: $DLBENCH_DATA."),
    click.option("--offline", is_flag=True, help="Fetch nothing; cells without data become rows `no_data`."),
    click.option("--unverified-data", is_flag=True, help="Also use files without the published sha256."),
    click.option("--no-profile", is_flag=True, help="Train and judge only."),
)
only = click.option("--only-profile", is_flag=True, help="Measure speed and memory only.")
track = click.option("--track", multiple=True, metavar="TRACKER", help="Also write to tensorboard, mlflow or wandb.")
how = options(
    click.option("--fresh", is_flag=True, help="Run everything again, also what is done."),
    click.option("--accept-stale", is_flag=True, help="Keep what was made under other versions of packages."),
    click.option(
        "--keep",
        multiple=True,
        type=click.Choice(["pictures"]),
        help="Also keep what tasks draw of the models that run now, as PNG files in RESULTS/pictures.",
    ),
    click.option(
        "--together/--no-together",
        default=False,
        show_default=True,
        help="Train cells that differ by seed alone as one, for accuracy only, where that is the same and faster.",
    ),
    click.option("--dry-run", is_flag=True, help="Print what would run, and stop."),
    click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables."),
    click.option("--debug", is_flag=True, help="Show tracebacks of dlbench's own errors."),
)


@click.command()
@suite
@what
@where
@folders
@only
@track
@how
def command(**given: Any) -> None:
    """Train, judge and measure every model on every task that fits, and print the table.

    Without --suite, -m and -t: the suite `quick`. Exit status: 0 all cells ok, 3 some did not end ok, 2 wrong usage.
    """
    catalog = discover(given["plugins"])
    check_extra(catalog, given["plugins"])
    warn_of_problems(catalog.problems)
    request, limits = request_of(catalog, given), limits_of(given)
    warn_of_unused_device(device_of(given), request.runtime)
    made = plan(catalog, request)
    if given["dry_run"]:
        runner = runner_of(catalog, request, limits, given)
        show_plan(made, set(runner.look_up(made.jobs)), given["as_json"])
        return
    catalog.track(given["track"], given["results"])
    if made.missing and not given["offline"]:
        fetch_missing(made, request)
        made = plan(catalog, request)
    sys.exit(execute(runner_of(catalog, request, limits, given), made, given["as_json"]))


def request_of(catalog: Catalog, given: Mapping[str, Any]) -> Request:
    """The request that the command line makes; raises UsageError."""
    if given["no_profile"] and given["only_profile"]:
        raise click.UsageError("--no-profile and --only-profile leave nothing to do")
    return Request(
        suites=choose_suites(catalog, given["suites"], bool(given["models"] or given["tasks"])),
        models=given["models"],
        tasks=given["tasks"],
        seeds=units.seeds(given["seeds"]) if given["seeds"] else None,
        settings=parse_settings(given["settings"]),
        runtime=resolve_runtime(
            device_of(given),
            given["precision"],
            given["compile"],
            given["channels_last"],
            given["threads"],
            given["devices"],
            given["shard"],
            here=not is_elsewhere(given),
            **{lever: given[lever] for lever in ("compile_mode", "matmul_precision", "cuda_graph")},
        ),
        cells=not given["only_profile"],
        profiles=not given["no_profile"],
        data_root=absolute_root(given["data"]),
        cache=default_cache(),
        unverified=given["unverified_data"],
    )


def limits_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of `Limits` that the command line gives; raises UsageError."""
    return {"timeout_s": timeout_of(given), "memory_bytes": units.size(given["memory_limit"])}


def fetch_missing(made: Plan, request: Request) -> None:
    """Get the open data sets that a plan misses; what can't be had stays missing."""
    from ..data.fetch import fetch

    for dataset in made.missing.values():
        try:
            fetch(dataset, request.data_root)
        except NoData as error:
            click.echo(f"dlbench: {error}", err=True)


def runner_of(catalog: Catalog, request: Request, limits: dict[str, Any], given: Mapping[str, Any]) -> Runner:
    """What runs a plan, and knows what of it is done."""
    from ..execute.run import Limits, Runner
    from .progress import make_display

    return Runner(
        catalog=catalog,
        results=Results(given["results"], request.cache),
        display=make_display(quiet=given["as_json"]),
        limits=Limits(**limits),
        data_root=request.data_root,
        cache=request.cache,
        command=command_line(),
        jobs=units.jobs(given["jobs"]) or jobs_here(request.runtime, given),
        fresh=given["fresh"],
        accept_stale=given["accept_stale"],
        keep=given["keep"],
        together=given["together"],
        engine=engine_of(catalog, given),
        spread=given["device"] in SPREAD,
    )


def jobs_here(runtime: Runtime, given: Mapping[str, Any]) -> int:
    """What `--jobs auto` means: as many as have a GPU of their own, or a core for each of their threads."""
    if is_elsewhere(given):
        raise UsageError("--jobs auto counts this machine's devices; with --executor give a number")
    if runtime.devices > 1:
        return 1
    if runtime.device_type == "cuda":
        return len(cards()) if given["device"] in SPREAD else 1
    return max(1, separate_cores() // runtime.threads)


def execute(runner: Runner, made: Plan, as_json: bool) -> int:
    """Run a plan, write the CSVs, print the table; returns the exit status."""
    catalog = runner.catalog
    known = dict(catalog.problems)
    try:
        records = runner.run(made)
    except KeyboardInterrupt:
        return stopped(runner)
    warn_of_problems({name: text for name, text in catalog.problems.items() if known.get(name) != text})
    conclude(runner, made, as_json)
    if not records:
        raise DlbenchError("nothing ran: every pair was skipped" if runner.skips else "there is nothing to run")
    return 0 if all(record.status == "ok" for record in records) and not runner.results.problems else NOT_OK


def stopped(runner: Runner) -> int:
    """Write the tables of what is done, and say how it goes on; returns the exit status."""
    write_tables(runner.results)
    click.echo(
        f"\ndlbench: stopped; what is done is kept, and its table is {runner.results.root}/leaderboard.csv. "
        "The same command goes on from here.",
        err=True,
    )
    return INTERRUPTED


def conclude(runner: Runner, made: Plan, as_json: bool) -> None:
    """Write the tables of the results folder, print this run's rows, what didn't end ok, and what to type next."""
    from ..tables import leaderboard
    from ..tables.groups import groups
    from ..tables.layout import terminal_width
    from .closing import closing

    everything, found = write_tables(runner.results)
    if not found:
        return
    names = {job.name for job in made.jobs}
    mine = {suite: [r for r in records if r.name in names] for suite, records in everything.items()}
    if mine != everything:
        found = groups({suite: records for suite, records in mine.items() if records})
    frame, _ = leaderboard.rows_of_groups(found)
    if as_json:
        body = json.loads(leaderboard.render(frame, "json"))
        click.echo(json.dumps({"rows": body, "skips": [asdict(skip) for skip in runner.skips]}, indent=1))
        return
    click.echo(leaderboard.render(frame, "terminal", notes=leaderboard.notes_of_groups(found)), nl=False)
    records = {record.name: record for records in mine.values() for record in records}
    click.echo()
    for line in closing([*records.values()], runner.ran, len(runner.skips), runner.results.root, terminal_width()):
        click.echo(line)


def write_tables(results: Results) -> tuple[BySuite, list[Group]]:
    """Write leaderboard.csv and metrics.csv of a results folder, where it has records. Returns these, and the groups
    behind the rows. What can't be read is said."""
    from ..tables import leaderboard
    from ..tables.groups import groups

    everything = results.everything()
    for problem in everything.problems:
        click.echo(f"dlbench: {problem}", err=True)
    if found := groups(everything):
        leaderboard.write_csv(leaderboard.rows_of_groups(found)[0], results.root / "leaderboard.csv")
        leaderboard.write_csv(leaderboard.metrics_of_groups(found), results.root / "metrics.csv")
    return everything, found


def show_plan(made: Plan, done: Collection[str], as_json: bool) -> None:
    """Print what would run, what is done and what is skipped."""
    if as_json:
        jobs = [
            {"suite": job.suite, "job": job.title, "record": job.name, "no_data": job.no_data, "done": job.name in done}
            for job in made.jobs
        ]
        click.echo(json.dumps({"jobs": jobs, "skips": [asdict(skip) for skip in made.skips]}, indent=1))
        return
    from ..tables.layout import terminal_width
    from .outline import outline

    for line in outline(made, done, terminal_width()):
        click.echo(line)


def warn_of_problems(problems: Mapping[str, str]) -> None:
    """One line on standard error for each plugin that has a problem."""
    for name, problem in problems.items():
        click.echo(f"dlbench: plugin {name}: {problem}", err=True)


def warn_of_unused_device(asked: str, runtime: Runtime) -> None:
    """One line on standard error where something speaks for a CUDA device and `auto` is the CPU all the same."""
    if asked == "auto" and runtime.device == "cpu" and hinted():
        click.echo(f"dlbench: running on the CPU: cuda:0: {ask('cuda:0').why_not}", err=True)


def command_line() -> str:
    """The command as it was typed, for the record."""
    return shlex.join(["dlbench", *sys.argv[1:]])
