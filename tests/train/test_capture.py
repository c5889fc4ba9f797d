"""A step as a CUDA graph, with a tape in the graph's place: the numbers are those of ordinary steps."""

from __future__ import annotations

import gc
import importlib
import random
import sys
import warnings
import weakref
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import torch
from tape import REFUSED, Tape
from torch import Tensor, nn

from dlbench import Batch, Learner
from dlbench.contract import optimizers
from dlbench.contract.optimizers import Part
from dlbench.contract.runtime import Runtime
from dlbench.errors import NotApplicable
from dlbench.profile.job import subject_of
from dlbench.profile.launch import from_scratch
from dlbench.train import capture, watch
from dlbench.train.cell import open_bench, run_cell
from dlbench.train.training import Trainer
from workshop import Blobs, catalog, message, planned, trainer

REAL = capture.Graph
GRAPH = Runtime(cuda_graph=True)
ODD = {"batch_size": 20, "budget.epochs": 4, "lr": 0.05, "select": "last"}
"""Batches of 20, 20 and 8 points."""
SUPPORTED = "_get_capturable_supported_devices"
CAPTURABLE = ("adadelta", "adam", "adamw", "adamax", "asgd", "nadam", "radam", "rmsprop", "rprop", "sgd[momentum=0.9]")


@pytest.fixture(autouse=True)
def _tape(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tape for a graph, and optimizers that count on the device though it is the CPU."""
    monkeypatch.setattr(capture, "Graph", Tape)
    monkeypatch.setattr(optimizers, "clip", nn.utils.clip_grad_norm_)  # as on CUDA
    importlib.import_module("timm.optim")
    for name, module in [*sys.modules.items()]:
        if name.startswith(("torch.optim.", "timm.optim.")) and hasattr(module, SUPPORTED):
            monkeypatch.setattr(module, SUPPORTED, lambda supports_xla=True: ["cpu"])


@pytest.fixture
def draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random numbers of the CPU are as good as those of a GPU, which a graph draws anew."""
    monkeypatch.setattr(watch, "_drawn", dict)


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """Steps are never recorded, all else being the same."""
    with monkeypatch.context() as patch:
        patch.setattr(capture, "WARM", 10**9)
        yield patch


def net() -> nn.Module:
    torch.manual_seed(5)
    return nn.Sequential(nn.Linear(3, 8, bias=False), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))


def trained(settings: Mapping[str, Any], runtime: Runtime = GRAPH, network: nn.Module | None = None) -> Trainer:
    torch.manual_seed(0)
    made = trainer(network or net(), Blobs(), settings, runtime=runtime)
    made.fit()
    return made


def numbers(made: Trainer) -> tuple[list[Any], list[Tensor]]:
    curve = [{key: point[key] for key in ("step", "loss", "val")} for point in made.outcome.curve]
    return [curve, made.outcome.selected_step], [value.clone() for value in made.learner.state_dict().values()]


def same(one: Trainer, other: Trainer) -> bool:
    (curve, state), (curve_too, state_too) = numbers(one), numbers(other)
    return curve == curve_too and all(torch.equal(a, b) for a, b in zip(state, state_too, strict=True))


def far(one: Trainer, other: Trainer) -> float:
    pairs = zip(one.learner.parameters(), other.learner.parameters(), strict=True)
    return max(float((a - b).abs().max()) for a, b in pairs)


@pytest.mark.parametrize("optimizer", CAPTURABLE)
def test_weights_are_those_of_steps_taken_as_always(optimizer: str, never: pytest.MonkeyPatch) -> None:
    """With a schedule, clipping, a penalty, batches of an odd shape, and evaluations in between."""
    settings = {
        **ODD,
        "optimizer": optimizer,
        "schedule": "cosine",
        "clip": 1.0,
        "regularizers": "l2",
        "select": "best",
    }
    apart, eager = trained(settings), trained(settings, Runtime())
    assert apart.execution.replayed == 0
    never.undo()
    made = trained(settings)
    assert (made.execution.captured, made.execution.replayed) == (1, 5)  # eight of 20 points, but for the first three
    assert same(made, apart)
    assert far(made, eager) < 1e-4


