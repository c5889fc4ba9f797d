"""Learners made of learners: each member is what it would be alone, bootstraps, snapshots, and exact identities."""

from __future__ import annotations

import copy
import sys
from itertools import pairwise
from typing import Any

import pytest
import torch
from ensembleparts import members
from torch import nn

from dlbench import Classes, NodeClasses, NotApplicable, UsageError, Value
from dlbench.contract.learner import Supervised
from dlbench.plan.catalog import Catalog, discover
from dlbench_ensemble.ensemble import Ensemble
from dlbench_ensemble.mean import mean_of
from workshop import Blobs, catalog, cell, fit, planned, trainer

REGRESSION = """
import torch
from dlbench import Batch, Metric, Signature, TaskSpec, Value, Vector
from dlbench.data.batches import GatheredBatches

JUDGED = []

class Waves:
    signature = Signature(input=Vector(features=2), output=Value())

    def __init__(self):
        generator = torch.Generator().manual_seed(5)
        self.splits = {}
        for split, count in {"train": 60, "val": 40, "test": 40}.items():
            points = torch.randn(count, 2, generator=generator)
            noise = 0.3 * torch.randn(count, generator=generator)
            self.splits[split] = (points, (2 * points[:, 0]).sin() + points[:, 1] + noise)

    def batches(self, split, batch_size, generator):
        points, targets = self.splits[split]
        return GatheredBatches(len(targets), batch_size, generator,
                               lambda i: Batch(inputs=points[i], targets=targets[i], size=len(i)))

    def loss(self, outputs, batch):
        return (outputs - batch.targets).square().mean()

    def judge(self, learner, split):
        (batch,) = self.batches(split, 40, None)
        outputs = learner.predict(batch)
        if split == "test":
            JUDGED.append(outputs)
        return {"mse": (outputs.double() - batch.targets.double()).square().mean().item()}

def dlbench_tasks():
    yield TaskSpec(name="waves", input_kind=Vector, output_kind=Value, load=lambda data: Waves(), unit="point",
                   floor=None, metric=Metric(name="mse", unit="squared", higher_is_better=False),
                   recipe={"batch_size": 20, "budget.epochs": 10, "lr": 0.01, "select": "last"})
"""


