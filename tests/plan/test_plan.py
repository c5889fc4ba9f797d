"""Plans: recipes by layer, skips, suites with -m and -t, data states, names."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dlbench import Block, Suite
from dlbench.contract.runtime import Runtime
from dlbench.errors import UsageError
from dlbench.plan.catalog import Catalog, discover
from dlbench.plan.plan import Plan, Request, plan, recipe_of
from workshop import catalog, planned

FILE_TASK = """
from dlbench import Classes, DataFile, DataSet, Image, Metric, ModelSpec, TaskSpec
from dlbench import Kind

FILES = DataSet(name="pebbles", files=(DataFile(path="beach/pebbles.bin", sha256="{sha256}"),))

def load(data, *, size=1):
    raise NotImplementedError

def build(signature, *, width=8):
    raise NotImplementedError

def dlbench_tasks():
    yield TaskSpec(name="pebbles", input_kind=Image, output_kind=Classes, load=load, unit="pebble", data=FILES,
                   metric=Metric(name="accuracy"), floor=0.5, recipe={{"lr": 0.1, "batch_size": 7, "clip": 5}})

def dlbench_models():
    accepts = [(Image, Classes)]
    yield ModelSpec(name="own_recipe", build=build, accepts=accepts, recipes={{
        Kind: {{"lr": 0.01, "clip": 4}}, Image: {{"lr": 0.02, "first.weight_decay": 0.5}}, "pebbles": {{"clip": 3}}}})
    yield ModelSpec(name="greedy", build=build, accepts=accepts, recipes={{Image: {{"budget.epochs": 1000}}}})
    yield ModelSpec(name="picky", build=build, accepts=accepts,
                    why_not=lambda i, o, runtime: "needs two threads" if runtime.threads < 2 else None)
