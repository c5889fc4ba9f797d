"""Recipes: layers and their order, values, parts, the flat form."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dlbench.contract.choice import Choice
from dlbench.contract.recipe import Recipe, parse_settings, resolve
from dlbench.errors import UsageError


def test_later_layers_win_and_every_value_knows_its_layer() -> None:
    found = resolve([
        ("task", {"lr": 0.1, "batch_size": 32, "budget.epochs": 5}),
        ("model", {"lr": 0.2, "clip": 1.0}),
        ("suite", {"budget.steps": 100}),
        ("command line", {"clip": "none", "optimizer": "sgd[momentum=0.9]"}),
    ])  # fmt: skip
    recipe = found.recipe
    assert (recipe.lr, recipe.batch_size, recipe.clip, recipe.budget) == (0.2, 32, None, ("steps", 100.0))
    assert recipe.optimizer == Choice("sgd", (("momentum", 0.9),))
    assert found.layers == {
        "optimizer": "command line", "lr": "model", "weight_decay": "core default", "schedule": "core default",
        "clip": "command line", "batch_size": "task", "regularizers": "core default", "select": "core default",
        "patience": "core default", "evaluate_every": "core default", "budget.steps": "suite",
    }  # fmt: skip


def test_the_flat_form_survives_json() -> None:
    settings = {
        "optimizer": "adam[beta1=0.5]", "budget.seconds": 2.5, "regularizers": "ema[decay=0.9],l2", "patience": 3,
        "two.lr": 0.1, "one.clip": 2, "one.optimizer": "sgd", "two.schedule": "cosine", "select": "last",
    }  # fmt: skip
    recipe = resolve([("x", settings)]).recipe
    again = resolve([("x", json.loads(json.dumps(recipe.as_settings())))]).recipe
    assert again == recipe
    assert recipe.as_settings()["regularizers"] == ["ema[decay=0.9]", "l2"]
    assert resolve([("x", Recipe().as_settings())]).recipe == Recipe()


def test_a_part_has_its_own_values_over_the_common_ones() -> None:
    recipe = resolve([("task", {"lr": 0.1, "two.lr": 0.5}), ("line", {"two.clip": 3, "lr": 0.2})]).recipe
    assert recipe.part("one").lr == 0.2
    assert (recipe.part("two").lr, recipe.part("two").clip) == (0.5, 3.0)
    assert recipe.part("two").parts == ()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("lrr", 1, "did you mean 'lr'"),
        ("budget.epoch", 1, "did you mean 'epochs'"),
        ("budget", 1, "no recipe key 'budget'"),
        ("budget.epochs", 0, "above 0"),
        ("budget.epochs", "inf", "not inf"),
        ("batch_size", "inf", "not inf"),
        ("batch_size", 2.5, "whole number"),
        ("batch_size", "many", "not 'many'"),
        ("lr", -1, "at least 0"),
        ("lr", 0, "above 0"),
        ("lr", "nan", "not nan"),
        ("lr", True, "not True"),
        ("select", "worst", "'best' or 'last'"),
        ("first.batch_size", 3, "no recipe key for the part 'first' 'batch_size'"),
        ("first.lr", -3, "at least 0"),
        ("optimizer", "sgd[momentum", "can't read"),
    ],
)
def test_a_bad_key_or_value_is_one_sentence(key: str, value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=r"recipe key|can't read|budget") as caught:
        resolve([("x", {key: value})])
    assert said in str(caught.value)


def test_settings_of_the_command_line() -> None:
    settings = parse_settings(["lr=0.01", " optimizer = sgd[momentum=0.9]", "regularizers=none", "lr=0.02"])
    recipe = resolve([("command line", settings)]).recipe
    assert (recipe.lr, str(recipe.optimizer), recipe.regularizers) == (0.02, "sgd[momentum=0.9]", ())
    for text, said in {"lr": "write KEY=VALUE", "lrr=1": "did you mean 'lr'", "lr=": "needs a number"}.items():
        with pytest.raises(UsageError, match=said):
            parse_settings([text])