def test_the_best_state_is_put_back(never: pytest.MonkeyPatch) -> None:
    settings = {**ODD, "lr": 2.0, "select": "best"}
    apart = trained(settings)
    never.undo()
    made = trained(settings)
    assert made.outcome.selected_step < made.outcome.steps
    assert same(made, apart)


def test_a_rate_in_python_would_stay_as_it_was_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tape is for: it tells a graph that follows from one that doesn't."""
    settings = {**ODD, "optimizer": "adam", "schedule": "cosine"}
    eager = trained(settings, Runtime())

    def stale(self: Part, factor: float) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = torch.tensor(base * factor)

    monkeypatch.setattr(Part, "set_lr", stale)
    with pytest.raises(NotApplicable, match=r"another tensor in the place of groups\.0\.lr of Adam"):
        trained(settings)
    monkeypatch.setattr(watch.Watch, "check", lambda self: None)
    assert far(trained(settings), eager) > 1e-3


def test_a_batch_that_a_regularizer_draws_and_an_average_are_as_always(never: pytest.MonkeyPatch) -> None:
    settings = {**ODD, "regularizers": "input_noise,ema"}
    apart = trained(settings)
    never.undo()
    made = trained(settings)
    assert made.execution.replayed > 0
    assert same(made, apart)


@pytest.mark.usefixtures("draws")
def test_dropout_draws_anew_in_each_replay(never: pytest.MonkeyPatch) -> None:
    def dropping() -> nn.Module:
        torch.manual_seed(5)
        return nn.Sequential(nn.Linear(3, 32), nn.Dropout(0.5), nn.Linear(32, 2))

    apart = trained(ODD, network=dropping())
    never.undo()
    assert same(trained(ODD, network=dropping()), apart)


class Reused(nn.Module):
    """Works in place on its input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = net()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x.mul_(0.5))


def test_a_model_that_works_in_place_sees_each_batch_as_it_was(never: pytest.MonkeyPatch) -> None:
    apart = trained(ODD, network=Reused())
    never.undo()
    made = trained(ODD, network=Reused())
    assert made.execution.replayed == 5
    assert same(made, apart)


def cell(model: str, task: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell leaves that takes its steps by the tape."""
    job = message(planned(model, task, settings))
    with torch.backends.mkldnn.flags(enabled=False):  # whose recurrent layers leave another workspace without gradients
        return run_cell({**job, "runtime": {**job["runtime"], "cuda_graph": True}}, lambda point: None)


PAIRS = {
    "an RNN": ("lstm[width=8]", "adding[length=8,num_test=16,num_train=64,num_val=16]", "adam"),
    "a transformer": ("encoder[width=16]", "adding[length=8,num_test=16,num_train=64,num_val=16]", "adamw"),
    "a whole graph": ("gcn[width=8]", "karate", "adam"),
    "attention on a whole graph": ("gat[width=8]", "karate", "adam"),
    "two players": ("gan[width=8]", "ring8[num_train=256]", "adam"),
    "a CNN": ("lenet5", "digits", "sgd[momentum=0.9]"),
}


@pytest.mark.usefixtures("draws")
@pytest.mark.parametrize("pair", PAIRS)
def test_models_of_every_family_train_as_always(pair: str, never: pytest.MonkeyPatch) -> None:
    model, task, optimizer = PAIRS[pair]
    settings = {"optimizer": optimizer, "budget.steps": 8, "evaluate_every": 4, "schedule": "cosine"}
    settings |= {} if task == "karate" else {"batch_size": 16}
    apart = cell(model, task, settings)
    never.undo()
    found = cell(model, task, settings)
    assert (apart["replayed_steps"], found["replayed_steps"]) == (0, 5)
    curves = [[(point["loss"], point["val"]) for point in made["curves"][0]] for made in (apart, found)]
    assert len(curves[0]) == 2
    assert curves[0] == curves[1]


