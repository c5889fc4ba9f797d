"""`--keep pictures`: what a task draws of its models lies beside the records, where that is asked for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from dlbench.cli import group
from dlbench.results import Results

PLUGIN = """
import numpy as np
import torch
from dlbench import Batch, Classes, Metric, Signature, TaskSpec, Vector, hookimpl

class Points:
    signature = Signature(input=Vector(features=2), output=Classes(num_classes=2))

    def batches(self, split, batch_size, generator):
        return [Batch(torch.eye(2), torch.tensor([0, 1]), size=2)]

    def loss(self, outputs, batch):
        return torch.nn.functional.cross_entropy(outputs, batch.targets)

    def judge(self, learner, split):
        (batch,) = self.batches(split, 2, None)
        return {"accuracy": (learner.predict(batch).argmax(1) == batch.targets).float().mean()}

    def pictures(self, learner):
        with_answers = learner.predict(self.batches("test", 2, None)[0])
        return {"answers": np.full((3, 5, 3), len(with_answers), dtype=np.uint8)}

class Wrong(Points):
    def pictures(self, learner):
        return {"answers": np.zeros((3, 5))}

@hookimpl
def dlbench_tasks():
    for name, task in (("drawn", Points), ("wrongly_drawn", Wrong)):
        yield TaskSpec(name=name, input_kind=Vector, output_kind=Classes, load=lambda data, task=task: task(),
                       unit="point", metric=Metric(name="accuracy"), floor=0.5, recipe={"budget.steps": 1})
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)
    Path("drawing.py").write_text(PLUGIN)

    def call(task: str, *more: str) -> Results:
        words = (
            "run",
            "-p",
            "drawing.py",
            "-t",
            task,
            "-m",
            "perceptron",
            "--seeds",
            "1",
            "--no-profile",
            "--json",
            *more,
        )
        CliRunner().invoke(group, [*words, "--device", "cpu"])
        return Results(tmp_path / "dlbench-runs")

    return call


def test_pictures_are_kept_where_they_are_asked_for(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (record,) = run("drawn").records("custom")
    assert record.status == "ok"
    assert "pictures" not in record.body
    assert not (tmp_path / "dlbench-runs" / "pictures").exists()
    (record,) = run("drawn", "--keep", "pictures", "--fresh").records("custom")
    assert record["pictures"] == [f"{record.name}--answers.png"]
    with Image.open(tmp_path / "dlbench-runs" / "pictures" / record["pictures"][0]) as picture:
        assert (picture.size, picture.getpixel((4, 2))) == ((5, 3), (2, 2, 2))


def test_a_picture_that_is_none_fails_with_a_sentence(run) -> None:  # type: ignore[no-untyped-def]
    (record,) = run("wrongly_drawn", "--keep", "pictures").records("custom")
    assert record.status == "failed"
    assert record["reason"] == "the picture 'answers' must be uint8 (H, W, 3), not float64 (3, 5)"