"""
CONTENT = b"grey and round"


@pytest.fixture
def beach(tmp_path: Path) -> Catalog:
    file = tmp_path / "beach_plugin.py"
    file.write_text(FILE_TASK.format(sha256=hashlib.sha256(CONTENT).hexdigest()))
    found = discover([str(file)])
    assert [*found.problems] == ["beach_plugin.py"]  # of the model 'greedy'
    return found


def fetched(root: Path, content: bytes = CONTENT) -> Path:
    (root / "beach").mkdir(parents=True)
    (root / "beach" / "pebbles.bin").write_bytes(content)
    return root


def grid(suite: Suite, **fields: Any) -> set[tuple[str, str]]:
    """The pairs of a suite that were planned or skipped."""
    request = Request(suites=(suite,), data_root=Path("no-data"), cache=Path("no-cache"), profiles=False, **fields)
    made = plan(catalog(), request)
    return {(str(job.model), str(job.task)) for job in made.jobs} | {(skip.model, skip.task) for skip in made.skips}


def test_layers_of_a_recipe_from_task_to_command_line(beach: Catalog) -> None:
    model, task = beach.model("own_recipe"), beach.task("pebbles")
    block = Block(models=(), tasks=(), set={"weight_decay": 0.3})
    found = recipe_of(model, task, block, {"batch_size": "9"})
    recipe, layers = found.recipe, found.layers
    assert (recipe.lr, recipe.clip, recipe.weight_decay, recipe.batch_size) == (0.02, 3.0, 0.3, 9)
    assert recipe.part("first").weight_decay == 0.5
    expected = {"lr": "model", "clip": "model", "weight_decay": "suite", "batch_size": "command line",
                "schedule": "core default", "first.weight_decay": "model"}  # fmt: skip
    assert {key: layers[key] for key in expected} == expected


def test_a_row_says_when_the_recipe_is_the_models_own(beach: Catalog, tmp_path: Path) -> None:
    root = fetched(tmp_path / "root")
    (job,) = planned("own_recipe", "pebbles", among=beach, data_root=root).jobs
    assert job.flags == ("model_recipe",)
    (job,) = planned("own_recipe", "pebbles", {"lr": 1, "clip": 1, "first.weight_decay": 1}, among=beach,
                     data_root=root).jobs  # fmt: skip
    assert job.flags == ()


def test_a_model_may_not_set_the_budget(beach: Catalog) -> None:
    said = r"the model 'greedy' is left out: recipes\.Image\.budget\.epochs can't be set by a model: it may set opt"
    with pytest.raises(UsageError, match=said):
        planned("greedy", "pebbles", among=beach)


def test_what_does_not_fit_is_a_skip_with_its_sentence(beach: Catalog) -> None:
    def reason(model: str, task: str, **more: Any) -> str:
        made = planned(model, task, among=beach, **more)
        assert made.jobs == []
        (skip,) = made.skips
        return skip.reason

    assert reason("lenet5", "ring8") == "lenet5 doesn't accept vector -> sample"
    assert reason("picky", "digits") == "needs two threads"
    assert reason("mlp", "digits", runtime=Runtime(precision="tf32")) == "tf32 exists on CUDA devices only"
    graph, fp16 = Runtime(cuda_graph=True), Runtime(device="cuda:0", cuda_graph=True, precision="fp16")
    assert reason("mlp", "digits", runtime=graph) == "CUDA graphs exist on CUDA devices only"
    assert reason("mlp", "digits", runtime=fp16).startswith("fp16 scales its loss by what each step finds")
    several = Runtime(device="cuda:0", cuda_graph=True, devices=2)
    assert reason("mlp", "digits", runtime=several) == "--cuda-graph on several devices isn't built"
    assert len(planned("picky", "digits", among=beach, runtime=Runtime(threads=2)).jobs) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "adamm"}, "did you mean 'adam'"),
        ({"optimizer": "sgd[momentun=1]"}, "did you mean 'momentum'"),
        ({"schedule": "cosin"}, "did you mean 'cosine'"),
        ({"regularizers": "emma"}, "did you mean 'ema'"),
        ({"all.optimizer": "adamm"}, "did you mean 'adam'"),
        ({"optimizer": "lbfgs", "weight_decay": 0.1}, "lbfgs has no weight decay: set weight_decay=none"),
    ],
)
def test_a_wrong_ingredient_is_an_error_before_anything_runs(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned("mlp", "digits", settings)


TWO = Suite(
    name="two",
    blocks=(Block(models=("mlp", "lenet5"), tasks=("digits",)), Block(models=("gcn", "mlp"), tasks=("sbm_small",))),
)


@pytest.mark.parametrize(
    ("asked", "pairs"),
    [
        ({}, {("mlp", "digits"), ("lenet5", "digits"), ("gcn", "sbm_small"), ("mlp", "sbm_small")}),
        ({"models": ("mlp",)}, {("mlp", "digits"), ("mlp", "sbm_small")}),
        ({"models": ("lenet5",)}, {("lenet5", "digits")}),
        ({"tasks": ("sbm_small",)}, {("gcn", "sbm_small"), ("mlp", "sbm_small")}),
        ({"models": ("perceptron",), "tasks": ("digits",)}, {("perceptron", "digits")}),
        ({"models": ("perceptron",)}, {("perceptron", "digits"), ("perceptron", "sbm_small")}),
        ({"models": ("mlp[width=9]", "gcn")},
         {("mlp[width=9]", "digits"), ("mlp[width=9]", "sbm_small"), ("gcn", "sbm_small")}),
        ({"models": ("mlp",), "tasks": ("ring8",)}, {("mlp", "ring8")}),
    ],
    ids=lambda value: str(sorted(value) if isinstance(value, set) else value),
)  # fmt: skip
def test_names_of_a_suite_filter_it_and_strangers_join_every_block(asked: Any, pairs: set[tuple[str, str]]) -> None:
    assert grid(TWO, **asked) == pairs


def test_without_a_suite_what_is_not_named_is_everything() -> None:
    made = planned("lenet5", "*")
    tasks = {name for name in catalog().specs["tasks"] if not name.endswith(":*")}
    assert {str(job.task) for job in made.jobs} | {skip.task for skip in made.skips} == tasks
    assert {job.suite for job in made.jobs} == {"custom"}


def test_files_that_are_missing_give_no_data_and_no_profile(beach: Catalog, tmp_path: Path) -> None:
    made = planned("mlp", "pebbles", among=beach, data_root=tmp_path / "empty", profiles=True)
    assert list(made.missing) == ["pebbles"]
    (job,) = made.jobs
    assert job.no_data == (
        "beach/pebbles.bin is missing from the data root: run `dlbench data path pebbles` and put the files there: "
        "they can't be fetched openly"
    )
    request = Request(models=("mlp",), tasks=("mnist",), data_root=tmp_path / "empty", cache=tmp_path)
    assert "`dlbench data fetch mnist`" in str(plan(discover(), request).cells[0].no_data)
    assert job.head["task"]["data"] == "missing"


def test_files_with_another_checksum_are_refused_unless_allowed_and_then_flagged(
    beach: Catalog, tmp_path: Path
) -> None:
    root = fetched(tmp_path / "root", b"other pebbles")
    (job,) = planned("mlp", "pebbles", among=beach, data_root=root).jobs
    assert job.no_data == ("beach/pebbles.bin doesn't have the published sha256: give --unverified-data to run on it")
    (job,) = planned("mlp", "pebbles", among=beach, data_root=root, unverified=True).jobs
    assert (job.no_data, job.flags, job.head["task"]["data"]) == (None, ("unverified_data",), "unverified")
    (job,) = planned("mlp", "pebbles", among=beach, data_root=fetched(tmp_path / "good"), unverified=True).jobs
    assert (job.no_data, job.flags, job.head["task"]["data"]) == (None, (), "verified")


def name_of(made: Plan) -> str:
    (job,) = made.jobs
    return job.name


def test_a_name_is_the_same_in_every_process() -> None:
    code = "import sys; sys.argv[0] = 'dlbench'; from dlbench.cli import main; main()"
    words = ["run", "-m", "mlp[width=8]", "-t", "digits", "--set", "lr=1e-2", "--seeds", "1", "--no-profile"]
    command = [sys.executable, "-c", code, *words, "--device", "cpu", "--dry-run", "--json"]
    names = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        names |= {job["record"] for job in json.loads(done.stdout)["jobs"]}
    assert names == {name_of(planned("mlp[width=8]", "digits", {"lr": 0.01}))}


def test_a_name_changes_with_whatever_could_change_the_result(beach: Catalog, tmp_path: Path) -> None:
    root, other = fetched(tmp_path / "root"), fetched(tmp_path / "other", b"x")
    common: dict[str, Any] = {"among": beach, "data_root": root, "unverified": True}
    variants = {
        "plain": planned("mlp", "pebbles", **common),
        "model's option": planned("mlp[width=8]", "pebbles", **common),
        "task's option": planned("mlp", "pebbles[size=2]", **common),
        "recipe": planned("mlp", "pebbles", {"lr": 0.2}, **common),
        "part's recipe": planned("mlp", "pebbles", {"all.lr": 0.2}, **common),
        "regularizer": planned("mlp", "pebbles", {"regularizers": "l2"}, **common),
        "seed": planned("mlp", "pebbles", seeds=(1,), **common),
        "threads": planned("mlp", "pebbles", runtime=Runtime(threads=2), **common),
        "precision": planned("mlp", "pebbles", runtime=Runtime(precision="bf16"), **common),
        "compile": planned("mlp", "pebbles", runtime=Runtime(compile=True), **common),
        "mode": planned("mlp", "pebbles", runtime=Runtime(compile=True, compile_mode="max-autotune"), **common),
        "products": planned("mlp", "pebbles", runtime=Runtime(matmul_precision="medium"), **common),
        "data": planned("mlp", "pebbles", **{**common, "data_root": other}),
        "profile": planned("mlp", "pebbles", cells=False, profiles=True, **common),
        "model": planned("lenet5", "pebbles", **common),
    }
    names = {what: name_of(made) for what, made in variants.items()}
    assert len(set(names.values())) == len(names), names
    assert names["plain"] == name_of(planned("mlp", "pebbles", **common))
    gpus = {name_of(planned("mlp", "pebbles", runtime=Runtime(device=f"cuda:{i}"), **common)) for i in (0, 1)}
    assert len(gpus) == 1
    assert gpus.isdisjoint(names.values())


def test_an_edited_model_has_another_name_in_the_same_square(tmp_path: Path) -> None:
    text, front = FILE_TASK.format(sha256="0"), "def build(signature, *, width=8):\n"
    jobs = []
    for folder, edited in (("a", text), ("b", text.replace(front, front + "    # faster now\n"))):
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "edited.py"
        file.write_text(edited)
        jobs += planned("own_recipe", "digits", among=discover([str(file)])).jobs
    assert jobs[0].name != jobs[1].name
    assert jobs[0].square == jobs[1].square


def test_a_profile_does_not_depend_on_how_long_training_goes() -> None:
    def profile(settings: dict[str, Any]) -> str:
        return name_of(planned("mlp", "digits", settings, cells=False, profiles=True))

    assert profile({}) == profile({"budget.epochs": 3, "lr": 0.5, "select": "last"})
    assert profile({}) != profile({"batch_size": 64})


def test_seeds_as_a_count_and_as_a_list() -> None:
    assert [job.seed for job in planned("mlp", "digits", seeds=3).jobs] == [0, 1, 2]
    assert [job.seed for job in planned("mlp", "digits", seeds=(41, 95, 41)).jobs] == [41, 95]


def test_blocks_that_differ_in_what_they_set_are_different_rows() -> None:
    blocks = (
        Block(models=("perceptron",), tasks=("digits",), set={"lr": 0.05, "budget.epochs": 2}),
        Block(models=("perceptron", "mlp"), tasks=("digits",), set={"lr": 0.001, "budget.epochs": 2}),
        Block(models=("constant",), tasks=("digits",), set={"lr": 1.0}),
    )
    request = Request(
        suites=(Suite(name="two", blocks=blocks, seeds=1),), data_root=Path("no"), cache=Path("no"), profiles=False
    )
    jobs = plan(catalog(), request).jobs
    assert [(job.model.name, job.variant) for job in jobs] == [
        ("perceptron", "lr=0.05"), ("perceptron", "lr=0.001"), ("mlp", ""), ("constant", "")
    ]  # fmt: skip
    assert len({job.square for job in jobs}) == 4


def test_treatments_are_rows_of_one_variant_and_set_more_than_their_block() -> None:
    block = Block(
        models=("perceptron", "mlp"), tasks=("digits",), set={"lr": 0.5, "budget.steps": 9}, variant="short",
        treatments={"plain": {}, "slow": {"lr": 0.1}},
    )  # fmt: skip
    request = Request(
        suites=(Suite(name="two", blocks=(block,), seeds=1),), data_root=Path("no"), cache=Path("no"), profiles=False
    )
    jobs = plan(catalog(), request).jobs
    assert [(job.model.name, job.block.treatment, job.variant, job.recipe.recipe.lr) for job in jobs] == [
        ("perceptron", "plain", "short", 0.5), ("mlp", "plain", "short", 0.5),
        ("perceptron", "slow", "short", 0.1), ("mlp", "slow", "short", 0.1),
    ]  # fmt: skip
    assert [json.loads(job.square)["treatment"]["keys"] for job in jobs] == [[], [], ["lr"], ["lr"]]
    assert (jobs[2].recipe.layers["lr"], jobs[2].recipe.layers["budget.steps"]) == ("treatment", "suite")
    assert jobs[2].title == "digits x perceptron under slow (short), seed 0"
    alone = planned("perceptron", "digits", {"lr": 0.5, "budget.steps": 9}, seeds=1).jobs
    assert alone[0].name == jobs[0].name, "a treatment's name changes no result"


def test_treatments_of_one_name_that_set_different_things_are_different_variants() -> None:
    blocks = tuple(
        Block(models=("perceptron",), tasks=("digits",), treatments={"slow": {"lr": lr}}) for lr in (0.1, 0.2)
    )
    request = Request(
        suites=(Suite(name="two", blocks=blocks, seeds=1),), data_root=Path("no"), cache=Path("no"), profiles=False
    )
    assert [job.variant for job in plan(catalog(), request).jobs] == ["lr=0.1", "lr=0.2"]
