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

PLUGIN = Path(__file__).with_name("together.py")
ALIKE = ("vector-classes", "image-classes", "graph-graph_classes", "graph-node_classes", "tokens-next_token",
         "vector-sample")  # fmt: skip
MODELS = [text for name in ("mlp", "cnn", "gnn", "lm", "gan") for text in ("-m", f"tog_{name}")]
TASKS = [text for name in ("points", "pictures", "graphs", "nodes", "texts", "clouds") for text in ("-t", f"tog_{name}")]


def run(folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """`dlbench run` of the plugin into `folder/dlbench-runs`, weights into `folder`."""
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    common = ["run", "-p", str(PLUGIN), "--device", "cpu", "--no-profile", "--seeds", "1"]
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
