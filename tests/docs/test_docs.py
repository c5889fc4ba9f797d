"""The pages against the code: links, commands, generated pages, columns, flags, rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from docpages import DOCS, PAGES, REPOSITORY, anchors, commands, dlbench_commands, links, load, prose

from dlbench.cli import VERBS, group
from dlbench.contract.choice import format_value
from dlbench.contract.recipe import BUDGETS, MODEL_KEYS, PARAMS, PART_KEYS, READERS, Recipe, parse_settings
from dlbench.measure import clock
from dlbench.plan.catalog import discover
from dlbench.profile import launch
from dlbench.results import STATUSES
from dlbench.tables import leaderboard
from dlbench.tables.marks import FLAGS
from dlbench.tables.stats import MARGINS, MIN_FOR_CLAIM

COMMANDS = [(page, words) for page in PAGES for words in dlbench_commands(page)]
MEASURING, DESIGN = DOCS / "measuring.md", DOCS / "design.md"
RECIPES = (DOCS / "recipes.md").read_text()


def by_name(page: Path) -> str:
    return page.relative_to(REPOSITORY).as_posix()


# --- links and commands -----------------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_between_pages_resolve(page: Path) -> None:
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not fragment or fragment in anchors(target), link


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached, queue = set(), [REPOSITORY / "README.md"]
    while queue:
        page = queue.pop()
        if page not in reached and page.suffix == ".md" and page.is_file():
            reached.add(page)
            queue += [(page.parent / link.partition("#")[0]).resolve() for link in links(page) if ":" not in link]
    assert {page for page in PAGES if page not in reached} == set()


@pytest.mark.parametrize(("page", "words"), COMMANDS, ids=[f"{by_name(p)}: {' '.join(w)}" for p, w in COMMANDS])
def test_a_command_of_the_docs_is_one(page: Path, words: list[str]) -> None:
    context, rest = click.Context(group, info_name="dlbench", **group.context_settings), words
    command: click.Command = group
    while isinstance(command, click.Group):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, list(rest), parent=context)
    given = context.params
    parse_settings(given.get("settings", ()))
    if given.get("plugins"):
        return  # the names may be the plugin's; tests of that page run it
    catalog = discover()
    written = tuple(words[1] for words in dlbench_commands(page) if words[0] == "new-plugin")
    for kind, names in (("models", given.get("models", ())), ("tasks", given.get("tasks", ()))):
        for text in names:
            if text.startswith(written):
                continue  # a name of the plugin that the page writes: they begin with its own
            for choice in catalog.expand(kind, text):
                catalog.checked(kind, choice)
    for suite in given.get("suites", ()):
        assert suite.endswith(".toml") or catalog.suite(suite)


def test_there_are_commands_to_check() -> None:
    assert len(COMMANDS) > 15
    assert {words[0] for _, words in COMMANDS} <= set(VERBS)


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_commands_named_in_the_text_exist(page: Path) -> None:
    for verb in re.findall(r"`dlbench ([a-z][a-z-]*)", prose(page)):
        assert verb in VERBS, verb


def test_every_verb_is_in_the_command_page_and_its_options_can_be_found() -> None:
    text = (DOCS / "cli.md").read_text()
    for verb in VERBS:
        assert f"\n## dlbench {verb}\n" in text
    for option in ("--seeds", "--memory-limit", "-h, --help"):
        assert option in text


def test_the_make_targets_that_the_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), flags=re.MULTILINE))
    named = {m for page in PAGES for m in re.findall(r"`make ([a-z-]+)", prose(page))}
    named |= {words[1] for page in PAGES for words in commands(page) if words[0] == "make"}
    assert named
    assert named <= targets


# --- generated pages --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    return load("generate")


GENERATED = ("cli.md", "catalog.md", "../results/README.md")


@pytest.mark.parametrize("name", GENERATED)
def test_a_generated_page_is_up_to_date(name: str, generator: ModuleType) -> None:
    assert (DOCS / name).read_text() == generator.PAGES[name](), "run: python docs/generate.py"


def test_generating_writes_every_page(generator: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "PAGES", {name: lambda name=name: name for name in generator.PAGES})
    for folder in ("docs", "results"):
        (tmp_path / folder).mkdir()
    monkeypatch.setattr(generator, "DOCS", tmp_path / "docs")
    generator.main()
    assert {name: (tmp_path / "docs" / name).read_text() for name in GENERATED} == {name: name for name in GENERATED}


# --- measuring --------------------------------------------------------------------------------------------


def first_cells(page: Path, heading: str) -> list[str]:
    """The first column of the first table below a heading, without its header; a cell may name several things."""
    below = page.read_text().partition(f"\n{heading}\n")[2]
    rows = re.search(r"(?:^\|.*\n)+", below, flags=re.MULTILINE)
    assert rows is not None, heading
    return [name for line in rows[0].splitlines()[2:] for name in re.findall(r"`([^`]+)`", line.split("|")[1])]


def test_every_column_of_the_leaderboard_is_explained_in_order() -> None:
    assert first_cells(MEASURING, "## The columns of leaderboard.csv") == list(leaderboard.COLUMNS)


def test_the_columns_of_the_metrics_table_are_named() -> None:
    text = MEASURING.read_text()
    below = re.search(r"`metrics\.csv` has one line.*?\n\n", text, flags=re.DOTALL)
    assert below is not None
    assert set(re.findall(r"\w+", below[0])) >= set(leaderboard.METRIC_COLUMNS)


def test_every_flag_that_the_code_sets_is_explained_and_no_other() -> None:
    in_code = {flag for path in sorted((REPOSITORY / "dlbench").rglob("*.py")) for flag in flags_set_in(path)}
    assert in_code >= {"at_floor", "provisional", "noisy", "loader_bound", "device_shared", "profile_STATUS"}
    of_tasks = {"copies", "collapsed"}  # which only a task can see, in its `warnings`
    assert of_tasks <= set(FLAGS)
    assert sorted(first_cells(MEASURING, "## Flags")) == sorted(in_code | of_tasks)


def test_the_flags_of_built_in_tasks_are_explained() -> None:
    text = MEASURING.read_text()
    specs = discover().specs["tasks"].values()
    flags = {flag for spec in specs if not callable(spec.flags) for flag in spec.flags}
    flags |= {flag for spec in specs if callable(spec.flags) for flag in spec.flags_of({"protocol": "published"})}
    assert {"own_train_split", "optimistic"} <= flags
    assert [flag for flag in flags if f"`{flag}`" not in text] == []


def flags_set_in(path: Path) -> Iterator[str]:
    """Texts that are added to something called flags, or that are merged into it by name or by a call."""
    tree = ast.parse(path.read_text())
    merged: set[str] = set()
    for node in ast.walk(tree):
        for value in _values_of_flags(node):
            yield from _listed(value)
            parts = [value, *(inner.value for inner in ast.walk(value) if isinstance(inner, ast.Starred))]
            names = [part.func if isinstance(part, ast.Call) else part for part in parts]
            merged |= {name.id for name in names if isinstance(name, ast.Name)}
        if isinstance(node, ast.Call) and _is_call_on_flags(node, "add", "append"):
            yield from map(_text, node.args)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in merged:
            yield from _listed(node)
        if isinstance(node, ast.Assign) and {t.id for t in node.targets if isinstance(t, ast.Name)} & merged:
            yield from _listed(node.value)


def _values_of_flags(node: ast.AST) -> list[ast.expr]:
    """What is assigned to flags, stands under the key "flags", or updates them."""
    if isinstance(node, ast.Assign) and any(map(_is_flags, node.targets)):
        return [node.value]
    if isinstance(node, ast.Dict):
        keys = [isinstance(key, ast.Constant) and key.value == "flags" for key in node.keys]
        return [value for value, wanted in zip(node.values, keys, strict=True) if wanted]
    return node.args if isinstance(node, ast.Call) and _is_call_on_flags(node, "update", "extend") else []


def _is_call_on_flags(node: ast.Call, *methods: str) -> bool:
    return isinstance(node.func, ast.Attribute) and node.func.attr in methods and _is_flags(node.func.value)


def _is_flags(node: ast.AST) -> bool:
    return ast.unparse(node).rpartition(".")[2] == "flags"


def _listed(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        if isinstance(inner, (ast.List, ast.Tuple, ast.Set)):
            yield from (_text(e) for e in inner.elts if isinstance(e, ast.Constant) and isinstance(e.value, str))


def _text(node: ast.AST) -> str:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(v.value) if isinstance(v, ast.Constant) else "STATUS" for v in node.values)
    assert isinstance(node, ast.Constant), ast.unparse(node)
    return str(node.value)


def test_the_thresholds_on_the_page_are_the_code_s() -> None:
    text = MEASURING.read_text()
    row = dict(re.findall(r"^\| `(\w+)` \| (.*)$", text, flags=re.MULTILINE))
    assert f"over {100 * clock.NOISY:g} %" in row["noisy"]
    assert f"over {100 * clock.UNUSABLE:g} %" in row["unusable"]
    assert f"over {100 * launch.SHARED:g} %" in row["device_shared"]
    assert f"under {100 * launch.LOADER_BOUND:g} %" in row["loader_bound"]
    assert f"over {launch.LAUNCH_BOUND:g} times" in row["launch_bound"]
    assert MIN_FOR_CLAIM == 5
    assert "fewer than five seeds" in row["provisional"]
    assert f"{100 * MARGINS['fraction']:g} percentage points" in text
    assert f"is under {100 * clock.STABLE:g} %" in " ".join(text.split())
    assert "up to one and a half times the window" in " ".join(text.split())
    assert clock.settle_limit(7, 0.2) == pytest.approx(1.5 * 7 * 0.2)


def test_every_status_is_explained() -> None:
    text = MEASURING.read_text()
    assert [status for status in STATUSES if f"`{status}`" not in text] == []


# --- design -----------------------------------------------------------------------------------------------


def test_every_room_of_the_core_is_in_the_design() -> None:
    core = REPOSITORY / "dlbench"
    rooms = {p.name + "/" * p.is_dir() for p in core.iterdir() if p.name != "__pycache__" and p.suffix != ".pyc"}
    assert set(first_cells(DESIGN, "## Rooms")) == rooms


def test_every_module_of_a_room_is_in_the_rooms_row() -> None:
    """But for those of `cli` and `data`, whose names say it."""
    rows = dict(re.findall(r"^\| `(\w+)/` \| (.*) \|$", DESIGN.read_text(), flags=re.MULTILINE))
    assert len(rows) >= 8
    for room in set(rows) - {"cli", "data", "skeleton"}:
        modules = {path.stem for path in (REPOSITORY / "dlbench" / room).glob("*.py")} - {"__init__"}
        assert modules <= set(re.findall(r"`(\w+)`", rows[room])), room


def test_the_design_stays_short() -> None:
    assert len(DESIGN.read_text().splitlines()) < 200


# --- recipes ----------------------------------------------------------------------------------------------


def test_the_page_of_recipes_names_every_key_its_default_and_who_may_set_it() -> None:
    lines = [line.split("|") for line in RECIPES.splitlines() if line.startswith("| `")]
    rows = [(cells[1].strip(" `"), cells[2].strip(" `"), cells[4]) for cells in lines]
    budgets = [f"budget.{b}" for b in (*BUDGETS, "params")]
    others = ["select", "patience", "evaluate_every"]
    assert [key for key, _, _ in rows] == [*MODEL_KEYS, "init", "batch_size", *budgets, *others]
    assert {*READERS, *(f"budget.{b}" for b in BUDGETS), PARAMS} == {key for key, _, _ in rows}
    defaults = {"init": "own", **Recipe().as_settings()}
    for key, default, who in rows:
        written = format_value(defaults[key]) if defaults.get(key, []) != [] else "none" if key in READERS else ""
        assert default.strip() == written.removesuffix(".0") or float(default) == defaults[key], key
        assert {"model": key in MODEL_KEYS, "part": key in PART_KEYS} == {w: w in who for w in ("model", "part")}, key
