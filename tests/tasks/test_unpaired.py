"""Translation without pairs: what training sees, what partners, relabellings, copies and collapsed answers score."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_generation
from dlbench import Batch, Learner
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.errors import Diverged, WrongShape
from dlbench.testing import check_task, report
from dlbench.train.execution import Execution
from dlbench.train.judging import judge, pictures
from dlbench_generation.unpaired.digits import domains
from dlbench_generation.unpaired.domains import Split
from dlbench_generation.unpaired.task import Pair, UnpairedBatches, UnpairedTask

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_generation.dlbench_tasks()}
DIGITS = ("digits_inverted", "digits_rotated")


@pytest.fixture(scope="module")
def loaded() -> Callable[[str], UnpairedTask]:
    """A digits task, loaded once."""
    known: dict[str, UnpairedTask] = {}

    def load(name: str) -> UnpairedTask:
        if name not in known:
            known[name] = SPECS[name].load(Data(root=Path("no-data"), cache=default_cache()))
        return known[name]

    return load


class Told(Learner):
    """Answers by functions of the pictures."""

    def __init__(self, there: Callable[[Tensor], Tensor], home: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.there, self.home = there, home

    def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
        return self.home(inputs) if back else self.there(inputs)


def judged(task: UnpairedTask, there: Callable[[Tensor], Tensor], home: Callable[[Tensor], Tensor]) -> dict[str, float]:
    spec = SPECS[task.domains.name]
    return judge(Told(there, home), task, "test", Execution(Runtime()), needed=(spec.metric,), others=spec.metrics)


def table(keys: Tensor, values: Tensor) -> Callable[[Tensor], Tensor]:
    """The value of the key that a picture is."""
    return lambda inputs: values[torch.cdist(inputs.flatten(1), keys.flatten(1)).argmin(dim=1)]


def floats(part: Tensor) -> Tensor:
    return part.float() / 8 - 1


CHANGES = {
    "digits_inverted": (torch.neg, torch.neg),
    "digits_rotated": (lambda x: torch.rot90(x, 1, (2, 3)), lambda x: torch.rot90(x, -1, (2, 3))),
}


@pytest.mark.parametrize("name", DIGITS)
def test_the_true_change_is_right_in_every_respect(name: str, loaded: Any) -> None:
    task = loaded(name)
    found = judged(task, *CHANGES[name])
    assert found["error"] == found["cycle_error"] == 0
    assert found[task.domains.metric] == pytest.approx(0, abs=1e-3)
    assert found["spread"] == pytest.approx(1)
    assert found["kept"] == found["kept_true"] >= 0.93
    assert found["kept_back"] >= 0.93
    assert found["frechet_floor"] > 1


def test_a_relabelling_is_a_perfect_cycle_and_hits_the_domain_but_keeps_no_class(loaded: Any) -> None:
    """A table that sends every digit to the picture of another class, and its inverse: nothing that needs no pair and
    no class can tell it from the truth. So cycle consistency alone doesn't keep meaning."""
    task = loaded("digits_inverted")
    pair = task.pairs["test"]
    first, second = floats(pair.first), floats(pair.second)
    by_class = pair.classes.argsort(stable=True)
    others = by_class.roll(40)  # further than the largest class has pictures
    assert (pair.classes[by_class] != pair.classes[others]).all()
    found = judged(task, table(first[by_class], second[others]), table(second[others], first[by_class]))
    assert found["cycle_error"] == 0
    assert found["frechet_inverted_360"] == pytest.approx(0, abs=1e-3)
    assert found["spread"] == pytest.approx(1)
    assert found["kept"] <= 0.05
    assert found["kept_back"] <= 0.05
    assert found["error"] > 0.05


def test_copying_is_a_perfect_cycle_far_from_the_other_domain(loaded: Any) -> None:
    task = loaded("digits_inverted")
    found = judged(task, torch.clone, torch.clone)
    values = task.pairs["test"].first.double() / 16
    assert found["error"] == pytest.approx((2 * values - 1).square().mean().item(), rel=1e-5)
    assert found["cycle_error"] == 0
    assert found["frechet_inverted_360"] > 20 * found["frechet_floor"]


def test_answers_that_are_all_alike_are_flagged(loaded: Any) -> None:
    task = loaded("digits_inverted")
    found = judged(task, torch.zeros_like, torch.zeros_like)
    assert found["spread"] == 0
    assert list(task.warnings(found)) == ["collapsed"]
    assert list(task.warnings({**found, "spread": 1.0})) == []


