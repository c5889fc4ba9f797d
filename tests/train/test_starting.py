"""What happens before the first step: initial weights, and regularizers that look at what they are for."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dlbench import NotApplicable
from dlbench.contract.recipe import ALL, resolve
from dlbench.plan.catalog import Catalog, discover
from workshop import Blobs, cell, planned

PLUGIN = """
import torch
from dlbench import InitializerSpec, NotApplicable, Regularizer, RegularizerSpec

seen = []

class Watch(Regularizer):
    def start(self, learner, signature, optimizers):
        self.optimizers = optimizers
        seen.append((str(signature), [p.detach().clone() for p in learner.parameters()]))

    def on_batch(self, batch, generator):
        seen.append(batch.index.clone())
        return batch

    def after_step(self, learner):
        seen.append([(len(params), rate) for params, rate in self.optimizers.rates()])

class Never(Regularizer):
    def start(self, learner, signature, optimizers):
        raise NotApplicable(f"never is for images, not for {signature}")

def build(*, value=0.0):
    def fill(learner):
        for p in learner.parameters():
            p.data.fill_(value)
    return fill

def dlbench_initializers():
    yield InitializerSpec(name="flat", build=build)

def dlbench_regularizers():
    yield RegularizerSpec(name="watch", build=Watch)
    yield RegularizerSpec(name="never", build=Never)
"""


@pytest.fixture
def plugins(tmp_path: Any) -> Catalog:
    (tmp_path / "watching.py").write_text(PLUGIN, encoding="utf-8")
    return discover([str(tmp_path / "watching.py")])


def test_weights_are_initialised_before_a_regularizer_sees_them_and_rates_follow_the_schedule(plugins: Catalog) -> None:
    settings = {
        "init": "flat[value=0.25]", "regularizers": "watch", "batch_size": "all", "budget.steps": 2, "lr": 0.5,
        "schedule": "linear", "optimizer": "sgd",
    }  # fmt: skip
    cell("perceptron", "digits", settings, among=plugins)
    module = plugins.plugins.get_plugin("watching.py")
    (signature, weights), *steps = module.seen
    assert signature == "image[1,8,8] -> classes[10]"
    assert weights
    assert all(bool((p == 0.25).all()) for p in weights)
    first, rates, second, later = steps
    assert len(first) > 900
    assert sorted(first.tolist()) == list(range(len(first))) == sorted(second.tolist())
    assert (rates, later) == ([(2, 0.5)], [(2, 0.25)])


def test_a_regularizer_may_say_what_it_is_for(plugins: Catalog) -> None:
    with pytest.raises(NotApplicable, match=r"for images, not for image\[1,8,8\]"):
        cell("perceptron", "digits", {"regularizers": "never"}, among=plugins)


def test_an_unknown_initializer_is_named_while_planning() -> None:
    with pytest.raises(Exception, match="no initializer 'heh'"):
        planned("perceptron", "digits", {"init": "heh"})


def test_own_weights_and_a_counted_batch_leave_a_recipe_as_it_was() -> None:
    plain = resolve([("x", {})]).recipe.as_settings()
    assert "init" not in plain
    assert plain["batch_size"] == 128
    found = resolve([("x", {"batch_size": "all", "init": "he"})]).recipe
    assert found.batch_size == ALL
    assert resolve([("y", found.as_settings())]).recipe == found
    assert (found.as_settings()["batch_size"], found.as_settings()["init"]) == ("all", "he")


def test_a_batch_says_which_examples_it_holds() -> None:
    task = Blobs()
    generator = torch.Generator().manual_seed(3)
    for batch in task.batches("train", 10, generator):
        assert batch.index is not None
        assert torch.equal(task.splits["train"][0][batch.index], batch.inputs)