class Peculiar(Learner):
    """Does something in its step that a graph would do once."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what, self.count, self.kept, self.seen = what, 0, torch.zeros(()), list[float]()
        self.inner = net()

    def train_step(self, batch: Batch, steps: Any) -> Tensor:
        scale: Any = 1.0
        if self.what == "counts":
            self.count += 1
        elif self.what == "appends":
            self.seen.append(1.0)
        elif self.what == "keeps":
            self.kept = batch.inputs.mean()
        elif self.what == "draws":
            scale = 1.0 + torch.rand(())
        elif self.what == "draws in Python":
            scale = random.random()
        elif self.what == "asks":
            scale = 1.0 - steps.progress.share
        elif self.what == "waits":
            scale = batch.inputs.mean().item()
        return steps.minimize(lambda: scale * nn.functional.cross_entropy(self.inner(batch.inputs), batch.targets))

    def predict(self, inputs: Tensor) -> Tensor:
        return self.inner(inputs)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("counts", "its step changes count of Peculiar in Python"),
        ("appends", "its step changes seen of Peculiar in Python"),
        ("keeps", "its step changes kept of Peculiar in Python"),
        ("draws", "its step draws from torch's generator on the CPU"),
        ("draws in Python", "its step draws from Python's generator"),
        ("asks", "its step asks how far training is"),
        ("waits", f"its step can't be recorded as a CUDA graph: {REFUSED}"),
    ],
)
def test_what_a_graph_would_do_once_is_a_skip_with_its_sentence(what: str, said: str) -> None:
    trained(ODD, Runtime(), Peculiar(what))
    with pytest.raises(NotApplicable) as error:
        trained(ODD, network=Peculiar(what))
    assert str(error.value).startswith(said)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "muon"}, "muon keeps count, or its learning rate, in Python"),
        ({"optimizer": "sgd[fused=false]"}, "sgd keeps count, or its learning rate, in Python"),
        ({"optimizer": "timm_lion"}, "timm_lion keeps count, or its learning rate, in Python"),
        ({"regularizers": "gradient_noise"}, "GradientNoise changes gradients in Python"),
    ],
    ids=str,
)
def test_what_acts_in_python_in_each_step_is_a_skip(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(NotApplicable) as error:
        trained({**ODD, **settings})
    assert str(error.value).startswith(said)


class Growing(Blobs):
    """Every batch is larger than the one before it."""

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> Any:
        found = [*super().batches(split, 48, generator)] * 20
        for place, batch in enumerate(found if split == "train" else []):
            found[place] = Batch(batch.inputs[: place + 2], batch.targets[: place + 2], size=place + 2)
        return found if split == "train" else found[:1]


def test_batches_that_all_differ_are_a_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "PATIENCE", 10)
    made = trainer(net(), Growing(), {"budget.epochs": 1}, runtime=GRAPH)
    with pytest.raises(NotApplicable, match="its batches differ in shape or size"):
        made.fit()


def test_batches_that_carry_a_state_are_a_skip() -> None:
    with pytest.raises(NotApplicable, match="it carries its state from batch to batch"):
        capture.Taken(Batch(torch.zeros(2, 3), continues=False))


def test_an_optimizer_that_evaluates_several_times_is_a_skip() -> None:
    made = planned("mlp", "digits", {"optimizer": "sam"}, runtime=Runtime(device="cuda:0", cuda_graph=True))
    (skip,) = made.skips
    assert skip.reason == "sam evaluates its loss several times a step, which a CUDA graph can't follow"


def test_what_a_graph_reads_stays_though_its_owner_lets_go() -> None:
    table = {"weights": torch.full((3, 2), 2.0)}
    parameter = nn.Parameter(torch.ones(2))
    static = Batch(torch.ones(4, 3), size=4)

    def compute(batch: Batch) -> Tensor:
        return ((batch.inputs @ table["weights"]) * parameter).sum().detach()

    taken = capture.Taken(static)
    recorded = capture.Recorded(compute, taken, capture.Taken(Batch(torch.ones(4, 3), size=4)))
    gone = weakref.ref(table.pop("weights"))
    gc.collect()
    assert gone() is not None
    assert recorded(capture.Taken(Batch(torch.full((4, 3), 2.0), size=4))).item() == 96.0
    assert recorded.replay().item() == 96.0
    assert static.inputs.sum() == 12.0  # the batch of the recording is the task's, and is left alone


class Failing:
    """Torch's context of a recording, which fails at its end where what was recorded failed."""

    def __init__(self, graph: Any, stream: Any) -> None:
        self.begun = (graph, stream)

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is not None:
            raise RuntimeError("CUDA error: operation failed due to a previous error during capture")


