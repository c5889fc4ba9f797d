"""The training loop: budgets, evaluations, selection, the clock, repeatability."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import Batch, Learner, Progress, Regularizer, ScheduleSpec, Stop
from dlbench.contract.learner import Supervised
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.errors import Diverged
from dlbench.plan.catalog import discover, import_source
from workshop import LOSS, Blobs, Scripted, catalog, cell, fit, trainer

THREE = {"batch_size": 16}  # three steps an epoch on Blobs


def net() -> nn.Module:
    torch.manual_seed(5)
    return nn.Linear(3, 2)


class Counting(Supervised):
    """Counts its steps in a buffer, so that a state says when it was."""

    def __init__(self, task: Any, pause_s: float = 0.0) -> None:
        super().__init__(net(), task.loss)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.pause_s, self.spent, self.seen = pause_s, [], []

    def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
        start = time.perf_counter()
        self.steps += 1
        self.seen.append(batch.inputs.clone())
        time.sleep(self.pause_s)
        loss = super().train_step(batch, optimizers)
        self.spent.append(time.perf_counter() - start)
        return loss


@pytest.mark.parametrize(
    ("budget", "steps"),
    [
        ({"budget.epochs": 2}, 6),
        ({"budget.steps": 7}, 7),
        ({"budget.steps": 1}, 1),
        ({"budget.steps": 2.5}, 2),
        ({"budget.epochs": 0.5}, 2),
        ({"budget.epochs": 1.01}, 3),
        ({"budget.epochs": 0.01}, 1),
    ],
    ids=str,
)
def test_a_budget_of_epochs_or_steps_is_kept_exactly(budget: dict[str, float], steps: int) -> None:
    task = Blobs()
    learner = Counting(task)
    outcome = fit(learner, task, {**THREE, **budget, "select": "last"})
    assert int(learner.steps) == outcome.steps == steps
    assert outcome.examples == 16 * steps
    assert outcome.epochs == pytest.approx(steps / 3)
    assert outcome.curve[-1]["step"] == steps
    assert outcome.selected_step == steps


def test_a_budget_of_seconds_stops_after_the_step_that_spends_it() -> None:
    task = Blobs()
    learner = Counting(task, pause_s=0.01)
    outcome = fit(learner, task, {**THREE, "budget.seconds": 0.15, "select": "last"})
    assert outcome.phases["train_s"] >= 0.15
    assert sum(learner.spent[1:-1]) < 0.15  # without its last step the budget was not spent; the first is off the clock
    assert outcome.steps >= 3


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"budget.epochs": 4, "evaluate_every": 2}, [6, 12]),
        ({"budget.epochs": 3, "evaluate_every": 2}, [6, 9]),
        ({"budget.steps": 10, "evaluate_every": 4}, [4, 8, 10]),
        ({"budget.steps": 20}, list(range(2, 21, 2))),
        ({"budget.epochs": 3}, [3, 6, 9]),
        ({"budget.steps": 4}, [1, 2, 3, 4]),
    ],
    ids=str,
)
def test_it_evaluates_as_often_as_asked_and_at_the_end(settings: dict[str, Any], steps: list[int]) -> None:
    outcome = fit(net(), Blobs(), {**THREE, **settings})
    assert [point["step"] for point in outcome.curve] == steps
    assert [point["examples"] for point in outcome.curve] == [16 * step for step in steps]


def test_reports_say_how_much_of_the_budget_is_spent() -> None:
    shares = []
    fit(net(), Blobs(), {**THREE, "budget.epochs": 4}, report=lambda point, share: shares.append(share))
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_patience_ends_training_after_so_many_evaluations_without_a_better_one() -> None:
    task = Scripted([0.1, 0.5, 0.4, 0.5, 0.9])  # as good as the best is not better
    outcome = fit(Counting(task), task, {**THREE, "budget.epochs": 9, "patience": 2})
    assert len(outcome.curve) == 4
    assert outcome.selected_step == 6


def test_patience_starts_anew_with_a_better_evaluation() -> None:
    task = Scripted([0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.1, 0.9])
    outcome = fit(Counting(task), task, {**THREE, "budget.epochs": 9, "patience": 2})
    assert len(outcome.curve) == 7


def test_the_loss_of_a_curve_is_the_mean_over_the_steps_since_the_last_point() -> None:
    class Known(Counting):
        def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
            super().train_step(batch, optimizers)
            return self.steps.float()  # type: ignore[operator]

    task = Blobs()
    outcome = fit(Known(task), task, {"batch_size": 16, "budget.epochs": 3})
    assert [point["loss"] for point in outcome.curve] == [2, 5, 8]  # of 1, 2, 3, then of 4, 5, 6, then of 7, 8, 9


def test_it_trains_in_training_mode_and_judges_in_evaluation_mode() -> None:
    modes: list[bool] = []

    class Noting(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:
            modes.append(self.training)
            return super().forward(inputs)

    fit(Noting(3, 2), Blobs(), {**THREE, "budget.epochs": 2})
    assert modes == [True, True, True, False] * 2


@pytest.mark.parametrize(("select", "steps"), [("best", 6), ("last", 12)])
def test_the_selected_state_is_the_one_left_to_judge(select: str, steps: int) -> None:
    task = Scripted([0.2, 0.8, 0.3, 0.7])
    learner = Counting(task)
    outcome = fit(learner, task, {**THREE, "budget.epochs": 4, "select": select})
    assert int(learner.steps) == outcome.selected_step == steps
    assert task.judged == ["val"] * 4


def test_the_best_of_a_metric_where_lower_is_better_is_the_lowest() -> None:
    class Lower(Scripted):
        def judge(self, learner: Any, split: str) -> dict[str, float]:
            return {"cross_entropy": next(self.values)}

    task = Lower([0.8, 0.2, 0.3])
    run = trainer(Counting(task), task, {**THREE, "budget.epochs": 3}, metric=LOSS)
    assert run.fit().selected_step == 6
    assert run.progress.history == (-0.8, -0.2, -0.3)  # for schedules more is always better


COUNTING_TASK = """
from dlbench import Classes, Metric, TaskSpec, Vector
JUDGED = []

