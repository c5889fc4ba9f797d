"""The life of a cell: which seeds feed what, which learner is judged in the end, how folds and splits come together."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from dlbench import Metric, TaskSpec, UsageError, Vector
from dlbench.contract.choice import Choice
from dlbench.plan.catalog import discover, import_source
from dlbench.train.cell import _at_floor
from workshop import cell

WATCHED = """
from dlbench import Classes, Metric, ModelSpec, RegularizerSpec, TaskSpec, Vector
LOSS = Metric(name="cross_entropy", unit="nats", higher_is_better=False)
SEEN, JUDGED, FOLDS = {}, [], 2

def load(data):
    from workshop import Blobs

    class Folded(Blobs):
        index = None

        def fold(self, index):
            task = Folded()
            task.index = index
            return task

        def batches(self, split, batch_size, generator):
            if generator is not None:
                SEEN[self.index].setdefault("order", generator.initial_seed())
            return super().batches(split, batch_size, generator)

        def judge(self, learner, split):
            metrics = super().judge(learner, split)
            JUDGED.append((self.index, split, metrics))
            return metrics

        def samples(self, learner):
            (batch,) = super().batches("test", 32, None)
            return [str(self.loss(learner.predict(batch), batch).item())]

    SEEN.clear(), JUDGED.clear()
    return Folded()

def load_combined(data):
    task = load(data)
    task.combine = lambda folds: [  # as a protocol that chooses across folds: the first point of each curve
        {"val": fold["curve"][0]["val"], "test": fold["metrics"]["test"]} for fold in folds
    ]
    return task

def load_scripted(data):
    from workshop import Blobs

    class Scripted(Blobs):  # its accuracy rises, and its loss is lowest the second time
        def judge(self, learner, split):
            self.judged.append(split)
            return {"accuracy": len(self.judged) / 100, "cross_entropy": float(abs(len(self.judged) - 2))}

        def warnings(self, metrics):
            return ["collapsed"] if metrics["accuracy"] > 0.04 else []

    SEEN.clear()
    return Scripted()

def build(signature):
    import random
    import numpy
    import torch
    at = len(SEEN)  # folds are built in turn
    network = torch.nn.Linear(3, 2)
    SEEN[at] = {"weights": network.weight.sum().item(), "python": random.random(), "numpy": numpy.random.rand()}
    return network

def noting():
    from dlbench import Regularizer

    class Noting(Regularizer):
        def on_batch(self, batch, generator):
            SEEN[len(SEEN) - 1].setdefault("task", generator.initial_seed())
            return batch

    return Noting()

def dlbench_regularizers():
    yield RegularizerSpec(name="noting", build=noting)

def dlbench_models():
    yield ModelSpec(name="watched", build=build, accepts=[(Vector, Classes)])

def dlbench_tasks():
    watching = dict(input_kind=Vector, output_kind=Classes, unit="point", metric=Metric(name="accuracy"), floor=0.5,
                    metrics=(LOSS,), recipe={"batch_size": 16, "budget.epochs": 3, "optimizer": "sgd", "lr": 0.5,
                                             "select": "last"})
    yield TaskSpec(name="blobs", load=load, folds=FOLDS, **watching)
    yield TaskSpec(name="combined", load=load_combined, folds=FOLDS, **watching)
    yield TaskSpec(name="monitored", load=load_scripted, monitor="cross_entropy", **watching)
"""
STREAMS = ("weights", "python", "numpy", "order", "task")


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Runs the cell of a seed; returns the result and the plugin's module, which noted what it saw."""
    file = tmp_path_factory.mktemp("watched") / "watched.py"
    file.write_text(WATCHED)
    found = discover([str(file)])

    def run(seed: int = 0, task: str = "blobs", **settings: Any) -> tuple[dict[str, Any], Any]:
        body = cell("watched", task, settings, among=found, seeds=(seed,))
        return body, import_source(str(file))

    return run


@pytest.fixture(scope="module")
def streams(watched: Any) -> dict[tuple[int, int], dict[str, float]]:
    """(seed, fold) -> what each stream gave."""
    found = {}
    for seed in (0, 1):
        _, module = watched(seed, regularizers="noting")
        found |= {(seed, fold): dict(seen) for fold, seen in module.SEEN.items()}
    return found


@pytest.mark.parametrize("stream", STREAMS)
def test_each_stream_follows_the_seed_and_the_fold(streams: Any, watched: Any, stream: str) -> None:
    assert sorted(streams) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len({seen[stream] for seen in streams.values()}) == 4
    _, module = watched(1, regularizers="noting")
    assert [module.SEEN[fold][stream] for fold in (0, 1)] == [streams[1, fold][stream] for fold in (0, 1)]


def test_order_and_draws_come_from_streams_of_their_own(streams: Any) -> None:
    assert all(seen["order"] != seen["task"] for seen in streams.values())


def judged_in_the_end(module: Any, fold: int) -> Iterator[tuple[str, dict[str, float]]]:
    """The last two passes over a fold's splits."""
    passes = [(split, metrics) for index, split, metrics in module.JUDGED if index == fold]
    return iter(passes[-2:])


