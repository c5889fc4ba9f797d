"""Records -> leaderboard rows and the long metrics table, as pandas frames and as CSV files that diff well.

A row aggregates its cells over seeds: means over the cells that are ok, t-intervals from three seeds on. Ranks hold
within one table: the same suite, task with options, variant, runtime, machine and torch, over models and treatments.
A rank is text: `2`, or `1-3` where the table leaves it open. Speeds are medians over a profile's launches,
of which the first one counts FLOPs and memory. Empty means not measured.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from ..integrity import Verification, plain
from ..results import Record, write_text
from . import sharing
from .groups import Group, RowKey, beats_bound, groups, is_number, status_of, train_s
from .milestones import COLUMN, columns_of, time_to, times
from .ranking import Standing, outlying, ranks_of, standing
from .rendering import FORMULA
from .rendering import render as render
from .stats import MIN_FOR_CLAIM, Estimate, binomial_error, mean_interval, metric_range, stdev

COLUMNS = (
    "suite", "task", "task_version", "model", "family", "options", "variant", "metric", "unit", "higher_is_better",
    "mean", "ci_low", "ci_high", "seeds", "folds", "fold_sd", "rank", "floor", "bound", "reference", "status", "flags",
    "params", "flops_per_example", "batch_size", "train_examples_per_s", "pipeline_examples_per_s",
    "infer_examples_per_s", "latency_p50_ms", "latency_p95_ms", "train_peak_mib", "infer_peak_mib",
    "energy_j_per_example", "train_s", "epochs", "time_to_target_s", "precision", "compile", "threads", "device",
    "machine", "torch", "dlbench", "plugin", "plugin_version", "records",
)  # fmt: skip
METRIC_COLUMNS = (
    "suite", "task", "model", "options", "variant", "device", "precision", "compile", "threads", "machine", "torch",
    "split", "metric", "unit", "higher_is_better", "mean", "ci_low", "ci_high", "seeds",
)  # fmt: skip
TEXTS = frozenset({
    "suite", "task", "task_version", "model", "family", "options", "variant", "metric", "unit", "status", "flags",
    "precision", "device", "machine", "torch", "dlbench", "plugin", "plugin_version", "records", "split", "rank",
    "tuned", "treatment",
})  # fmt: skip
TREATMENT, TUNED, VERIFIED = "treatment", "tuned", "verified"
"""Columns that stand only where recipes are compared or were tuned, or where somebody verified a row: the treatment's
name; what was chosen, and how; how many people reproduced the row's records as they are now."""
COUNTS = frozenset({"seeds", "folds", "params", "batch_size", "threads", VERIFIED})
BOOLEANS = frozenset({"higher_is_better", "compile"})
MIB = 2**20


def rows(by_suite: dict[str, list[Record]]) -> pd.DataFrame:
    """The leaderboard, in the fixed column order: table by table, the best mean first. Columns for treatments, for the
    milestones of tasks, for several devices and for what tuning chose follow, where there are any."""
    return rows_and_groups(by_suite)[0]


def rows_and_groups(by_suite: dict[str, list[Record]]) -> tuple[pd.DataFrame, list[Group]]:
    """The leaderboard, and what stands behind each of its rows."""
    return rows_of_groups(groups(by_suite), getattr(by_suite, "verifications", ()))


def rows_of_groups(found: list[Group], verifications: Iterable[Verification] = ()) -> tuple[pd.DataFrame, list[Group]]:
    """The leaderboard of these groups, and the groups in the order of its rows."""
    rank, outliers = _standing(found)
    shared = sharing.shared(found)
    body = [
        (group, _row(group, rank.get(group.key), group.key in outliers) | shared.get(group.key, {})) for group in found
    ]
    body.sort(key=lambda pair: _order(pair[0].key, pair[1]))
    tuned = (TUNED,) if any(group.tuned for group in found) else ()
    verified = (VERIFIED,) if _verify(body, verifications) else ()
    more = (*_treated(found), *columns_of(found), *sharing.columns_of(found), *tuned, *verified)
    frame = _frame([row for _, row in body], (*COLUMNS, *more))
    return frame, [group for group, _ in body]


def _verify(body: Iterable[tuple[Group, dict[str, Any]]], verifications: Iterable[Verification]) -> bool:
    """Count for each row who verified it; whether anybody did any."""
    who: dict[tuple[str, frozenset[str]], set[str]] = {}
    for found in verifications:
        who.setdefault((found.suite, found.names), set()).add(found.by.strip().casefold())
    for group, row in body:
        row[VERIFIED] = len(who.get((group.key.suite, frozenset(record.name for record in group.records)), ()))
    return any(row[VERIFIED] for _, row in body)


