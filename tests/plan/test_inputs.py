"""What a program read beside its name: an edit of it makes records stale; versions are said, and may be accepted."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from dlbench.contract.runtime import Runtime
from dlbench.data.root import default_cache
from dlbench.execute.run import Limits, Runner, differences
from dlbench.plan.catalog import Catalog, discover
from dlbench.plan.plan import Request, plan
from dlbench.results import Record, Results
from dlbench.tables.groups import groups

NETWORK = """
from dlbench import Classes, Image, ModelSpec
{top}
def build(signature):
    from torch import nn
    i = signature.input
    {width}
    return nn.Sequential(nn.Flatten(), nn.Linear(i.channels * i.height * i.width, width), nn.ReLU(),
                         nn.Linear(width, signature.output.num_classes))

def dlbench_models():
    yield ModelSpec(name="mine", build=build, accepts=[(Image, Classes)])
"""
HIDDEN = {
    "a path put together": ("import json, pathlib", "width = json.loads((pathlib.Path(__file__).parent / ('set' + "
                            "'up.json')).read_text())['width']", "setup.json", '{"width": 4}', '{"width": 5}'),
    "a module that it wrote itself, from": (
        "import importlib.util, pathlib, tempfile",
        "text = (pathlib.Path(__file__).parent / ('set' + 'up.txt')).read_text()\n"
        "    with tempfile.NamedTemporaryFile('w', suffix='.py', delete=False) as file:\n        file.write(text)\n"
        "    spec = importlib.util.spec_from_file_location('made_here', file.name)\n"
        "    module = importlib.util.module_from_spec(spec)\n    __import__('sys').modules['made_here'] = module\n"
        "    spec.loader.exec_module(module)\n    width = module.WIDTH", "setup.txt", "WIDTH = 4", "WIDTH = 5",
    ),
    "a computed import": ("import importlib", "width = importlib.import_module('hid' + 'den').WIDTH", "hidden.py",
                          "WIDTH = 4", "WIDTH = 5"),
    "a file that isn't there yet": ("import pathlib", "width = 4\n    try:\n        width = int(open(pathlib.Path("
                                    "__file__).parent / ('wid' + 'th.txt')).read())\n    except FileNotFoundError:\n"
                                    "        pass", "width.txt", None, "5"),
}  # fmt: skip


class Silent:
    """A display that keeps what it is told."""

    def __init__(self) -> None:
        self.warned: list[str] = []

    def started(self, *_: Any) -> None: ...
    def progress(self, *_: Any) -> None: ...
    def finished(self, *_: Any) -> None: ...
    def skipped(self, *_: Any) -> None: ...
    def begins(self, *_: Any) -> None: ...
    def warn(self, text: str) -> None:
        self.warned.append(text)


def run(catalog: Catalog, folder: Path, *, accept_stale: bool = False) -> tuple[Runner, Record]:
    """Run one cell of the plugin's model into folder/runs."""
    request = Request(
        models=("mine",), tasks=("digits",), seeds=(0,), settings={"budget.steps": "2"}, profiles=False,
        runtime=Runtime(), data_root=folder / "data", cache=default_cache(),
    )  # fmt: skip
    runner = Runner(
        catalog=catalog, results=Results(folder / "runs"), display=Silent(), limits=Limits(timeout_s=300),
        data_root=request.data_root, cache=request.cache, command="test", accept_stale=accept_stale,
    )  # fmt: skip
    (record,) = runner.run(plan(catalog, request))
    assert record.status == "ok", record["reason"]
    return runner, record


