"""The contracts, proven on real parts: who owns loss and step, parts, averaging, precision, graphs, carried state."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner
from dlbench.contract.learner import Supervised
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.train.cell import open_bench
from dlbench.train.execution import Execution
from dlbench.train.judging import judge, judge_and_count
from workshop import Blobs, catalog, cell, fit, message, planned, trainer

pytestmark = pytest.mark.numbers


def digits() -> Any:
    return open_bench(message(planned("perceptron", "digits"))).task


def network() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))


class OwnLoss(Learner):
    """The second rung: a learner with its own loss."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network()

    def predict(self, inputs: Tensor) -> Tensor:
        return self.network(inputs)

    def loss(self, batch: Batch) -> Tensor:
        return F.cross_entropy(self.network(batch.inputs), batch.targets)


class OwnStep(OwnLoss):
    """The third rung: a learner with its own step."""

    def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
        return optimizers.minimize(F.cross_entropy(self.network(batch.inputs), batch.targets))


def test_the_three_rungs_learn_digits_and_are_the_same_training() -> None:
    task, settings = digits(), {"budget.epochs": 3, "batch_size": 32, "lr": 3e-3}
    curves, states = [], []
    for built in (network(), OwnLoss(), OwnStep()):
        run = trainer(built, task, settings)
        curves.append([(point["loss"], point["val"]) for point in run.fit().curve])
        states.append(list(run.judged.parameters()))
    assert curves[0][-1][1]["accuracy"] > 0.85
    assert curves[0] == curves[1] == curves[2]
    for other in states[1:]:
        assert all(torch.equal(a, b) for a, b in zip(states[0], other, strict=True))


@pytest.mark.parametrize("built", [network, OwnLoss])
def test_lbfgs_minimizes_a_closure(built: Any) -> None:
    task = digits()
    settings = {"optimizer": "lbfgs", "lr": 1, "batch_size": 1077, "budget.epochs": 4}
    outcome = fit(built(), task, settings)
    assert outcome.steps == 4
    assert outcome.curve[-1]["val"]["accuracy"] > 0.85  # 4 steps of a first-order method are nowhere near
    assert outcome.curve[-1]["loss"] < outcome.curve[0]["loss"]


def test_lbfgs_on_a_tensor_says_what_it_needs() -> None:
    with pytest.raises(TypeError, match="give minimize a closure"):
        fit(OwnStep(), digits(), {"optimizer": "lbfgs", "lr": 1, "batch_size": 1077})


@pytest.mark.parametrize(
    ("model", "task", "settings"),
    [
        ("mlp", "digits", {"optimizer": "lbfgs", "lr": 1}),
        ("gan", "ring8", {"generator.optimizer": "lbfgs", "generator.lr": 1}),
    ],
)
def test_lbfgs_under_fp16_is_a_planned_skip(model: str, task: str, settings: dict[str, Any]) -> None:
    assert planned(model, task, settings).skips == []
    made = planned(model, task, settings, runtime=Runtime(precision="fp16"))
    assert made.jobs == []
    (skip,) = made.skips
    assert skip.reason == "lbfgs evaluates its loss several times a step, which fp16 scaling can't follow"


