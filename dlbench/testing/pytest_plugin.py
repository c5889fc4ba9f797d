"""The plugin of pytest: `pytest --dlbench` runs the conformance kit, each check as a test, and fixtures run cells.

It is loaded with every pytest of an installation, so nothing of dlbench that takes long is imported before it is asked
for; without --dlbench it collects nothing and says nothing.
"""

from __future__ import annotations

import tomllib
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..plan.catalog import Catalog
    from ..results import Record
    from .parts import Check

MARK = "dlbench"
HOW = "name it with --dlbench-plugin, or run pytest where its pyproject.toml lies"


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("dlbench", "dlbench: the conformance kit for plugins")
    group.addoption("--dlbench", action="store_true", help="Check what the package here registers with dlbench.")
    group.addoption(
        "--dlbench-plugin", action="append", default=[], metavar="PLUGIN|FILE.py",
        help="Check this plugin (repeatable); default: the entry points of pyproject.toml in pytest's root folder.",
    )  # fmt: skip
    group.addoption(
        "--dlbench-only", action="append", default=[], metavar="NAME",
        help="Check only this of what it registers (repeatable); of an open family, a member.",
    )  # fmt: skip
    group.addoption("--dlbench-data", metavar="PATH", help="The data root; default: $DLBENCH_DATA.")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: a check of dlbench's conformance kit, collected by --dlbench")


@pytest.hookimpl(tryfirst=True)  # before -k and -m choose
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--dlbench"):
        for plugin in _plugins(config, needed=True):
            items += _Plugin.from_parent(session, name=plugin, nodeid=plugin).items()


def _plugins(config: pytest.Config, needed: bool = False) -> list[str]:
    """What to check; raises UsageError where something is needed and there is nothing."""
    if named := config.getoption("--dlbench-plugin"):
        return [*dict.fromkeys(named)]
    file = config.rootpath / "pyproject.toml"
    try:
        project = tomllib.loads(file.read_text(encoding="utf-8")).get("project", {}) if file.is_file() else {}
    except tomllib.TOMLDecodeError as error:
        raise pytest.UsageError(f"--dlbench: {file} can't be read: {error}") from error
    found = [*dict.fromkeys(project.get("entry-points", {}).get("dlbench", {}).values())]
    if needed and not found:
        raise pytest.UsageError(f"--dlbench: {config.rootpath} has no plugin of dlbench: {HOW}")
    return found


class _Plugin(pytest.Collector):
    """One plugin."""

    def items(self) -> Iterator[pytest.Item]:
        from .kit import checks_of_plugin

        config = self.config
        root, only = config.getoption("--dlbench-data"), config.getoption("--dlbench-only")
        subjects: dict[str, _Subject] = {}
        checks = checks_of_plugin(self.name, data_root=Path(root) if root else None, only=only)
        for check in checks:
            if check.subject not in subjects:
                subjects[check.subject] = _Subject.from_parent(self, name=check.subject)
            yield _Item.from_parent(subjects[check.subject], name=check.check, check=check)

    def collect(self) -> Iterable[pytest.Item]:
        return self.items()


class _Subject(pytest.Collector):
    """A model, a task, or one on the other."""

    def collect(self) -> Iterable[pytest.Item]:
        return ()


class _Item(pytest.Item):
    """One check."""

    def __init__(self, *, check: Check, **more: Any) -> None:
        super().__init__(**more)
        self.check = check
        self.add_marker(MARK)

    def runtest(self) -> None:
        from ..contract.importing import guest
        from .parts import Unreached

        try:
            with guest():
                self.check.action()
        except Unreached as reason:
            pytest.skip(str(reason) or "another check of it says why not")

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> str:
        """A sentence and, of an exception that isn't a check's own, where in the plugin it was raised."""
        from .parts import line_of

        if excinfo.errisinstance(KeyboardInterrupt):
            return str(super().repr_failure(excinfo))
        said = line_of(excinfo.value) if str(excinfo.value) or not isinstance(excinfo.value, AssertionError) else ""
        lines = [f"{self.check.subject}: it doesn't hold that {self.check.check}", *([f"  {said}"] if said else [])]
        return "\n".join([*lines, *_places(excinfo.value)])

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.config.rootpath, None, f"{self.check.subject}: {self.check.check}"


def _places(error: BaseException) -> Iterator[str]:
    """The lines of a traceback, from the check on, that belong neither to dlbench nor to torch."""
    import torch

    inner = (str(Path(__file__).parents[1]), str(Path(torch.__file__).parent))
    frames = traceback.extract_tb(error.__traceback__)
    start = max((i for i, frame in enumerate(frames) if frame.filename == __file__), default=0)
    for frame in frames[start:]:
        if not frame.filename.startswith(inner):
            yield f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"


# --- fixtures ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def dlbench_catalog(pytestconfig: pytest.Config) -> Catalog:
    """All that is installed, and the plugin that pytest runs for, installed or not."""
    from ..plan.catalog import discover

    catalog = discover()
    known = {target for source in catalog.sources for target in (source.name, source.target)}
    missing = [plugin for plugin in _plugins(pytestconfig) if plugin not in known]
    return discover(missing) if missing else catalog


@pytest.fixture
def dlbench_run(dlbench_catalog: Catalog, tmp_path: Path) -> Callable[..., list[Record]]:
    """Runs cells as `dlbench run` does, each in a process of its own, on the CPU, with results in `tmp_path`.

    `dlbench_run(model, task, seeds=1, set={"budget.epochs": 1})` returns the records, failed ones too; where no pair
    could run it raises UsageError with the first reason.
    """

    def run(
        model: str | Sequence[str], task: str | Sequence[str], *, seeds: int | tuple[int, ...] = 1,
        set: Mapping[str, Any] | None = None, timeout_s: float = 300.0, profile: bool = False,
    ) -> list[Record]:  # fmt: skip
        from .running import run_cells

        models, tasks = ((text,) if isinstance(text, str) else tuple(text) for text in (model, task))
        settings = dict(set or {})
        return run_cells(
            dlbench_catalog, tmp_path, models, tasks, seeds, settings, timeout_s=timeout_s, profile=profile
        )

    return run
