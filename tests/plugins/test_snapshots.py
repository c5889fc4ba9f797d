"""Snapshots: when copies are taken, what is judged, and the schedule that goes with them."""

from __future__ import annotations

import copy
from fractions import Fraction
from math import cos, pi
from typing import Any

import pytest
import torch
from ensembleparts import members
from regularizeparts import stepper
from torch import nn

from dlbench import Learner, NotApplicable, Progress, UsageError
from dlbench.contract.learner import Supervised
from workshop import Blobs, catalog, cell, trainer


def snapshots_of(settings: dict[str, Any]) -> tuple[Any, list[dict[str, torch.Tensor]]]:
    """The trainer after training, and the trained weights after every step."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
    learner, states = Supervised(network, Blobs().loss), []
    running = trainer(learner, Blobs(), {"schedule": "cyclic_cosine[cycles=3]", "batch_size": 16, "select": "last",
                                         "regularizers": "snapshot[cycles=3]", **settings})  # fmt: skip
    noting = running.regularizers[0].after_step

    def after_step(learner: Learner) -> None:
        states.append(copy.deepcopy(learner.state_dict()))
        noting(learner)

    running.regularizers[0].after_step = after_step
    running.fit()
    return running, states


@pytest.mark.parametrize(
    ("budget", "steps"), [({"budget.steps": 12}, (4, 8, 12)), ({"budget.epochs": 4}, (4, 8, 12)),
                          ({"budget.steps": 11}, (4, 7, 11)), ({"budget.epochs": 3.3}, (3, 7, 10))]
)  # fmt: skip
def test_a_copy_is_taken_at_the_end_of_every_cycle_and_their_mean_is_judged(
    budget: dict[str, float], steps: tuple[int, ...]
) -> None:
    running, states = snapshots_of(budget)
    judged = running.judged
    assert len(states) == steps[-1]
    assert len(judged.members) == 3
    for member, step in zip(judged.members, steps, strict=True):
        assert all(map(torch.equal, member.state_dict().values(), states[step - 1].values())), step
    inputs = torch.randn(6, 3)
    judged.eval()
    expected = torch.stack([member.predict(inputs).softmax(1) for member in judged.members]).mean(0)
    assert torch.allclose(judged.predict(inputs).exp(), expected, atol=1e-6)
    assert sum(p.numel() for p in judged.parameters()) == 3 * sum(p.numel() for p in running.learner.parameters())


def test_before_the_first_snapshot_the_learner_is_judged_as_it_is_and_a_loaded_state_stays() -> None:
    running, states = snapshots_of({"budget.steps": 12, "evaluate_every": 1, "select": "best"})
    judged = running.judged
    best = running.outcome.selected_step
    shown = {step: max(1, sum(step >= end for end in (4, 8, 12))) for step in range(1, 13)}
    assert len(judged.members) == shown[best]
    newest = best if best < 4 else max(end for end in (4, 8, 12) if end <= best)
    assert all(map(torch.equal, judged.members[-1].state_dict().values(), states[newest - 1].values()))
    assert running.judge("val")["accuracy"] == max(point["val"]["accuracy"] for point in running.outcome.curve)


def test_a_cell_keeps_what_every_snapshot_scores() -> None:
    settings = {"schedule": "cyclic_cosine[cycles=3]", "regularizers": "snapshot[cycles=3]", "budget.epochs": 3,
                "select": "last"}  # fmt: skip
    found = cell("mlp[width=16]", "digits", settings)
    assert len(found["members"]) == 3
    assert found["members"][0].keys() == found["metrics"]["test"].keys()
    assert found["params"] == 3 * (64 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10)


def test_snapshots_are_for_answers_that_can_be_averaged() -> None:
    from dlbench import Sample, Signature, Vector

    learner = members(1)[0]
    spec = catalog().regularizer("snapshot")
    signature = Signature(input=Vector(features=3), output=Sample())
    with pytest.raises(NotApplicable, match="classes and numbers, not sample"):
        spec.build().start(learner, signature, stepper(learner).optimizers)
    for name in ("regularizer", "schedule"):
        with pytest.raises(UsageError, match="at least one cycle"):
            getattr(catalog(), name)({"regularizer": "snapshot", "schedule": "cyclic_cosine"}[name]).build(cycles=0)


def test_the_cyclic_cosine_is_the_papers_formula_and_starts_anew_whatever_rounding_does() -> None:
    for steps, cycles in ((12, 3), (600, 5), (300, 7), (70, 7)):
        factor, length = catalog().schedule("cyclic_cosine").build(cycles=cycles), steps / cycles
        for step in range(steps):
            found = factor(Progress(step=step, share=step / steps))
            place = Fraction(step * cycles, steps) % 1
            assert found == pytest.approx((1 + cos(pi * float(place))) / 2, abs=1e-6), (steps, cycles, step)
        assert factor(Progress(step=steps - 1, share=(steps - 1) / steps)) < 1.01 * (pi / 2 / length) ** 2
