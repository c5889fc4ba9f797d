"""House rules: who imports whom, one list of plugins, sizes of files and functions, one owner per name."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from dlbench.plan.catalog import KINDS_OF_SPEC
from workshop import catalog

REPOSITORY = Path(__file__).resolve().parents[1]
CORE = REPOSITORY / "dlbench"
PACKAGES = sorted(path.parent for room in ("plugins", "tasks") for path in (REPOSITORY / room).glob("*/__init__.py"))
ROOMS = ("dlbench", "plugins", "tasks", "tests", "benchmarks")
FILES = sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))
MAX_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 400, 50, 8
ROOMS_OF_CORE = (
    "cli",
    "testing",
    "execute",
    "profile",
    "train",
    "plan",
    "report",
    "tables",
    "data",
    "decoding",
    "contract",
)
BELOW = ("measure", "results", "errors")  # the last three stand side by side
LOWEST = ("records", "integrity")  # which all above may import
PUBLIC = ("dlbench", "dlbench.data", "dlbench.decoding", "dlbench.testing")
WITH_TORCH: dict[str, set[str]] = {
    "contract": {"learner", "optimizers", "guard"}, "plan": {"content"}, "execute": set(), "tables": set(),
    "report": set(), "cli": set(), "measure": {"clock", "calibration", "memory", "flops"},
    "data": {"batches", "examples", "folders", "graphs", "images", "kept", "sequences", "tables"},
}  # fmt: skip
"""Rooms in which few modules import torch with themselves, and which."""
# Files of model plugins that are no plain PyTorch, and why.
KNOW_DLBENCH = {
    "dlbench_baseline/boxes.py": "a Learner that counts",
    "dlbench_baseline/collected.py": "knows the kinds' values",
    "dlbench_baseline/constant.py": "a Learner that counts",
    "dlbench_gnn/frequent_links.py": "a Learner that counts",
    "dlbench_baseline/dictionary.py": "a Learner that counts",
    "dlbench_baseline/graph_samples.py": "a Learner that counts",
    "dlbench_baseline/graphs.py": "Learners that count",
    "dlbench_baseline/marked_words.py": "a Learner that collects",
    "dlbench_baseline/most_frequent_tag.py": "a Learner that counts",
    "dlbench_baseline/naive_bayes.py": "a Learner that counts",
    "dlbench_baseline/nearest_neighbour.py": "a Learner that collects",
    "dlbench_baseline/ngram.py": "a Learner that counts",
    "dlbench_baseline/otsu.py": "a Learner that counts",
    "dlbench_baseline/ridge.py": "a Learner that counts",
    "dlbench_baseline/samples.py": "Learners that collect",
    "dlbench_baseline/smiles_ngram.py": "a Learner that counts",
    "dlbench_baseline/sphere.py": "a Learner that collects",
    "dlbench_baseline/translate.py": "Learners that copy and collect",
    "dlbench_cnn/airnet_learner.py": "a Learner with its own loss",
    "dlbench_cnn/centernet_learner.py": "a Learner with its own loss",
    "dlbench_cnn/googlenet_learner.py": "a Learner with its own loss",
    "dlbench_cnn/inception_v3_learner.py": "a Learner with its own loss",
    "dlbench_dgl/compat.py": "raises NotApplicable",
    "dlbench_diffusion/denoiser_learner.py": "a Learner with its own step",
    "dlbench_diffusion/vae_learner.py": "a Learner with its own step",
    "dlbench_ensemble/bagging.py": "a Learner made of learners",
    "dlbench_ensemble/cycles.py": "a schedule",
    "dlbench_ensemble/ensemble.py": "a Learner made of learners",
    "dlbench_ensemble/mean.py": "names kinds",
    "dlbench_ensemble/snapshot.py": "a regularizer",
    "dlbench_gan/cyclegan.py": "a Learner with its own step",
    "dlbench_gan/gan.py": "a Learner with its own step",
    "dlbench_gan/two_players_learner.py": "a Learner with its own step",
    "dlbench_gan/wgan_gp_learner.py": "a Learner with its own step",
    "dlbench_gnn/assemble.py": "fits networks to kinds",
    "dlbench_gnn/dgi.py": "a Learner with its own loss",
    "dlbench_gnn/infograph.py": "a Learner with its own loss",
    "dlbench_gnn/shared.py": "names kinds",
    "dlbench_graphgen/checks.py": "refuses options in a sentence",
    "dlbench_graphgen/dense.py": "names values",
    "dlbench_graphgen/graphrnn_learner.py": "a Learner with its own loss",
    "dlbench_graphgen/graphvae_learner.py": "a Learner with its own loss",
    "dlbench_graphgen/molgan_learner.py": "a Learner with its own step",
    "dlbench_graphgen/smiles_rnn_learner.py": "a Learner with its own loss",
    "dlbench_mlp/shapes.py": "fits networks to kinds",
    "dlbench_timm/create.py": "raises NotApplicable",
    "dlbench_timm/weights.py": "raises NoData",
    "dlbench_torchvision/create.py": "raises NotApplicable",
    "dlbench_torchvision/weights.py": "raises NoData",
    "dlbench_transformer/bert_learner.py": "a Learner with its own step",
    "dlbench_transformer/detr_learner.py": "a Learner with its own loss",
}
INGREDIENTS = (
    "dlbench_augment",
    "dlbench_engines",
    "dlbench_optim",
    "dlbench_regularize",
    "dlbench_track",
)  # packages without models


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(nodes: Iterator[ast.AST] | list[ast.stmt], path: Path) -> set[str]:
    """The top-level packages that these import statements name; relative ones name the file's own package."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add("." if node.level else (node.module or "").partition(".")[0])
    return found