@pytest.mark.parametrize("select", ["last", "best"])
def test_the_average_is_judged_in_the_curve_and_in_the_end_alike(watched: Any, select: str) -> None:
    plain, _ = watched(select=select)
    body, module = watched(select=select, regularizers="ema[decay=0.9]")
    for fold, (curve, other) in enumerate(zip(body["curves"], plain["curves"], strict=True)):
        assert [point["loss"] for point in curve] == [point["loss"] for point in other]  # trained alike
        assert curve[-1]["val"] != other[-1]["val"]
        chosen = max(curve, key=lambda point: point["val"]["accuracy"]) if select == "best" else curve[-1]
        assert body["fold_metrics"][fold]["val"] == chosen["val"]
        assert dict(judged_in_the_end(module, fold)) == body["fold_metrics"][fold]
    last = body["fold_metrics"][0]["test"]["cross_entropy"]
    assert float(body["samples"][0]) == pytest.approx(last, rel=1e-6)  # samples come from the judged learner too


def test_splits_keep_their_names_and_folds_weigh_the_same(watched: Any) -> None:
    body, module = watched()
    for fold in (0, 1):
        assert [split for split, _ in judged_in_the_end(module, fold)] == ["val", "test"]
        assert dict(judged_in_the_end(module, fold)) == body["fold_metrics"][fold]
    for split in ("val", "test"):
        first, second = (body["fold_metrics"][fold][split]["cross_entropy"] for fold in (0, 1))
        assert first != second
        assert body["metrics"][split]["cross_entropy"] == pytest.approx((first + second) / 2, rel=1e-12)
    assert (body["steps"], body["epochs"], body["examples"]) == (18, 3, 288)


def test_a_task_may_choose_across_folds(watched: Any) -> None:
    body, _ = watched(task="combined")
    assert [fold["val"] for fold in body["fold_metrics"]] == [curve[0]["val"] for curve in body["curves"]]
    assert body["fold_metrics"][0]["val"] != body["curves"][0][-1]["val"]
    assert body["selected_step"] is None


def test_the_best_state_is_that_of_the_monitored_metric(watched: Any) -> None:
    """Ranked by accuracy, which rises to the end; chosen by a loss that doesn't."""
    body, _ = watched(task="monitored", select="best")
    assert (body["steps"], body["selected_step"]) == (9, 6)


def test_a_task_warns_of_a_model_by_its_metrics_on_test(watched: Any) -> None:
    body, _ = watched(task="monitored", select="best")
    assert body["metrics"]["val"]["accuracy"] == 0.04  # three evaluations while it was trained, then these two
    assert body["metrics"]["test"]["accuracy"] == 0.05
    assert "collapsed" in body["flags"]
    plain, _ = watched()
    assert "collapsed" not in plain["flags"]


@pytest.mark.parametrize(
    ("higher", "value", "flagged"),
    [(True, 0.4, True), (True, 0.5, True), (True, 0.6, False), (False, 0.4, False), (False, 0.5, True),
     (False, 0.6, True), (True, math.nextafter(0.5, 1), True)],
)  # fmt: skip
def test_at_floor_means_no_better_than_the_floor(higher: bool, value: float, flagged: bool) -> None:
    spec = TaskSpec(
        name="blobs", input_kind=Vector, output_kind=Vector, load=lambda data, *, size=1: None, unit="point",  # type: ignore[arg-type]
        metric=Metric(name="score", higher_is_better=higher), floor=0.5,
    )  # fmt: skip
    assert _at_floor(spec, Choice("blobs"), value) == (["at_floor"] if flagged else [])
    assert _at_floor(spec, Choice.parse("blobs[size=2]"), value) == []  # the floor holds for the defaults only


def test_a_floor_may_be_a_function_of_the_options_or_unknown() -> None:
    def floor(*, size: int = 1, member: str = "") -> float | None:
        return {1: 0.5, 2: 0.25}.get(size) if not member else 0.75

    spec = TaskSpec(
        name="blobs", input_kind=Vector, output_kind=Vector, load=lambda data, *, size=1: None, unit="point",  # type: ignore[arg-type]
        metric=Metric(name="score"), floor=floor,
    )  # fmt: skip
    assert [spec.floor_of(options) for options in ({}, {"size": 2}, {"size": 3})] == [0.5, 0.25, None]
    assert replace(spec, member="A").floor_of({}) == 0.75
    assert _at_floor(spec, Choice.parse("blobs[size=2]"), 0.25) == ["at_floor"]
    assert _at_floor(spec, Choice.parse("blobs[size=2]"), 0.3) == []
    assert _at_floor(spec, Choice.parse("blobs[size=3]"), 0.0) == []
    assert _at_floor(replace(spec, floor=None), Choice("blobs"), 0.0) == []


def test_a_floor_that_gives_no_number_is_refused() -> None:
    spec = TaskSpec(
        name="blobs", input_kind=Vector, output_kind=Vector, load=lambda data: None, unit="point",  # type: ignore[arg-type]
        metric=Metric(name="score"), floor=lambda: "half",
    )  # fmt: skip
    with pytest.raises(UsageError, match="'blobs' can't say its floor: floor must give a finite number, None"):
        spec.floor_of({})
