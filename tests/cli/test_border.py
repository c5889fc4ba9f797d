"""The border to plugins: what one does wrong, prints, moves or ends costs one line, and everything else works."""

from __future__ import annotations

import json
import os
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from terminal import dlbench

from dlbench import (
    Block,
    Classes,
    DataFile,
    DataSet,
    Image,
    Metric,
    ModelSpec,
    OptimizerSpec,
    ProfileProtocol,
    Reference,
    RegularizerSpec,
    ScheduleSpec,
    Suite,
    TaskSpec,
    Vector,
)
from dlbench.contract.vetting import RULES, Fault, vet
from dlbench.errors import UsageError
from dlbench.plan.catalog import Source, discover, load_sources
from dlbench.results import Record

HEAD = """
from dlbench import Classes, Image, Metric, ModelSpec, TaskSpec, Vector

def build(signature):
    from torch import nn
    i = signature.input
    return nn.Sequential(nn.Flatten(), nn.Linear(i.channels * i.height * i.width, signature.output.num_classes))

def load(data):
    return object()

def model(name, **more):
    return ModelSpec(name=name, **{"build": build, "accepts": [(Image, Classes)], **more})

def task(name, **more):
    return TaskSpec(name=name, **{"input_kind": Vector, "output_kind": Classes, "load": load, "unit": "row",
                                  "metric": Metric(name="accuracy"), "floor": 0.5, **more})
"""


def build(*_args: Any, **_options: Any) -> None: ...


SPECS = (
    ModelSpec(name="m", build=build, accepts=[(Image, Classes)], recipes={Image: {"lr": 0.1}, "digits": {"clip": 1}}),
    TaskSpec(
        name="t", input_kind=Vector, output_kind=Classes, load=build, unit="row", metric=Metric(name="a"), floor=0.5,
        reference=Reference(value=1.0, source="x"), metrics=(Metric(name="b"),), monitor="b", recipe={"lr": 0.1},
        data=DataSet(name="d", files=(DataFile(path="a/b", sha256="0"),)),
    ),
    OptimizerSpec(name="o", build=build), ScheduleSpec(name="s", build=build), RegularizerSpec(name="r", build=build),
    Suite(name="x", blocks=(Block(models=("*",), tasks=("*",), set={"lr": 1}),), profile=ProfileProtocol()),
    Metric(name="b"), Reference(value=1.0, source="x"), DataSet(name="d", files=()), DataFile(path="a", sha256="0"),
    Block(models=("*",), tasks=("*",)), ProfileProtocol(),
)  # fmt: skip
NEVER_RIGHT = object()


@pytest.fixture
def plugin(tmp_path: Path) -> Any:
    """Write a plugin's file with this body."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / f"{name}.py"
        path.write_text(HEAD + body)
        return path

    return write


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: type(spec).__name__)
def test_every_field_of_every_spec_is_looked_at(spec: Any) -> None:
    vet(spec)
    for f in fields(spec):
        with pytest.raises(Fault, match=f"^{f.name} must be .*object object"):
            vet(replace(spec, **{f.name: NEVER_RIGHT}))
        assert f.name in RULES


@pytest.mark.parametrize(
    ("spec", "wrong", "said"),
    [
        (0, {"accepts": (Image, Classes)}, "accepts must be a list of pairs"),
        (0, {"accepts": [(Classes, Image)]}, "accepts must be a list of pairs"),
        (0, {"accepts": [(Image, Classes, Vector)]}, "accepts must be a list of pairs"),
        (0, {"preload": "torch"}, "preload must be a tuple of texts"),
        (0, {"recipes": {"digits": {"lr": "fast"}}}, "recipes.digits.lr is wrong"),
        (0, {"recipes": {Image: {"batch_size": 3}}}, "recipes.Image.batch_size can't be set by a model"),
        (1, {"input_kind": Vector(features=3)}, "input_kind must be the class of an input kind"),
        (1, {"input_kind": Classes}, "input_kind must be the class of an input kind"),
        (1, {"metric": "accuracy"}, "metric must be a Metric, not 'accuracy'"),
        (1, {"metric": Metric(name="a", higher_is_better=1)}, "metric.higher_is_better must be True or False"),  # type: ignore[arg-type]
        (1, {"metrics": (Metric(name="b"), Metric(name="")), "monitor": ""}, r"metrics\[1\].name must be"),
        (1, {"monitor": "c"}, "monitor must be the name of one of the task's metrics"),
        (1, {"floor": float("nan")}, "floor must be a finite number"),
        (1, {"floor": True}, "floor must be a finite number"),
        (1, {"data": DataSet(name="d", files=(DataFile(path="../x", sha256=""),))}, r"data.files\[0\].path must be"),
        (1, {"data": DataSet(name="d", files=(DataFile(path="/x", sha256=""),))}, r"data.files\[0\].path must be"),
        (1, {"folds": 0}, "folds must be a whole number"),
        (1, {"recipe": {"budget.epochs": 1, "budget.steps": 2}}, "recipe is wrong: budget.epochs and budget.steps"),
        (5, {"blocks": (Block(models=("*",), tasks=(3,)),)}, r"blocks\[0\].tasks must be"),  # type: ignore[arg-type]
        (5, {"seeds": ()}, "seeds must be"),
        (5, {"seeds": 10**6}, "seeds must be"),
        (5, {"seeds": (10**20,)}, "seeds must be"),
    ],
)
def test_a_wrong_value_is_named_with_what_it_must_be(spec: int, wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(Fault, match=f"^{said}"):
        vet(replace(SPECS[spec], **wrong))


@pytest.mark.parametrize(
    "name",
    ["", "a b", "a[b]", "a/b", "a\\b", "a,b", "a\nb", "a\x1b[31mb", "=1+1", "-x", "+x", "@x", "a*", "a=b", 3, ["a"]],
)
def test_names_that_would_be_read_as_something_else_are_refused(name: Any) -> None:
    with pytest.raises(Fault, match=r"^name must be a text of letters, digits"):
        vet(replace(SPECS[0], name=name))


def test_a_wrong_spec_is_one_line_and_everything_else_is_listed(plugin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    file = plugin("wrong", """
def dlbench_models():
    yield model("bad", accepts=(Image, Classes))
    yield model("good")

