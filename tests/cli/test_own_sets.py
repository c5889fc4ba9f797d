"""Sets and families of others at the command line: what is shown, where files are, whose names may be taken."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dlbench import Classes, DataFile, DataSet, Metric, NoData, TaskSpec, UsageError, Vector
from dlbench.cli import group
from dlbench.cli.again import replan
from dlbench.contract.sets import Data, folders_of
from dlbench.data.root import absolute_root
from dlbench.data.verify import state
from dlbench.plan.catalog import discover
from dlbench.plan.inputs import label_of, places, roots_of
from dlbench.results import Record
from factories import cell
from workshop import catalog

PLUGIN = """
from dlbench import Classes, DataFile, DataSet, Metric, TaskSpec, Vector

def dlbench_tasks():
    for number, name in enumerate({names}):
        files = DataSet(name=name, files=(DataFile(path=f"own/{number}.txt", sha256="0" * 64),))
        yield TaskSpec(name=f"own{number}", input_kind=Vector, output_kind=Classes, load=lambda data: None, unit="x",
                       metric=Metric(name="accuracy"), floor=None, data=files)
"""


def invoke(*words: str) -> Result:
    return CliRunner().invoke(group, [*words])


@pytest.fixture
def data_root_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "data"
    root.mkdir()
    monkeypatch.setenv("DLBENCH_DATA", str(root))
    return root


def test_show_a_member_of_an_open_family_of_tasks_or_models() -> None:
    shown = invoke("show", "tu:MUTAG").output
    assert shown.startswith("task tu:MUTAG: ")
    assert "floor      the row of constant" in shown
    assert "data       mutag: 5 files" in shown
    assert "floor      the row of constant" in invoke("show", "tu:*").output
    assert invoke("show", "timm:resnet18").output.startswith("model timm:resnet18")
    result = invoke("show", "nothing:here")
    assert isinstance(result.exception, UsageError)


def test_the_path_of_an_unknown_member_says_what_to_do(data_root_here: Path) -> None:
    result = invoke("data", "path", "tu:NOPE")
    assert result.exit_code == 0
    assert str(data_root_here / "graph/tu/NOPE/raw/NOPE_A.txt") in result.output
    assert "nothing is known of tu:NOPE: put its files there, and run it with --unverified-data" in result.output
    assert "nothing is known" not in invoke("data", "path", "tu:MUTAG").output
    family = invoke("data", "path", "tu:*").exception
    assert str(family) == "tu:* is an open family: name a member in place of the *"


def test_a_set_of_several_forms_is_shown_as_it_is_at_hand(data_root_here: Path) -> None:
    (archive,) = invoke("data", "path", "cifar10").output.split()
    assert archive == str(data_root_here / "vision/cifar10/cifar-10-python.tar.gz")
    paths = [Path(line) for line in invoke("data", "path", "cifar10_folder").output.split()]
    paths[0].parent.mkdir(parents=True)
    for path in paths:
        path.touch()
    assert invoke("data", "path", "cifar10").output.split() == [str(path) for path in paths]
    listed = [line.split() for line in invoke("data", "list").output.splitlines() if line.startswith("cifar10")]
    assert [row[:3] for row in listed][:3] == [
        ["cifar10", "unverified", "7"], ["cifar10_archive", "missing", "1"], ["cifar10_folder", "unverified", "7"],
    ]  # fmt: skip
    shown = " ".join(invoke("show", "cifar10").output.split())
    assert "data cifar10 or cifar10_folder or cifar10_sheets: 1 files" in shown


def test_hash_prints_a_ready_data_file(data_root_here: Path, tmp_path: Path) -> None:
    (data_root_here / "own").mkdir()
    for name, content in (("a.txt", b"one"), ("b.txt", b"two")):
        (data_root_here / "own" / name).write_bytes(content)
    result = invoke("data", "hash", str(data_root_here / "own"))
    files = [eval(line.rstrip(","), {"DataFile": DataFile}) for line in result.output.splitlines()]
    assert files == [
        DataFile(path="own/a.txt", sha256=hashlib.sha256(b"one").hexdigest()),
        DataFile(path="own/b.txt", sha256=hashlib.sha256(b"two").hexdigest()),
    ]
    assert state(DataSet(name="own", files=tuple(files)), data_root_here, None).status == "verified"
    outside = tmp_path / "c.txt"
    outside.write_bytes(b"three")
    assert "outside the data root" in invoke("data", "hash", str(outside)).output


def test_a_data_set_may_not_take_the_name_of_another_plugins(tmp_path: Path) -> None:
    file = tmp_path / "aaa.py"  # before all built-in plugins by the alphabet
    file.write_text(PLUGIN.replace("{names}", '("cora", "mine")'))
    found = discover([str(file)])
    expected = "the task 'own0' is left out: its data set 'cora' is not the one of graph: give it another name"
    assert found.problems == {"aaa.py": expected}
    assert "own1" in found.specs["tasks"]
    assert "cora" in found.specs["tasks"]
    with pytest.raises(UsageError, match="'own0' is left out"):
        found.task("own0")


def test_two_tasks_of_one_plugin_may_share_a_set(tmp_path: Path) -> None:
    assert catalog().problems == {}
    file = tmp_path / "own.py"
    file.write_text(PLUGIN.replace("{names}", '("mine", "yours")'))
    assert discover([str(file)]).problems == {}


# --- several data roots -----------------------------------------------------------------------------------


@pytest.fixture
def two(tmp_path: Path) -> Path:
    for folder, name in (("a", "one.txt"), ("b", "one.txt"), ("b", "two.txt")):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / name).write_text(folder)
    return Path(f"{tmp_path / 'a'}{os.pathsep}{tmp_path / 'b'}")


def test_of_several_data_roots_the_first_that_has_a_file_gives_it(two: Path, tmp_path: Path) -> None:
    data = Data(root=two, cache=tmp_path)
    assert data.path("one.txt") == tmp_path / "a" / "one.txt"
    assert data.path("two.txt") == tmp_path / "b" / "two.txt"
    with pytest.raises(NoData, match=r"three\.txt is missing"):
        data.path("three.txt")


def test_a_set_is_verified_in_the_root_that_has_all_of_it(two: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(b"b").hexdigest()
    dataset = DataSet(
        name="s", files=(DataFile(path="one.txt", sha256=digest), DataFile(path="two.txt", sha256=digest))
    )
    found = state(dataset, two, None)
    assert found.status == "verified"
    assert {file.path.parent for file in found.files} == {tmp_path / "b"}
    missing = DataSet(name="t", files=(DataFile(path="three.txt", sha256=digest),))
    assert state(missing, two, None).files[0].path == tmp_path / "a" / "three.txt"  # where it would be fetched to


def test_a_task_reads_its_set_from_the_root_where_it_was_verified(two: Path, tmp_path: Path) -> None:
    """`a` comes first and has another file of that name."""
    digest = hashlib.sha256(b"b").hexdigest()
    files = tuple(DataFile(path=name, sha256=digest) for name in ("one.txt", "two.txt"))
    spec = TaskSpec(
        name="t", input_kind=Vector, output_kind=Classes, unit="row", metric=Metric(name="accuracy"), floor=None,
        data=DataSet(name="s", files=files), load=lambda data: [data.path(f.path) for f in files],
    )  # fmt: skip
    data = Data(root=two, cache=tmp_path)
    assert spec.open(data, {}) == [tmp_path / "b" / "one.txt", tmp_path / "b" / "two.txt"]
    (tmp_path / "a" / "two.txt").write_text("a")  # now the first root has it all
    assert spec.open(data, {}) == [tmp_path / "a" / "one.txt", tmp_path / "a" / "two.txt"]


def test_several_roots_stay_several(two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert folders_of(absolute_root(Path(f"a{os.pathsep}b"))) == [tmp_path / "a", tmp_path / "b"]
    assert folders_of(absolute_root(Path("a"))) == [tmp_path / "a"]
    odd = tmp_path / f"x{os.pathsep}y"
    odd.mkdir()
    assert folders_of(odd) == [odd]  # a folder's own name comes first
    roots = roots_of([], two)
    assert label_of(tmp_path / "b" / "two.txt", roots) == "data:two.txt"
    assert tmp_path / "b" / "two.txt" in places("data:two.txt", roots)
    monkeypatch.setenv("DLBENCH_DATA", str(two))
    assert invoke("data", "path").output.split() == [str(tmp_path / "a"), str(tmp_path / "b")]


# --- reproduce --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        ("dlbench run -p 'my nets.py' -m own --plugin other", "give -p my nets.py -p other, as the run was"),
        ("dlbench run -m own", "give -p wonder, as the run was"),
    ],
)
def test_reproduce_names_the_plugin_that_it_misses(command: str, wanted: str, tmp_path: Path) -> None:
    record: Record = cell(model={"name": "own", "plugin": "wonder"}, command=command)
    with pytest.raises(UsageError, match=f"no plugin here has the model 'own': {wanted}"):
        replan(catalog(), record, tmp_path)
