"""Images read as sequences; and what holds for all tasks and suites on sequences."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlbench_sequence
from dlbench.contract.choice import Choice, option_defaults
from dlbench.contract.recipe import resolve
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.errors import NoData
from dlbench.testing import check_task, report
from dlbench_vision import digits, mnist

SPECS = {spec.name: spec for spec in dlbench_sequence.dlbench_tasks()}
SUITES = {suite.name: suite for suite in dlbench_sequence.dlbench_suites()}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
GENERATED = ("adding", "copy", "parity", "reber", "listops", "order", "reverse", "hmm_tags")
SMALL = {"num_train": 64, "num_val": 16, "num_test": 32}


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Data:
    given = os.environ.get("DLBENCH_DATA")
    root = Path(given) if given else Path(__file__).parents[3] / "shared" / "data"
    data = Data(root=root, cache=tmp_path_factory.mktemp("cache"))
    files = SPECS["mnist_rows"].files({})
    assert files is not None
    if state(files, data.root, data.cache).status == "missing":
        pytest.skip("MNIST is not in the data root: set DLBENCH_DATA")
    return data


def first(task: Any, split: str, count: int = 7) -> Any:
    return next(iter(task.batches(split, count, None)))


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_digits_rows_are_the_rows_of_digits(split: str) -> None:
    rows, images = first(SPECS["digits_rows"].load(DATA), split), first(digits.load(DATA), split)
    assert rows.inputs.lengths is None
    assert torch.equal(rows.inputs.values, images.inputs[:, 0])
    assert torch.equal(rows.targets, images.targets)
    assert rows.size == 7


def test_pixels_come_one_by_one_in_the_order_of_reading() -> None:
    task = SPECS["digits_rows"].load(DATA, pixels=True)
    assert str(task.signature) == "series[1,64] -> classes[10]"
    assert torch.equal(first(task, "test").inputs.values[..., 0], first(digits.load(DATA), "test").inputs.flatten(1))


@pytest.mark.parametrize("pixels", [False, True])
def test_permuted_pixels_change_places_in_all_images_alike(pixels: bool) -> None:
    task = SPECS["digits_rows"].load(DATA, permuted=True, pixels=pixels)
    plain = first(digits.load(DATA), "val", 200).inputs.flatten(1)  # (B, 64)
    found = first(task, "val", 200).inputs.values.flatten(1)
    assert not torch.equal(found, plain)
    assert task.order is not None
    assert sorted(task.order.tolist()) == list(range(64))
    assert torch.equal(found, plain[:, task.order])
    again = SPECS["digits_rows"].load(DATA, permuted=True, pixels=pixels)
    assert torch.equal(first(again, "val", 200).inputs.values.flatten(1), found)


def test_mnist_rows_are_the_rows_of_mnist(real: Data) -> None:
    task, images = SPECS["mnist_rows"].load(real), mnist.load(real, folder="vision/mnist")
    assert str(task.signature) == "series[28,28] -> classes[10]"
    for split, count in (("train", 55_000), ("val", 5000), ("test", 10_000)):
        batches = task.batches(split, 1000, None)
        assert len(batches) == count // 1000
        rows, pictures = next(iter(batches)), first(images, split, 1000)
        assert torch.equal(rows.inputs.values, pictures.inputs[:, 0])
        assert torch.equal(rows.targets, pictures.targets)
    pixels = SPECS["mnist_rows"].load(real, pixels=True)
    assert str(pixels.signature) == "series[1,784] -> classes[10]"


def test_mnist_rows_without_files() -> None:
    with pytest.raises(NoData, match="train-images"):
        SPECS["mnist_rows"].load(DATA)


@pytest.mark.parametrize("name", GENERATED)
def test_generated_data_depend_on_no_global_seed(name: str) -> None:
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        found.append([first(SPECS[name].load(DATA, **SMALL), split, 8) for split in ("train", "val", "test")])
    for one, other in zip(*found, strict=True):
        assert torch.equal(one.targets, other.targets)
        assert torch.equal(one.inputs[0], other.inputs[0])
    train, _, test = found[0]
    assert train.inputs[0].shape != test.inputs[0].shape or not torch.equal(train.inputs[0], test.inputs[0])


@pytest.mark.parametrize("name", GENERATED)
def test_every_generated_task_takes_its_length(name: str) -> None:
    options = option_defaults(SPECS[name].load)
    assert {"length", *SMALL} <= set(options)
    longer = SPECS[name].load(DATA, **{**SMALL, "length": options["length"] + 7})
    shorter = SPECS[name].load(DATA, **SMALL)
    assert longer.signature.input.length == shorter.signature.input.length + 7


@pytest.mark.parametrize("name", [*GENERATED, "digits_rows"])
def test_tasks_conform(name: str) -> None:
    findings = check_task(SPECS[name])
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_mnist_rows_conforms(real: Data) -> None:
    findings = check_task(SPECS["mnist_rows"], data_root=real.root)
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_suites_hold_valid_settings_and_known_options() -> None:
    assert set(SUITES) == {"sequence", "attention", "long_range"}
    for suite in SUITES.values():
        rows = [
            (model, task, block.variant) for block in suite.blocks for model in block.models for task in block.tasks
        ]
        assert len(set(rows)) == len(rows)
        for block in suite.blocks:
            resolve([("suite", block.set)])
            for text in block.tasks:
                task = Choice.parse(text)
                if task.name in SPECS:
                    assert set(dict(task.options)) <= set(option_defaults(SPECS[task.name].load))
                else:
                    assert task.name == "fsdd"


def test_declarations_need_no_torch() -> None:
    code = (
        "import sys, dlbench_sequence as package; list(package.dlbench_tasks()); list(package.dlbench_suites()); "
        "sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
