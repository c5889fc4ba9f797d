"""The verbs that read, and what wrong words answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from terminal import dlbench

from dlbench.cli import VERBS
from dlbench.cli.units import duration, jobs, seeds, size
from dlbench.errors import UsageError
from dlbench.results import Record, Results
from factories import cells, launch, profile

MODEL = """
from dlbench import Classes, Image, ModelSpec

def build(signature, *, width=8):
    from torch import nn
    size = {size}
    return nn.Sequential(nn.Flatten(), nn.Linear(64, size))

def dlbench_models():
    yield ModelSpec(name="mine", build=build, accepts=[(Image, Classes)], family="MLP")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(MODEL.format(size=10))
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rnu", "there is no command 'rnu'; did you mean 'run'?"),
        ("run -m lenet -t digits", "did you mean 'lenet5'?"),
        ("run -m mlp -t digit", "did you mean 'digits'?"),
        ("run -m mlp -t zz*", "there is no task 'zz*'"),
        ("run --suite quik", "did you mean 'quick'?"),
        ("run --suite none.toml", "there is no suite file none.toml"),
        ("run -m mlp[widht=3] -t digits", "did you mean 'width'?"),
        ("run -m mlp[width -t digits", "can't read 'mlp[width'"),
        ("run -m mlp -t digits --set lrr=1", "did you mean 'lr'?"),
        ("run -m mlp -t digits --set lr", "write KEY=VALUE"),
        ("run -m mlp -t digits --set optimizer=adm", "did you mean 'adam'?"),
        ("run -m mlp -t digits --set batch_size=inf", "not inf"),
        ("run -m mlp -t digits --set budget.epoch=1", "did you mean 'epochs'?"),
        ("run -m mlp -t ring8", "nothing ran: every pair was skipped"),
        ("run -p no_such_file.py", "-p no_such_file.py: can't be imported"),
        ("run --device gpu", "--device is auto, cpu, cuda or cuda:N"),
        ("run --precision fp8", "fp16"),
        ("run --threads 0 --device cpu", "a number from 1 to 1024"),
        ("run --seeds x", "--seeds takes a count or a list"),
        ("run --timeout soon -m mlp -t digits", "'soon' is not a duration"),
        ("run --memory-limit 3parsecs -m mlp -t digits", "'3parsecs' is not a size"),
        ("run --no-profile --only-profile", "leave nothing to do"),
        ("run --seed 3", "--seeds"),
        ("run --dry-run --timeout 1e17d", "'1e17d' is not a duration"),
        ("run --dry-run --timeout 99999999999d", "is not a duration such as 90s, 30m or 2h, up to 1000d"),
        ("run --dry-run --memory-limit 1e14TiB", "'1e14TiB' is not a size"),
        ("run --dry-run --memory-limit 99999999TiB", "is not a size such as 8GiB or 500MB, up to 1024TiB"),
        ("run --dry-run --threads 100000 --device cpu", "--threads needs a number from 1 to 1024"),
        ("run --dry-run --jobs 1000000000", "takes a number from 1 to 1024, or auto, not '1000000000'"),
        ("run --dry-run --seeds 12345678901234567890,", "whole numbers from 0 on below 2**53"),
        ("run --dry-run --seeds 1000000000", "--seeds takes a count up to 10000"),
        (
            "run --dry-run --set budget.epochs=1 --set budget.steps=2",
            "budget.epochs and budget.steps are given together",
        ),
        ("run --dry-run --set batch_size=1e30", "'batch_size' needs a whole number up to 1000000000, not '1e30'"),
        ("run --dry-run --set budget.steps=1e30", "'budget.steps' needs a number up to 1000000000, not '1e30'"),
        ("run --dry-run --set budget.params=1e30", "'budget.params' needs 1 to 1000000000000 parameters"),
        ("list modles", "models"),
        ("show lenett5", "did you mean 'lenet5'?"),
        ("show mlp digit", "did you mean 'digits'?"),
        ("table nowhere", "there are no records under nowhere"),
        ("compare nowhere nowhere", "there are no records under nowhere"),
        ("publish nowhere", "there are no records under nowhere"),
        ("reproduce none.json", "can't read none.json"),
        ("reproduce none.csv:1", "can't read none.csv:1"),
        ("data verify mnst", "did you mean 'mnist'?"),
        ("data path mnst", "did you mean 'mnist'?"),
        ("data fetch mnst", "did you mean 'mnist'?"),
        ("data path digits", "there is no data set 'digits'"),
        ("data path tu:NO[x=1]", "there is no option of tu:NO 'x'"),
        ("new-plugin Bad-Name", "'Bad-Name' can't be a plugin's name"),
    ],
)
def test_wrong_words_answer_in_a_sentence_and_exit_with_2(
    words: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = dlbench(*words.split())
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_the_advice_for_a_set_of_an_open_family_names_what_data_path_knows(tmp_path: Path) -> None:
    words = ["run", "-m", "gcn", "-t", "tu:SOME-SET", "--data", tmp_path, "--dry-run", "--seeds", 1, "--device", "cpu"]
    (advice,) = {line.split("`")[1] for line in dlbench(*words).out.splitlines() if "`" in line}
    assert advice == "dlbench data path tu:SOME-SET"
    found = dlbench(*advice.split()[1:], "--data", tmp_path)
    assert str(tmp_path / "graph" / "tu" / "SOME-SET" / "raw" / "SOME-SET_A.txt") in found.out.splitlines()


def test_debug_shows_where_an_error_comes_from() -> None:
    with pytest.raises(UsageError, match="did you mean 'lenet5'"):
        dlbench("run", "-m", "lenet", "-t", "digits", "--debug")


@pytest.mark.parametrize("words", [["--help"], ["list", "models"], ["show", "mlp", "digits"], ["run", "--dry-run"]])
def test_help_and_listings_load_none_of_the_heavy_libraries(words: list[str]) -> None:
    code = (
        "import sys\nfrom dlbench.cli import main\nsys.argv[0] = 'dlbench'\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'numpy', 'pandas', 'scipy', 'sklearn', 'rich'} & set(sys.modules)\n"
        "    print('heavy:', *sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "heavy:"
    assert len(done.stdout.splitlines()) > 5


def test_help_names_every_verb_and_each_has_its_own() -> None:
    text = dlbench("--help").out
    for verb in VERBS:
        assert f"  {verb} " in text
        helped = dlbench(verb, "--help")
        assert (helped.code, helped.err) == (0, "")
        assert f"Usage: dlbench {verb}" in helped.out
    assert dlbench("--version").out.startswith("dlbench, version ")


@pytest.mark.parametrize("what", ["models", "tasks", "optimizers", "schedules", "regularizers", "suites", "plugins"])
def test_list_as_text_and_as_json_say_the_same(what: str, plugin: Path) -> None:
    rows = json.loads(dlbench("list", what, "--json", "-p", plugin).out)
    folded = dlbench("list", what, "-p", plugin).out.splitlines()
    text = [line for line in folded if not line.startswith(" ")]
    assert len(text) == len(rows) + 1
    assert text[0].split() == list(rows[0])
    shown = {word for line in folded for word in line.split()}
    assert {word for row in rows for value in row.values() for word in value.split()} <= shown
    for row, line in zip(rows, text[1:], strict=True):
        assert line.split()[0] == next(iter(row.values()))
    if what in ("models", "plugins"):
        assert any("mine" in line.split()[0] for line in text)


@pytest.mark.parametrize("width", [80, 100, 120])
@pytest.mark.parametrize("what", ["models", "tasks", "optimizers", "schedules", "regularizers", "suites", "plugins"])
def test_a_listing_fits_the_terminal_and_breaks_no_word(what: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = dlbench("list", what).out.splitlines()
    assert max(map(len, lines)) <= width
    rows = json.loads(dlbench("list", what, "--json").out)
    words = {word for row in rows for value in row.values() for word in value.split()}
    assert words <= {word for line in lines for word in line.split()}


def test_a_listing_asks_for_its_own_kind_only(tmp_path: Path) -> None:
    file = tmp_path / "lazy.py"
    file.write_text("def dlbench_tasks():\n    raise RuntimeError('nobody asked')\n")
    assert "have problems" not in dlbench("list", "models", "-p", file).err
    assert "1 plugins have problems" in dlbench("list", "tasks", "-p", file).err
    assert "nobody asked" in dlbench("list", "plugins", "-p", file).out


@pytest.mark.parametrize("words", [["--help"], ["list", "models"]])
def test_what_only_costs_time_is_not_imported(words: list[str]) -> None:
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom dlbench.cli import main\nsys.argv[0] = 'dlbench'\n"
        "try:\n    main()\nfinally:\n"
        "    slow = {'importlib.metadata', 'email', 'zipfile', 'subprocess', 'shutil', 'json'} & set(sys.modules)\n"
        "    print('slow:', *sorted(slow - before))"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "slow:"


def test_list_shows_a_broken_plugin_in_one_line(tmp_path: Path, plugin: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def dlbench_models():\n    raise RuntimeError('out of order')\n")
    listed = dlbench("list", "plugins", "-p", bad, "-p", plugin)
    (line,) = [line for line in listed.out.splitlines() if line.startswith("bad.py")]
    assert "problem: dlbench_models raised RuntimeError: out of order" in line
    done = dlbench("list", "models", "-p", bad, "-p", plugin)
    assert "mine" in done.out
    assert "1 plugins have problems" in done.err


def test_show_a_model_a_task_a_suite_an_ingredient() -> None:
    assert "accepts    image -> classes" in dlbench("show", "lenet5").out
    assert "metric     overlap (fraction, higher is better)" in dlbench("show", "ring8").out
    assert "block" in dlbench("show", "quick").out
    assert "    under    1/t: schedule=inverse_time\n" in dlbench("show", "schedules").out
    assert "    under    plain: nothing else\n" in dlbench("show", "augmentation").out
    assert "options    decay=0.999" in dlbench("show", "ema").out
    assert "model timm:resnet18" in dlbench("show", "timm:resnet18").out
    both = dlbench("show", "constant").out
    assert "model constant" in both
    assert "schedule constant" in both


def test_show_a_pair_says_who_set_what() -> None:
    lines = dlbench("show", "constant", "digits").out.splitlines()
    layers = {line.split()[0]: line.rsplit("  ", 1)[1] for line in lines[1:]}
    assert layers["schedule"] == "model"
    assert layers["budget.epochs"] == "task"
    assert layers["clip"] == "core default"
    assert "skipped: lenet5 doesn't accept vector -> sample" in dlbench("show", "lenet5", "ring8").out


def test_a_dry_run_lists_jobs_and_skips_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["run", "-m", "perceptron", "-m", "gcn", "-t", "digits", "--seeds", "7,9", "--device", "cpu", "--dry-run"]
    text = dlbench(*words)
    assert text.out.splitlines() == [
        "run   digits x perceptron: seeds 7, 9 and profile",
        "skip  digits x gcn: gcn doesn't accept image -> classes",
        "To run: 2 cells and 1 profile. Done: 0. Skipped: 1 pair.",
    ]
    found = json.loads(dlbench(*words, "--json").out)
    assert [job["job"] for job in found["jobs"]] == [
        f"digits x perceptron, {what}" for what in ("seed 7", "seed 9", "profile")
    ]
    assert not any(job["done"] for job in found["jobs"])
    assert len({job["record"] for job in found["jobs"]}) == 3
    assert [(skip["model"], skip["task"]) for skip in found["skips"]] == [("gcn", "digits")]
    assert list(tmp_path.iterdir()) == []


def test_a_plain_run_means_the_suite_quick() -> None:
    assert dlbench("run", "--dry-run").out == dlbench("run", "--suite", "quick", "--dry-run").out


def folder(path: Path, records: list[Record]) -> Path:
    results = Results(path)
    for record in records:
        results.save(record)
    results.assign("quick", {json.dumps({"name": r.name, "variant": r["variant"]}): r.name for r in records})
    return path


def test_tables_and_comparisons_of_result_folders(tmp_path: Path) -> None:
    values = [0.90, 0.91, 0.92, 0.90, 0.91]
    old = folder(tmp_path / "old", [*cells(values), profile()])
    worse = folder(tmp_path / "worse", [*cells([v - 0.2 for v in values]), profile([launch(0.002)] * 3)])
    for format_ in ("terminal", "csv", "md", "json"):
        shown = dlbench("table", old, "--format", format_)
        assert shown.code == 0
        assert "digits" in shown.out
    (row,) = json.loads(dlbench("table", old, "--format", "json").out)
    assert row["mean"] == pytest.approx(0.908)
    assert dlbench("table", old, "--sort", "meen").code == 2
    same = dlbench("compare", old, old, "--gate")
    assert same.code == 0
    assert "0 worse" in same.out
    changes = json.loads(dlbench("compare", old, worse, "--format", "json").out)
    verdicts = {change["quantity"]: change["verdict"] for change in changes}
    assert verdicts["accuracy"] == verdicts["train speed"] == "worse"
    assert dlbench("compare", old, worse).code == 0
    assert dlbench("compare", old, worse, "--gate").code == 1
    assert dlbench("compare", worse, old, "--gate").code == 0


def test_check_says_what_holds_and_exits_with_1_where_something_does_not(tmp_path: Path, plugin: Path) -> None:
    good = dlbench("check", plugin, "--data", tmp_path / "none", "-v")
    assert good.code == 0, good.out
    assert "ok   mine on digits: the same seed builds the same model" in good.out
    bad = tmp_path / "wrong.py"
    bad.write_text(MODEL.format(size=7).replace('"mine"', '"wrong"'))
    done = dlbench("check", bad, "--data", tmp_path / "none")
    assert done.code == 1
    assert "FAIL wrong on digits: its verbs return the shape of the output kind, finite" in done.out
    assert "don't hold" in done.out.splitlines()[-1]
    assert dlbench("check", "no_such_plugin").code == 1


def test_units() -> None:
    assert [duration(text) for text in ("90", "90s", "1.5m", "2h", "1d", "none")] == [90, 90, 90, 7200, 86400, None]
    assert [size(text) for text in ("1", "2 KiB", "8GiB", "1.5kb", "none")] == [1, 2048, 8 << 30, 1500, None]
    assert [seeds(text) for text in ("5", "41,95,41", "7,")] == [5, (41, 95), (7,)]
    assert [jobs(text) for text in ("1", "12", "auto")] == [1, 12, None]
    bad = (
        (duration, "0s"),
        (duration, "-3"),
        (size, "8 parsecs"),
        (seeds, "0"),
        (seeds, ","),
        (seeds, "a,b"),
        (jobs, "0"),
        (jobs, "many"),
        (jobs, "2000"),
    )
    for read, text in bad:
        with pytest.raises(UsageError):
            read(text)
