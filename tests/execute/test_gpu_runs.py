"""What only a CUDA device can show: `make gpu-check`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dlbench.measure.devices import ask, hinted

USABLE = hinted() and ask("cuda:0").why_not is None
pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not USABLE, reason="needs a CUDA device")]
MISBEHAVING = str(Path(__file__).with_name("misbehaving.py"))


def run(folder: Path, *arguments: str) -> tuple[int, list[dict]]:
    code = "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"
    command = [sys.executable, "-c", code, "run", "--device", "cuda", *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=540)
    assert done.returncode in (0, 3), done.stderr
    found = [json.loads(path.read_text()) for path in (folder / "dlbench-runs" / "records").glob("*.json")]
    return done.returncode, found


def test_quick_ends_ok_on_cuda(tmp_path: Path) -> None:
    status, records = run(tmp_path)
    assert status == 0
    assert {body["status"] for body in records} == {"ok"}
    profiles = [body for body in records if body["type"] == "profile"]
    methods = {launch["memory"]["method"] for body in profiles for launch in body["profile"]["launches"]}
    assert methods == {"cuda requested bytes"}
    assert all("not_deterministic" in body["flags"] for body in records if body["type"] == "cell")


@pytest.mark.parametrize("precision", ["tf32", "bf16", "fp16"])
def test_precisions_learn(tmp_path: Path, precision: str) -> None:
    status, records = run(tmp_path, "-t", "digits", "-m", "lenet5", "--seeds", "1", "--precision", precision)
    assert status == 0
    (cell,) = [body for body in records if body["type"] == "cell"]
    assert cell["runtime"]["precision"] == precision
    assert cell["metrics"]["test"]["accuracy"] > 0.9


def test_compiled_and_channels_last_cells_learn(tmp_path: Path) -> None:
    more = ["-m", "lenet5", "--seeds", "1", "--compile", "--channels-last", "--no-profile"]
    status, (cell,) = run(tmp_path, "-t", "digits", *more)
    assert status == 0
    assert cell["metrics"]["test"]["accuracy"] > 0.9
    assert cell["phases"]["first_step_s"] > 0


def test_a_recorded_step_learns_and_its_profile_takes_it(tmp_path: Path) -> None:
    status, records = run(tmp_path, "-t", "digits", "-m", "lenet5", "--seeds", "1", "--cuda-graph")
    assert status == 0
    (cell,) = [body for body in records if body["type"] == "cell"]
    assert cell["metrics"]["test"]["accuracy"] > 0.9
    assert 0 < cell["replayed_steps"] < cell["steps"]
    assert cell["phases"]["device_start_s"] >= 0
    assert {body["status"] for body in records} == {"ok"}


@pytest.mark.parametrize("mode", ["reduce-overhead", "max-autotune-no-cudagraphs"])
def test_modes_of_compilation_learn(tmp_path: Path, mode: str) -> None:
    pairs = ["-t", "digits", "-t", "markov_chars", "-m", "lenet5", "-m", "lstm"]
    more = ["--seeds", "1", "--compile-mode", mode, "--no-profile", "--set", "budget.steps=200"]
    status, records = run(tmp_path, *pairs, *more)
    assert status == 0
    assert {(body["status"], body["runtime"]["compile_mode"]) for body in records} == {("ok", mode)}


def test_out_of_memory_is_a_status(tmp_path: Path) -> None:
    plugin = tmp_path / "hungry.py"
    plugin.write_text(
        "from dlbench import Classes, Image, ModelSpec\n"
        "def build(signature):\n"
        "    import torch\n"
        "    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10))\n"
        "    net.register_buffer('hoard', torch.zeros(1 << 30))\n"
        "    return net\n"
        "def dlbench_models():\n"
        "    yield ModelSpec(name='hungry', build=build, accepts=[(Image, Classes)])\n"
    )
    more = ["-m", "hungry", "-m", "perceptron", "--seeds", "1", "--memory-limit", "2GiB", "--no-profile"]
    status, records = run(tmp_path, "-p", str(plugin), "-t", "digits", *more)
    assert status == 3
    assert {body["model"]["name"]: body["status"] for body in records} == {"hungry": "oom", "perceptron": "ok"}


def test_the_fork_server_holds_no_cuda_context(tmp_path: Path) -> None:
    """Two cells that fork from one server both reach the device, which a context in the server would forbid."""
    status, records = run(tmp_path, "-t", "digits", "-m", "perceptron", "--seeds", "2", "--no-profile")
    assert status == 0
    assert len(records) == 2


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_graphs_recurrences_and_two_players_train_in_every_precision(tmp_path: Path, precision: str) -> None:
    """Forked from a server that has preloaded all that graph models ask for."""
    models, tasks = ("gcn", "gin", "lstm", "gru", "gan"), ("karate", "parity", "ring8")
    pairs = [word for flag, names in (("-m", models), ("-t", tasks)) for name in names for word in (flag, name)]
    short = ["--seeds", "1", "--precision", precision, "--no-profile", "--set", "budget.steps=20"]
    status, records = run(tmp_path, *pairs, *short)
    assert status == 0
    assert {(body["model"]["name"], body["status"]) for body in records} == {(name, "ok") for name in models}
