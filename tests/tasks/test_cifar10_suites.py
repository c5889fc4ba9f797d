"""The suites on CIFAR-10: published recipes on published forms, and the time to given accuracies."""

from __future__ import annotations

from pathlib import Path

import torch

import dlbench_vision
from dlbench import Classes, Image, Signature
from dlbench.plan.catalog import discover
from dlbench.plan.plan import Job, Plan, Request, plan

SUITES = {suite.name: suite for suite in dlbench_vision.dlbench_suites()}
EXPECTED = {
    "resnet20": (269_722, 200), "resnet32": (464_154, 200), "resnet56": (853_018, 200),
    "preact_resnet[depth=110]": (1_730_522, 200), "densenet[depth=100,stride=1,width=12]": (769_162, 300),
    "vgg16[width=64]": (14_728_266, 200),
}  # fmt: skip
"""Parameters and epochs."""


def planned(name: str) -> tuple[Plan, dict[str, Job]]:
    request = Request(suites=(SUITES[name],), seeds=1, data_root=Path("no"), cache=Path("no"), profiles=False)
    made = plan(discover(), request)
    return made, {str(job.model): job for job in made.cells}


def test_the_published_networks_have_their_published_sizes_and_recipes() -> None:
    made, jobs = planned("cifar10_published")
    assert not made.skips
    assert set(jobs) == set(EXPECTED)
    catalog = discover()
    signature = Signature(input=Image(channels=3, height=32, width=32), output=Classes(num_classes=10))
    for name, (params, epochs) in EXPECTED.items():
        job = jobs[name]
        with torch.device("meta"):
            model = catalog.model(job.model.name).build(signature, **dict(job.model.options))
        assert sum(p.numel() for p in model.parameters()) == params, name
        recipe = job.recipe.recipe
        assert (recipe.budget, recipe.lr, recipe.select) == (("epochs", epochs), 0.1, "last")
        assert [str(item) for item in recipe.regularizers] == ["crop_flip[pad=4]"]
        assert recipe.weight_decay == (5e-4 if name.startswith("vgg") else 1e-4)


def test_speed_is_asked_under_one_recipe_with_milestones_on_the_way() -> None:
    made, jobs = planned("cifar10_speed")
    assert not made.skips
    recipe = jobs["airnet"].recipe.recipe
    assert (recipe.budget, recipe.batch_size, recipe.lr, recipe.weight_decay) == (("seconds", 180), 128, 0.3, 1.3e-3)
    assert dict(recipe.optimizer.options) == {"momentum": 0.85, "nesterov": True}
    assert recipe.evaluate_every == 50
    assert jobs["airnet"].head["task"]["milestones"] == [0.7, 0.8, 0.9, 0.94]
