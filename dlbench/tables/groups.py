"""Records -> groups: the cells and the profile behind one row of a leaderboard.

A row is one suite x task with options x model x options x treatment x variant x runtime x machine x torch. Its cells
differ by seed only; its profile is the one with the same model, task, runtime, batch size and optimizer. Records of one
table whose terms differ (the task's version, sources or data, the core's protocol, the recipe but for what a model set
for itself and what a treatment is about) are told apart by a variant that says how the older ones differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, median
from typing import Any, NamedTuple

from ..contract.recipe import profile_settings
from ..records.facts import FIGURES as FIGURES
from ..records.facts import has_own_clock, launches_of
from ..records.facts import is_number as is_number
from ..results import Record
from .terms import Same, difference, treatment_of

WORST_FIRST = ("crashed", "failed", "oom", "timeout", "diverged", "no_data")

FLOOR_MODEL = "constant"
"""The row that stands for a floor which the task doesn't know."""

LUCK = 0.01
"""The share of the way from floor to bound by which a score may beat a bound that is an expectation: records don't hold
the sampling error of the test split."""


class RowKey(NamedTuple):
    """What makes a row. `task` is the name with its options; `device` and `precision`: see `device_of` and
    `precision_of`."""

    suite: str
    task: str
    model: str
    options: str
    treatment: str
    variant: str
    device: str
    precision: str
    compile: bool
    channels_last: bool
    threads: int
    machine: str
    torch: str

    @property
    def place(self) -> tuple[str, str]:
        """Machine and torch: what must be equal for speeds to be compared."""
        return self.machine, self.torch

    @property
    def table(self) -> RowKey:
        """The key of the table in which the row is ranked: the same for every model and treatment."""
        return self._replace(model="", options="", treatment="")

    @property
    def model_text(self) -> str:
        return named(self.model, self.options, self.treatment)

    @property
    def runtime_text(self) -> str:
        extras = [word for word, on in (("compiled", self.compile), ("channels last", self.channels_last)) if on]
        threads = f"{self.threads} thread" + ("s" if self.threads != 1 else "")
        return " ".join([self.device, self.precision, *extras, threads])


TABLE = RowKey._fields.index("variant")
"""From here on the fields of a key are those of its table."""