def metrics(by_suite: dict[str, list[Record]]) -> pd.DataFrame:
    """Every metric of every split, one line each, aggregated over the seeds that are ok."""
    return metrics_of_groups(groups(by_suite))


def metrics_of_groups(found: list[Group]) -> pd.DataFrame:
    """`metrics` of these groups, in their order."""
    lines = [line for group in found for line in _metric_lines(group)]
    return _frame(lines, (*METRIC_COLUMNS, *_treated(found)))


def _treated(found: Iterable[Group]) -> tuple[str, ...]:
    return (TREATMENT,) if any(group.key.treatment for group in found) else ()


def notes(by_suite: dict[str, list[Record]]) -> list[str]:
    """What didn't end ok: one line for each row and reason, with the seeds, where it happened and a log. Then how well
    several devices shared their work."""
    return notes_of_groups(groups(by_suite))


def notes_of_groups(found: Iterable[Group]) -> list[str]:
    """`notes` of these groups, in the order of their keys."""
    lines, found = [], sorted(found, key=lambda group: group.key)
    for group in found:
        alike: dict[str, list[Record]] = {}
        for record in group.records:
            status = record.status if record.is_profile else status_of(record)
            if status != "ok":
                reason = plain(record.get("reason") or "") or (
                    "its metric is not a finite number" if record.status == "ok" else ""
                )
                where = f" (at {plain(record['where'])})" if record.get("where") else ""
                alike.setdefault(": ".join(text for text in (status, reason) if text) + where, []).append(record)
        for text, records in alike.items():
            seeds = ", ".join(f"{record['seed']}" for record in records if not record.is_profile)
            what = " and ".join([*([f"seed {seeds}"] if seeds else []), *(["profile"] * records[-1].is_profile)])
            log = "" if text.startswith("no_data") else f"; log: {log_of(records[0])}"
            lines.append(f"{group.key.task} x {group.key.model_text}, {what}: {text}{log}")
    return lines + sharing.notes(found)


def log_of(record: Record) -> str:
    """Where a record's log lies in its results folder."""
    return "/".join(part for part in ("logs", record.shard, f"{record.name}.log") if part)


def write_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a frame of this module: six significant digits, `\\n` line ends, the old file or the whole new one."""
    write_text(Path(path), render(frame, "csv"))


def read_csv(path: Path) -> pd.DataFrame:
    """Read what `write_csv` wrote, with the same column types. Raises ValueError on a file of another shape."""
    header = pd.read_csv(path, nrows=0).columns
    known = (TREATMENT, TUNED, VERIFIED, *sharing.COLUMNS)
    more = tuple(column for column in header if COLUMN.fullmatch(column) or column in known)
    if tuple(header) not in ((*COLUMNS, *more), (*METRIC_COLUMNS, *more)):
        raise ValueError(f"{path} is not a leaderboard or a metrics table of this version of dlbench")
    types: dict[str, Any] = {column: _dtype(column) for column in header}
    empty = {column: [""] for column in header if column not in TEXTS}
    frame = pd.read_csv(path, dtype=types, keep_default_na=False, na_values=empty)
    texts = {column: frame[column].str.replace(rf"^'(?={FORMULA.pattern})", "", regex=True) for column in header
             if column in TEXTS}  # fmt: skip
    return _typed(frame.assign(**texts))


def _row(group: Group, rank: str | None, outlier: bool) -> dict[str, Any]:
    key, head = group.key, group.head
    model, task = head["model"], head["task"]
    estimate = mean_interval(group.scores().values(), _range(task["metric"]))
    row = {
        **_where(key), "task_version": task["version"], "family": model.get("family"),
        "metric": task["metric"]["name"], "unit": task["metric"]["unit"],
        "higher_is_better": task["metric"]["higher_is_better"], **_interval(estimate), "folds": task["folds"],
        "fold_sd": _fold_sd(group), "rank": rank, **yardsticks(group), "status": group.status(),
        "flags": " ".join(_flags(group, estimate, outlier)), "batch_size": _batch_size(head),
        **_speed(group), "train_s": _mean_of(group, train_s),
        "epochs": _mean_of(group, lambda cell: cell.get("epochs")), "time_to_target_s": _time_to_target(group),
        "dlbench": head.get("dlbench"), "plugin": model.get("plugin"), "plugin_version": model.get("plugin_version"),
        "records": " ".join(record.name for record in group.records), **times(group),
        TUNED: how_tuned(group.tuned),
    }  # fmt: skip
    row["params"] = next((c["params"] for c in group.ok if is_number(c.get("params"))), group.measured("params"))
    return row


def how_tuned(tuned: Mapping[str, Any]) -> str:
    """`lr=0.01 of log:1e-4..1,5; grid, 5 trials`; empty where nothing was tuned."""
    if not tuned:
        return ""
    over, found = tuned.get("over") or {}, tuned.get("chosen") or {}
    chosen = [f"{key}={value} of {over.get(key)}" for key, value in found.items()]
    return f"{', '.join(chosen)}; {tuned.get('sampler')}, {tuned.get('trials')} trials"


def _where(key: RowKey) -> dict[str, Any]:
    """The columns that say which row it is."""
    return {column: value for column, value in key._asdict().items() if column != "channels_last"}


def _interval(estimate: Estimate) -> dict[str, Any]:
    return {"mean": estimate.mean, "ci_low": estimate.low, "ci_high": estimate.high, "seeds": estimate.count}


def yardsticks(group: Group) -> dict[str, float | None]:
    """Floor, bound and reference; the last two hold for a task's default options only."""
    task = group.head["task"]
    if task["options"]:
        return {"floor": group.floor, "bound": None, "reference": None}
    reference = (task.get("reference") or {}).get("value")
    return {"floor": group.floor, "bound": task.get("bound"), "reference": reference}


