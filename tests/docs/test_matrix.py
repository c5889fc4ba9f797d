"""The page of every ingredient on every family against what a step does today."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from docpages import DOCS, load

from dlbench.errors import NotApplicable, UsageError
from dlbench.plan.catalog import Catalog, discover

PAGE = DOCS / "matrix.md"


matrix, generate = load("matrix"), load("generate")


@pytest.fixture(scope="module")
def built_in() -> Catalog:
    found: Catalog = generate.built_in()
    return found


def tables() -> dict[str, list[list[str]]]:
    """The rows of each table of the page, by its heading."""
    found: dict[str, list[list[str]]] = {}
    heading = ""
    for line in PAGE.read_text().splitlines():
        heading = line[3:] if line.startswith("## ") else heading
        if line.startswith("| ") and not line.startswith("| ---"):
            cells = re.split(r"(?<!\\) \| ", line[2:-2])
            found.setdefault(heading, []).append([cell.strip().replace("\\|", "|") for cell in cells])
    return found


def said(rows: dict[str, list[list[str]]], kind: str, name: str, family: str, precision: str) -> tuple[str, ...]:
    """How it ends and why by the page; empty texts where it says that it works."""
    header, *body = rows[kind.capitalize()]
    (text,) = [row[header.index(family)] for row in body if row[0] == f"`{name}`"]
    by_precision = dict.fromkeys(matrix.PRECISIONS, text)
    if "," in text:
        by_precision = dict(part.split() for part in text.split(", "))
    reasons = {number: (how, why) for number, how, why in rows["Reasons"][1:]}
    answer = by_precision[precision]
    return matrix.WORKS if answer == "yes" else reasons[answer]


def test_the_page_names_every_ingredient_and_family(built_in: Catalog) -> None:
    rows = tables()
    for kind in matrix.KINDS:
        header, *body = rows[kind.capitalize()]
        assert header[1:] == [*matrix.PAIRS] == ["MLP", "CNN", "RNN", "Transformer", "GNN", "GAN"]
        assert [row[0].strip("`") for row in body] == matrix.names(built_in, kind), "run: python docs/generate.py"


def test_nothing_on_the_page_is_a_defect() -> None:
    assert [why for _, how, why in tables()["Reasons"][1:] if how == matrix.DEFECT] == []


@pytest.mark.parametrize("place", range(12))
@pytest.mark.filterwarnings("ignore")
def test_a_sample_does_what_the_page_says(place: int, built_in: Catalog) -> None:
    """Each ingredient on one pair in one precision, another for the next ingredient."""
    rows, found = tables(), {}
    ways = [(family, precision) for family in matrix.PAIRS for precision in matrix.PRECISIONS]
    bench = matrix.Bench(built_in, *ways[place])
    tried = [(kind, name) for kind in matrix.KINDS for name in matrix.names(built_in, kind)][place :: len(ways)]
    for kind, name in tried:
        found[kind, name] = bench.attempt(kind, name)
    assert found == {(kind, name): said(rows, kind, name, *ways[place]) for kind, name in tried}


@pytest.mark.slow
def test_all_of_it_is_up_to_date() -> None:
    assert PAGE.read_text() == generate.matrix_page(), "run: python docs/generate.py"


class Ending(matrix.Bench):
    """A pair whose plan or step ends as told."""

    def __init__(self, planned: Exception | None, stepped: Exception | None) -> None:
        self.planned, self.stepped = planned, stepped

    def plan(self, settings: object) -> None:
        if self.planned is not None:
            raise self.planned

    def step(self, recipe: object, kind: str) -> tuple[str, str]:
        if self.stepped is not None:
            raise self.stepped
        works: tuple[str, str] = matrix.WORKS
        return works


@pytest.mark.parametrize(
    ("planned", "stepped", "outcome"),
    [
        (None, None, ("", "")),
        (UsageError("needs\nmore"), None, ("refused", "needs more")),
        (NotApplicable("no pair"), None, ("skip", "no pair")),
        (None, NotApplicable("for images"), ("skip", "for images")),
        (None, UsageError("for images"), ("failed", "for images")),
        (None, ValueError("oops"), ("defect", "ValueError: oops")),
    ],
)
def test_how_it_may_end(planned: Exception | None, stepped: Exception | None, outcome: tuple[str, str]) -> None:
    assert Ending(planned, stepped).attempt("optimizers", "adam") == outcome


IDLE = """
import torch
from dlbench import OptimizerSpec

class Idle(torch.optim.Optimizer):
    def step(self, closure=None):
        pass

def dlbench_optimizers():
    yield OptimizerSpec(name="idle", build=lambda params, lr: Idle(params, {"lr": lr}))
"""


def test_a_step_that_moves_nothing_is_a_defect(tmp_path: Path) -> None:
    (tmp_path / "idle.py").write_text(IDLE)
    bench = matrix.Bench(discover([str(tmp_path / "idle.py")]), "MLP", "fp32")
    assert bench.attempt("optimizers", "sgd") == matrix.WORKS
    assert bench.attempt("optimizers", "idle") == (matrix.DEFECT, "no parameter has moved")