@dataclass
class Group:
    """The records behind a row: one cell per seed, in the order of the seeds, and at most one profile. `constant`: the
    mean of that model's row in the same table."""

    key: RowKey
    cells: list[Record] = field(default_factory=list)
    profile: Record | None = None
    constant: float | None = None
    _scores: dict[tuple[str | None, str], dict[int, float]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def head(self) -> Record:
        """A record that describes model and task: the newest."""
        records = [*self.cells, *([self.profile] if self.profile else [])]
        return max(records, key=_created)

    @property
    def records(self) -> list[Record]:
        return [*self.cells, *([self.profile] if self.profile else [])]

    @property
    def tuned(self) -> dict[str, Any]:
        """How the row's recipe was found; empty where it wasn't tuned. A profile may be another row's as well."""
        return next((found for cell in self.cells or self.records if (found := cell.get("tuned"))), {})

    @cached_property
    def statuses(self) -> list[str]:
        """Of each cell. Like `head` and `ok`, kept from the first use on: by then a group has its records."""
        return [status_of(cell) for cell in self.cells]

    @cached_property
    def ok(self) -> list[Record]:
        """The cells that count."""
        return [cell for cell, status in zip(self.cells, self.statuses, strict=True) if status == "ok"]

    def scores(self, metric: str | None = None, split: str = "test") -> dict[int, float]:
        """Seed -> value, over the cells that are ok; the task's own metric where none is named."""
        if (metric, split) not in self._scores:
            name = metric or self.head["task"]["metric"]["name"]
            found = {int(cell["seed"]): (cell.get("metrics") or {}).get(split, {}).get(name) for cell in self.ok}
            self._scores[metric, split] = {seed: float(value) for seed, value in found.items() if is_number(value)}
        return self._scores[metric, split]

    @property
    def floor(self) -> float | None:
        """What a constant answer scores: as the task says, else as the model `constant` did in the same table."""
        declared = self.head["task"].get("floor")
        return self.constant if declared is None else declared

    def launches(self, figure: str) -> list[float]:
        """One of FIGURES, one value per launch that measured it."""
        if self.profile is None or self.profile.status != "ok":
            return []
        return [launch[figure] for launch in self.profile.facts.get("launches", ()) if figure in launch]

    @property
    def raw_launches(self) -> list[dict[str, Any]]:
        """The profile's launches as they were recorded."""
        return launches_of(self.profile.body) if self.profile else []

    def measured(self, figure: str) -> float | None:
        """The median over launches; None where none measured it."""
        values = self.launches(figure)
        return median(values) if values else None

    def status(self) -> str:
        """`ok`, or each other status with its count, worst first: `crashed 1/5 diverged 2/5`."""
        if not self.cells:
            return "ok" if self.profile is None or self.profile.status == "ok" else f"profile {self.profile.status}"
        counts = Counter(self.statuses)
        bad = sorted((status for status in counts if status != "ok"), key=_severity)
        return " ".join(f"{status} {counts[status]}/{len(self.cells)}" for status in bad) or "ok"


def groups(by_suite: dict[str, list[Record]]) -> list[Group]:
    """The groups of all suites, sorted by key. Of several records for one seed the newest counts."""
    found: dict[RowKey, Group] = {}
    same = Same()
    for suite, records in by_suite.items():
        placed, mine = placed_in_rows(suite, records, same), dict[RowKey, Group]()
        for key, record in placed:
            if not record.is_profile:
                mine.setdefault(key, Group(key)).cells.append(record)
        for group in mine.values():
            group.cells = _newest_per_seed(group.cells, same)
        _attach([(key, record) for key, record in placed if record.is_profile], mine)
        found |= mine
    for group in found.values():
        floors = [group.key.table._replace(model=FLOOR_MODEL, treatment=name) for name in (group.key.treatment, "")]
        counted = next((found[key] for key in floors if key in found), None)
        scores = counted.scores().values() if counted and counted.status() == "ok" else ()
        group.constant = fmean(scores) if scores else None
    return [found[key] for key in sorted(found)]


def placed_in_rows(suite: str, records: list[Record], same: Same | None = None) -> list[tuple[RowKey, Record]]:
    """The records of a suite, each with the row that it belongs to: also those that its row doesn't show, because newer
    ones stand there, or because it is a profile that another row shows as well."""
    return list(zip(_complete(_keys(suite, records, same or Same())), records, strict=True))


def status_of(cell: Record) -> str:
    """A cell's status; `failed` where it says ok but its metric is missing or not finite."""
    if cell.status != "ok":
        return cell.status
    value = (cell.get("metrics") or {}).get("test", {}).get(cell["task"]["metric"]["name"])
    return "ok" if is_number(value) else "failed"


def train_s(cell: Record) -> float | None:
    """What a cell's own training clock showed; None where it had none."""
    return (cell.get("phases") or {}).get("train_s") if has_own_clock(cell.head) else None


def named(name: str, options: str, treatment: str = "") -> str:
    """`name[options]`, or the name alone, and `under` which treatment, where there is one."""
    return (f"{name}[{options}]" if options else name) + (f" under {treatment}" if treatment else "")


def _key(suite: str, record: Record) -> RowKey:
    body = record.head
    model, task, runtime, environment = body["model"], body["task"], body["runtime"], body.get("environment") or {}
    return RowKey(
        suite=suite, task=named(task["name"], task["options"]), model=model["name"], options=model["options"],
        treatment=treatment_of(record).get("name", ""), variant=record.get("variant") or "",
        device=device_of(runtime), precision=precision_of(runtime),
        compile=bool(runtime["compile"]),
        channels_last=bool(runtime["channels_last"]), threads=int(runtime["threads"]),
        machine=environment.get("machine") or "", torch=environment.get("torch") or "",
    )  # fmt: skip


def device_of(runtime: Mapping[str, Any]) -> str:
    """`cpu`, `cuda`, or how it is made use of: `cuda graph`, `cuda max-autotune` (as compiled in this mode), `cuda x4`
    where four train a cell together, and `cuda x4 sharded` where each has a shard of it."""
    devices, graph = int(runtime.get("devices") or 1), "graph" if runtime.get("cuda_graph") else ""
    name, mode = str(runtime["device"]).partition(":")[0], runtime.get("compile_mode") or ""
    several, sharded = f"x{devices}" if devices > 1 else "", "sharded" if runtime.get("shard") else ""
    return " ".join(word for word in (name, graph, mode, several, sharded) if word)


def hardware_of(device: str) -> str:
    """What a row's `device` says of the hardware alone: `cpu`, `cuda`, `cuda x4`."""
    first, *more = device.split()
    return " ".join([first, *(word for word in more if word.startswith("x"))])


def precision_of(runtime: Mapping[str, Any]) -> str:
    """`fp32`, or `fp32 high` where its products are set apart."""
    return " ".join(word for word in (runtime["precision"], runtime.get("matmul_precision")) if word)


def _keys(suite: str, records: list[Record], same: Same) -> list[RowKey]:
    """The records' keys. Where the terms of one table differ, the older ones' variants say in what."""
    keys = [_key(suite, record) for record in records]
    tables: dict[tuple[Any, ...], list[int]] = {}
    for i, key in enumerate(keys):
        tables.setdefault((key.task, *key[TABLE:]), []).append(i)
    for members in tables.values():
        terms = {i: same.terms(records[i]) for i in members}
        today: dict[str, str] = {}
        for i in sorted(members, key=lambda i: _created(records[i])):
            today.update(terms[i])
        others = {id(found): difference(found, today) for found in terms.values()}
        for i in members:
            if other := others[id(terms[i])]:
                keys[i] = keys[i]._replace(variant=", ".join(text for text in (keys[i].variant, other) if text))
    return keys


def _complete(keys: list[RowKey]) -> list[RowKey]:
    """A cell that died before it could say where it ran joins the one row that is the same in all else."""
    known: dict[RowKey, set[RowKey]] = {}
    if all(key.machine and key.torch for key in keys):
        return keys
    for key in keys:
        if all(key.place):
            known.setdefault(key._replace(machine="", torch=""), set()).add(key)

    def complete(key: RowKey) -> RowKey:
        candidates = known.get(key._replace(machine="", torch=""), set())
        fitting = [c for c in candidates if key.machine in ("", c.machine) and key.torch in ("", c.torch)]
        return key if all(key.place) or len(fitting) != 1 else fitting[0]

    return [complete(key) for key in keys]


def _newest_per_seed(cells: list[Record], same: Same) -> list[Record]:
    """One cell per seed, of the newest program only: an edited model never shows old numbers."""
    newest = {int(cell["seed"]): cell for cell in sorted(cells, key=_created)}
    last = same.program(max(newest.values(), key=_created)) if newest else 0
    return [newest[seed] for seed in sorted(newest) if same.program(newest[seed]) == last]


def _attach(profiles: list[tuple[RowKey, Record]], found: dict[RowKey, Group]) -> None:
    """Give each profile to the rows that it measures, whatever their variant and treatment; a row prefers one of its
    own, then the newest. A profile without such a row becomes a row of its own."""
    siblings: dict[RowKey, list[Group]] = {}
    for key, group in found.items():
        siblings.setdefault(key._replace(treatment="", variant=""), []).append(group)
    for key, profile in sorted(profiles, key=lambda pair: _created(pair[1])):
        fitting = [group for group in siblings.get(key._replace(treatment="", variant=""), []) if _fits(group, profile)]
        for group in fitting:
            if _preference(group, profile) >= _preference(group, group.profile):
                group.profile = profile
        if not fitting and (key not in found or not found[key].cells):
            found[key] = Group(key, profile=profile)


def _fits(group: Group, profile: Record) -> bool:
    """Whether a profile measured these cells' program: the same sources, and the same recipe as far as a step goes."""
    cell = group.cells[-1]
    same = all(cell[what].get("digest") == profile[what].get("digest") for what in ("model", "task"))
    return same and profile_settings(cell.get("recipe") or {}) == profile_settings(profile.get("recipe") or {})


def _preference(group: Group, profile: Record | None) -> tuple[bool, str]:
    if profile is None:
        return False, ""
    own = (profile.get("variant") or "", treatment_of(profile).get("name", ""))
    return own == (group.key.variant, group.key.treatment), _created(profile)


def _created(record: Record) -> str:
    return str(record.get("created") or "")


def _severity(status: str) -> int:
    return WORST_FIRST.index(status) if status in WORST_FIRST else -1


def beats_bound(mean: float, error: float, *, floor: float, bound: float, higher_is_better: bool) -> bool:
    """Whether a score is better than the best possible by more than three standard errors, and by more than luck."""
    gain = (mean - bound) * (1 if higher_is_better else -1)
    return gain > max(3 * error, LUCK * abs(bound - floor))