def _range(metric: Mapping[str, Any]) -> tuple[float, float]:
    return metric_range(metric.get("unit") or "", metric.get("higher_is_better"))


def _speed(group: Group) -> dict[str, float | None]:
    same = (
        "flops_per_example", "train_examples_per_s", "pipeline_examples_per_s", "infer_examples_per_s",
        "latency_p50_ms", "latency_p95_ms", "energy_j_per_example",
    )  # fmt: skip
    if group.profile is None:
        return {}
    figures = {name: group.measured(name) for name in same}
    for part in ("train", "infer"):
        peak = group.measured(f"{part}_peak_bytes")
        figures[f"{part}_peak_mib"] = None if peak is None else peak / MIB
    return figures


def _flags(group: Group, estimate: Estimate, outlier: bool) -> list[str]:
    """The union of the records' flags and what only the whole row shows, sorted."""
    flags = {str(flag) for record in group.records for flag in record.get("flags") or []}
    flags |= {*(group.profile.facts.get("flags", ()) if group.profile else ())}
    floor = yardsticks(group)["floor"]
    if floor is not None and estimate.mean is not None:
        flags.discard("at_floor")
        if _at_floor(estimate, floor, group.head["task"]["metric"]["higher_is_better"]):
            flags.add("at_floor")
    if beyond_bound(group):
        flags.add("beyond_bound")
    if 0 < estimate.count < MIN_FOR_CLAIM:
        flags.add("provisional")
    if outlier:
        flags.add("outlier_seed")
    if any(record["task"].get("data") == "unverified" for record in group.records):
        flags.add("unverified_data")
    if any("model" in (cell.get("layers") or {}).values() for cell in group.cells):
        flags.add("model_recipe")
    if group.tuned.get("edge"):
        flags.add("range_edge")
    if group.key.channels_last:
        flags.add("channels_last")
    if group.cells and group.profile is not None and group.profile.status != "ok":
        flags.add(f"profile_{group.profile.status}")
    return sorted(flags)


def _at_floor(estimate: Estimate, floor: float, higher_is_better: bool) -> bool:
    """Whether the mean is no better than the floor, or the floor lies within the mean's interval."""
    assert estimate.mean is not None
    gain = (estimate.mean - floor) * (1 if higher_is_better else -1)
    inside = estimate.low is not None and estimate.high is not None and estimate.low <= floor <= estimate.high
    return inside or gain <= 1e-9 * max(1.0, abs(floor))


def beyond_bound(group: Group) -> bool:
    """Whether the row's score is better than can be: it saw what it was asked for, and is not ranked."""
    marks, metric = yardsticks(group), group.head["task"]["metric"]
    if marks["bound"] is None or marks["floor"] is None or not (scores := list(group.scores().values())):
        return False
    error = stdev(scores) / math.sqrt(len(scores)) if len(scores) > 1 else 0.0
    return beats_bound(
        fmean(scores), error, floor=marks["floor"], bound=marks["bound"], higher_is_better=metric["higher_is_better"]
    )


