"""What others bring: kinds, tasks and models of their own, a task with folds. The core knows nothing of them."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
import torch

from dlbench.contract.runtime import Runtime
from dlbench.plan.catalog import Catalog, discover, import_source
from dlbench.train.cell import open_bench
from dlbench.train.judging import Evaluator
from workshop import cell, message, planned

KINDS = '''
"""Kinds that a task's and a model's author share."""
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple
from dlbench import InputKind, OutputKind

class Recording(NamedTuple):
    """Waves (B, samples) and the rate of each, in Hz (B,)."""
    waves: Any
    rates: Any

    @property
    def batch_size(self):
        return len(self.rates)

@dataclass(frozen=True, kw_only=True)
class Sound(InputKind):
    """Runtime value: a Recording."""
    samples: int

@dataclass(frozen=True, kw_only=True)
class PitchRange(OutputKind):
    """`hear(inputs)` returns the lowest and highest pitch (B, 2)."""
    verbs: ClassVar[tuple[str, ...]] = ("hear",)
'''

TASK = """
from dlbench import Batch, Metric, Signature, TaskSpec
from sound_kinds import PitchRange, Recording, Sound

class Tones:
    signature = Signature(input=Sound(samples=16), output=PitchRange())

    def __init__(self):
        import torch
        generator = torch.Generator().manual_seed(4)
        self.splits = {}
        for split, count in {"train": 64, "val": 16, "test": 16}.items():
            pitch = torch.rand(count, 2, generator=generator)
            waves = pitch @ torch.randn(2, 16, generator=torch.Generator().manual_seed(9))
            self.splits[split] = (Recording(waves, torch.full((count,), 8000.0)), pitch)

    def batches(self, split, batch_size, generator):
        (waves, rates), pitch = self.splits[split]
        places = [slice(i, i + 8) for i in range(0, len(pitch), 8)]
        return [Batch(Recording(waves[i], rates[i]), pitch[i], size=8) for i in places]

    def loss(self, outputs, batch):
        return (outputs - batch.targets).square().mean()

    def judge(self, learner, split):
        errors = [(learner.hear(b.inputs) - b.targets).abs().mean().item() for b in self.batches(split, 8, None)]
        return {"error": sum(errors) / len(errors)}

def load(data):
    return Tones()

def dlbench_tasks():
    yield TaskSpec(name="tones", input_kind=Sound, output_kind=PitchRange, load=load, unit="sound", floor=0.25,
                   metric=Metric(name="error", unit="Hz", higher_is_better=False),
                   recipe={"lr": 0.02, "budget.epochs": 20})
"""

MODEL = """
from dlbench import ModelSpec
from sound_kinds import PitchRange, Sound

def build(signature, *, width=8):
    import torch
    from dlbench import Learner

    class Ear(Learner):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(signature.input.samples, 2)

        def hear(self, inputs):
            return self.linear(inputs.waves)

        def loss(self, batch):
            return (self.hear(batch.inputs) - batch.targets).square().mean()

    return Ear()

def dlbench_models():
    yield ModelSpec(name="ear", build=build, accepts=[(Sound, PitchRange)])
"""

FOLDS = """
from dlbench import Classes, Metric, TaskSpec, Vector

class Whole:
    def __init__(self):
        from workshop import Blobs
        self.folds = [Blobs() for _ in range(3)]
        for index, fold in enumerate(self.folds):
            points, labels = fold.splits["test"]
            fold.splits["test"] = (points - index, labels)  # so that folds differ
        self.signature = self.folds[0].signature

    def fold(self, index):
        return self.folds[index]

def load(data):
    return Whole()

def dlbench_tasks():
    yield TaskSpec(name="folded", input_kind=Vector, output_kind=Classes, load=load, unit="point", folds=3,
                   metric=Metric(name="accuracy"), floor=0.5, recipe={"batch_size": 16, "budget.epochs": 4, "lr": 0.1})
