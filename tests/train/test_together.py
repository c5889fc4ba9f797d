"""Seeds that train together end where they would alone, and keep what is their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import Batch
from dlbench.contract.learner import Supervised
from dlbench.contract.optimizers import PartOptimizers
from dlbench.errors import Diverged
from dlbench.plan.catalog import Catalog, discover
from dlbench.train import probe, together
from dlbench.train.cell import Bench, make_trainer, open_bench, run_cell
from dlbench.train.stacking import Apart, Packed, Stack
from dlbench.train.training import Trainer
from workshop import message, planned

PECULIAR = Path(__file__).with_name("peculiar.py")

STEPS = 50
"""After so many, parameters must agree."""
SEEDS = (0, 3, 4)
SGD = {"optimizer": "sgd[momentum=0.9]", "lr": 0.01}
STEPPED = {"budget.steps": STEPS, "select": "last", "evaluate_every": 17}


@pytest.fixture(autouse=True)
def _always(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests are about what comes out: together counts as faster, whatever the probe's times."""
    monkeypatch.setattr(probe, "WORTH", 0.0)


@pytest.fixture
def learners(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The learners that are judged in the end, in the order of their seeds."""
    found: list[nn.Module] = []
    judged = together.judged_fold

    def note(bench: Bench, trainer: Any, *more: Any) -> dict[str, Any]:
        found.append(trainer.learner)
        return judged(bench, trainer, *more)

    monkeypatch.setattr(together, "judged_fold", note)
    return found


def job(model: str, task: str, settings: Mapping[str, Any], among: Catalog | None = None) -> dict[str, Any]:
    return message(planned(model, task, settings, among=among), among)


def run(given: dict[str, Any], seeds: tuple[int, ...] = SEEDS, told: list[Any] | None = None) -> dict[int, Any]:
    """What comes out of each seed."""
    cells = [{"id": str(seed), "seed": seed} for seed in seeds]
    report = (told if told is not None else []).append
    return {int(name): found for name, found in together.run_together({**given, "cells": cells}, report).items()}


def states(given: dict[str, Any], seeds: tuple[int, ...] = SEEDS) -> list[dict[str, Tensor]]:
    """What each seed's learner is after it was trained alone."""
    found = []
    for seed in seeds:
        bench = open_bench(given)
        trainer = make_trainer(bench, bench.fold(0), seed, 0, lambda point: None)
        trainer.fit()
        found.append(trainer.learner.state_dict())
    return found


@pytest.mark.parametrize(
    ("model", "task", "settings"),
    [
        ("mlp", "digits", {}),
        ("mlp", "digits", {**SGD, "optimizer": "sgd[momentum=0.9,nesterov=true]", "weight_decay": 1e-3}),
        ("mlp", "digits", {"clip": 0.5, "schedule": "one_cycle", "optimizer": "adamw"}),
        ("mlp", "digits", {**SGD, "regularizers": "input_noise[sd=0.3]"}),
        ("lenet5", "digits", {}),
        ("odd_batch_norm", "digits", {}),
        ("vit_tiny", "digits", {**SGD, "batch_size": 16}),
        ("gpt", "markov_chars", {**SGD, "batch_size": 8}),
    ],
    ids=str,
)
def test_parameters_are_those_of_training_alone(
    learners: list[nn.Module], model: str, task: str, settings: dict[str, Any]
) -> None:
    """Where Adam's steps follow gradients that are zero but for rounding (biases before a batch norm, or of keys),
    neither way's numbers mean anything: SGD shows such models to be the same."""
    given = job(model, task, {**settings, **STEPPED}, odd())
    run(given)
    for seed, learner, alone in zip(SEEDS, learners, states(given), strict=True):
        parameters = dict(learner.named_parameters())
        for name, tensor in learner.state_dict().items():
            rtol = 0 if name in parameters else 1e-5  # a running variance has a size of its own
            torch.testing.assert_close(
                tensor, alone[name], rtol=rtol, atol=1e-5, msg=lambda text, at=f"seed {seed}, {name}": f"{at}: {text}"
            )


@pytest.mark.parametrize("settings", [SGD, {}], ids=["sgd", "adam"])
@pytest.mark.parametrize("model", ["resnet20", "mlp[norm=batch]", "vit_tiny"])
def test_in_double_precision_nothing_is_left_of_the_differences(model: str, settings: dict[str, Any]) -> None:
    """Networks in which rounding grows: rectifiers whose input is all but zero, normalised biases."""
    bench = open_bench(job(model, "digits", {**settings, "batch_size": 8}))
    alone, joined = ([doubled(bench, seed) for seed in SEEDS] for _ in range(2))
    stack = Stack([trainer.learner for trainer in joined])
    optimizers = PartOptimizers(stack, bench.recipe, bench.catalog)
    batches = [trainer.batches() for trainer in (*alone, *joined)]
    for _ in range(STEPS):
        found = [replace(batch, inputs=batch.inputs.double()) for batch in map(next, batches)]
        for trainer, batch in zip(alone, found, strict=False):
            trainer.learner.train_step(batch, trainer.optimizers)
        stack.train_step(Batch(Packed(found[len(alone) :])), optimizers)
    for one, other in zip(alone, joined, strict=True):
        for (name, a), b in zip(one.learner.named_parameters(), other.learner.parameters(), strict=True):
            torch.testing.assert_close(b, a, rtol=0, atol=1e-8, msg=lambda text, at=name: f"{at}: {text}")


def doubled(bench: Bench, seed: int) -> Trainer:
    trainer = make_trainer(bench, bench.fold(0), seed, 0, lambda point: None)
    trainer.learner.double()
    trainer.begin()
    return trainer


@pytest.mark.parametrize(
    ("model", "settings"),
    [("lenet5", {"budget.epochs": 3}), ("mlp", {**SGD, "budget.epochs": 24, "batch_size": "all"}),
     ("mlp", {**SGD, "budget.steps": 45, "schedule": "cosine"})],
    ids=str,
)  # fmt: skip
def test_a_record_is_that_of_training_alone_but_for_time(model: str, settings: dict[str, Any]) -> None:
    """Curves, selection, metrics, counts: all that isn't time, to rounding."""
    given, told = job(model, "digits", settings), list[dict[str, Any]]()
    found = run(given, told=told)
    for seed in SEEDS:
        body, alone = found[seed], run_cell({**given, "seed": seed}, lambda point: None)
        assert body.keys() - alone.keys() == {"together"}
        assert body["flags"] == [*alone["flags"], "together"]
        for key in ("steps", "epochs", "examples", "params", "test_examples", "signature", "selected_step"):
            assert body[key] == alone[key], key
        for point, other in zip(body["curves"][0], alone["curves"][0], strict=True):
            assert {k: point[k] for k in ("step", "epoch", "examples", "flops")} == {
                k: other[k] for k in ("step", "epoch", "examples", "flops")
            }
            assert point["loss"] == pytest.approx(other["loss"], rel=1e-4)
            assert point["val"]["accuracy"] == pytest.approx(other["val"]["accuracy"], abs=0.01)
        assert body["metrics"]["test"]["accuracy"] == pytest.approx(alone["metrics"]["test"]["accuracy"], abs=0.01)
        assert [p["cell"] for p in told].count(str(seed)) == len(body["curves"][0])


def test_the_record_says_with_whom_and_what_the_probe_found() -> None:
    (body, *_) = run(job("mlp", "digits", STEPPED)).values()
    shared = body["together"]
    assert (shared["seeds"], shared["equal"]) == ([*SEEDS], "up to rounding")
    assert shared["probe"]["steps"] == together.PROBE
    assert min(shared["probe"]["alone_step_s"], shared["probe"]["together_step_s"]) > 0


def test_dropout_is_the_same_in_distribution_and_the_record_says_so() -> None:
    found = run(job("mlp[dropout=0.3]", "digits", {"budget.epochs": 4}))
    assert {body["together"]["equal"] for body in found.values()} == {"in distribution"}
    losses = [body["curves"][0][0]["loss"] for body in found.values()]
    alone = [run_cell({**job("mlp[dropout=0.3]", "digits", {"budget.epochs": 4}), "seed": seed}, lambda p: None)
             for seed in SEEDS]  # fmt: skip
    assert losses == pytest.approx([body["curves"][0][0]["loss"] for body in alone], rel=0.1)
    assert losses != [body["curves"][0][0]["loss"] for body in alone]


def test_each_seed_stops_by_its_own_patience() -> None:
    given = job("mlp", "digits", {"budget.epochs": 12, "patience": 1, **SGD})
    found, seeds = run(given, (0, 1, 2, 3)), (0, 1, 2, 3)
    alone = [run_cell({**given, "seed": seed}, lambda point: None) for seed in seeds]
    assert len({body["steps"] for body in alone}) > 1
    for seed, other in zip(seeds, alone, strict=True):
        assert (found[seed]["steps"], found[seed]["selected_step"]) == (other["steps"], other["selected_step"])
        assert found[seed]["metrics"]["test"]["accuracy"] == pytest.approx(
            other["metrics"]["test"]["accuracy"], abs=0.01
        )


def odd() -> Catalog:
    return discover([str(PECULIAR)])


def test_a_seed_that_diverges_does_not_take_the_others_along() -> None:
    among, seeds = odd(), tuple(range(6))
    given = job("odd_fragile", "digits", {"budget.epochs": 2, "clip": 1.0}, among)
    found = run(given, seeds)
    diverged = {seed for seed in seeds if isinstance(found[seed], Diverged)}
    assert 0 < len(diverged) < len(seeds)
    for seed in seeds:
        if seed in diverged:
            with pytest.raises(Diverged) as raised:
                run_cell({**given, "seed": seed}, lambda point: None)
            assert str(found[seed]) == str(raised.value)
        else:
            alone = run_cell({**given, "seed": seed}, lambda point: None)
            assert found[seed]["metrics"]["test"]["accuracy"] == pytest.approx(
                alone["metrics"]["test"]["accuracy"], abs=0.01
            )


@pytest.mark.parametrize(
    ("model", "settings", "why"),
    [
        ("odd_unregistered", {}, "its loss is .* together and .* alone by step 1"),
        ("odd_in_place", {}, "it changes its inputs in place"),
        ("odd_numpy", {}, "something draws from the global generator of Python or NumPy"),
        ("odd_hooked", {}, "something is hooked into its Linear"),
        ("odd_own_loss", {}, "the model brings its own loss or its own step"),
        ("mlp", {"budget.seconds": 1}, "its budget is in seconds"),
        ("mlp", {"budget.steps": 20}, "it trains 20 steps, too few to be measured"),
        ("mlp", {"regularizers": "l2"}, "the regularizer L2 acts on more than batches"),
        ("mlp", {"regularizers": "ema"}, "the regularizer EMA acts on more than batches"),
        ("mlp", {"regularizers": "weight_noise"}, ""),
        ("mlp", {"schedule": "plateau"}, "its schedule watches scores"),
        ("mlp", {"optimizer": "muon"}, "may look at more than one number at a time"),
        ("mlp", {"optimizer": "lbfgs"}, "its optimizer evaluates a batch several times"),
    ],
    ids=str,
)
def test_what_is_not_for_several_seeds_is_declined_with_the_reason(
    model: str, settings: dict[str, Any], why: str
) -> None:
    among = odd()
    with pytest.raises(Apart, match=why):
        run(job(model, "digits", settings, among))


@pytest.mark.parametrize(("model", "task"), [("odd_branching", "digits"), ("lstm", "adding")])
def test_what_vmap_refuses_raises(model: str, task: str) -> None:
    among = odd()
    with pytest.raises(RuntimeError):
        run(job(model, task, {"budget.epochs": 2}, among))


def test_slower_together_is_declined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "WORTH", 1e9)
    told: list[Any] = []
    with pytest.raises(Apart, match=r"a step takes .* ms of each seed together and .* ms alone"):
        run(job("mlp", "digits", {"budget.epochs": 2}), told=told)
    assert told == []


def test_the_numbers_that_leave_a_stack_are_their_own() -> None:
    """What goes on afterwards doesn't move them, and what goes on is the same as if nobody had left."""
    learners = [Supervised(nn.Linear(3, 2), lambda outputs, batch: outputs.square().mean()) for _ in range(3)]
    stack = Stack(learners)
    optimizer = torch.optim.Adam(stack.parameters(), lr=0.1)
    batches = [Batch(torch.randn(4, 3), size=4) for _ in range(3)]

    def step(places: list[int]) -> None:
        optimizer.zero_grad()
        stack.of(Packed([batches[place] for place in places])).sum().backward()
        optimizer.step()

    step([0, 1, 2])
    stack.keep([0, 2], [optimizer])
    left, gone_on = learners[1].module.weight.clone(), learners[2].module.weight.clone()
    step([0, 2])
    assert torch.equal(learners[1].module.weight, left)
    assert not torch.equal(learners[2].module.weight, gone_on)
    assert optimizer.state[stack.stacked[0]]["exp_avg"].shape == (2, 2, 3)
