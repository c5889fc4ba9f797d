"""Trackers write what the record says, to disk, with the real libraries, and read back what they wrote."""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.plan.catalog import Catalog, discover
from dlbench.results import Record
from dlbench_track import tracker as trackers
from factories import body, cell

CURVE = [
    {"step": 10, "epoch": 1.0, "examples": 80, "seconds": 0.5, "flops": None, "loss": 0.75, "val": {"accuracy": 0.5}},
    {
        "step": 20,
        "epoch": 2.0,
        "examples": 160,
        "seconds": 1.0,
        "flops": None,
        "loss": 0.25,
        "val": {"accuracy": 0.875},
    },
]
NAMES = ("tensorboard", "mlflow", "wandb")


def record(**changes: Any) -> Record:
    return cell(0.875, curves=[CURVE], steps=20, **changes)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets within this machine only, as those between a library and its own helper."""
    connect = socket.socket.connect

    def local(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1", "localhost"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local)


def tracking(folder: Path, *choices: str) -> Catalog:
    found = discover(["dlbench_track"])
    found.track(choices, folder)
    return found


def observe(found: Catalog, done: Record, live: int = 1) -> None:
    """Some points as they come, then the record."""
    for point in CURVE[:live]:
        found.follow(lambda: done.body, 0, point)
    found.announce(done)
    assert found.problems == {}


def written(name: str, folder: Path) -> dict[str, Any]:
    """What a tracker left behind of one run: {"curves": {tag: [(step, value)]}, "settings": {...}, "ends": {...},
    "status": text}."""
    return {"tensorboard": of_tensorboard, "mlflow": of_mlflow, "wandb": of_wandb}[name](folder / name)


def of_tensorboard(folder: Path) -> dict[str, Any]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata

    (place,) = folder.iterdir()
    (_,) = place.iterdir()
    events = EventAccumulator(str(place))
    events.Reload()
    curves = {tag: [(e.step, e.value) for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    content = events.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    hparams = metadata.parse_session_start_info_plugin_data(content).hparams
    (status,) = events.Tensors("status")
    return {
        "curves": {tag: points for tag, points in curves.items() if not tag.startswith("end/")},
        "ends": {tag.removeprefix("end/"): points[-1][1] for tag, points in curves.items() if tag.startswith("end/")},
        "settings": {key: getattr(value, value.WhichOneof("kind")) for key, value in hparams.items()},
        "status": status.tensor_proto.string_val[0].decode(),
    }


def of_mlflow(folder: Path) -> dict[str, Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=folder.as_uri())
    experiment = client.get_experiment_by_name("quick")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    curves = {
        key: [(m.step, m.value) for m in client.get_metric_history(run.info.run_id, key)] for key in run.data.metrics
    }
    reason = run.data.tags["dlbench.reason"]
    assert run.info.status == ("FINISHED" if run.data.tags["dlbench.status"] == "ok" else "FAILED")
    return {
        "curves": {tag: points for tag, points in curves.items() if not tag.startswith("end/")},
        "ends": {tag.removeprefix("end/"): points[-1][1] for tag, points in curves.items() if tag.startswith("end/")},
        "settings": run.data.params,
        "status": run.data.tags["dlbench.status"] + (f": {reason}" if reason else ""),
    }


def of_wandb(folder: Path) -> dict[str, Any]:
    (file,) = folder.rglob("*.wandb")
    curves: dict[str, list[tuple[int, float]]] = {}
    settings, ends = {}, {}
    for found in wait_for_end(file):
        if found.WhichOneof("record_type") == "history":
            row = {(item.key or "/".join(item.nested_key)): json.loads(item.value_json) for item in found.history.item}
            for tag, value in row.items():
                if tag[0] != "_" and tag != "step":
                    curves.setdefault(tag, []).append((row["step"], value))
        elif found.WhichOneof("record_type") == "run":
            settings |= {u.key: json.loads(u.value_json) for u in found.run.config.update}
        elif found.WhichOneof("record_type") == "summary":
            ends |= {(u.key or "/".join(u.nested_key)): json.loads(u.value_json) for u in found.summary.update}
    status, reason = ends.pop("status"), ends.pop("reason")
    kept = {key: value for key, value in ends.items() if key[0] != "_" and key != "step" and key not in curves}
    return {"curves": curves, "ends": kept, "settings": settings, "status": status + (f": {reason}" if reason else "")}


def wait_for_end(file: Path) -> list[Any]:
    """All records: the library's helper process may still write when `finish` has returned."""
    end = time.monotonic() + 60
    while True:
        found = [*wandb_records(file)]
        if any(each.WhichOneof("record_type") == "exit" for each in found):
            return found
        assert time.monotonic() < end, "the run has no end"
        time.sleep(0.1)


