"""Suites from TOML files, good and bad."""

from __future__ import annotations

from pathlib import Path

import pytest

from dlbench import Block, ProfileProtocol, Suite
from dlbench.errors import UsageError
from dlbench.plan.plan import Request, plan
from dlbench.plan.suites import read_suite
from workshop import catalog


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_a_full_suite_is_the_same_as_in_code(tmp_path: Path) -> None:
    text = """
    name = "widths"
    seeds = [3, 5]
    description = "two widths"
    profile = { rounds = 2, launches = 1 }
    [[blocks]]
    models = ["mlp[width=8]", "lenet*"]
    tasks = ["digits"]
    set = { lr = 0.01, "budget.epochs" = 5, regularizers = ["l2[rate=0.1]"], clip = "none" }
    variant = "short"
    [[blocks]]
    tasks = ["ring8"]
    [blocks.treatments]
    plain = {}
    "twice as fast" = { lr = 0.02 }
    """
    found = read_suite(write(tmp_path, text))
    settings = {"lr": 0.01, "budget.epochs": 5, "regularizers": ["l2[rate=0.1]"], "clip": "none"}
    assert found == Suite(
        name="widths", seeds=(3, 5), description="two widths", profile=ProfileProtocol(rounds=2, launches=1),
        blocks=(
            Block(models=("mlp[width=8]", "lenet*"), tasks=("digits",), set=settings, variant="short"),
            Block(models=("*",), tasks=("ring8",), treatments={"plain": {}, "twice as fast": {"lr": 0.02}}),
        ),
    )  # fmt: skip
    request = Request(suites=(found,), data_root=Path("no-data"), cache=Path("no-cache"), profiles=False)
    made = plan(catalog(), request)
    pairs = [(str(job.model), str(job.task), job.seed, job.variant) for job in made.jobs]
    assert pairs[:4] == [
        ("mlp[width=8]", "digits", 3, "short"), ("mlp[width=8]", "digits", 5, "short"),
        ("lenet5", "digits", 3, "short"), ("lenet5", "digits", 5, "short"),
    ]  # fmt: skip
    assert made.jobs[0].recipe.recipe.lr == 0.01
    assert made.jobs[0].recipe.layers["lr"] == "suite"
    assert ("gan", "ring8", 3, "") in pairs


def test_a_short_suite_has_the_files_name_and_three_seeds(tmp_path: Path) -> None:
    found = read_suite(write(tmp_path, "[[blocks]]\nmodels = ['mlp']"))
    assert (found.name, found.seeds, found.profile) == ("mine", 3, ProfileProtocol())


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", "can't read"),
        ("name = 'empty'", "blocks must be one or more [[blocks]]"),
        ("seed = 3\n[[blocks]]", "there is no key of a suite 'seed'; did you mean 'seeds'?"),
        ("[[blocks]]\nmodel = ['mlp']", "did you mean 'models'?"),
        ("[[blocks]]\nset = { lrr = 1 }", "did you mean 'lr'?"),
        ("[[blocks]]\ntreatments = { a = { lrr = 1 } }", "line 2: blocks[0].treatments.a.lrr is wrong"),
        (
            "[[blocks]]\ntreatments = ['a']",
            "blocks[0].treatments must be a mapping from a name on one line to settings",
        ),
        ("[[blocks]]\ntreatments = { a = 3 }", "blocks[0].treatments must be a mapping from a name"),
        ("[[blocks]]\nset = { lr = -1 }", "line 2: blocks[0].set.lr is wrong: recipe key 'lr' needs a number"),
        ("[profile]\nround = 3\n[[blocks]]", "did you mean 'rounds'?"),
        ("[[blocks]]\nmodels = 'mlp'", "line 2: blocks[0].models must be a tuple of texts"),
        ("[[blocks]]\n[[blocks]]\n\ntasks = [3]", "line 4: blocks[1].tasks must be a tuple of texts"),
        ("seeds = 'many'\n[[blocks]]", "line 1: seeds must be a count"),
        ("seeds = 0\n[[blocks]]", "line 1: seeds must be a count"),
        ("seeds = [true]\n[[blocks]]", "line 1: seeds must be a count"),
        ("seeds = [12345678901234567890]\n[[blocks]]", "line 1: seeds must be a count"),
        ("blocks = 3", "line 1: blocks must be one or more [[blocks]]"),
        ("blocks = [3]", "line 1: blocks[0] must be a table"),
        ("name = 'a/b'\n[[blocks]]", "line 1: name must be a text of letters"),
        ("name = 3\n[[blocks]]", "line 1: name must be a text of letters"),
        ("description = 3\n[[blocks]]", "line 1: description must be a text"),
        ("profile = 3\n[[blocks]]", "line 1: profile must be a table"),
        ("[profile]\nblock_s = 'x'\n[[blocks]]", "line 2: profile.block_s must be a number"),
        ("[[blocks]]\n[[blocks]]\nset = { optimizer = 3 }", "line 3: blocks[1].set.optimizer is wrong: can't read 3"),
        ("[[blocks]]\n[blocks.set]\nlr = 1\nclip = 'x'", "line 4: blocks[0].set.clip is wrong"),
        ("[[blocks]]\nset = { regularizers = 3 }", "line 2: blocks[0].set.regularizers is wrong"),
        ("[[blocks]]\nset = 3", "line 2: blocks[0].set must be a mapping"),
        ("[[blocks]]\nset = { 'budget.epochs' = 1, 'budget.steps' = 2 }", "are given together"),
        ("[[blocks]]\nset = { batch_size = 1e30 }", "needs a whole number up to 1000000000"),
        ("[[blocks]]\nvariant = 3", "line 2: blocks[0].variant must be a text"),
    ],
)
def test_a_wrong_file_names_itself_and_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        read_suite(path)
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_encodings_of_a_file(tmp_path: Path) -> None:
    text = 'name = "mine"\r\ndescription = "café"\r\n[[blocks]]\r\nmodels = ["mlp"]\r\n'
    path = tmp_path / "my own suite.toml"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_suite(path).description == "café"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError, match="line 2 isn't UTF-8"):
        read_suite(path)
    path.write_text("[[blocks]]\n")
    assert read_suite(path).name == "my-own-suite"


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no suite file"):
        read_suite(tmp_path / "none.toml")