class TwoPlayers(Learner):
    """Two players on each other's output, as a GAN has them; each minimizes alone and leaves the other's gradients as
    they were. Notes what every step changed."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.first, self.second = nn.Linear(3, 4), nn.Linear(4, 2)
        self.moved: list[tuple[str, dict[str, float]]] = []
        self.dtypes: set[torch.dtype] = set()

    def parts(self) -> Mapping[str, Iterable[nn.Parameter]]:
        return {"one": self.first.parameters(), "two": self.second.parameters()}

    def predict(self, inputs: Tensor) -> Tensor:
        outputs = self.second(self.first(inputs))
        self.dtypes.add(outputs.dtype)
        return outputs

    def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
        for part, other in (("one", "two"), ("two", "one")):
            grads = [None if p.grad is None else p.grad.clone() for p in self.parts()[other]]
            before = {name: torch.cat([p.detach().flatten() for p in ps]) for name, ps in self.parts().items()}
            loss = optimizers.minimize(lambda: F.cross_entropy(self.predict(batch.inputs), batch.targets), part=part)
            after = {name: torch.cat([p.detach().flatten() for p in ps]) for name, ps in self.parts().items()}
            for old, p in zip(grads, self.parts()[other], strict=True):
                assert (p.grad is None) if old is None else torch.equal(p.grad, old)
            self.moved.append((part, {name: (after[name] - before[name]).norm().item() for name in before}))
        return loss


@pytest.mark.parametrize(
    ("precision", "dtype"), [("fp32", torch.float32), ("bf16", torch.bfloat16), ("fp16", torch.float16)]
)
def test_two_players_move_alone_clipped_in_every_precision(precision: str, dtype: torch.dtype) -> None:
    settings = {"optimizer": "sgd", "lr": 1.0, "clip": 0.01, "two.clip": 0.002, "batch_size": 16, "budget.steps": 3}
    learner, runtime = TwoPlayers(), Runtime(precision=precision)
    task = Blobs()
    run = trainer(learner, task, settings, runtime=runtime)
    outcome = run.fit()
    assert (run.optimizers._scaler is not None) == (precision == "fp16")
    assert learner.dtypes == {dtype}
    assert [part for part, _ in learner.moved] == ["one", "two"] * 3
    # the gradients are larger than the limits, so a step by plain SGD at rate 1 is as long as the limit: for fp16
    # too, because it is unscaled before it is clipped
    for part, by in learner.moved:
        own, other = ("one", "two") if part == "one" else ("two", "one")
        assert by[own] == pytest.approx({"one": 0.01, "two": 0.002}[own], rel=1e-3)
        assert by[other] == 0
    assert outcome.curve[-1]["val"]["cross_entropy"] > 0


def test_judging_is_in_float32_whatever_the_precision() -> None:
    seen = []

    class Looking(Blobs):
        def judge(self, learner: Any, split: str) -> dict[str, float]:
            (batch,) = self.batches(split, 32, None)
            seen.append(learner.predict(batch).dtype)
            return {"accuracy": 0.5}

    learner = TwoPlayers()
    judge(learner, Looking(), "val", Execution(Runtime(precision="bf16")))
    assert seen == [torch.float32]
    assert learner.dtypes == {torch.bfloat16}


@pytest.mark.parametrize(("shape", "size", "count"), [((32,), 32, 32), ((32,), 5, 5), ((32, 7), 90, 32)])
def test_examples_are_rows_of_targets_and_no_more_than_what_counts(
    shape: tuple[int, ...], size: int, count: int
) -> None:
    """Whole examples, nodes of which a mask lets few count, sequences of many tokens; over two batches."""

    class Counted(Blobs):
        def judge(self, learner: Any, split: str) -> dict[str, float]:
            for _ in range(2):
                learner.predict(Batch(self.splits[split][0], torch.zeros(shape), size=size))
            return {"accuracy": 0.5}

    task = Counted()
    learner = Supervised(nn.Linear(3, 2), task.loss)
    assert judge_and_count(learner, task, "test", Execution(Runtime())) == ({"accuracy": 0.5}, 2 * count)


def test_a_recipe_for_a_part_reaches_its_optimizer() -> None:
    bench = open_bench(message(planned("gan", "ring8", {"lr": 1e-3, "discriminator.lr": 4e-4})))
    _, optimizers, _ = bench.build(bench.task)
    groups = {name: part.optimizer.param_groups[0] for name, part in optimizers._parts.items()}
    assert {name: group["lr"] for name, group in groups.items()} == {"generator": 1e-3, "discriminator": 4e-4}
    bench = open_bench(message(planned("gcn", "sbm_small", {"weight_decay": 0, "first.weight_decay": 5e-4})))
    learner, optimizers, _ = bench.build(bench.task)
    groups = {name: part.optimizer.param_groups[0] for name, part in optimizers._parts.items()}
    assert {name: group["weight_decay"] for name, group in groups.items()} == {"first": 5e-4, "rest": 0}
    first = {id(p) for p in learner.module.layers[0].parameters()}  # type: ignore[union-attr, index]
    assert {id(p) for p in groups["first"]["params"]} == first


def test_weight_decay_for_one_part_shrinks_that_part_alone() -> None:
    learner = TwoPlayers()
    settings = {"optimizer": "sgd", "lr": 0.1, "two.weight_decay": 0.5, "two.lr": 0.2}
    optimizers = PartOptimizers(learner, resolve([("test", settings)]).recipe, catalog())
    before = {name: p.detach().clone() for name, p in learner.named_parameters()}
    optimizers.minimize(lambda: 0.0 * sum(p.sum() for p in learner.parameters()))
    for name, p in learner.named_parameters():
        kept = 1 - 0.2 * 0.5 if name.startswith("second") else 1
        torch.testing.assert_close(p.detach(), kept * before[name], rtol=1e-6, atol=0)


def test_a_recipe_for_a_part_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ValueError, match="sets 'decoder', but the model's parts are: one, two"):
        PartOptimizers(TwoPlayers(), resolve([("test", {"decoder.lr": 0.1})]).recipe, catalog())


def test_what_is_judged_with_ema_is_the_average_of_the_weights() -> None:
    weights: list[Tensor] = []

    class Noting(OwnLoss):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(3)
            self.network = nn.Linear(3, 2)

        def train_step(self, batch: Batch, optimizers: PartOptimizers) -> Tensor:
            loss = super().train_step(batch, optimizers)
            weights.append(self.network.weight.detach().clone())
            return loss

    task = Blobs()
    settings = {"optimizer": "sgd", "lr": 0.3, "batch_size": 16, "budget.epochs": 2, "select": "last"}
    run = trainer(Noting(), task, {**settings, "regularizers": "ema[decay=0.6]"})
    outcome = run.fit()
    average = weights[0]
    for weight in weights[1:]:
        average = 0.6 * average + 0.4 * weight
    assert len(weights) == 6
    torch.testing.assert_close(run.judged.network.weight, average)  # type: ignore[union-attr]
    assert torch.equal(run.learner.network.weight, weights[-1])  # type: ignore[union-attr]
    judged = judge(run.judged, task, "val", run.execution)
    assert outcome.curve[-1]["val"] == judged
    assert judge(run.learner, task, "val", run.execution)["cross_entropy"] != judged["cross_entropy"]


def test_ema_and_the_best_state_leave_the_best_average() -> None:
    task = Blobs()
    settings = {"optimizer": "sgd", "lr": 2.0, "batch_size": 16, "budget.epochs": 6, "regularizers": "ema[decay=0.3]"}
    run = trainer(nn.Linear(3, 2), task, settings)
    outcome = run.fit()
    best = max(outcome.curve, key=lambda point: point["val"]["accuracy"])
    assert judge(run.judged, task, "val", run.execution) == best["val"]
    assert best["step"] == outcome.selected_step


def test_a_full_graph_and_its_mini_batches_run_through_the_same_code() -> None:
    settings = {"budget.epochs": 3, "select": "last"}
    full = cell("gcn", "sbm_small", settings)
    parts = cell("gcn", "sbm_small[sampler=neighbour]", settings)
    assert (full["steps"], parts["steps"]) == (3, 6)
    assert full["examples"] == parts["examples"] == 240  # the labelled nodes, however many lie around them
    losses = [point["loss"] for point in parts["curves"][0]]
    assert losses[2] < losses[0]  # an accuracy after so few steps is anything from 0.42 to 0.59
    benches = [open_bench(message(planned("gcn", f"sbm_small[sampler={s}]"))) for s in ("full", "neighbour")]
    learner, _, _ = benches[0].build(benches[0].task)
    scores = [judge(learner, bench.task, "test", bench.execution) for bench in benches]
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)  # the same on the whole graph and on its pieces


class Segments(Blobs):
    """Three segments of one sequence, then two of another."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        points, labels = self.splits[split]
        starts = [False, True, True, False, True]
        return [Batch(points[:4] + i, labels[:4], size=4, continues=goes_on) for i, goes_on in enumerate(starts)]

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        for batch in self.batches(split, 4, None):
            learner.predict(batch)
        return {"accuracy": 0.5}


