"""What a plugin changes in its process is put back and said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from dlbench.plan.catalog import Catalog, discover
from dlbench.testing import check_model
from dlbench.train.settings import Settings
from workshop import cell

MODELS = """
import os
import torch
from torch import nn
from dlbench import Classes, ModelSpec, Vector

class Net(nn.Linear):
    def __init__(self, in_training=None):
        super().__init__(3, 2)
        self.in_training = in_training

    def forward(self, inputs):
        assert torch.get_num_threads() == 1 or self.in_training
        if self.in_training:
            self.in_training()
        return super().forward(inputs)

def threads(signature):
    torch.set_num_threads(2)
    return Net()

def threads_in_training(signature):
    return Net(lambda: torch.set_num_threads(2))

def seeds(signature):
    torch.manual_seed(0)
    return Net()

def seeds_in_training(signature):
    return Net(lambda: torch.manual_seed(0))

def folder(signature):
    os.chdir("/")
    return Net()

def nothing(signature):
    return Net()

class Buffer(Net):
    \"\"\"Keeps a running mean that its state_dict leaves out.\"\"\"

    def __init__(self, persistent):
        super().__init__()
        self.register_buffer("shift", torch.zeros(2), persistent=persistent)

    def forward(self, inputs):
        outputs = super().forward(inputs)
        if self.training:
            self.shift += 1e-2 * torch.tensor([1.0, -1.0])
        return outputs + 20 * self.shift

def outside(signature):
    return Buffer(False)

def inside(signature):
    return Buffer(True)

def dlbench_models():
    for build in (threads, threads_in_training, seeds, seeds_in_training, folder, nothing, outside, inside):
        yield ModelSpec(name=build.__name__, build=build, accepts=[(Vector, Classes)])
"""
TASK = """
from dlbench import Classes, Metric, TaskSpec, Vector

def load(data):
    from workshop import Blobs
    return Blobs()

def dlbench_tasks():
    yield TaskSpec(name="blobs", input_kind=Vector, output_kind=Classes, load=load, unit="point",
                   metric=Metric(name="accuracy"), floor=0.5, recipe={"batch_size": 16, "budget.epochs": 8, "lr": 0.1})
"""


@pytest.fixture
def found(tmp_path: Path) -> Catalog:
    file = tmp_path / "models.py"
    file.write_text(MODELS + TASK)
    return discover([str(file)])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("threads", ["torch's threads"]),
        ("threads_in_training", ["torch's threads"]),
        ("seeds", ["torch's seed"]),
        ("folder", ["the working directory"]),
    ],
)
def test_what_a_model_changes_is_put_back_and_the_row_flagged(found: Catalog, model: str, names: list[str]) -> None:
    folder = Path.cwd()
    body = cell(model, "blobs", among=found)
    assert "changed_global_state" in body["flags"]
    assert body["global_state"] == names
    assert Path.cwd() == folder
    assert torch.get_num_threads() == 1


@pytest.mark.parametrize("model", ["nothing", "seeds_in_training"])
def test_a_model_that_leaves_all_alone_has_no_flag(found: Catalog, model: str) -> None:
    body = cell(model, "blobs", among=found)
    assert body["flags"] == []
    assert "global_state" not in body


def test_after_a_seed_of_its_own_a_model_draws_from_the_cells_again(found: Catalog) -> None:
    states = []
    for seed in (1, 2):
        cell("seeds", "blobs", {"budget.steps": 1}, among=found, seeds=(seed,))
        states.append(torch.initial_seed())
    assert states[0] != states[1]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda: torch.set_num_threads(3), "torch's threads"),
        (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype"),
        (lambda: torch.set_default_device("meta"), "torch's default device"),
        (lambda: torch.use_deterministic_algorithms(True), "torch's deterministic algorithms"),
        (lambda: setattr(torch.backends.cudnn, "benchmark", True), "torch's deterministic algorithms"),
        (lambda: torch.set_float32_matmul_precision("medium"), "torch's precision of products"),
        (lambda: torch.set_grad_enabled(False), "torch's gradients"),
        (lambda: torch.autograd.set_detect_anomaly(True), "torch's search for anomalies"),
        (lambda: os.chdir("/"), "the working directory"),
        (lambda: os.environ.update(CUBLAS_WORKSPACE_CONFIG=":4096:8"), "environment variables"),
        (lambda: os.environ.pop("OMP_NUM_THREADS"), "environment variables"),
    ],
)
def test_every_setting_is_seen_and_put_back(change: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    settings = Settings()
    settings.restore()
    assert settings.changed == set()
    change()
    settings.restore()
    assert settings.changed == {name}
    again = Settings()
    assert again._before == settings._before


@pytest.mark.parametrize(("model", "lost"), [("outside", True), ("inside", False)])
def test_a_selected_state_that_is_not_the_one_that_was_measured_is_flagged(
    found: Catalog, model: str, lost: bool
) -> None:
    body = cell(model, "blobs", among=found)
    (best,) = [point for point in body["curves"][0] if point["step"] == body["selected_step"]]
    assert body["selected_step"] < body["steps"]
    assert (body["metrics"]["val"] != best["val"]) == lost
    assert ("state_not_restored" in body["flags"]) == lost
    last = cell(model, "blobs", {"select": "last"}, among=found)
    assert "state_not_restored" not in last["flags"]


def test_the_kit_names_what_a_model_changes(found: Catalog) -> None:
    findings = check_model(found.model("threads_in_training"), found)
    assert any("it changes torch's threads" in finding.seen for finding in findings if not finding.ok)
    assert all(finding.ok for finding in check_model(found.model("nothing"), found) if "blobs" in finding.subject)
