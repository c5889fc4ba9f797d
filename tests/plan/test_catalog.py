"""The catalog: discovery, problems of one line, names, globs, options."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dlbench.contract.choice import Choice
from dlbench.errors import UsageError
from dlbench.plan.catalog import Catalog, Source, check_extra, discover, load_sources
from workshop import catalog, cell, planned

MODEL = """
from dlbench import Classes, Image, ModelSpec

def build(signature, *, width=8):
    raise NotImplementedError

def dlbench_models():
    yield ModelSpec(name="{name}", build=build, accepts=[(Image, Classes)])
"""


def plugins(folder: Path, **texts: str) -> list[str]:
    """Files NAME.py with these texts."""
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return [str(folder / f"{name}.py") for name in texts]


def test_the_built_in_plugins_are_found_and_have_no_problems() -> None:
    found = catalog()
    assert found.problems == {}
    assert {"constant", "mlp", "lenet5", "timm:*"} <= set(found.specs["models"])
    assert {"digits", "ring8"} <= set(found.specs["tasks"])
    assert {"adam", "sgd", "lbfgs"} <= set(found.specs["optimizers"])
    assert {"constant", "cosine", "stop_after"} <= set(found.specs["schedules"])
    assert "ema" in found.specs["regularizers"]
    assert "quick" in found.specs["suites"]
    assert found.provider("models", "mlp").target == "dlbench_mlp"
    assert found.provider("models", "timm:resnet18").name == "timm"
    assert found.provider("models", "mlp").version


def test_a_third_party_file_joins_under_its_own_name(tmp_path: Path) -> None:
    (file,) = plugins(tmp_path, mlp=MODEL.format(name="mine"))  # as the built-in plugin mlp is called
    found = discover([file])
    assert found.problems == {}
    assert found.provider("models", "mine") == Source("mlp.py", file)
    assert found.provider("models", "mlp").name == "mlp"


def test_a_file_named_from_here_has_no_version_and_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plugins(tmp_path, mine=MODEL.format(name="mine"))
    monkeypatch.chdir(tmp_path)
    assert os.path.exists("./mine.py")
    found = discover(["./mine.py", "mine.py"])
    assert found.problems == {}
    assert found.provider("models", "mine").version == ""


BROKEN = {
    "no_import": ("import no_such_library_at_all", "can't be imported: ModuleNotFoundError"),
    "no_syntax": ("def dlbench_models(:", "can't be imported: SyntaxError"),
    "leaves": ("raise SystemExit(3)", "can't be imported: SystemExit: 3 (leaves.py:1)"),
    "raises": (
        "def dlbench_models():\n    raise KeyError('oh')\n",
        "dlbench_models raised KeyError: 'oh' (raises.py:2)",
    ),
    "wrong_type": ("def dlbench_tasks():\n    return ['digits']\n", "dlbench_tasks yields str, not TaskSpec"),
    "nothing": ("def dlbench_models():\n    pass\n", "dlbench_models raised TypeError"),
}


def test_every_broken_plugin_is_one_line_and_the_rest_works(tmp_path: Path) -> None:
    files = plugins(tmp_path, fine=MODEL.format(name="fine"), **{name: text for name, (text, _) in BROKEN.items()})
    found = discover(files)
    assert set(found.problems) == {f"{name}.py" for name in BROKEN}
    for name, (_, said) in BROKEN.items():
        assert said in found.problems[f"{name}.py"]
        assert "\n" not in found.problems[f"{name}.py"]
    assert found.model("fine").name == "fine"
    assert {kind: set(specs) for kind, specs in found.specs.items()} == {
        kind: set(specs) | ({"fine"} if kind == "models" else set()) for kind, specs in catalog().specs.items()
    }


def test_a_name_claimed_twice_is_nobodys_and_each_goes_by_its_plugin(tmp_path: Path) -> None:
    files = plugins(tmp_path, one=MODEL.format(name="twin"), two=MODEL.format(name="twin"), fine=MODEL.format(name="x"))
    found = discover(files)
    line = "the model 'twin' is claimed by one.py and by two.py, so write one.py/twin or two.py/twin"
    assert found.problems == {"one.py": line, "two.py": line}
    assert "twin" not in found.specs["models"]
    assert found.model("x")
    with pytest.raises(UsageError, match=r"the model 'twin' is claimed by one\.py and by two\.py, so write"):
        found.model("twin")
    for name, file in (("one.py/twin", files[0]), ("two.py/twin", files[1])):
        assert found.model(name).name == name
        assert found.provider("models", name).target == file
        assert [str(choice) for choice in found.expand("models", f"{name}[width=4]")] == [f"{name}[width=4]"]
    assert [str(choice) for choice in found.expand("models", "*twin")] == ["one.py/twin", "two.py/twin"]


def test_a_plugin_that_claims_a_name_twice_has_it_not_at_all(tmp_path: Path) -> None:
    twice = MODEL.format(name="twin") + "    yield ModelSpec(name='twin', build=build, accepts=[(Image, Classes)])\n"
    found = discover(plugins(tmp_path, one=twice))
    assert found.problems == {"one.py": "the model 'twin' is claimed by one.py and by one.py, so nobody can use it"}
    assert not [name for name in found.specs["models"] if "twin" in name]


def test_a_clash_with_a_built_in_name_leaves_the_other_names_of_both(tmp_path: Path) -> None:
    found = discover(plugins(tmp_path, mine=MODEL.format(name="mlp")))
    assert set(found.problems) == {"mlp", "mine.py"}
    assert "mlp" not in found.specs["models"]
    assert found.model("perceptron")
    assert found.model("dlbench_mlp/mlp").name == found.model("mlp/mlp").name == "mlp/mlp"
    made = planned("dlbench_mlp/mlp", "digits", among=found)
    (job,) = made.jobs
    assert job.name.startswith("digits--mlp-mlp--s0--")
    assert (job.head["model"]["name"], job.head["model"]["plugin"]) == ("mlp/mlp", "mlp")


def test_a_clash_is_settled_in_the_child_too(tmp_path: Path) -> None:
    """Where only one of the two plugins is loaded."""
    found = discover(plugins(tmp_path, mine=MODEL.format(name="perceptron")))
    body = cell("mlp/perceptron", "digits", {"budget.steps": 1}, among=found)
    made = planned("mlp/perceptron", "digits", {"budget.steps": 1}, among=found)
    alone = load_sources(made.jobs[0].sources)
    assert "perceptron" in alone.specs["models"]
    assert cell("mlp/perceptron", "digits", {"budget.steps": 1}, among=alone)["metrics"] == body["metrics"]


def test_a_plugin_may_be_named_where_nothing_clashes_and_the_row_is_the_same() -> None:
    found = catalog()
    for text in ("cnn/lenet5", "dlbench_cnn/lenet5"):
        assert found.plain("models", text) == "lenet5"
        assert planned(text, "vision/digits").jobs[0].name == planned("lenet5", "digits").jobs[0].name
    assert found.plain("models", "timm/timm:resnet18") == "timm:resnet18"
    assert found.provider("tasks", "dlbench_vision/digits").name == "vision"
    for wrong in ("mlp/lenet5", "cnn/lenet55", "nobody/lenet5", "a/b/c"):
        with pytest.raises(UsageError, match="there is no model"):
            found.model(wrong)


def test_two_files_of_one_name_are_a_problem_not_a_crash(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (one,) = plugins(tmp_path, mine=MODEL.format(name="x"))
    (two,) = plugins(tmp_path / "b", mine=MODEL.format(name="y"))
    found = discover([one, two])
    assert found.problems == {"mine.py": f"is the name of two plugins; {two} is left out"}
    assert found.model("x")
    with pytest.raises(UsageError, match="is left out"):
        check_extra(found, [one, two])


def test_what_the_user_named_must_load(tmp_path: Path) -> None:
    files = [*plugins(tmp_path, bad="import no_such_library_at_all"), str(tmp_path / "missing.py"), "no_such_module"]
    found = discover(files)
    for file in files:
        with pytest.raises(UsageError, match="can't be imported"):
            check_extra(found, [file])
    check_extra(found, [])


def test_hookimpl_serves_hooks_under_other_names(tmp_path: Path) -> None:
    text = MODEL.format(name="named").replace("def dlbench_models", '@hookimpl(specname="dlbench_models")\ndef archs')
    found = discover(plugins(tmp_path, named="from dlbench import hookimpl\n" + text))
    assert found.problems == {}
    assert found.model("named")


def test_an_observer_that_raises_costs_a_warning(tmp_path: Path) -> None:
    good = "SEEN = []\ndef dlbench_cell_finished(record):\n    SEEN.append(record)\n"
    bad = "def dlbench_cell_finished(record):\n    raise OSError('the tracker is down')\n"
    found = load_sources(Source(Path(file).name, file) for file in plugins(tmp_path, a_bad=bad, good=good, z_bad=bad))
    found.announce("first")
    found.announce("second")
    assert found.plugins.get_plugin("good.py").SEEN == ["first", "second"]
    line = "dlbench_cell_finished raised OSError: the tracker is down (a_bad.py:2)"
    assert found.problems == {"a_bad.py": line, "z_bad.py": line.replace("a_bad", "z_bad")}


def test_globs_expand_after_options_are_read_and_leave_open_families_out() -> None:
    found = catalog()
    assert [str(c) for c in found.expand("models", "resnet*[width=8]")] == [
        f"resnet{depth}[width=8]" for depth in (8, 20, 32, 56, 18, 34, 50)
    ]
    everything = [c.name for c in found.expand("models", "*")]
    assert set(everything) == set(found.specs["models"]) - {"timm:*", "torchvision:*"}
    with pytest.raises(UsageError, match=r"timm:\* is an open family: name a member"):
        found.expand("models", "timm:*")
    with pytest.raises(UsageError, match="there is no task 'zz\\*'"):
        found.expand("tasks", "zz*")


def test_a_member_of_an_open_family_has_its_name_and_member() -> None:
    spec = catalog().model("timm:vit_tiny_patch16_224")
    assert (spec.name, spec.member) == ("timm:vit_tiny_patch16_224", "vit_tiny_patch16_224")
    with pytest.raises(UsageError, match="there is no model 'tim:resnet18'"):
        catalog().model("tim:resnet18")


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        ("models", "lenet", "there is no model 'lenet'; did you mean 'lenet5'?"),
        ("tasks", "digit", "there is no task 'digit'; did you mean 'digits'?"),
        ("optimizers", "adm", "there is no optimizer 'adm'; did you mean 'adam'?"),
        ("schedules", "cosin", "there is no schedule 'cosin'; did you mean 'cosine'?"),
        ("regularizers", "em", "there is no regularizer 'em'; did you mean 'ema'?"),
        ("models", "mlp[widht=3]", "there is no option of mlp 'widht'; did you mean 'width'?"),
        ("models", "timm:resnet18[drop_rat=1]", "did you mean 'drop_rate'?"),
        ("models", "resnet20[depth=3]", "there is no option of resnet20 'depth'"),  # bound by the plugin
        ("tasks", "ring8[sdd=3]", "there is no option of ring8 'sdd'; did you mean 'sd'?"),
    ],
)
def test_a_wrong_name_or_option_answers_with_the_nearest(kind: str, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        catalog().checked(kind, Choice.parse(text))
    assert said in str(caught.value)


def test_a_right_choice_passes() -> None:
    found: Catalog = catalog()
    assert str(found.checked("models", Choice.parse("mlp[width=3,depth=1]"))) == "mlp[depth=1,width=3]"
    assert found.suite("quick").blocks


def test_a_misspelt_hook_is_one_line_with_the_right_name(tmp_path: Path) -> None:
    plugin = tmp_path / "typo.py"
    plugin.write_text("def dlbench_model():\n    return []\n")
    problem = discover([str(plugin)]).problems["typo.py"]
    assert problem == "there is no hook 'dlbench_model'; did you mean 'dlbench_models'?"
