"""The digits judged on the images that they are learned from; and the suites that compare networks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dlbench.contract.recipe import resolve
from dlbench.data import Data
from dlbench_cnn.plainnet import PlainNet
from dlbench_vision import comparing, dlbench_tasks
from dlbench_vision.fitting import Fitting, load


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> Fitting:
    return load(Data(root=tmp_path_factory.mktemp("data"), cache=tmp_path_factory.mktemp("cache")))


class Knows:
    """Right about all classes but one, which it takes for the next."""

    def __init__(self, task: Fitting, wrong: int) -> None:
        self.wrong = wrong

    def predict(self, batch: Any) -> Tensor:
        answers = torch.where(batch.targets == self.wrong, batch.targets + 1, batch.targets)
        return torch.nn.functional.one_hot(answers, 10).float()


def test_the_training_error_is_of_the_training_images_whatever_the_split(task: Fitting) -> None:
    val, test = (task.judge(Knows(task, wrong=4), split) for split in ("val", "test"))
    assert val["train_error"] == test["train_error"] == pytest.approx(108 / 1077)
    assert test["accuracy"] == pytest.approx(1 - 37 / 360)


def test_the_floor_is_what_the_most_frequent_class_leaves() -> None:
    (spec,) = [spec for spec in dlbench_tasks() if spec.name == "digits_fit"]
    assert spec.floor == pytest.approx(1 - 110 / 1077)
    assert not spec.metric.higher_is_better


def test_signals_fade_in_a_plain_network_under_the_default_weights_only() -> None:
    torch.manual_seed(0)
    images = torch.randn(64, 1, 8, 8)
    spread = {}
    for init in ("he", "default"):
        network = PlainNet(channels=1, num_classes=10, depth=20, width=8, norm=None, init=init)
        with torch.no_grad():
            spread[init] = network.layers(images).std(dim=0).mean().item()
    assert spread["he"] > 1000 * spread["default"]
    with pytest.raises(ValueError, match="inits he and default, not 'small'"):
        PlainNet(channels=1, num_classes=10, init="small")


def test_the_suites_name_each_row_once_and_hold_valid_settings() -> None:
    for suite in comparing.suites():
        rows = [(m, t, block.variant) for block in suite.blocks for m in block.models for t in block.tasks]
        assert len(rows) == len(set(rows))
        for block in suite.blocks:
            resolve([("suite", block.set)])