def load(data):
    from workshop import Blobs
    task = Blobs()
    task.judged = JUDGED
    return task

def dlbench_tasks():
    yield TaskSpec(name="counted", input_kind=Vector, output_kind=Classes, load=load, unit="point",
                   metric=Metric(name="accuracy"), floor=0.5, recipe={"batch_size": 16, "budget.epochs": 3})
"""


@pytest.mark.parametrize("select", ["best", "last"])
def test_a_cell_judges_the_test_split_exactly_once_and_last(tmp_path: Path, select: str) -> None:
    file = tmp_path / "counted.py"
    file.write_text(COUNTING_TASK)
    body = cell("perceptron", "counted", {"select": select}, among=discover([str(file)]))
    judged = import_source(str(file)).JUDGED
    assert judged == ["val"] * 3 + ["val", "test"]
    best = max(body["curves"][0], key=lambda point: point["val"]["accuracy"])
    last = body["curves"][0][-1]
    assert body["metrics"]["val"] == (best if select == "best" else last)["val"]
    assert set(body["metrics"]["test"]) == {"accuracy", "cross_entropy"}
    assert body["test_examples"] == 32


@pytest.mark.parametrize(("epochs", "steps"), [(1, 3), (1.5, 5), (0, 0)])
def test_a_schedule_that_says_stop_ends_training(epochs: float, steps: int) -> None:
    settings = {**THREE, "budget.epochs": 10, "schedule": f"stop_after[epochs={epochs}]"}
    outcome = fit(net(), Blobs(), settings)
    assert outcome.steps == steps
    assert [point["step"] for point in outcome.curve] == list(range(3, steps, 3)) + ([steps] if steps else [])


def test_a_schedule_sees_the_progress_and_sets_every_learning_rate() -> None:
    seen: list[Progress] = []

    def factor(progress: Progress) -> Any:
        seen.append(Progress(progress.step, progress.epoch, progress.share, progress.history))
        return Stop if progress.step == 5 else 1 / (1 + progress.step)

    class Ingredients:
        optimizer = staticmethod(catalog().optimizer)
        schedule = staticmethod(lambda name: ScheduleSpec(name=name, build=lambda: factor))

    task = Blobs()
    run = trainer(net(), task, {**THREE, "optimizer": "sgd", "lr": 0.5, "budget.steps": 10, "evaluate_every": 2})
    recipe = resolve([("test", {**run.recipe.as_settings(), "schedule": "mine"})]).recipe
    run.optimizers = PartOptimizers(run.learner, recipe, Ingredients())
    run.fit()
    assert [p.step for p in seen] == [0, 1, 2, 3, 4, 5]
    assert [p.share for p in seen] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [len(p.history) for p in seen] == [0, 0, 1, 1, 2, 2]
    assert run.optimizers._all[0].optimizer.param_groups[0]["lr"] == pytest.approx(0.5 / 5)


def test_a_nan_loss_is_divergence() -> None:
    class Bad(Learner):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

        def loss(self, batch: Batch) -> Tensor:
            return self.weight * float("nan")

    task = Blobs()
    with pytest.raises(Diverged, match="training loss became nan by step 3"):
        fit(Bad(), task, {**THREE, "budget.epochs": 5})
    assert task.judged == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_metric_that_is_not_finite_is_divergence(value: float) -> None:
    with pytest.raises(Diverged, match=f"accuracy on val is {value}"):
        fit(net(), Scripted([0.5, value]), {**THREE, "budget.epochs": 5})


def test_the_training_clock_leaves_evaluation_and_the_first_step_out() -> None:
    class Slow(Blobs):
        def judge(self, learner: Any, split: str) -> dict[str, float]:
            time.sleep(0.3)
            return super().judge(learner, split)

    class SlowStart(Counting):
        def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
            time.sleep(0.3 if self.steps == 0 else 0)
            return super().train_step(batch, optimizers)

    task = Slow()
    outcome = fit(SlowStart(task), task, {**THREE, "budget.epochs": 3})
    assert outcome.phases["eval_s"] >= 0.9
    assert outcome.phases["first_step_s"] >= 0.3
    assert outcome.phases["train_s"] < 0.3
    assert outcome.curve[-1]["seconds"] == outcome.phases["train_s"]


def test_the_same_seed_gives_the_same_metrics_bit_for_bit() -> None:
    settings = {"budget.epochs": 2, "regularizers": "input_noise[sd=0.3]"}

    def run(seed: int) -> tuple[Any, Any]:
        body = cell("mlp[dropout=0.5]", "digits", settings, seeds=(seed,))
        return body["metrics"], [(point["loss"], point["val"]) for point in body["curves"][0]]

    first = run(3)
    torch.randn(7)
    assert run(3) == first
    assert run(4) != first


def test_the_order_of_the_data_does_not_depend_on_what_model_and_regularizers_draw() -> None:
    class Drawing(Counting):
        def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
            torch.rand(1000)
            return super().train_step(batch, optimizers)

    class Draws(Regularizer):
        def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
            torch.rand(10, generator=generator)
            return batch

    def order(kind: type[Counting], seed: int = 0, regularizers: list[Regularizer] | None = None) -> Tensor:
        task = Blobs()
        run = trainer(kind(task), task, {**THREE, "budget.epochs": 2}, seed=seed)
        run.regularizers = regularizers or []
        run.fit()
        return torch.cat(run.learner.seen)  # type: ignore[arg-type]

    plain = order(Counting)
    assert torch.equal(plain, order(Drawing))
    assert torch.equal(plain, order(Counting, regularizers=[Draws()]))
    assert not torch.equal(plain, order(Counting, seed=1))
    assert not torch.equal(plain[:48], plain[48:])  # another order in the next epoch


def test_a_step_sees_the_batch_that_regularizers_make() -> None:
    class Add(Regularizer):
        def on_batch(self, batch: Batch, generator: torch.Generator) -> Batch:
            return Batch(inputs=batch.inputs + 100, targets=batch.targets, size=batch.size)

    task = Blobs()
    run = trainer(Counting(task), task, {**THREE, "budget.epochs": 1})
    run.regularizers = [Add(), Add()]
    run.fit()
    assert all(inputs.min() > 150 for inputs in run.learner.seen)  # type: ignore[union-attr]


DRAWING_MODELS = """
from functools import partial
from dlbench import Classes, ModelSpec, Vector
SEEN = {}

def build(signature, *, name, draws):
    import torch

    class Net(torch.nn.Linear):
        def forward(self, inputs):
            torch.rand(draws)
            SEEN.setdefault(name, []).append(inputs.sum().item())
            return super().forward(inputs)

    torch.rand(draws)
    return Net(3, 2)

def dlbench_models():
    for name, draws in (("quiet", 0), ("noisy", 99)):
        yield ModelSpec(name=name, build=partial(build, name=name, draws=draws), accepts=[(Vector, Classes)])
"""


def test_the_streams_of_a_cell_do_not_depend_on_each_other(tmp_path: Path) -> None:
    file = tmp_path / "drawing.py"
    file.write_text(COUNTING_TASK + DRAWING_MODELS)
    found = discover([str(file)])
    for name in ("quiet", "noisy"):
        cell(name, "counted", among=found)
    seen = import_source(str(file)).SEEN
    assert len(set(seen["quiet"])) > 9
    assert seen["noisy"] == seen["quiet"]
    quiet = seen.pop("quiet")
    cell("quiet", "counted", among=found, seeds=(1,))
    assert seen["quiet"] != quiet