def wandb_records(file: Path) -> Iterator[Any]:
    """The log of LevelDB's format behind a header of seven bytes: blocks of 32 KiB; of each piece a checksum, a length
    and whether it is whole, the first, a middle or the last of its record."""
    from wandb.proto import wandb_internal_pb2

    data, place, parts = file.read_bytes(), 7, b""
    while place + 7 <= len(data):  # a piece that is being written is left for the next look
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        parts += data[place + 7 : place + 7 + length]
        place += 7 + length
        if place > len(data):
            return
        if kind in (1, 4):
            found = wandb_internal_pb2.Record()
            found.ParseFromString(parts)
            parts = b""
            yield found


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_is_one_run_with_its_curve_settings_and_results(name: str, tmp_path: Path) -> None:
    pytest.importorskip("mlflow" if name == "mlflow" else name)
    observe(tracking(tmp_path, name), record())
    found = written(name, tmp_path)
    assert found["curves"] == {"loss": [(10, 0.75), (20, 0.25)], "val/accuracy": [(10, 0.5), (20, 0.875)]}
    assert {"test/accuracy": 0.875, "params": 5000.0, "train_s": 2.0}.items() <= found["ends"].items()
    settings = {key: str(value) for key, value in found["settings"].items()}
    assert {"model": "mlp", "task": "digits", "optimizer": "adam", "runtime.device": "cpu"}.items() <= settings.items()
    assert float(settings["lr"]) == 0.001
    assert found["status"] == "ok"


@pytest.mark.parametrize("name", NAMES)
def test_a_cell_that_failed_says_why(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    observe(tracking(tmp_path, name), cell(None, status="failed", reason="RuntimeError: no"), live=0)
    assert written(name, tmp_path)["status"] == "failed: RuntimeError: no"


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_cell_that_runs_again_takes_the_place_of_its_run(name: str, tmp_path: Path) -> None:
    pytest.importorskip(name)
    for _ in range(2):
        observe(tracking(tmp_path, name), record(), live=2)
    assert written(name, tmp_path)["curves"]["loss"] == [(10, 0.75), (20, 0.25)]


def test_folds_have_curves_of_their_own(tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    found = tracking(tmp_path, "wandb", "tensorboard")
    done = cell(0.875, curves=[CURVE, CURVE], steps=40, task={"folds": 2})
    found.follow(lambda: done.body, 0, CURVE[0])
    found.announce(done)
    assert found.problems == {}
    for name in ("wandb", "tensorboard"):
        curves = written(name, tmp_path)["curves"]
        assert curves["fold_0/loss"] == curves["fold_1/loss"] == [(10, 0.75), (20, 0.25)]


def test_profiles_are_left_out(tmp_path: Path) -> None:
    found = tracking(tmp_path, "tensorboard")
    found.announce(Record(body("profile", None)))
    assert not [*tmp_path.rglob("events*")]


class Broken(trackers.Tracker):
    """Its disk is full from the second point on."""

    def begin(self, cell: Any) -> list[Any]:
        return []

    def write(self, run: list[Any], step: int, values: Any) -> None:
        if step == 20:
            raise OSError("no space left")
        run.append(step)

    def end(self, run: list[Any], record: Any, results: Any) -> None:
        self.ended = run


def test_a_tracker_that_fails_costs_a_warning_and_the_others_go_on(tmp_path: Path) -> None:
    found = tracking(tmp_path, "tensorboard")
    broken = Broken(tmp_path)
    found.plugins.register(broken, name="tracker broken")
    for point in CURVE:
        found.follow(lambda: record().body, 0, point)
    found.announce(record())
    assert broken.ended == [10]
    assert "dlbench_cell_progress raised OSError: no space left" in found.problems["tracker broken"]
    assert "dlbench_cell_finished raised OSError: no space left" in found.problems["tracker broken"]
    assert [*found.problems] == ["tracker broken"]
    assert written("tensorboard", tmp_path)["curves"]["loss"] == [(10, 0.75), (20, 0.25)]


def test_a_library_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(module: str) -> None:
        raise ModuleNotFoundError("No module named 'wandb'", name="wandb")

    monkeypatch.setattr(trackers, "import_module", missing)
    with pytest.raises(UsageError, match=r"--track wandb: wandb is missing: pip install 'dlbench\[wandb\]'"):
        tracking(Path("none"), "wandb")
