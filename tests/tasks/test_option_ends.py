"""Every option of every task takes what works and refuses the rest: both ends of what is accepted are tried."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from dlbench.contract.choice import Choice, option_defaults
from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.errors import UsageError
from dlbench.train.cell import open_bench
from workshop import catalog, cell, message, planned


class Ends(NamedTuple):
    """`low` and `high` hold all options at one end at once; an option without an upper end is large in `high`.
    `refused`: values just beyond an end, each tried alone."""

    low: dict[str, Any]
    high: dict[str, Any]
    refused: dict[str, tuple[Any, ...]]


def sizes(least: int) -> dict[str, int]:
    return {"num_train": least, "num_val": least, "num_test": least}


def no_sizes(*values: int) -> dict[str, tuple[int, ...]]:
    return {"num_train": values, "num_val": values, "num_test": values}


GENERATED = {
    "adding": Ends({"length": 2, **sizes(4)}, {"length": 1000, **sizes(8)}, {"length": (1, 0), **no_sizes(0, 2)}),
    "copy": Ends({"length": 1, **sizes(1)}, {"length": 1000, **sizes(2)}, {"length": (0,), **no_sizes(0, -1)}),
    "parity": Ends(
        {"length": 3, "test_length": 2, "num_train": 1, "num_val": 2, "num_test": 2},
        {"length": 500, "test_length": 1000, **sizes(2)},
        {"length": (0, 1), "test_length": (0, 1), "num_train": (0,), "num_val": (0, 1), "num_test": (0, 1)},
    ),
    "reber": Ends(
        {"length": 9, "min_length": 1, **sizes(2)},
        {"length": 1000, "min_length": 20, **sizes(2)},
        {"length": (8,), "min_length": (0, -1, 41), **no_sizes(0, 1)},
    ),
    "listops": Ends(
        {"length": 7, "min_length": 1, "max_depth": 3, "max_args": 2, **sizes(1)},
        {"length": 500, "min_length": 400, "max_depth": 10, "max_args": 10, **sizes(2)},
        {"length": (3,), "min_length": (0, -1, 101), "max_depth": (1,), "max_args": (1, 100), **no_sizes(0)},
    ),
    "order": Ends(
        {"length": 2, "vocab": 3, **sizes(2)},
        {"length": 1000, "vocab": 256, **sizes(2)},
        {"length": (1,), "vocab": (2, 257), **no_sizes(0, 1)},
    ),
    "reverse": Ends(
        {"length": 6, "vocab": 2, "beam": 1, **sizes(1)},
        {"length": 100, "vocab": 254, "beam": 20, **sizes(2)},
        {"length": (0, 1), "vocab": (1, 255), "beam": (0,), **no_sizes(0)},
    ),
    "hmm_tags": Ends(
        {"length": 1, "states": 2, "vocab": 2, **sizes(1)},
        {"length": 1000, "states": 50, "vocab": 1000, **sizes(2)},
        {"length": (0,), "states": (1,), "vocab": (1,), **no_sizes(0)},
    ),
    "markov_chars": Ends(
        {"length": 1, "vocab": 2, "order": 1, **sizes(1)},
        {"length": 1000, "vocab": 64, "order": 2, **sizes(2)},
        {"length": (0,), "vocab": (1, 4097), "order": (0, 4), **no_sizes(0)},
    ),
    "markov_masked": Ends(
        {"length": 2, "vocab": 2, "order": 1, **sizes(1)},
        {"length": 1000, "vocab": 16, "order": 3, **sizes(2)},
        {"length": (1,), "vocab": (1, 4097), "order": (0, 4), **no_sizes(0)},
    ),
    "shapes_captions": Ends(
        {"distractors": 0, "beam": 1, "samples": 0, **sizes(1)},
        {"distractors": 4, "beam": 20, "samples": 100, **sizes(2)},
        {"distractors": (-1, 5), "beam": (0,), "samples": (-1,), **no_sizes(0, -1)},
    ),
    "shapes_detection": Ends(sizes(1), sizes(2), no_sizes(0, -1)),
    "community_small": Ends({"communities": "published"}, {"communities": "random"}, {"communities": ("some", "none")}),
    "ring8": Ends({"sd": 1e-9, "num_train": 1}, {"sd": 0.1275, "num_train": 2}, {"sd": (0.0, 0.13), "num_train": (0,)}),
    "grid25": Ends(
        {"sd": 1e-9, "num_train": 1}, {"sd": 0.333, "num_train": 2}, {"sd": (0.0, 0.34), "num_train": (0,)}
    ),
    "moons": Ends(
        {"noise": 0.02, "num_train": 1}, {"noise": 1.0, "num_train": 2}, {"noise": (0.01, 1.1), "num_train": (0,)}
    ),
    "edge_detection": Ends({"direction": "vertical"}, {"direction": "horizontal"}, {"direction": ("up", "none")}),
    "quadratic": Ends(
        {"dimension": 1, "condition": 1.0, "noise": 0.0}, {"dimension": 1000, "condition": 1e6, "noise": 10.0},
        {"dimension": (0, 10**7), "condition": (0.5,), "noise": (-0.1,)},
    ),
    **{name: Ends({"noise": 0.0}, {"noise": 10.0}, {"noise": (-0.1,)}) for name in ("rosenbrock", "beale", "branin")},
    **{name: Ends({"strength": 0.0}, {"strength": 10.0}, {"strength": (-0.1,)}) for name in ("ridge", "lasso")},
    "digits_small": Ends(
        {"per_class": 1, "label_noise": 0.0}, {"per_class": 90, "label_noise": 1.0},
        {"per_class": (0, 1000), "label_noise": (-0.1, 1.1)},
    ),
    "family_links": Ends(
        {"families": 1, "generations": 3}, {"families": 20, "generations": 6},
        {"families": (0,), "generations": (2, 7)},
    ),
    "karate": Ends({"groups": 2}, {"groups": 4}, {"groups": (1, 3, 5)}),
    "sbm_small": Ends(
        {"sampler": "neighbour", "hops": 1, "fanout": 1},
        {"sampler": "neighbour", "hops": 50, "fanout": 1000},
        {"sampler": ("half",), "hops": (0,), "fanout": (0,)},
    ),
    "sbm_pattern_small": Ends({"pe": 0}, {"pe": 4}, {"pe": (-1, 1.5)}),
    "sbm_cluster_small": Ends({"pe": 0}, {"pe": 4}, {"pe": (-1, 1.5)}),
}  # fmt: skip
POINTS = ("quadratic", "rosenbrock", "beale", "branin", "ridge", "lasso")
DRAWN = {"community_small": "erdos_renyi", **dict.fromkeys(POINTS, "point")}
"""Tasks that ask for something that `constant` can't give, and who can."""


