"""`pytest --dlbench`: each check a test, failures that can be read, fixtures that run cells, and silence otherwise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_kit import task as task_with_torch

from dlbench.testing import check_plugin, report
from dlbench.testing.parts import Check, Shelf, Unreached, findings_of

PROJECT = '[project]\nname = "x"\n[project.entry-points.dlbench]\npoints = "my_points"\n'
OPTIMIZER = """
from dlbench import OptimizerSpec

def build(params, lr, *, factor=1.0):
    import torch

    class Mine(torch.optim.Optimizer):
        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    {update}

    return Mine(params, {{"lr": lr}})

def dlbench_optimizers():
    yield OptimizerSpec(name="mine", build=build)
"""


def task(**changes: str) -> str:
    """A module with a task, which imports torch only where it computes."""
    text = task_with_torch(**changes).replace("import Batch, ", "import ")
    return text.replace("        parts = [", "        from dlbench import Batch\n        parts = [")


def pytested(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`pytest WORDS` in a folder, with this plugin as an installation has it."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "DLBENCH_DATA": str(folder / "none")}
    command = [sys.executable, "-m", "pytest", "-p", "dlbench.testing.pytest_plugin", "-p", "no:cacheprovider", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package that isn't installed, whose task is right; its pyproject names it."""
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "my_points.py").write_text(task())
    return tmp_path


def test_each_check_of_what_the_package_registers_is_a_test(package: Path) -> None:
    done = pytested(package, "--dlbench", "-v")
    assert done.returncode == 0, done.stdout
    lines = [line.split(" PASSED")[0] for line in done.stdout.splitlines() if " PASSED" in line]
    assert "my_points::points::test: judge gives the declared metrics" in lines
    assert "my_points::points::the constant model scores exactly the declared floor" in lines
    assert len(lines) == len(check_plugin(str(package / "my_points.py")))


def test_a_failure_is_a_sentence_and_the_place_in_the_plugin(package: Path) -> None:
    (package / "my_points.py").write_text(task(problem="1 / 0", dtype="torch.float64"))
    done = pytested(package, "--dlbench", "-k", "(test and judge) or float32")
    assert done.returncode == 1
    said = (
        "points: it doesn't hold that test: judge gives the declared metrics\n  ZeroDivisionError: division by zero\n"
    )
    assert said in done.stdout
    assert "my_points.py:24 in judge: accuracy, problem = sum(right) / len(right), 1 / 0" in done.stdout
    assert "the inputs are float64: cast them while loading" in done.stdout
    assert "kit.py" not in done.stdout
    assert "pluggy" not in done.stdout.split("FAILURES")[1]
    assert "2 failed, " in done.stdout


def test_a_task_that_cannot_be_loaded_fails_once_and_its_other_checks_are_skipped(package: Path) -> None:
    text = task().replace("return Points()", "raise OSError('no such file')")
    (package / "my_points.py").write_text(text)
    done = pytested(package, "--dlbench", "-m", "dlbench")
    assert "points: it doesn't hold that it loads\n  OSError: no such file\n" in done.stdout
    assert "1 failed, 2 passed, 13 skipped" in done.stdout, done.stdout


def test_without_the_option_nothing_is_collected_and_no_torch_is_imported(package: Path) -> None:
    (package / "test_own.py").write_text("import sys\n\ndef test_own():\n    assert 'torch' not in sys.modules\n")
    done = pytested(package, "-q")
    assert (done.returncode, done.stdout.splitlines()[-1][:8]) == (0, "1 passed")
    assert "dlbench" not in done.stdout