@pytest.fixture(scope="module")
def waves(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    file = tmp_path_factory.mktemp("waves") / "waves_plugin.py"
    file.write_text(REGRESSION)
    found = discover([str(file)])
    assert found.problems == {}
    return found


def judged_of(found: Catalog) -> list[torch.Tensor]:
    """What was answered on test, call by call."""
    spec = found.task("waves")
    return sys.modules[spec.load.__module__].JUDGED


@pytest.mark.parametrize("model", ["ensemble[model=mlp[width=16],members=4]", "bagging[model=mlp[width=16],members=4]"])
def test_the_squared_error_of_the_mean_is_the_mean_squared_error_less_the_spread(waves: Catalog, model: str) -> None:
    """The identity of Krogh and Vedelsby, from what the record keeps."""
    judged_of(waves).clear()
    found = cell(model, "waves", among=waves)
    together, *each = [answers.double() for answers in judged_of(waves)]
    errors = [member["mse"] for member in found["members"]]
    assert (len(each), len(errors)) == (4, 4)
    assert torch.allclose(together, torch.stack(each).mean(0), atol=1e-6)
    spread = (torch.stack(each) - together).square().mean().item()
    mean = sum(errors) / 4
    assert found["metrics"]["test"]["mse"] == pytest.approx(mean - spread, rel=1e-5)
    assert spread > 0.001
    assert found["metrics"]["test"]["mse"] < mean
    alone = cell("mlp[width=16]", "waves", among=waves)
    assert found["params"] == 4 * alone["params"]
    assert "members" not in alone


def test_an_ensemble_of_one_is_its_member(waves: Catalog) -> None:
    settings = {"clip": 0.5, "optimizer": "adam", "schedule": "cosine", "regularizers": "l2[rate=0.01]"}
    alone = cell("mlp[dropout=0.2]", "waves", settings, among=waves)
    found = cell("ensemble[model=mlp[dropout=0.2],members=1]", "waves", settings, among=waves)
    assert found["metrics"] == alone["metrics"]
    assert found["curves"][0][-1]["loss"] == alone["curves"][0][-1]["loss"]


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_each_member_becomes_what_it_would_have_become_alone(optimizer: str) -> None:
    settings = {"optimizer": optimizer, "lr": 0.02, "clip": 0.3, "batch_size": 16, "budget.epochs": 4, "select": "last",
                "schedule": "cosine"}  # fmt: skip
    together, alone = Ensemble(members(), Classes(num_classes=2)), members()
    fit(together, Blobs(), settings)
    for member, one in zip(together.members, alone, strict=True):
        fit(one, Blobs(), settings)
        assert all(map(torch.equal, member.state_dict().values(), one.state_dict().values()))
    states = [member.state_dict()["module.0.weight"] for member in together.members]
    assert not any(torch.equal(a, b) for a, b in pairwise(states))


def test_classes_are_averaged_as_probabilities_and_numbers_as_they_are() -> None:
    logits = [torch.randn(5, 3), 4 * torch.randn(5, 3) + 100]
    for kind in (Classes(num_classes=3), NodeClasses(num_classes=3)):
        expected = torch.stack([x.softmax(1) for x in logits]).mean(0)
        assert torch.allclose(mean_of(logits, kind).exp(), expected, atol=1e-6)
    numbers = [torch.randn(5), torch.randn(5)]
    assert torch.equal(mean_of(numbers, Value()), (numbers[0] + numbers[1]) / 2)
    assert torch.allclose(mean_of([logits[0]] * 7, kind).softmax(1), logits[0].softmax(1), atol=1e-6)


class Apart(nn.Module):
    """Two parts that a recipe can set apart."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.rest = nn.Linear(3, 4), nn.Linear(4, 2)

    def parts(self) -> dict[str, Any]:
        return {"first": self.first.parameters(), "rest": self.rest.parameters()}

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.rest(self.first(inputs))


def test_a_recipe_for_a_part_holds_for_that_part_of_every_member() -> None:
    def ensemble() -> Ensemble:
        return Ensemble([Supervised(Apart(), Blobs().loss) for _ in range(2)], Classes(num_classes=2))

    optimizers = trainer(ensemble(), Blobs(), {"first.lr": 0.5, "lr": 0.25}).optimizers
    assert {name: part.base_lrs for name, part in optimizers._parts.items()} == {
        "0/first": [0.5], "0/rest": [0.25], "1/first": [0.5], "1/rest": [0.25]
    }  # fmt: skip
    with pytest.raises(ValueError, match="the recipe sets 'second', but the model's parts are: first, rest"):
        trainer(ensemble(), Blobs(), {"second.lr": 0.5})
    learner = ensemble()
    before = copy.deepcopy(learner.state_dict())
    optimizers = trainer(learner, Blobs(), {"optimizer": "sgd"}).optimizers
    (batch,) = Blobs().batches("train", 48, None)
    for path, moved in {"1": ["1.module.first", "1.module.rest"], "0/rest": ["0.module.rest"]}.items():
        learner.load_state_dict(before)
        optimizers.minimize(lambda: sum(member.loss(batch) for member in learner.members), part=path)
        found = [k for k, v in learner.state_dict().items() if not torch.equal(v, before[k]) and k.endswith("weight")]
        assert found == [f"members.{name}.weight" for name in moved]
    with pytest.raises(KeyError, match="there is no part '2'"):
        optimizers.minimize(lambda: learner.members[0].loss(batch), part="2")


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.layer(inputs.mul_(2))


def test_members_that_change_what_the_next_would_see_are_refused() -> None:
    ensemble = Ensemble([Supervised(InPlace(), Blobs().loss) for _ in range(2)], Classes(num_classes=2))
    with pytest.raises(NotApplicable, match="leaves its inputs as they are"):
        fit(ensemble, Blobs(), {"budget.steps": 2})


# --- planning -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "text"),
    [("ensemble[model=mlq]", "there is no model 'mlq'; did you mean 'mlp'"),
     ("ensemble[model=mlp[widht=3]]", "no option of mlp 'widht'; did you mean 'width'"),
     ("ensemble[member=3]", "no option of ensemble 'member'; did you mean 'members'"),
     ("ensemble[members=many]", "needs int, not many")],
)  # fmt: skip
def test_a_wrong_name_or_option_is_one_sentence_whoever_it_belongs_to(model: str, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        planned(model, "digits")


def test_what_the_wrapped_model_cannot_take_is_skipped_with_both_names() -> None:
    (skip,) = planned("ensemble[model=lenet5]", "cora").skips
    assert skip.reason == "ensemble of lenet5 doesn't accept graph -> node_classes"
    (skip,) = planned("ensemble[model=gan]", "ring8").skips
    assert skip.reason == "ensemble of gan doesn't accept vector -> sample"
    assert planned("ensemble[model=bagging[model=lenet5,members=2],members=2]", "digits").skips == []


def test_a_record_covers_the_wrapped_model_its_options_and_its_recipe() -> None:
    (job,) = planned("ensemble[model=gcn]", "cora").jobs
    (gcn,) = planned("gcn", "cora").jobs
    assert job.head["ingredients"]["models:gcn"] == gcn.head["model"]["digest"]
    assert job.recipe.recipe == gcn.recipe.recipe
    assert "model_recipe" in job.flags
    assert job.covered >= {file for file in gcn.covered if "dlbench_gnn" in str(file)}
    assert {source.name for source in job.sources} >= {"ensemble", "gnn", "graph"}
    names = {planned(f"ensemble[model={m}]", "digits").jobs[0].name for m in ("mlp", "mlp[width=9]", "lenet5")}
    assert len(names) == 3


def test_a_model_that_wraps_none_has_the_digest_that_it_had_without_the_new_fields() -> None:
    from dataclasses import replace

    from dlbench.plan.digest import made_of

    spec = catalog().model("mlp")
    assert made_of(spec).digest == made_of(replace(spec, wraps="readout", inner=(spec, ()))).digest


def test_no_members_are_not_applicable() -> None:
    spec = catalog().model("ensemble")
    with pytest.raises(NotApplicable, match="at least one member"):
        spec.build(Blobs.signature, make=lambda: None, members=0)
