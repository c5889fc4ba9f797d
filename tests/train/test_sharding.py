"""A cell whose weights are divided between devices is the cell on one: two processes with gloo on the CPU."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_several_devices import records, run
from together import Tied, cnn
from torch import nn

from dlbench.contract.runtime import Runtime, resolve_runtime
from dlbench.errors import UsageError
from dlbench.results import Results
from dlbench.tables import leaderboard
from dlbench.train.sharding import Sharding, blocks_of, by_number
from workshop import catalog

TINY = """\
profile = { rounds = 2, block_s = 0.01, warmup_s = 0.01, launches = 1 }
[[blocks]]
models = ["tog_wide"]
tasks = ["tog_points"]
set = { optimizer = "adam" }
"""
ALIKE = ("vector-classes-Sequential", "vector-classes-Reaching", "image-classes-Sequential", "graph-graph_classes-Gnn",
         "tokens-next_token-Tied")  # fmt: skip
WHAT = [
    text for name in ("mlp", "reaching", "cnn", "gnn", "tied") for text in ("-m", f"tog_{name}")
] + [text for name in ("points", "pictures", "graphs", "texts") for text in ("-t", f"tog_{name}")]  # fmt: skip
ACTING = ["--set", "regularizers=judged", "--set", "clip=0.7", "--set", "schedule=cosine"]


@pytest.fixture(scope="module")
def both(tmp_path_factory: Any) -> tuple[Path, Path]:
    """The same cells on one device and divided between two; clipping and a schedule act in both."""
    folders = []
    for more in ([], ["--devices", "2", "--shard"]):
        folder = tmp_path_factory.mktemp("sharded" if more else "alone")
        done = run(folder, *WHAT, *ACTING, *more)
        assert done.returncode == 0, done.stdout + done.stderr
        folders.append(folder)
    return folders[0], folders[1]


@pytest.mark.parametrize("kind", ALIKE)
def test_shards_end_with_the_weights_of_one_device_after_twenty_steps(both: Any, kind: str) -> None:
    alone, together = (torch.load(folder / f"{kind}.pt") for folder in both)
    assert alone.keys() == together.keys()
    for name, value in alone.items():
        torch.testing.assert_close(together[name], value, rtol=1e-6, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")


def test_records_and_tables_say_that_the_model_was_divided(both: Any) -> None:
    alone, together = (records(folder) for folder in both)
    assert len(alone) == len(together) == len(ALIKE)
    for name, body in alone.items():
        other = together[name]
        assert other["runtime"] == {**body["runtime"], "devices": 2, "shard": True}
        assert "shard" not in body["runtime"]
        for key in ("steps", "epochs", "examples", "params", "test_examples", "selected_step", "flags"):
            assert other[key] == body[key], (name, key)
        assert other["metrics"]["test"] == pytest.approx(body["metrics"]["test"], rel=1e-5)
    found = leaderboard.rows(Results(both[1] / "dlbench-runs").everything())
    assert set(found["device"]) == {"cpu x2 sharded"}


@pytest.mark.parametrize(
    ("more", "sentences"),
    [
        (
            ["-m", "tog_gan", "-m", "tog_outside", "-t", "tog_clouds", "-t", "tog_points"],
            ["minimizes its parts maker, judge one at a time", "uses weights otherwise than by calling the module"],
        ),
        (["-m", "tog_mlp", "-t", "tog_points", "--set", "regularizers=shaking"], ["has the regularizer Shaking"]),
        (["-m", "tog_mlp", "-t", "tog_points", "--set", "optimizer=muon"], ["which looks at a weight as a whole"]),
    ],
)
def test_what_cannot_be_divided_is_skipped_with_a_sentence(tmp_path: Path, more: Any, sentences: Any) -> None:
    done = run(tmp_path, *more, "--devices", "2", "--shard")
    told = " ".join((done.stdout + done.stderr).split())
    assert all(sentence in told for sentence in sentences), told
    assert records(tmp_path) == {}


def test_one_device_has_nothing_to_divide() -> None:
    with pytest.raises(UsageError, match="give --devices 2 or more"):
        resolve_runtime("cpu", shard=True)
    runtime = resolve_runtime("cpu", devices=2, shard=True)
    assert Runtime(**runtime.as_dict()) == runtime
    assert resolve_runtime(**runtime.identity()) == runtime
    assert "by their rows" in (Runtime(devices=2, shard=True, channels_last=True).why_not() or "")


def test_all_processes_pass_over_a_step_where_one_has_a_gradient_that_is_not_finite() -> None:
    elsewhere = SimpleNamespace(total=lambda own: own + torch.tensor(float("inf")) * 0.0)
    nowhere = SimpleNamespace(total=lambda own: own)
    for team, own, finite in ((nowhere, 1.0, True), (elsewhere, 1.0, False), (nowhere, float("inf"), False)):
        gradients = [torch.tensor([own, 2.0]), torch.ones(0), torch.ones(3)]
        Sharding._agree(team, gradients)  # type: ignore[arg-type]
        assert [bool(g.isfinite().all()) for g in gradients] == [finite, True, finite]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("sgd", {"momentum": 0.9, "weight_decay": 0.1}, True), ("adamw", {}, True), ("adam", {}, True),
        ("rprop", {}, True), ("adafactor", {}, False), ("muon", {}, False), ("timm_lamb", {}, False),
        ("timm_lars", {"weight_decay": 0.1}, False),
    ],
)  # fmt: skip
def test_optimizers_that_go_number_by_number_are_told_apart(name: str, options: Any, expected: bool) -> None:
    spec = catalog().optimizer(name)
    assert by_number(lambda parameters: spec.build(parameters, 0.01, **options)) is expected


def test_repeated_blocks_are_gathered_by_themselves() -> None:
    tied = Tied()
    assert blocks_of(tied) == [tied.ends[2], *tied.blocks]
    made = cnn(None)
    assert blocks_of(made) == [made[0], made[1], made[3], made[4]]
    big = nn.Sequential(nn.Linear(200, 200), nn.BatchNorm1d(10), nn.Linear(200, 200), nn.BatchNorm1d(10))
    assert blocks_of(big) == [big[0], big[2]]


def test_no_device_takes_what_weights_and_state_take_together(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    done = run(tmp_path, "--suite", "tiny.toml", "--devices", "2", "--shard", profile="--only-profile")
    assert done.returncode == 0, done.stdout + done.stderr
    (body,) = records(tmp_path).values()
    (launch,) = body["profile"]["launches"]
    whole = launch["model_bytes"]
    assert whole == 4 * launch["params"] == 4 * (6 * 128 + 8 * 129 * 128 + 129 * 3)
    assert whole < launch["optimizer_bytes"] < 1.02 * whole  # two moments of one half
    each = launch["memory"]["train_peak_bytes_of_devices"]
    assert len(each) == 2
    assert max(each) < 3.2 * whole  # of the 4 of weights, gradients and moments