def test_answers_of_another_shape_or_without_numbers_are_refused(loaded: Any) -> None:
    task = loaded("digits_inverted")
    with pytest.raises(WrongShape, match=r"translate returned \(360, 1, 4, 4\), but translate needs \(360, 1, 8, 8\)"):
        judged(task, lambda x: x[:, :, ::2, ::2], torch.clone)
    with pytest.raises(Diverged, match="error on test is nan"):
        judged(task, lambda x: x * math.nan, torch.clone)
    found = judged(task, lambda x: -50 * x, lambda x: -50 * x)  # clamped to what a picture can be
    assert all(map(math.isfinite, found.values()))


@pytest.mark.parametrize("name", DIGITS)
def test_no_training_batch_holds_a_true_partner(name: str, loaded: Any) -> None:
    task = loaded(name)
    seen: dict[str, set[bytes]] = {"inputs": set(), "targets": set()}
    for batch in task.batches("train", 64, torch.Generator().manual_seed(0)):
        assert batch.inputs.shape == batch.targets.shape
        assert batch.inputs.dtype == batch.targets.dtype == torch.float32
        for what, held in seen.items():
            held |= {row.numpy().tobytes() for row in getattr(batch, what)}
    assert [len(held) for held in seen.values()] == [538, 539]
    there = CHANGES[name][0]
    of_inputs = {there(floats(row)[None]).numpy().tobytes() for row in task.pairs["train"].first}
    held_out = [floats(task.pairs[split].second) for split in ("val", "test")]
    assert not of_inputs & seen["targets"]
    assert not {row.numpy().tobytes() for part in held_out for row in part} & seen["targets"]
    assert all(batch.targets is None for split in ("val", "test") for batch in task.batches(split, 100, None))


def test_the_smaller_domain_begins_anew() -> None:
    first, second = np.arange(7, dtype=np.uint8), np.arange(100, 103, dtype=np.uint8)
    pair = Pair(Split(first=first.reshape(7, 1, 1, 1), second=second.reshape(3, 1, 1, 1)), "cpu")
    batches = UnpairedBatches(pair, 4, torch.Generator().manual_seed(0), 255, "cpu")
    assert len(batches) == 2
    passes = [list(batches) for _ in range(2)]
    assert [batch.size for batch in passes[0]] == [4, 3]
    inputs, targets = (
        torch.cat([(getattr(batch, what).flatten() + 1) * 127.5 for batch in passes[0]]).round().int()
        for what in ("inputs", "targets")
    )
    assert sorted(inputs.tolist()) == first.tolist()
    assert sorted(targets[:3].tolist()) == sorted(targets[3:6].tolist()) == second.tolist()
    assert not torch.equal(passes[0][0].inputs, passes[1][0].inputs)


def test_classes_are_in_proportion_in_both_halves_and_domains_are_8_bits() -> None:
    found = domains(Data(root=Path("no-data"), cache=Path("no-cache")), "inverted")
    train = found.splits["train"]
    assert train.first.dtype == train.second.dtype == np.uint8
    assert (train.second.max(), train.second.min()) == (16, 0)
    assert train.first.mean() < 6 < 10 < train.second.mean()


# --- the network that judges ------------------------------------------------------------------------------


def test_the_network_is_the_same_whatever_the_seed_and_leaves_it_alone(tmp_path: Path, loaded: Any) -> None:
    told: list[dict[str, float]] = []
    for seed, cache in ((1, tmp_path / "new"), (2, default_cache())):
        torch.manual_seed(seed)
        expected = torch.Generator().manual_seed(seed)
        task = SPECS["digits_inverted"].load(Data(root=Path("no-data"), cache=cache))
        told.append(judged(task, *CHANGES["digits_inverted"]))
        assert torch.equal(torch.rand(3), torch.rand(3, generator=expected))
    assert told[0] == told[1]
    assert len(list((tmp_path / "new" / "generation").glob("digits_inverted-*.npz"))) == 2


# --- pictures, the kit ------------------------------------------------------------------------------------


def test_a_picture_has_four_rows_of_a_digit_of_each_class(loaded: Any) -> None:
    task, model = loaded("digits_inverted"), Told(*CHANGES["digits_inverted"])
    first, again = (pictures(model, task, Execution(Runtime()))["translations"] for _ in range(2))
    assert np.array_equal(first, again)
    side = 48 + 3
    assert first.shape == (4 * side + 3, 10 * side + 3, 3)
    rows = [first[3 + place * side : (place + 1) * side] for place in range(4)]
    assert np.array_equal(rows[0], rows[2])
    assert np.array_equal(rows[1], rows[3])
    assert not np.array_equal(rows[0], rows[1])


@pytest.mark.parametrize("name", DIGITS)
def test_digits_conform(name: str) -> None:
    findings = check_task(SPECS[name], data_root=Path("no-data"))
    assert all(finding.ok for finding in findings), report(findings)


def test_the_task_has_no_loss_of_its_own(loaded: Any) -> None:
    with pytest.raises(NotImplementedError, match="build a Learner"):
        loaded("digits_inverted").loss(None, Batch(inputs=None))
