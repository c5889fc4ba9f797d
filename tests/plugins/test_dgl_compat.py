"""dlbench_dgl.compat and .available: DGL beside a current torch, and the reasons to skip where it can't be."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import dlbench_dgl
from dlbench import Graph, NodeClasses, NotApplicable
from dlbench.contract.runtime import Runtime
from dlbench_dgl import available
from dlbench_dgl.compat import load_dgl

MISSING = "DGL isn't installed (its packages need Python 3.12 or older)"
needs_dgl = pytest.mark.skipif(find_spec("dgl") is None, reason=MISSING)

IMPORT_FOR_REAL = """
import json, os, sys, time, warnings
import torch
torch.set_num_threads(1)
filters, layout, settings = list(warnings.filters), warnings.formatwarning, dict(os.environ)
from dlbench_dgl.compat import load_dgl
facts = {"early": "dgl" in sys.modules}
with warnings.catch_warnings(record=True) as heard:
    warnings.simplefilter("always")
    dgl = load_dgl()
facts["heard"] = [str(warning.message) for warning in heard]
start = time.perf_counter()
facts["same"] = load_dgl() is dgl is sys.modules["dgl"]
facts["second_s"] = time.perf_counter() - start
facts["version"] = dgl.__version__
facts["graphbolt"] = [name for name in sys.modules if name.startswith("dgl.graphbolt")]
with open("/proc/self/maps") as maps:
    facts["libraries"] = sorted({os.path.basename(line.split()[-1]) for line in maps if "/dgl/" in line})
facts["filters"] = warnings.filters == filters and warnings.formatwarning is layout
facts["settings"] = dict(os.environ) == settings
try:
    dgl.distributed.partition.gb.FusedCSCSamplingGraph
except AttributeError as error:
    facts["stand_in"] = str(error)
layer = torch.nn.Conv1d(1, 2, 3)
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(1, 1, 8)).sum().backward()
optimizer.step()
loaded = next(iter(torch.utils.data.DataLoader(torch.arange(4), batch_size=4)))
facts["torch"] = bool(layer.weight.grad.abs().sum() > 0) and loaded.tolist() == [0, 1, 2, 3]
graph = dgl.graph((torch.tensor([0, 1]), torch.tensor([1, 0])))
facts["layer"] = list(dgl.nn.GraphConv(2, 3)(graph, torch.ones(2, 2)).shape)
print(json.dumps(facts))
"""

IMPORT_AS_PRETENDED = """
import json, os, sys
from dlbench import NotApplicable
from dlbench_dgl.compat import load_dgl
facts = {"before": os.environ.get("DGLBACKEND"), "reasons": []}
for _ in range(2):
    try:
        facts["seen"] = load_dgl().seen
    except NotApplicable as error:
        facts["reasons"].append(str(error))
facts["after"] = os.environ.get("DGLBACKEND")
facts["modules"] = sorted(name for name in sys.modules if name.partition(".")[0] == "dgl")
facts["torch"] = "torch" in sys.modules
print(json.dumps(facts))
"""


def facts_of(code: str, **settings: str) -> dict[str, Any]:
    """What a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **settings}
    )
    assert done.returncode == 0, done.stderr
    facts: dict[str, Any] = json.loads(done.stdout)
    return facts | {"stderr": done.stderr}


def pretend(folder: Path, **files: str) -> str:
    """A package `dgl` with these modules, as a search path that comes before the real one."""
    package = folder / "dgl"
    package.mkdir()
    for name, text in files.items():
        (package / f"{name}.py").write_text(text)
    return os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])


def why_not(**fields: Any) -> str | None:
    return available.why_not(Graph, NodeClasses, Runtime(**fields))