def dlbench_tasks():
    yield task("bad", metric="accuracy")
    yield task("worse", data=load)
    yield task("good")
""")  # fmt: skip
    listed = dlbench("list", "plugins", "-p", file)
    (line,) = [line for line in listed.out.splitlines() if line.startswith("wrong.py")]
    assert "the model 'bad' is left out: accepts must be a list of pairs" in line
    assert "the task 'bad' is left out: metric must be a Metric, not 'accuracy'" in line
    for what in ("models", "tasks"):
        names = [row["name"] for row in json.loads(dlbench("list", what, "-p", file, "--json").out)]
        assert "good" in names
        assert "bad" not in names
    assert dlbench("run", "-p", file, "-m", "good", "-m", "constant", "-t", "digits", "--dry-run").code == 0
    assert "can't say its data: TypeError" in dlbench("data", "list", "-p", file).err
    said = dlbench("run", "-p", file, "-m", "bad", "-t", "digits")
    assert (said.code, "the model 'bad' is left out: accepts" in said.err) == (2, True)


@pytest.mark.parametrize(
    ("field", "answer", "said"),
    [
        ("data", "pebbles", "data must give None, a DataSet"),
        ("data", DataSet(name="a b", files=()), "data.name must be"),
        ("folds", 0, "folds must give a whole number"),
        ("flags", "mine", "flags must give a tuple"),
    ],
)
def test_what_a_function_in_a_fields_place_gives_is_looked_at(field: str, answer: Any, said: str) -> None:
    spec = replace(SPECS[1], **{field: lambda: answer})
    asked = {"data": spec.files, "folds": spec.num_folds, "flags": spec.flags_of}[field]
    with pytest.raises(UsageError, match=f"the task 't' can't say its {field}: {said}"):
        asked({})


def install(folder: Path, name: str, text: str) -> None:
    """A package with an entry point, as pip would leave it."""
    (folder / f"dlbench_{name}.py").write_text(text)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[dlbench]\n{name} = dlbench_{name}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "def dlbench_cell_finished(rec):\n    ...\n",
            "dlbench_cell_finished has an argument 'rec': its argument is 'record'",
        ),
        (
            "def dlbench_models(config):\n    return []\n",
            "dlbench_models has an argument 'config': it takes no argument",
        ),
        (
            "from dlbench import hookimpl\n@hookimpl(wrapper=True)\ndef dlbench_models():\n    return []\n",
            "has a hook that can't be called: PluginValidationError",
        ),
    ],
)
def test_an_installed_plugin_with_a_wrong_hook_is_one_line(
    text: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, f"misnamed{abs(hash(text))}", text)
    monkeypatch.syspath_prepend(tmp_path)
    found = discover()
    ((name, problem),) = found.problems.items()
    assert name.startswith("misnamed")
    assert said in problem
    assert found.model("mlp")
    monkeypatch.setenv("COLUMNS", "400")
    listed = dlbench("list", "plugins")
    assert [said in line for line in listed.out.splitlines() if line.startswith("misnamed")] == [True]
    assert dlbench("run", "-m", "constant", "-t", "digits", "--dry-run").code == 0
    checked = dlbench("check", name)
    assert (checked.code, said in checked.out) == (1, True)


def test_an_observer_can_neither_end_the_run_nor_change_its_record(tmp_path: Path) -> None:
    for name, body in {
        "a_leaves": "import sys\ndef dlbench_cell_finished(record):\n    sys.exit(3)\n",
        "b_changes": "def dlbench_cell_finished(record):\n    record.body['metrics']['test'] = 'mine'\n",
        "c_sees": "SEEN = []\ndef dlbench_cell_finished(record):\n    SEEN.append(record)\n",
        "d_none": "def dlbench_cell_finished():\n    print('finished')\n",
    }.items():
        (tmp_path / f"{name}.py").write_text(body)
    found = load_sources(Source(path.name, str(path)) for path in sorted(tmp_path.glob("*.py")))
    record = Record({"name": "x", "metrics": {"test": {"accuracy": 1.0}}})
    found.announce(record)
    assert record["metrics"] == {"test": {"accuracy": 1.0}}
    (seen,) = found.plugins.get_plugin("c_sees.py").SEEN
    assert seen == record
    assert found.problems == {"a_leaves.py": "dlbench_cell_finished raised SystemExit: 3 (a_leaves.py:3)"}


def test_what_a_plugin_prints_is_no_part_of_the_output(plugin: Any) -> None:
    file = plugin("noisy", """