def text(task: str, options: dict[str, Any]) -> str:
    return str(Choice.parse(f"{task}[{','.join(f'{key}={value}' for key, value in options.items())}]"))


def refuses(task: str, options: dict[str, Any], data: Data, name: str, value: Any) -> None:
    """The sentence names the option or the value."""
    with pytest.raises(UsageError) as refused:
        catalog().task(task).open(data, options)
    assert name in str(refused.value) or str(value) in str(refused.value)


def test_every_option_of_a_generated_task_has_its_ends_here() -> None:
    for name, spec in catalog().specs["tasks"].items():
        numbers = [key for key, value in option_defaults(spec.load).items() if not isinstance(value, bool)]
        if spec.data is None and not spec.heavy and not name.endswith("*") and numbers:
            ends = GENERATED[name]
            assert set(numbers) == set(ends.low) == set(ends.high) == set(ends.refused), name


@pytest.mark.parametrize("end", ["low", "high"])
@pytest.mark.parametrize("task", GENERATED)
def test_a_cell_at_the_ends_of_what_is_accepted_works(task: str, end: str) -> None:
    ran = cell(
        DRAWN.get(task, "constant"),
        text(task, getattr(GENERATED[task], end)),
        {"budget.epochs": 1, "schedule": "constant"},
    )
    assert ran["steps"] > 0