@needs_dgl
def test_imports_beside_this_torch_and_leaves_no_trace(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    facts = facts_of(IMPORT_FOR_REAL, HOME=str(home), DGLDEFAULTDIR=str(home / "dgl"))
    assert list(home.iterdir()) == []
    assert not facts["early"]
    assert facts["heard"] == []
    assert facts["stderr"] == ""
    assert facts["same"]
    assert facts["second_s"] < 0.01
    assert facts["version"].startswith("2.1.0")
    assert facts["graphbolt"] == []
    assert "libdgl.so" in facts["libraries"]
    assert [name for name in facts["libraries"] if "graphbolt" in name] == []
    assert facts["filters"]
    assert facts["settings"]
    assert "isn't loaded" in facts["stand_in"]
    assert facts["torch"]
    assert facts["layer"] == [2, 3]


def test_describing_the_models_imports_neither_torch_nor_dgl() -> None:
    code = (
        "import json, sys, dlbench_dgl; from dlbench import Graph, NodeClasses;"
        "from dlbench.contract.runtime import Runtime;"
        "reasons = [spec.why_not(Graph, NodeClasses, Runtime()) for spec in dlbench_dgl.dlbench_models()];"
        "print(json.dumps({'count': len(reasons), 'loaded': [n for n in ('torch', 'dgl') if n in sys.modules]}))"
    )
    facts = facts_of(code)
    assert facts["count"] == 6
    assert facts["loaded"] == []


def test_a_missing_dgl_is_a_reason_to_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "dgl", None)  # as Python marks what can't be imported
    assert why_not() == MISSING
    assert why_not(device="cuda:0") == MISSING
    with pytest.raises(NotApplicable) as caught:
        load_dgl()
    assert str(caught.value) == MISSING


def test_a_missing_dgl_skips_the_cell_and_the_catalog_stays_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlbench.plan.catalog import discover
    from workshop import planned

    monkeypatch.setitem(sys.modules, "dgl", None)
    among = discover(["dlbench_dgl"])
    assert among.problems == {}
    made = planned("dgl:gcn", "karate", among=among)
    assert [job.reason for job in made.skips] == [MISSING]
    assert made.jobs == []


@needs_dgl
def test_what_this_build_can_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"dgl": "2.1.0"}[name])
    assert why_not() is None
    assert why_not(device="cuda:0", precision="tf32") == "this DGL build has no CUDA"
    monkeypatch.setattr(importlib.metadata, "version", lambda name: {"dgl": "2.1.0+cu121"}[name])
    assert why_not(device="cuda:0", precision="tf32") is None
    assert "precision" in (why_not(precision="bf16") or "")
    assert "torch.compile" in (why_not(compile=True) or "")


def test_every_model_says_so_while_planning() -> None:
    assert {spec.why_not for spec in dlbench_dgl.dlbench_models()} == {available.why_not}


def test_a_stand_in_is_there_during_the_import_only(tmp_path: Path) -> None:
    path = pretend(
        tmp_path,
        __init__="from . import part\nseen = part.seen",
        part="import os\nfrom . import graphbolt as gb\nseen = [type(gb).__name__, os.environ['DGLBACKEND']]",
        graphbolt="raise FileNotFoundError('the library for this torch')",
    )
    facts = facts_of(IMPORT_AS_PRETENDED, PYTHONPATH=path, DGLBACKEND="mxnet")
    assert facts["seen"] == ["module", "pytorch"]
    assert facts["reasons"] == []
    assert (facts["before"], facts["after"]) == ("mxnet", "mxnet")
    assert facts["modules"] == ["dgl", "dgl.part"]
    assert not facts["torch"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("raise OSError('libcudart.so.12:\\n cannot open')", "DGL can't be loaded beside this torch (libcudart.so.12:"),
        ("raise ImportError('no backend')", "DGL can't be loaded beside this torch (no backend)"),
        ("import no_such_module", "DGL needs the module no_such_module"),
    ],
)
def test_a_dgl_that_fails_is_a_reason_to_skip_each_time(text: str, reason: str, tmp_path: Path) -> None:
    path = pretend(tmp_path, __init__="from . import part", part="x = 1\n" + text)
    facts = facts_of(IMPORT_AS_PRETENDED, PYTHONPATH=path)
    assert [given[: len(reason)] for given in facts["reasons"]] == [reason, reason]
    assert len(set(facts["reasons"])) == 1
    assert facts["modules"] == []
    assert facts["after"] == facts["before"]


@needs_dgl
def test_threads_that_load_at_once_get_the_same_module() -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(4) as pool:
        assert len({id(module) for module in pool.map(lambda _: load_dgl(), range(8))}) == 1