class Remembering(nn.Module):
    """Notes each state that it is given; its state is nested and has a gradient's history."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)
        self.given: list[Any] = []
        self.made: list[Any] = []

    def forward(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        self.given.append(state)
        outputs = self.linear(inputs) + (0 if state is None else state["memory"][0])
        self.made.append(outputs)
        return outputs, {"memory": (outputs, 1)}


def test_carried_state_is_detached_passed_on_and_reset_at_a_start() -> None:
    module = Remembering()
    fit(module, Segments(), {"budget.steps": 10, "evaluate_every": 3, "select": "last"})
    # 3 steps, an evaluation (5 batches), 3 steps, an evaluation, ...: training goes on where it was
    assert len(module.given) == 10 + 4 * 5
    training, judging, step, call = [], [], 0, 0
    while call < len(module.given):
        take = min(3, 10 - step)
        training += range(call, call + take)
        judging.append(range(call + take, call + take + 5))
        step, call = step + take, call + take + 5
    for calls in (training, *judging):
        for position, index in enumerate(calls):
            state = module.given[index]
            if position % 5 in (0, 3):
                assert state is None
                continue
            before = module.made[calls[position - 1]]
            assert torch.equal(state["memory"][0], before)
            assert not state["memory"][0].requires_grad
            assert state["memory"][1] == 1
    assert module.made[0].requires_grad


def test_weights_that_moved_are_cast_anew_under_autocast() -> None:
    """L-BFGS evaluates several times in one step: with stale bf16 copies of the weights its loss would stand still."""
    network = nn.Linear(64, 10)
    learner = OwnLoss()
    learner.network = nn.Sequential(nn.Flatten(), network)
    seen: list[float] = []
    execution = Execution(Runtime(precision="bf16"))
    optimizers = PartOptimizers(learner, resolve([("test", {"optimizer": "lbfgs", "lr": 0.1})]).recipe, catalog())
    batch = next(iter(digits().batches("train", 256, None)))

    def closure() -> Tensor:
        loss = learner.loss(batch)
        seen.append(float(loss.detach()))
        return loss

    with execution.autocast():
        optimizers.minimize(closure)
        assert learner.network(batch.inputs).dtype == torch.bfloat16
    assert len(set(seen)) > 3
    assert min(seen) < 0.8 * seen[0]