@pytest.mark.parametrize("task", GENERATED)
def test_what_lies_beyond_an_end_is_refused_with_a_sentence(task: str) -> None:
    ends = GENERATED[task]
    small = {key: value for key, value in ends.low.items() if key.startswith("num_") or key == "sampler"}
    data = Data(root=Path("no-data"), cache=default_cache())
    for name, values in ends.refused.items():
        for value in values:
            refuses(task, {**small, name: value}, data, name, value)


READ = {
    "mutag": [{"folds": 3}, {"folds": 63}, {"protocol": "published", "folds": 2}, {"pe": 1}],
    "rt_polarity": [{"folds": 1, "word_dropout": 0.0}, {"word_dropout": 1.0}, {"min_count": 1000}],
    "zinc": [{"train": 1}, {"pe": 1, "train": 1}],
    "shakespeare_char": [{"length": 1}, {"length": 1000, "samples": 1}],
    "fsdd": [{"hop": 200, "mels": 1}],
    "shifted": [
        {"images": 1, "pixels": 27},
        {"task": "digits", "images": 10**6, "degrees": 180.0, "scale": 9.0, "noise": 9.0, "train": True},
    ],
    "emoji_captions": [{"style": "twemoji", "beam": 20}, {"samples": 0}],
    "nuclei": [{"crop": 0}, {"crop": 1}, {"crop": 256}],
    "earth": [{"set": "volcanoes", "split": 0, "repeats": False}, {"set": "quakes", "split": 2**32 - 1}],
}
REFUSED = {
    "mutag": [("folds", 2), ("folds", 1), ("folds", 64), ("pe", -1), ("protocol", "none")],
    "rt_polarity": [("folds", 0), ("folds", 11), ("word_dropout", 1.1), ("min_count", 0)],
    "zinc": [("train", 0), ("train", 10**6), ("pe", -1)],
    "shakespeare_char": [("length", 0), ("samples", -1)],
    "fsdd": [("hop", 0), ("hop", 1000), ("mels", 0), ("mels", 1000), ("split", "none")],
    "shifted": [("images", 0), ("pixels", 28), ("pixels", -1), ("degrees", 181.0), ("scale", -0.1), ("noise", -0.1)],
    "emoji_captions": [("style", "none"), ("beam", 0), ("samples", -1)],
    "nuclei": [("crop", -1), ("crop", 257)],
    "earth": [("set", "none"), ("split", -1), ("split", 2**32)],
}


@pytest.mark.parametrize(("task", "options"), [(task, options) for task in READ for options in READ[task]], ids=str)
def test_a_task_that_is_read_works_at_its_ends(task: str, options: dict[str, Any], data_root: Path) -> None:
    """The first and the last fold: a batch of each split, and a step on it."""
    bench = open_bench(message(planned("constant", text(task, options), data_root=data_root), data_root=data_root))
    for index in {0, bench.folds - 1}:
        fold = bench.fold(index)
        learner, optimizers, _ = bench.build(fold)
        batch = next(iter(fold.batches("train", 8, torch.Generator().manual_seed(1))))
        assert batch.size > 0
        learner.train_step(batch, optimizers)
        for split in ("val", "test"):
            assert next(iter(fold.batches(split, 8, None))).size > 0


@pytest.mark.parametrize(("task", "refused"), [(task, case) for task in REFUSED for case in REFUSED[task]], ids=str)
def test_a_task_that_is_read_refuses_the_rest(task: str, refused: tuple[str, Any], data_root: Path) -> None:
    name, value = refused
    refuses(task, {name: value}, Data(root=data_root, cache=default_cache()), name, value)