@pytest.mark.parametrize("case", HIDDEN)
def test_a_hidden_file_that_changes_makes_its_record_stale(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, width, name, old, new = HIDDEN[case]
    (tmp_path / "mine.py").write_text(NETWORK.format(top=top, width=width))
    monkeypatch.syspath_prepend(tmp_path)
    if old is not None:
        (tmp_path / name).write_text(old)
    catalog = discover([str(tmp_path / "mine.py")])
    first, before = run(catalog, tmp_path)
    again, same = run(catalog, tmp_path)
    (tmp_path / name).write_text(new)
    third, after = run(catalog, tmp_path)
    assert (first.ran, again.ran, third.ran) == (1, 0, 1)
    assert same == before
    assert after.name == before.name
    assert after["params"] > before["params"]
    assert third.display.warned == [f"1 stale, run again: plugin:{name} has changed"]  # type: ignore[attr-defined]
    assert str(tmp_path) not in json.dumps(after["inputs"])


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    top, width, name, old, new = HIDDEN["a path put together"]
    (tmp_path / "mine.py").write_text(NETWORK.format(top=top, width=width))
    (tmp_path / name).write_text(old or "")
    catalog = discover([str(tmp_path / "mine.py")])
    run(catalog, tmp_path)
    before = (tmp_path / name).stat()
    (tmp_path / name).write_text(new)
    os.utime(tmp_path / name, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(catalog, tmp_path)[0].ran == 1


def test_another_version_is_said_and_may_be_accepted(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK.format(top="", width="width = 4"))
    catalog = discover([str(tmp_path / "mine.py")])
    _, record = run(catalog, tmp_path)
    assert {"torch", "numpy", "sklearn"} <= set(record["versions"])
    older = {**record.body, "versions": {**record["versions"], "torch": "1.0"}}
    Results(tmp_path / "runs").save(Record(older))
    kept, same = run(catalog, tmp_path, accept_stale=True)
    assert (kept.ran, same["versions"]["torch"]) == (0, "1.0")
    again, new = run(catalog, tmp_path)
    assert (again.ran, new["versions"]) == (1, record["versions"])
    (said,) = again.display.warned  # type: ignore[attr-defined]
    assert said == (f"1 stale, run again: torch 1.0 -> {record['versions']['torch']} (--accept-stale keeps them)")


def test_differences_name_what_changed_only() -> None:
    assert differences({"torch": "1", "timm": "1"}, {"torch": "1", "timm": "2", "dgl": "3"}) == ["timm 1 -> 2"]
    assert differences({"torch": "1"}, {}) == ["torch 1 -> gone"]


def test_generated_data_has_a_digest_and_the_standard_library_stays_out(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(NETWORK.format(top="", width="import colorsys; width = 4"))
    _, record = run(discover([str(tmp_path / "mine.py")]), tmp_path)
    assert len(record["content_digest"]) == 16
    assert record["inputs"] == {"files": {}}


READER = """
import pathlib
from dlbench import Classes, DataFile, DataSet, Metric, TaskSpec, Vector

def load(data):
    import torch
    from dlbench.data.examples import Examples
    mark = data.cache / "decoded"
    if not mark.is_file():
        data.path("set.bin").read_bytes()
        mark.parent.mkdir(exist_ok=True)
        mark.write_bytes(b"")
    data.path("beside.txt").read_text()
    index = {split: torch.arange(4) for split in ("train", "val", "test")}
    return Examples(input=Vector(features=2), inputs=torch.ones(4, 2), targets=torch.tensor([0, 1, 0, 1]),
                    splits=index, num_classes=2, device=data.device)

def dlbench_tasks():
    files = (DataFile(path="set.bin", sha256="SHA"),)
    yield TaskSpec(name="own", input_kind=Vector, output_kind=Classes, load=load, unit="row",
                   metric=Metric(name="accuracy"), floor=0.5, data=DataSet(name="own", files=files),
                   recipe={"budget.steps": 1, "batch_size": 2, "schedule": "constant", "optimizer": "sgd", "lr": 0.1})
"""


def test_declared_files_are_in_the_name_and_not_among_the_inputs(tmp_path: Path) -> None:
    """Only the first cell of a row may read them, where a task keeps what it decoded: the others are the same program
    all the same."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "set.bin").write_bytes(b"x")
    (tmp_path / "data" / "beside.txt").write_text("x")
    (tmp_path / "plugin").mkdir()
    file = tmp_path / "plugin" / "own.py"
    file.write_text(READER.replace("SHA", hashlib.sha256(b"x").hexdigest()))
    catalog = discover([str(file)])
    request = Request(
        models=("constant",), tasks=("own",), seeds=(0, 1), profiles=False, runtime=Runtime(),
        data_root=tmp_path / "data", cache=tmp_path / "cache",
    )  # fmt: skip
    runner = Runner(
        catalog=catalog, results=Results(tmp_path / "runs"), display=Silent(), limits=Limits(timeout_s=300),
        data_root=request.data_root, cache=request.cache, command="test",
    )  # fmt: skip
    records = runner.run(plan(catalog, request))
    assert [record.status for record in records] == ["ok", "ok"]
    assert [list(record["inputs"]["files"]) for record in records] == [["data:beside.txt"]] * 2
    (group,) = groups({"custom": records})
    assert [cell["seed"] for cell in group.cells] == [0, 1]