print("loading my models ...")

def refuse(input_kind, output_kind, runtime):
    print("why not called")

def dlbench_models():
    print("hook called")
    yield model("noisy", why_not=refuse)
""")  # fmt: skip
    done = dlbench("list", "models", "-p", file, "--json")
    assert "noisy" in {row["name"] for row in json.loads(done.out)}
    assert "hook called" in done.err
    done = dlbench("run", "-p", file, "-m", "noisy", "-t", "digits", "--dry-run", "--json")
    assert json.loads(done.out)["jobs"]
    assert "why not called" in done.err


def test_a_plugin_that_changes_the_folder_moves_nothing(
    plugin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    plugin(
        "mover", f"import os\nos.chdir({str(elsewhere)!r})\n\ndef dlbench_models():\n    os.chdir('/')\n    return []\n"
    )
    plugin("other", "\ndef dlbench_models():\n    yield model('other')\n")
    monkeypatch.chdir(tmp_path)
    found = discover(["./mover.py", "other.py"])
    assert found.problems == {}
    assert found.model("other")
    assert os.getcwd() == str(tmp_path)


def test_check_says_what_is_wrong_with_what_is_most_broken(plugin: Any, tmp_path: Path) -> None:
    file = plugin("broken", """
import sys

def leaves(signature):
    print("noise")
    sys.exit(3)

def fails(**options):
    raise RuntimeError("two\\nlines")

def dlbench_models():
    yield model("leaves", build=leaves)
    yield model("whynot", why_not=lambda i, o, r: 1 / 0)
    yield model("bad", accepts=3)

def dlbench_tasks():
    yield task("nothing")
    yield task("nodata", data=fails)
    yield task("badrecipe", recipe={"lr": "fast"})
""")  # fmt: skip
    done = dlbench("check", file, "--data", tmp_path / "none")
    assert done.code == 1
    lines = done.out.splitlines()
    assert all(line.startswith("FAIL ") for line in lines[:-1])
    for said in (
        "the model 'bad' is left out: accepts must be",
        "the task 'badrecipe' is left out: recipe.lr is wrong",
        "leaves on digits: it builds: SystemExit: 3",
        "nothing: its signature has the declared kinds: AttributeError",
        "can't say its data: RuntimeError: two lines",
    ):
        assert said in done.out
    assert "don't hold" in lines[-1]


def test_a_wrong_name_in_code_says_what_a_name_is() -> None:
    with pytest.raises(UsageError, match="without blanks, brackets, slashes or commas, not 'a b'"):
        vet(replace(SPECS[0], name="a b"))