def at_import(path: Path) -> set[str]:
    """What importing this file imports: everything outside functions and `if TYPE_CHECKING`."""

    def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
        for node in body:
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
                yield from statements(node.orelse)
            elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                yield node
                for inner in ("body", "orelse", "finalbody"):
                    yield from statements(getattr(node, inner, []))
                for handler in getattr(node, "handlers", []):
                    yield from statements(handler.body)

    return imports(list(statements(tree(path).body)), path)


def everywhere(path: Path) -> set[str]:
    return imports(ast.walk(tree(path)), path)


def place(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def test_the_core_never_imports_a_plugin() -> None:
    guilty = {place(path): names for path in CORE.rglob("*.py") if (names := {
        name for name in everywhere(path) if name.startswith("dlbench_")
    })}  # fmt: skip
    assert guilty == {}


def test_a_front_door_imports_only_dlbench_and_the_standard_library() -> None:
    """And modules of its own that keep to the same (tests/cli asserts that none of it imports torch)."""
    allowed = {"dlbench", ".", *sys.stdlib_module_names}
    doors = [door for package in PACKAGES for door in package.rglob("__init__.py")]
    guilty = {place(door): extra for door in doors if (extra := at_import(door) - allowed)}
    assert len(doors) >= 14
    assert guilty == {}


def test_a_model_file_is_plain_pytorch() -> None:
    files = [
        path
        for package in PACKAGES
        if package.parent.name == "plugins" and package.name not in INGREDIENTS
        for path in package.rglob("*.py")
        if path.name != "__init__.py" and not path.stem.startswith("declare") and path.parent.name != "declare"
    ]
    knowing = {f"{path.parent.name}/{path.name}" for path in files if "dlbench" in everywhere(path)}
    assert len(files) > len(KNOW_DLBENCH)
    assert knowing == set(KNOW_DLBENCH)


def test_only_modules_that_compute_import_torch() -> None:
    guilty = {
        place(path)
        for room, free in WITH_TORCH.items()
        for path in sorted((CORE / room).glob("*.py"))
        if path.stem not in free and "torch" in at_import(path)
    }
    assert guilty == set()
    assert "torch" in at_import(CORE / "train" / "training.py")  # the check itself can see one


def room_of(module: str) -> str:
    """The room of a dotted module of the core; empty for the front door."""
    return [*module.split("."), ""][1]


def core_imports(path: Path) -> Iterator[str]:
    """The dotted modules of the core that a file imports anywhere, those for types alone included."""
    package = ["dlbench", *path.relative_to(CORE).parent.parts] if path.is_relative_to(CORE) else []
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "dlbench")
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            if module == "dlbench":
                yield from (f"dlbench.{alias.name}" if (CORE / alias.name).exists() else module for alias in node.names)
            elif module.startswith("dlbench."):
                yield module


