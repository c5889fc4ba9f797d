"""A cell on several devices is the cell on one: two processes with gloo on the CPU, each on its part of every batch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from torch import nn

from dlbench.results import Results
from dlbench.tables import leaderboard
from dlbench.train.team import MESSAGE, messages

TINY = """\
profile = { rounds = 2, block_s = 0.01, warmup_s = 0.01, launches = 1 }
[[blocks]]
models = ["tog_cnn"]
tasks = ["tog_pictures"]
"""
PLUGIN = Path(__file__).with_name("together.py")
ALIKE = ("vector-classes", "image-classes", "graph-graph_classes", "graph-node_classes", "tokens-next_token",
         "vector-sample")  # fmt: skip
MODELS = [text for name in ("mlp", "cnn", "gnn", "lm", "gan") for text in ("-m", f"tog_{name}")]
TASKS = [
    text for name in ("points", "pictures", "graphs", "nodes", "texts", "clouds") for text in ("-t", f"tog_{name}")
]


def run(folder: Path, *more: str, profile: str = "--no-profile") -> subprocess.CompletedProcess[str]:
    """`dlbench run` of the plugin into `folder/dlbench-runs`, weights into `folder`."""
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    common = ["run", "-p", str(PLUGIN), "--device", "cpu", profile, "--seeds", "1"]
    environment = {**os.environ, "TOGETHER": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code, *common, *more],
        cwd=folder, capture_output=True, text=True, timeout=300, env=environment,
    )  # fmt: skip


def records(folder: Path) -> dict[str, dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in (folder / "dlbench-runs" / "records").glob("*.json")]
    return {f"{body['model']['name']} {body['task']['name']}": body for body in found}


@pytest.fixture(scope="module")
def both(tmp_path_factory: Any) -> tuple[Path, Path]:
    """The same cells on one device and on two; clipping and a schedule act in both."""
    folders = []
    for devices in (1, 2):
        folder = tmp_path_factory.mktemp(f"on-{devices}")
        acting = ["--set", "regularizers=kept", "--set", "clip=0.7", "--set", "schedule=cosine"]
        done = run(folder, *MODELS, *TASKS, *acting, "--devices", str(devices))
        assert done.returncode == 0, done.stdout + done.stderr
        folders.append(folder)
    return folders[0], folders[1]


@pytest.mark.parametrize("kind", ALIKE)
def test_two_devices_end_with_the_weights_of_one_after_twenty_steps(both: Any, kind: str) -> None:
    (alone,) = [torch.load(path) for path in both[0].glob(f"{kind}-*.pt")]
    first, second = [torch.load(path) for path in both[1].glob(f"{kind}-*.pt")]
    for name, value in alone.items():
        torch.testing.assert_close(first[name], value, rtol=1e-6, atol=1e-6, msg=lambda text, n=name: f"{n}: {text}")
        assert torch.equal(first[name], second[name]), name


def test_records_say_the_same_but_for_the_devices(both: Any) -> None:
    alone, together = (records(folder) for folder in both)
    assert len(alone) == len(together) == len(ALIKE)
    for name, body in alone.items():
        other = together[name]
        assert other["runtime"] == {**body["runtime"], "devices": 2}
        assert "devices" not in body["runtime"]
        for key in ("steps", "epochs", "examples", "params", "test_examples", "flags"):
            assert other[key] == body[key], (name, key)
        for one, two in zip(body["curves"][0], other["curves"][0], strict=True):
            assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
            assert two["flops"] == pytest.approx(one["flops"], rel=0.2)
            assert two["val"] == pytest.approx(one["val"], rel=1e-5)


def test_gradients_of_one_type_travel_together_up_to_a_size() -> None:
    half, more = MESSAGE // 8, MESSAGE // 4 + 1  # of numbers of four bytes
    sizes = [half, half, 3, more, 1, 1]
    weights = [nn.Parameter(torch.empty(size)) for size in sizes]
    weights.insert(2, nn.Parameter(torch.empty(5, dtype=torch.float64)))
    found = [[parameter.numel() for parameter in group] for group in messages(weights)]
    assert found == [[half, half], [3, more], [1, 1], [5]]


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: Any) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Two devices of which one dies, hangs or raises alone, and what can't be divided."""
    folder = tmp_path_factory.mktemp("troubled")
    names = ("dies", "hangs", "raises", "counting", "dropping", "gnn")
    models = [text for name in names for text in ("-m", f"tog_{name}")]
    tasks = ["-t", "tog_points", "-t", "tog_one_graph", "-t", "tog_points[balanced=true]"]
    done = run(folder, *models, *tasks, "--set", "regularizers=shaking", "--devices", "2", "--timeout", "20s")
    return folder, done


def test_a_device_that_dies_hangs_or_raises_ends_the_cell_with_a_record(troubled: Any) -> None:
    found = records(troubled[0])
    assert {name: body["status"] for name, body in found.items()} == {
        "tog_dies tog_points": "crashed", "tog_hangs tog_points": "timeout", "tog_raises tog_points": "failed",
        "tog_dropping tog_points": "ok",
    }, troubled[1].stderr  # fmt: skip
    assert found["tog_dies tog_points"]["reason"] == "process 2 of 2 was ended by SIGSEGV before it could report"
    assert found["tog_raises tog_points"]["reason"] == "RuntimeError: one process alone raises this"
    assert "together.py" in found["tog_raises tog_points"]["where"]


def test_no_process_survives(troubled: Any) -> None:
    assert troubled[1].returncode == 3
    assert not [p for p in psutil.process_iter(["cmdline"]) if str(troubled[0]) in " ".join(p.info["cmdline"] or [])]
    servers = [p for p in psutil.process_iter(["cmdline", "environ"]) if p.info["environ"]]
    assert not [p for p in servers if p.info["environ"].get("TOGETHER") == str(troubled[0])]


def test_what_cannot_be_divided_is_skipped_with_a_sentence(troubled: Any) -> None:
    told = " ".join(troubled[1].stderr.split())
    assert "is one graph, which isn't divided between devices" in told
    assert "keeps module.seen from what each device sees by itself" in told
    assert "it isn't a mean that 2 devices could share" in told


def test_profiles_of_one_and_two_devices_say_how_well_work_is_shared(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)
    for devices in ("1", "2"):
        done = run(tmp_path, "--suite", "tiny.toml", "--devices", devices, profile="--only-profile")
        assert done.returncode == 0, done.stdout + done.stderr
    assert "tog_pictures x tog_cnn, cpu x2: no scaling efficiency" in done.stdout
    alone, together = sorted(
        (json.loads(path.read_text()) for path in (tmp_path / "dlbench-runs" / "records").glob("*.json")),
        key=lambda body: body["runtime"].get("devices", 1),
    )
    (one,), (two,) = alone["profile"]["launches"], together["profile"]["launches"]
    assert two["units_per_step"] == one["units_per_step"] == 12
    assert len(each := two["memory"]["train_peak_bytes_of_devices"]) == 2
    assert two["memory"]["train_peak_bytes_in_all"] == sum(each)
    assert two["memory"]["train_peak_bytes"] == max(each)
    assert set(one["memory"]) <= set(two["memory"])
    (row,) = [row for row in leaderboard.rows(Results(tmp_path / "dlbench-runs").everything()).to_dict("records")
              if row["device"] == "cpu x2"]  # fmt: skip
    speeds = one["train"]["units_per_s"], two["train"]["units_per_s"]
    assert row["train_examples_per_s_per_device"] == pytest.approx(speeds[1] / 2)
    assert row["scaling_efficiency"] == pytest.approx(speeds[1] / speeds[0] / 2)
