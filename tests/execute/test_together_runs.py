"""`dlbench run --together`: a group's cells become ordinary records, and run alone where it can't be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dlbench.data.root import default_cache
from dlbench.execute.grouping import FEWEST, MOST, grouped, names_of, singles
from dlbench.execute.run import Limits, Runner
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Request, plan
from dlbench.results import Record, Results
from dlbench.tables import leaderboard
from dlbench.tables.groups import groups
from dlbench.tables.milestones import time_to
from dlbench.testing.running import Silent

PECULIAR = Path(__file__).parents[1] / "train" / "peculiar.py"
SEEDS = 4


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.points: dict[str, int] = {}

    def progress(self, job: Any, point: Any) -> None:
        self.points[job.name] = self.points.get(job.name, 0) + 1

    def warn(self, text: str) -> None:
        self.said.append(text)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Record], Notes, Path]:
    """Of a small network 24 seeds, which are worth it; of others a few, which aren't or can't."""
    folder, notes, catalog = tmp_path_factory.mktemp("together"), Notes(), discover([str(PECULIAR)])
    records: list[Record] = []
    runner = Runner(
        catalog=catalog, results=Results(folder), display=notes, limits=Limits(timeout_s=600), data_root=folder,
        cache=default_cache(), command="test", together=True,
    )  # fmt: skip
    for models, seeds in ((("mlp[width=16]",), 24), (("odd_branching", "odd_killed"), SEEDS)):
        request = Request(
            models=models, tasks=("digits",), seeds=seeds, settings={"budget.epochs": 2}, profiles=False,
            data_root=folder, cache=default_cache(),
        )  # fmt: skip
        records += runner.run(plan(catalog, request))
    return records, notes, folder


def of(records: list[Record], model: str) -> list[Record]:
    return [record for record in records if record["model"]["name"] == model]


def test_each_cell_of_a_group_has_an_ordinary_record(ran: tuple[list[Record], Notes, Path]) -> None:
    records, notes, folder = ran
    found = of(records, "mlp")
    assert [record["seed"] for record in found] == [*range(24)]
    assert {record.status for record in found} == {"ok"}
    for record in found:
        assert "together" in record["flags"]
        assert record["together"]["seeds"] == [*range(24)]
        assert notes.points[record.name] == len(record["curves"][0]) == 2
        assert (folder / "logs" / f"{record.name}.log").exists()
    assert len({record["metrics"]["test"]["accuracy"] for record in found}) > 1


def test_what_can_not_train_together_runs_alone_and_says_why_once(ran: tuple[list[Record], Notes, Path]) -> None:
    records, notes, _ = ran
    for model, why in (("odd_branching", "failed: RuntimeError"), ("odd_killed", "crashed: ended by SIGKILL")):
        said = [text for text in notes.said if f" x {model} " in text]
        assert len(said) == 1
        assert f"each seed trains alone: {why}" in said[0]
        found = of(records, model)
        assert [(record["seed"], record.status) for record in found] == [(seed, "ok") for seed in range(SEEDS)]
        assert all("together" not in record["flags"] and record.get("together") is None for record in found)


def test_tables_leave_out_their_times(ran: tuple[list[Record], Notes, Path]) -> None:
    records, *_ = ran
    frame = leaderboard.rows({"custom": records}).set_index("model")
    assert frame["train_s"].isna().to_dict() == {"mlp": True, "odd_branching": False, "odd_killed": False}
    assert "together" in frame.loc["mlp", "flags"]
    (group,) = [group for group in groups({"custom": records}) if group.key.model == "mlp"]
    assert time_to(group, 0.05) is None
    assert time_to(group, 0.05, "step") is not None


def message(seed: int, model: str = "mlp", **runtime: int) -> dict[str, Any]:
    name = f"{model}-{seed}"
    return {
        "id": name, "log": f"{name}.log", "seed": seed, "pictures": None, "model": model, "timeout_s": 10.0,
        "runtime": runtime,
    }  # fmt: skip


def test_groups_are_of_one_pair_and_shared_out_among_processes() -> None:
    cells = [message(seed, model) for seed in range(20) for model in ("a", "b")] + [message(0, "c")]
    for at_once, parts in ((1, [20, 20, 1]), (2, [10, 10, 10, 10, 1]), (8, [10, 10, 10, 10, 1])):
        found = grouped(cells, at_once)
        assert [len(names_of(group)) for group in found] == parts
        assert sorted(name for group in found for name in names_of(group)) == sorted(cell["id"] for cell in cells)
        assert all(len({name[0] for name in names_of(group)}) == 1 for group in found)
    assert [len(names_of(group)) for group in grouped([message(seed) for seed in range(100)], 1)] == [50, 50]
    assert (MOST, FEWEST) == (64, 8)
    several = [message(seed, devices=2) for seed in range(3)]
    assert grouped(several, 1) == several


def test_a_group_has_the_time_of_its_cells_and_comes_apart_into_them() -> None:
    cells = [message(seed) for seed in range(5)]
    (group,) = grouped(cells, 1)
    assert (group["id"], group["timeout_s"]) == ("mlp-0", 50.0)
    assert singles(group) == cells