def test_a_recording_that_fails_says_what_failed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "CUDAGraph", object)
    monkeypatch.setattr(torch.cuda, "graph", Failing)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda: "the stream of all work")
    monkeypatch.setattr(capture, "Graph", REAL)

    def step(batch: Batch) -> Tensor:
        raise error

    taken = capture.Taken(Batch(torch.ones(2, 3), size=2))
    for error, found in (
        (RuntimeError(f"{REFUSED}\nFor debugging consider"), NotApplicable),
        (torch.OutOfMemoryError("CUDA out of memory"), torch.OutOfMemoryError),
        (ValueError("a model's own"), ValueError),
    ):
        with pytest.raises(found) as raised:
            capture.Recorded(step, taken, taken)
        said = f"its step can't be recorded as a CUDA graph: {REFUSED}" if found is NotApplicable else str(error)
        assert str(raised.value) == said


def test_a_recording_is_on_no_clock() -> None:
    made = trained(ODD)
    assert made.outcome.phases["compile_s"] > 0
    assert trained(ODD, Runtime()).outcome.phases["compile_s"] == 0.0


def test_timms_optimizers_that_follow_torchs_convention_follow_a_graph(never: pytest.MonkeyPatch) -> None:
    """As torch's own do, which are all listed above."""
    found = [
        name for name in catalog().specs["optimizers"]
        if all("capturable" in group for group in built(name).param_groups)
    ]  # fmt: skip
    assert {name for name in found if "timm" not in name} == {n.partition("[")[0] for n in CAPTURABLE} - {"sgd"}
    settings = [{**ODD, "optimizer": name, "schedule": "cosine", "lr": 0.01} for name in found if "timm" in name]
    apart = [trained(each) for each in settings]
    assert len(apart) >= 15
    never.undo()
    assert all(same(trained(each), other) for each, other in zip(settings, apart, strict=True))


def built(name: str) -> torch.optim.Optimizer:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return catalog().optimizer(name).build([nn.Parameter(torch.ones(2, 2))], 0.1)


def test_a_profile_measures_the_step_that_training_takes() -> None:
    job = message(planned("mlp[width=8]", "digits", {"optimizer": "adam", "batch_size": 16}))
    bench = open_bench({**job, "runtime": {**job["runtime"], "cuda_graph": True}})
    subject = subject_of(bench)
    from_scratch(subject)
    assert (bench.execution.captured, bench.execution.replayed) == (1, 1)  # so that the peak has the graph's memory
    learner, steps = subject.build()
    resident, batches = subject.resident(), subject.endless()
    for _ in range(5):
        subject.train_step(learner, steps, resident())
    for _ in range(5):
        subject.train_step(learner, steps, next(batches))
    assert (bench.execution.captured, bench.execution.replayed) == (2, 1 + 2 + 5)
