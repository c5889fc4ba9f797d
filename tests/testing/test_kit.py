"""`dlbench check` lists every finding on what is broken, and ends with 1, never with a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dlbench.cli import group

TASK = """
from dlbench import Batch, Classes, Metric, Signature, TaskSpec, Vector

class Points:
    signature = Signature(input=Vector(features=3), output=Classes(num_classes=2))

    def __init__(self):
        import torch
        self.points = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)).to({dtype})
        self.labels = torch.arange(40) % 2

    def batches(self, split, batch_size, generator):
        parts = [slice(start, start + 10) for start in range(0, 40, 10)]
        return [Batch(inputs=self.points[part], targets=self.labels[part], size=10) for part in parts]

    def loss(self, outputs, batch):
        from torch.nn.functional import cross_entropy
        return cross_entropy(outputs, batch.targets)

    def judge(self, learner, split):
        batches = self.batches(split, 8, None)
        right = [(learner.predict(batch).argmax(1) == batch.targets).float().mean().item() for batch in batches]
        accuracy, problem = sum(right) / len(right), {problem}
        return {answer}

def load(data, *, member=""):
    return Points()

def dlbench_tasks():
    yield TaskSpec(name={name}, input_kind=Vector, output_kind=Classes, load=load, unit="points", floor={floor},
                   metric=Metric(name="accuracy"))
"""
RIGHT = {
    "dtype": "torch.float32", "problem": "0", "answer": '{"accuracy": accuracy}', "name": '"points"', "floor": "0.5",
}  # fmt: skip
BAD_SPECS = {
    "accepts": (
        "def dlbench_models():\n    yield ModelSpec(name='bad', build=lambda signature: 1, accepts=(Vector, Classes))",
        "accepts must be a list of pairs",
    ),
    "kind_instance": (
        "def dlbench_tasks():\n    yield TaskSpec(name='bad', input_kind=Vector(features=3), output_kind=Classes, "
        "load=lambda data: None, unit='x', metric=Metric(name='accuracy'), floor=0.5)",
        "input_kind must be the class of an input kind",
    ),
    "metric_text": (
        "def dlbench_tasks():\n    yield TaskSpec(name='bad', input_kind=Vector, output_kind=Classes, "
        "load=lambda data: None, unit='x', metric='accuracy', floor=0.5)",
        "metric must be a Metric",
    ),
}


def checked(folder: Path, text: str, *options: str) -> Result:
    file = folder / f"mine{len([*folder.iterdir()])}.py"
    file.write_text(text)
    result = CliRunner().invoke(group, ["check", str(file), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def task(**changes: str) -> str:
    text = TASK
    for key, value in {**RIGHT, **changes}.items():
        text = text.replace("{" + key + "}", value)
    return text


def failures(result: Result) -> list[str]:
    return [line.removeprefix("FAIL ") for line in result.output.splitlines() if line.startswith("FAIL")]


def test_a_task_that_keeps_its_word_passes(tmp_path: Path) -> None:
    result = checked(tmp_path, task())
    assert (failures(result), result.exit_code) == ([], 0)


@pytest.mark.parametrize("name", BAD_SPECS)
def test_a_bad_spec_is_one_finding(name: str, tmp_path: Path) -> None:
    text, expected = BAD_SPECS[name]
    result = checked(tmp_path, "from dlbench import Classes, Metric, ModelSpec, TaskSpec, Vector\n" + text)
    assert result.exit_code == 1
    (line,) = failures(result)
    assert expected in line


def test_a_judge_that_raises_is_a_finding_for_each_split_and_the_rest_is_checked_too(tmp_path: Path) -> None:
    result = checked(tmp_path, task(problem="1 / 0"), "-v")
    assert result.exit_code == 1
    expected = ["val: judge gives the declared metrics", "test: judge gives the declared metrics", "the constant model"]
    assert [line.split(": ", 1)[1][: len(e)] for line, e in zip(failures(result), expected, strict=True)] == expected
    assert all("ZeroDivisionError" in line for line in failures(result))
    assert result.output.count("ok   points: ") > 8


def test_a_judge_that_leaves_out_the_declared_metric_is_found(tmp_path: Path) -> None:
    result = checked(tmp_path, task(answer='{"acc": accuracy}'))
    assert result.exit_code == 1
    assert len(failures(result)) == 3
    assert all("judge left out the metric accuracy: it returned acc" in line for line in failures(result))


def test_inputs_in_double_precision_are_found(tmp_path: Path) -> None:
    result = checked(tmp_path, task(dtype="torch.float64"))
    (line,) = failures(result)
    assert line.endswith("its numbers are float32, as networks are: the inputs are float64: cast them while loading")


def test_an_open_family_is_named_and_its_members_are_checked_when_asked(tmp_path: Path) -> None:
    text = task(name='"points:*"', floor="None")
    result = checked(tmp_path, text)
    assert "points:*: not checked: name a member, as in --only points:NAME" in result.output
    assert result.exit_code == 0
    named = checked(tmp_path, text, "--only", "points:A", "-v")
    assert "ok   points:A: test: judge gives the declared metrics" in named.output
    bad = checked(tmp_path, task(name='"points:*"', floor="0.3"), "--only", "points:A")
    (line,) = failures(bad)
    assert line.endswith("points:A: the constant model scores exactly the declared floor: declared 0.3, scored 0.5")


def test_a_name_that_the_plugin_does_not_have_is_a_finding(tmp_path: Path) -> None:
    result = checked(tmp_path, task(), "--only", "other")
    assert result.exit_code == 1
    assert failures(result) == [f"other: it is something that {tmp_path / 'mine0.py'} provides"]


def test_where_no_floor_is_declared_check_says_what_constant_scores(tmp_path: Path) -> None:
    result = checked(tmp_path, task(floor="None"), "-v")
    assert result.exit_code == 0
    assert "it scores 0.5; none is declared, so tables take its row" in result.output