def copied(group: Group) -> bool:
    """Whether a seed of the row was seen to hand out its training examples: that isn't what is asked for."""
    return any("copies" in (cell.get("flags") or ()) for cell in group.ok)


def _fold_sd(group: Group) -> float | None:
    """The spread over folds, where a single seed gives no other."""
    if len(group.ok) != 1:
        return None
    name = group.head["task"]["metric"]["name"]
    values = [fold.get("test", {}).get(name) for fold in group.ok[0].get("fold_metrics") or []]
    numbers = [float(v) for v in values if is_number(v)]
    return stdev(numbers) if len(numbers) >= 2 else None


def _mean_of(group: Group, read: Any) -> float | None:
    values = [read(cell) for cell in group.ok]
    numbers = [float(v) for v in values if is_number(v)]
    return fmean(numbers) if numbers else None


def _time_to_target(group: Group) -> float | None:
    """Until validation first reached the task's reference; None where there is none."""
    target = yardsticks(group)["reference"]
    return None if target is None else time_to(group, target)


def _metric_lines(group: Group) -> Iterable[dict[str, Any]]:
    task = group.head["task"]
    described = {m["name"]: m for m in [*task.get("metrics", []), task["metric"]]}
    for split in sorted({split for cell in group.ok for split in cell["metrics"]}):
        for name in sorted({name for cell in group.ok for name in cell["metrics"].get(split, {})}):
            about = described.get(name, {})
            yield {
                **_where(group.key), "split": split, "metric": name, "unit": about.get("unit"),
                "higher_is_better": about.get("higher_is_better"),
                **_interval(mean_interval(group.scores(name, split).values(), _range(about))),
            }  # fmt: skip


def _standing(found: list[Group]) -> tuple[dict[RowKey, str], set[RowKey]]:
    """The ranks, table by table, and the rows of which a seed lies far from the others."""
    tables: dict[RowKey, list[Group]] = {}
    for group in found:
        tables.setdefault(group.key.table, []).append(group)
    rank: dict[RowKey, str] = {}
    outliers: set[RowKey] = set()
    for members in tables.values():
        rank |= ranks_of(standing_of(members))
        outliers |= outlying({group.key: group.scores() for group in members})
    return rank, outliers


def standing_of(members: list[Group]) -> Standing[RowKey]:
    """The tests of one table, over the rows that are ranked."""
    ranked = [group for group in members if not (beyond_bound(group) or copied(group))]
    return standing(
        {group.key: group.scores() for group in ranked}, members[0].head["task"]["metric"]["higher_is_better"],
        {group.key: _split_error(group) for group in ranked},
    )  # fmt: skip


def _split_error(group: Group) -> float | None:
    """The squared standard error that the test split's size leaves in a fraction, and 0 where a function is judged and
    no split of a data set; None where it isn't known."""
    if "-> objective[" in str(group.head.get("signature")):
        return 0.0
    sizes = [cell.get("test_examples") for cell in group.ok]
    counts = [int(size) for size in sizes if is_number(size) and size]
    if group.head["task"]["metric"]["unit"] != "fraction" or not counts or len(counts) < len(sizes):
        return None
    return binomial_error(fmean(group.scores().values()), min(counts))


def _order(key: RowKey, row: dict[str, Any]) -> tuple[Any, ...]:
    mean = row["mean"]
    best_first = math.inf if mean is None else (-mean if row["higher_is_better"] else mean)
    return (*key.table, row["rank"] is None, best_first, key.model, key.options, key.treatment)


def _batch_size(head: Record) -> int | None:
    """None for `all`, which is as many as the task has."""
    size = (head.get("recipe") or {}).get("batch_size")
    return size if isinstance(size, int) else None


def _frame(body: list[dict[str, Any]], columns: tuple[str, ...]) -> pd.DataFrame:
    return _typed(pd.DataFrame([[row.get(c) for c in columns] for row in body], columns=list(columns), dtype=object))


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    for column in frame.columns:
        values = frame[column].fillna("") if column in TEXTS else frame[column]
        frame[column] = values.astype(_dtype(column))
    return frame


def _dtype(column: str) -> Any:
    if column in TEXTS:
        return "str"
    if column in COUNTS:
        return "Int64"
    return "boolean" if column in BOOLEANS else "float64"