def test_a_folder_without_a_plugin_is_told_how_to_name_one(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    done = pytested(tmp_path, "--dlbench")
    assert done.returncode == 4
    assert "has no plugin of dlbench: name it with --dlbench-plugin" in done.stderr
    named = pytested(tmp_path, "--dlbench", "--dlbench-plugin", "no_such_module")
    assert "it doesn't hold that it loads\n  can't be imported: ModuleNotFoundError" in named.stdout


def test_fixtures_give_the_catalog_and_run_cells_in_a_process_of_their_own(package: Path) -> None:
    (package / "test_own.py").write_text(
        "import os, pytest\n"
        "from dlbench import UsageError\n\n"
        "def test_own(dlbench_catalog, dlbench_run, tmp_path):\n"
        "    assert dlbench_catalog.task('points').unit == 'points'\n"
        "    records = dlbench_run('perceptron', 'points', seeds=2, set={'budget.epochs': 1})\n"
        "    assert [r.status for r in records] == ['ok', 'ok']\n"
        "    assert len(os.listdir(tmp_path / 'dlbench-runs' / 'records')) == 2\n"
        '    with pytest.raises(UsageError, match="was skipped: lenet5 doesn\'t accept vector"):\n'
        "        dlbench_run('lenet5', 'points')\n"
    )
    done = pytested(package, "test_own.py")
    assert done.returncode == 0, done.stdout


# --- what the kit asks of ingredients and suites ------------------------------------------------------------


def findings(folder: Path, text: str) -> list[str]:
    file = folder / "mine.py"
    file.write_text(text)
    return report(check_plugin(str(file), data_root=folder)).splitlines()


def test_an_optimizer_must_move_parameters_and_repeat_itself(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert findings(tmp_path / "a", OPTIMIZER.format(update="p.sub_(p.grad, alpha=group['lr'])")) == []
    (tmp_path / "b").mkdir()
    idle = findings(tmp_path / "b", OPTIMIZER.format(update="pass"))
    assert len(idle) >= 4
    assert all("its first steps leave loss and parameters finite" in line for line in idle)
    assert all(line.endswith("no parameter moved") for line in idle)
    (tmp_path / "c").mkdir()
    text = OPTIMIZER.format(update="p.sub_(torch.rand(p.shape, generator=draws))")
    random = findings(
        tmp_path / "c", text.replace("    class", "    draws = torch.Generator()\n    draws.seed()\n    class")
    )
    assert any("the same seed gives the same steps" in line for line in random)


SCHEDULE = (
    "from dlbench import ScheduleSpec\n\ndef dlbench_schedules():\n    yield ScheduleSpec(name='s', build={build})\n"
)
SUITE = (
    "from dlbench import Block, Suite\n\ndef dlbench_suites():\n"
    "    yield Suite(name='s', blocks=(Block(models={models}, tasks=('digits',)),))\n"
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SCHEDULE.format(build="lambda: lambda progress: 0.5 - progress.share"), "after 51% of the training"),
        (SCHEDULE.format(build="lambda: lambda progress: float('nan')"), "it is nan after 0% of the training"),
        (SUITE.format(models="('lenet6',)"), "there is no model 'lenet6'; did you mean 'lenet5'?"),
        (SUITE.format(models="('gpt',)"), "no pair of it can run: gpt doesn't accept image -> classes"),
    ],
)
def test_what_is_wrong_with_a_schedule_or_a_suite_is_said(text: str, said: str, tmp_path: Path) -> None:
    lines = findings(tmp_path, text)
    assert said in lines[0]


def test_what_several_checks_share_is_opened_once_and_its_error_is_the_same_for_all() -> None:
    shelf, opened = Shelf(), []

    def fail() -> None:
        opened.append("fail")
        raise KeyError("broken")

    first, second = object(), object()
    for key, make in ((first, lambda: opened.append("first") or 7),) * 2 + ((second, fail),) * 2:
        try:
            assert shelf.of(key, make) == 7
        except KeyError:
            assert key is second
    assert opened == ["first", "fail"]


def test_a_check_that_is_not_reached_gives_no_finding() -> None:
    def unreached() -> None:
        raise Unreached("no")

    found = findings_of([Check("a", "b", lambda: "seen"), Check("a", "c", unreached), Check("a", "d", lambda: 1 / 0)])
    assert [str(each) for each in found] == ["ok   a: b: seen", "FAIL a: d: ZeroDivisionError: division by zero"]