"""


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "sound_kinds", raising=False)
    for name, text in {"sound_kinds": KINDS, "tones_task": TASK, "ear_model": MODEL}.items():
        (tmp_path / f"{name}.py").write_text(text)
    found = discover([str(tmp_path / "tones_task.py"), str(tmp_path / "ear_model.py")])
    assert found.problems == {}
    return found


def test_new_kinds_meet_without_a_change_to_the_core(sounds: Catalog) -> None:
    body = cell("ear", "tones", among=sounds)
    assert body["signature"] == "sound[16] -> pitch_range"
    assert body["metrics"]["test"]["error"] < 0.1
    assert body["curves"][0][0]["val"]["error"] > body["curves"][0][-1]["val"]["error"]
    assert body["flags"] == []


def test_a_verb_of_a_new_kind_runs_in_the_precision_asked_for_and_answers_in_float32(sounds: Catalog) -> None:
    made = planned("ear", "tones", among=sounds, runtime=Runtime(precision="bf16"))
    bench = open_bench(message(made, sounds))
    learner, _, _ = bench.build(bench.task)
    (batch, *_) = bench.task.batches("val", 8, None)
    dtypes = []
    learner.linear.register_forward_hook(lambda module, inputs, outputs: dtypes.append(outputs.dtype))  # type: ignore[union-attr]
    evaluator = Evaluator(learner, bench.task.signature, bench.execution)
    assert evaluator.hear(batch.inputs).dtype == torch.float32
    assert dtypes == [torch.bfloat16]
    for verb in (
        lambda: evaluator.predict(batch),
        lambda: evaluator.sample(3, torch.Generator()),
        lambda: evaluator.loss,
    ):
        with pytest.raises(AttributeError, match="a task on pitch_range may call hear, not"):
            verb()


def test_who_does_not_know_a_new_kind_is_skipped_with_a_sentence(sounds: Catalog) -> None:
    made = planned("*", "tones", among=sounds)
    assert [str(job.model) for job in made.jobs] == ["ear"]
    reasons = {skip.model: skip.reason for skip in made.skips}
    assert reasons["mlp"] == "mlp doesn't accept sound -> pitch_range"
    (skip,) = planned("ear", "digits", among=sounds).skips
    assert skip.reason == "ear doesn't accept image -> classes"


def test_a_task_with_folds_is_one_cell_whose_metric_is_their_mean(tmp_path: Path) -> None:
    file = tmp_path / "folded.py"
    file.write_text(FOLDS)
    body: dict[str, Any] = cell("perceptron", "folded", among=discover([str(file)]))
    folds = body["fold_metrics"]
    assert len(folds) == len(body["curves"]) == 3
    assert len({fold["test"]["cross_entropy"] for fold in folds}) == 3
    for split in ("val", "test"):
        for metric in ("accuracy", "cross_entropy"):
            mean = fmean(fold[split][metric] for fold in folds)
            assert body["metrics"][split][metric] == pytest.approx(mean, rel=1e-12)
    assert body["epochs"] == 4
    assert body["steps"] == 3 * 4 * 3
    losses = [curve[0]["loss"] for curve in body["curves"]]
    assert len(set(losses)) == 3  # the same training data in each: they differ by the fold's own streams


def test_a_plugin_with_one_broken_hook_still_gives_its_models(tmp_path: Path) -> None:
    file = tmp_path / "half.py"
    text = """
from dlbench import Classes, Image, ModelSpec

def build(signature):
    from torch import nn
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))

def dlbench_models():
    yield ModelSpec(name="half", build=build, accepts=[(Image, Classes)])

def dlbench_suites():
    raise RuntimeError("no suites today")
"""
    file.write_text(text)
    found = discover([str(file)])
    assert "no suites today" in found.problems["half.py"]
    assert cell("half", "digits", {"budget.epochs": 1}, among=found)["steps"] == 34
    assert import_source(str(file)).__name__.startswith("dlbench_file_half_")
