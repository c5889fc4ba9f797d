"""Ranges, the choice among trials, and studies that go on: what `dlbench tune` is made of, without training."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from dlbench.contract.recipe import resolve
from dlbench.contract.specs import Block, Metric, Suite
from dlbench.errors import DlbenchError, UsageError
from dlbench.plan import tuning
from dlbench.plan.plan import Request
from dlbench.plan.study import Study, mend
from dlbench.plan.tuning import Range, Trial, Tuning, arms_of, best_of, edges, read_ranges, study_of, tuning_of
from workshop import catalog

ACCURACY, LOSS = Metric(name="accuracy"), Metric(name="loss", unit="nats", higher_is_better=False)


def over(*texts: str) -> tuple[Range, ...]:
    return read_ranges(texts)


def request(**fields: Any) -> Request:
    given: dict[str, Any] = {"models": ("perceptron",), "tasks": ("digits",), **fields}
    return Request(data_root=Path("no-data"), cache=Path("no-cache"), **given)


# --- ranges -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("lr=log:1e-4..1,5", (1e-4, 1e-3, 1e-2, 1e-1, 1.0)),
        ("lr=log:0.01..0.1,3", (0.01, 0.03162, 0.1)),
        ("clip=1..3,5", (1.0, 1.5, 2.0, 2.5, 3.0)),
        ("batch_size=log:16..128,4", (16, 32, 64, 128)),
        ("batch_size=1..3,9", (1, 2, 3)),  # counts are whole, and each is tried once
        ("lr=0.1,0.001,0.01", (0.001, 0.01, 0.1)),
        ("weight_decay=0,none", ("0", "none")),
        ("optimizer=sgd[momentum=0.9,nesterov=true],adam", ("sgd[momentum=0.9,nesterov=true]", "adam")),
        ("generator.lr=log:1e-4..1e-2,3", (1e-4, 1e-3, 1e-2)),
    ],
)
def test_a_range_is_its_points(text: str, points: tuple[Any, ...]) -> None:
    (r,) = over(text)
    assert r.points == points
    assert [type(p) for p in r.points] == [type(p) for p in points]
    for point in points:
        resolve([("test", {r.key: point})])


def test_a_range_without_points_keeps_its_bounds() -> None:
    (r,) = over("lr=log:1e-4..1")
    assert (r.points, r.low, r.high, r.log) == ((), 1e-4, 1.0, True)
    assert r.value(0.0123456) == 0.01235


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (["lr"], "can't read --over 'lr'"),
        (["=1,2"], "can't read"),
        (["lr=log:1e-4,5"], "needs two bounds"),
        (["lr=log:..1,5"], "needs two bounds"),
        (["lr=1e-4..,5"], "needs two bounds"),
        (["lr=a..1,5"], "needs numbers as bounds, not 'a'"),
        (["lr=0.1..inf,5"], "needs numbers as bounds, not 'inf'"),
        (["lr=1..0.1,5"], "needs a lower bound below its upper one"),
        (["lr=1..1,5"], "needs a lower bound below its upper one"),
        (["lr=log:0..1,5"], "log scale, which needs bounds above 0"),
        (["lr=log:-1..1,5"], "log scale, which needs bounds above 0"),
        (["lr=0..1,5"], "recipe key 'lr' needs a number above 0"),
        (["lr=0.1..1,1"], "from 2 to 10000, not '1'"),
        (["lr=0.1..1,0"], "from 2 to 10000, not '0'"),
        (["lr=0.1..1,many"], "from 2 to 10000, not 'many'"),
        (["lr=0.1..1,2.5"], "from 2 to 10000, not '2.5'"),
        (["lr=0.1"], "has one value"),
        (["lr=0.1,0.1"], "has one value"),
        (["lrr=0.1,1"], "did you mean 'lr'"),
        (["critic.lrr=0.1,1"], "did you mean 'lr'"),
        (["select=best,worst"], "is 'best' or 'last'"),
        (["lr=0.1,1", "lr=2,3"], "names lr twice"),
        (["budget.epochs=1,2"], "one budget"),
    ],
)
def test_a_bad_range_is_one_sentence(texts: list[str], sentence: str) -> None:
    with pytest.raises(UsageError) as error:
        read_ranges(texts)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_tuned_can_not_be_set_as_well() -> None:
    with pytest.raises(UsageError, match="lr is tuned, so it can't be set or compared as well"):
        read_ranges(["lr=0.1,1"], apart=["lr"])


# --- grid, budget, sampler --------------------------------------------------------------------------------


def test_the_grid_is_taken_where_it_fits_the_budget_and_tpe_where_not() -> None:
    two = over("lr=log:1e-4..1,5", "optimizer=sgd,adam")
    assert tuning_of(two, 20, None) == Tuning(over=two, sampler="grid", trials=10)
    found = tuning_of(two, 9, None)
    assert (found.sampler, found.trials) == ("tpe", 9)
    assert found.why == "the grid has 10 points and the budget is 9 trials"
    assert tuning_of(over("lr=log:1e-4..1"), 7, None).sampler == "tpe"
    assert tuning_of(two, 20, "tpe").trials == 20


def test_a_grid_that_can_not_be_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"has 5 points and the budget is 4 trials: give --budget 5, .* tpe"):
        tuning_of(over("lr=log:1e-4..1,5"), 4, "grid")
    with pytest.raises(UsageError, match="lr has no number of points"):
        tuning_of(over("lr=log:1e-4..1"), 20, "grid")
    for budget in (0, -3, 10**6):
        with pytest.raises(UsageError, match=r"--budget takes 1 to 10000 trials"):
            tuning_of(over("lr=1,2"), budget, None)
    with pytest.raises(UsageError, match="--over says what to tune"):
        tuning_of((), 20, None)


# --- the choice -------------------------------------------------------------------------------------------


def test_a_trial_is_worth_the_worse_of_its_seeds() -> None:
    trials = [
        Trial(number=0, chosen={"lr": 1.0}, scores=(0.99, 0.10)),
        Trial(number=1, chosen={"lr": 0.1}, scores=(0.80, 0.82)),
        Trial(number=2, chosen={"lr": 0.01}, scores=(0.85, 0.80)),
        Trial(number=3, chosen={"lr": 0.001}, scores=(None, 1.0), reason="diverged"),
        Trial(number=4, chosen={"lr": 0.02}, scores=(0.80, 0.85)),
    ]
    assert best_of(trials, ACCURACY) == trials[2]  # of equals the better other score, then the earlier
    assert best_of(trials, LOSS) == trials[1]
    assert trials[3].worth(ACCURACY)[0] == -math.inf
    assert best_of(trials[3:4], ACCURACY) is None


def test_a_best_value_at_the_end_of_what_was_searched_is_at_its_edge() -> None:
    grid = tuning_of(over("lr=log:1e-4..1,5", "optimizer=sgd,adam", "clip=3,1,2"), 100, None)
    assert edges(grid, {"lr": 1.0, "optimizer": "adam", "clip": 2}) == ("lr",)
    assert edges(grid, {"lr": 1e-4, "optimizer": "sgd", "clip": 1}) == ("lr", "clip")
    assert edges(grid, {"lr": 0.1, "optimizer": "sgd", "clip": 2}) == ()
    free = tuning_of(over("lr=log:1e-4..1"), 20, None)
    assert edges(free, {"lr": 1.5e-4}) == ("lr",)  # within a twentieth of the four decades
    assert edges(free, {"lr": 0.7}) == ("lr",)
    assert edges(free, {"lr": 1.7e-4}) == ()


def test_every_arm_gets_the_same_search() -> None:
    each = read_ranges(["optimizer=sgd,adam"], "--each")
    arms, made = arms_of(catalog(), request(models=("perceptron", "mlp", "gcn")), each)
    assert {arm.job.variant for arm in arms} == {""}
    assert [(str(arm.job.model), arm.job.block.treatment) for arm in arms] == [
        ("perceptron", "optimizer=sgd"), ("mlp", "optimizer=sgd"),
        ("perceptron", "optimizer=adam"), ("mlp", "optimizer=adam"),
    ]  # fmt: skip
    assert {skip.model for skip in made.skips} == {"gcn"}
    assert {str(arm.job.recipe.recipe.optimizer) for arm in arms[:2]} == {"sgd"}
    plan = arms[0].plan(catalog(), request(settings={"clip": 1.0}), {"lr": 0.5}, "tune, lr=0.5", seeds=tuning.SEEDS)
    assert [job.seed for job in plan.cells] == [1000, 1001]
    job = plan.cells[0]
    assert (job.variant, job.block.treatment) == ("tune, lr=0.5, clip=1.0", "optimizer=sgd")
    assert (job.recipe.recipe.lr, str(job.recipe.recipe.optimizer)) == (0.5, "sgd")
    assert (job.recipe.layers["lr"], job.recipe.layers["clip"]) == ("tune", "command line")


def test_blocks_of_a_suite_are_arms() -> None:
    suite = Suite(name="two", blocks=(
        Block(models=("perceptron",), tasks=("digits",), set={"optimizer": "sgd", "lr": 7.0}, variant="sgd"),
        Block(models=("perceptron",), tasks=("digits",), set={"optimizer": "adam"}, variant="adam"),
    ))  # fmt: skip
    arms, _ = arms_of(catalog(), request(suites=(suite,), models=(), tasks=()), ())
    assert [arm.job.variant for arm in arms] == ["sgd", "adam"]
    plan = arms[0].plan(catalog(), request(), {"lr": 0.1}, "tune")
    assert {(job.suite, job.variant, job.recipe.recipe.lr) for job in plan.cells} == {("two", "tune, sgd", 0.1)}


def test_values_are_looked_at_before_anything_runs_and_name_the_study() -> None:
    (arm,), _ = arms_of(catalog(), request(), ())
    names = {
        study_of(catalog(), request(), arm, tuning_of(over(text), 20, sampler))
        for text, sampler in (("lr=1,2", None), ("lr=1,3", None), ("lr=1,2", "tpe"))
    }
    assert len(names) == 3
    with pytest.raises(UsageError, match="did you mean 'adam'"):
        study_of(catalog(), request(), arm, tuning_of(over("optimizer=sgd,adm"), 20, None))


# --- studies ----------------------------------------------------------------------------------------------


def searched(path: Path, search: Tuning, numbers: range) -> list[Any]:
    """The settings of these trials, each told a worth that depends on it."""
    study, found = Study(path, search), []
    for number in numbers:
        settings = study.settings(number)
        study.tell(number, -abs(math.log10(settings["lr"]) + 2))
        found.append(settings)
    return found


def test_a_grid_is_tried_once_each(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    search = tuning_of(over("lr=log:1e-4..1,5", "optimizer=sgd,adam"), 20, None)
    found = searched(tmp_path / "a.journal", search, range(10))
    assert {(s["lr"], s["optimizer"]) for s in found} == {
        (lr, name) for lr in (1e-4, 1e-3, 0.01, 0.1, 1.0) for name in ("sgd", "adam")
    }


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_study_that_was_interrupted_goes_on_as_if_it_had_not_been(tmp_path: Path, sampler: str) -> None:
    pytest.importorskip("optuna")
    search = tuning_of(over("lr=log:1e-4..1,16", "optimizer=sgd,adam"), 32, sampler)
    whole = searched(tmp_path / "whole.journal", search, range(24))
    path = tmp_path / "broken.journal"
    assert searched(path, search, range(13)) == whole[:13]
    assert Study(path, search).settings(13) == whole[13]  # killed before it was told
    assert searched(path, search, range(13, 24)) == whole[13:]
    assert searched(path, search, range(24)) == whole  # asked again, nothing is drawn anew


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_a_trial_of_which_half_was_drawn_is_drawn_to_the_end(tmp_path: Path, sampler: str) -> None:
    pytest.importorskip("optuna")
    search = tuning_of(over("lr=log:1e-4..1,16", "optimizer=sgd,adam"), 32, sampler)
    whole = searched(tmp_path / "whole.journal", search, range(14))
    path = tmp_path / "broken.journal"
    searched(path, search, range(13))
    Study(path, search).settings(13)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # the last parameter's line is torn
    assert Study(path, search).settings(13) == whole[13]


def test_a_torn_line_is_cut_and_a_whole_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.journal"
    for content, kept in ((b"", b""), (b"one\ntwo\n", b"one\ntwo\n"), (b"one\ntw", b"one\n"), (b"on", b"")):
        path.write_bytes(content)
        mend(path)
        assert path.read_bytes() == kept
    mend(tmp_path / "none.journal")


def test_a_file_that_is_no_study_is_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    (tmp_path / "a.journal").write_text("no study\nat all\n")
    with pytest.raises(DlbenchError, match="isn't a study of Optuna's: move it away"):
        Study(tmp_path / "a.journal", tuning_of(over("lr=1,2"), 20, None))


def test_tpe_learns_from_what_it_is_told(tmp_path: Path) -> None:
    """Of 40 trials the later half lies nearer to the best rate, 0.01, than the ten random ones at first."""
    pytest.importorskip("optuna")
    found = searched(tmp_path / "a.journal", tuning_of(over("lr=log:1e-6..100"), 40, None), range(40))
    away = [abs(math.log10(settings["lr"]) + 2) for settings in found]
    assert sum(away[20:]) / 20 < 0.5 * sum(away[:10]) / 10
    assert all(1e-6 <= settings["lr"] <= 100 for settings in found)


def test_a_failure_is_worth_less_than_anything_and_the_study_goes_on(tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    search = tuning_of(over("lr=log:1e-4..1"), 15, None)
    study = Study(tmp_path / "a.journal", search)
    for number in range(15):
        study.settings(number)
        study.tell(number, -math.inf if number % 2 else 0.5)
        study.tell(number, 9.0)  # a second word changes nothing
    import optuna

    (name,) = optuna.get_all_study_names(study._study._storage)
    values = [trial.value for trial in optuna.load_study(study_name=name, storage=study._study._storage).trials]
    assert values == [0.5, -math.inf] * 7 + [0.5]


def test_without_optuna_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(DlbenchError, match=r"pip install 'dlbench\[tune\]'"):
        Study(tmp_path / "a.journal", tuning_of(over("lr=1,2"), 20, None))