def test_few_files_lie_at_the_front_door() -> None:
    assert len([path for path in CORE.iterdir() if path.is_file()]) <= 8


def test_every_room_says_in_one_sentence_what_happens_there() -> None:
    for door in CORE.glob("*/__init__.py"):
        assert (ast.get_docstring(tree(door)) or "").count("\n\n") == 0, door
        assert ast.get_docstring(tree(door)), door


def test_nothing_imports_upwards() -> None:
    height = {room: -i for i, room in enumerate(ROOMS_OF_CORE)} | dict.fromkeys(BELOW, -len(ROOMS_OF_CORE))
    height |= {room: -len(ROOMS_OF_CORE) - 1 - i for i, room in enumerate(LOWEST)}
    files = [path for path in CORE.rglob("*.py") if path.parent != CORE or path.stem in height]
    guilty = [
        f"{place(path)}: {module}"
        for path in files
        for module in core_imports(path)
        if (mine := (path.parent if path.parent != CORE else path).relative_to(CORE).parts[0].removesuffix(".py"))
        != room_of(module)
        and room_of(module) in height
        and height[room_of(module)] >= height[mine]
    ]
    assert len(files) > 80
    assert guilty == []


def test_plugins_import_public_modules_of_the_core_only() -> None:
    guilty = {
        f"{place(path)}: {module}"
        for package in PACKAGES
        for path in package.rglob("*.py")
        for module in core_imports(path)
        if module not in PUBLIC and not module.startswith("dlbench.data.")
    }
    assert guilty == set()


def test_learner_optimizers_and_specs_make_no_circle() -> None:
    seen = {name: {m.rpartition(".")[2] for m in core_imports(CORE / "contract" / f"{name}.py")}
            for name in ("learner", "optimizers", "specs")}  # fmt: skip
    assert not seen["learner"] & {"optimizers", "specs"}
    assert "optimizers" not in seen["specs"]


def test_folders_wheel_and_entry_points_agree() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    folders = {place(package) for package in PACKAGES}
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == folders | {"dlbench"}
    points = project["project"]["entry-points"]["dlbench"]
    assert points == {package.name.removeprefix("dlbench_"): package.name for package in PACKAGES}
    installed = {point.name: point.value for point in entry_points(group="dlbench")}
    assert points.items() <= installed.items()


def test_a_name_belongs_to_one_plugin() -> None:
    found = catalog()
    claims: Counter[tuple[str, str]] = Counter()
    for kind in KINDS_OF_SPEC:
        for impl in getattr(found.plugins.hook, f"dlbench_{kind}").get_hookimpls():
            claims.update((kind, spec.name) for spec in impl.function())
    assert len(claims) > 60
    assert [claim for claim, count in claims.items() if count > 1] == []
    assert found.problems == {}


def test_files_are_short() -> None:
    long = {place(path): n for path in FILES if (n := len(path.read_text().splitlines())) >= MAX_LINES}
    assert long == {}


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_a_name_belongs_to_one_file_of_tests() -> None:
    """Pytest imports them all side by side."""
    names = Counter(path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_functions_are_short_and_take_few_parameters() -> None:
    long, wide = {}, {}
    for path in FILES:
        for node in functions(path):
            name = f"{place(path)}:{node.name}"
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            parameters = [*node.args.posonlyargs, *node.args.args]
            count = len([p for p in parameters if p.arg not in ("self", "cls")])
            if lines >= MAX_FUNCTION_LINES:
                long[name] = lines
            if count > MAX_PARAMETERS:
                wide[name] = count
    assert long == {}
    assert wide == {}


def test_every_hook_has_a_test_and_a_docstring() -> None:
    texts = "".join(path.read_text() for path in (REPOSITORY / "tests").rglob("*.py"))
    for node in functions(CORE / "contract" / "hookspecs.py"):
        assert ast.get_docstring(node)
        assert node.name in texts


@pytest.mark.parametrize(
    "name", ["dlbench.contract.kinds", "dlbench.plan.plan", "dlbench.tables.leaderboard", "dlbench.cli.run"]
)
def test_the_reading_side_runs_without_torch(name: str) -> None:
    import subprocess

    code = f"import sys, {name}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
