"""Built-in models train and are judged on make-believe CUDA, and no step makes the host wait more often than it did.

`syncs.csv` says for pairs of task and model how often one training step waits for the GPU, in each precision in which
the pair is tried. These numbers may only fall. A new model, or a task of a new signature, gets a line there.
"""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import Any

import driver
import pytest

from dlbench.plan.catalog import Catalog, discover

pytestmark = pytest.mark.skipif(bool(driver.CANT_PRETEND), reason=driver.CANT_PRETEND)

HERE = Path(__file__).parent
TABLE = HERE / "syncs.csv"
PRECISIONS = ("fp32", "bf16", "fp16")
ALIKE = {"resnet8", "resnet32", "resnet56", "resnet34", "vgg13", "vgg16", "vgg19"}
"""resnet20, resnet18 and vgg11 at other depths."""

Pair = tuple[str, str, str]


def table() -> dict[Pair, int]:
    """Syncs per step of task, model and precision."""
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {(r["task"], r["model"], p): int(r[p]) for r in rows for p in PRECISIONS if r[p]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[Pair, dict[str, Any]]:
    """What each pair of the table came to."""
    folder, asked = tmp_path_factory.mktemp("driver"), json.dumps(list(table()))
    lines = driver.printed("pairs.py", folder, input=asked, timeout=900).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{")]
    return {(row["task"], row["model"], row["precision"]): row for row in rows}


@pytest.fixture(scope="module")
def plugins() -> Catalog:
    return discover([str(HERE / "tiny.py")])


def test_every_pair_lives_through_a_cell(found: dict[Pair, dict[str, Any]]) -> None:
    assert found.keys() == table().keys()
    ended = {pair: row.get("error") or row.get("skip") for pair, row in found.items() if "syncs" not in row}
    assert ended == {}


def test_no_step_waits_more_often_than_the_table_says(found: dict[Pair, dict[str, Any]]) -> None:
    more, fewer = [], []
    for pair, allowed in table().items():
        waits = found[pair].get("syncs")
        if waits is None:
            continue
        task, model, precision = pair
        count = sum(waits.values())
        line = f"{model} on {task} in {precision} waits {count} times a step, not {allowed}: {waits}"
        (more if count > allowed else fewer if count < allowed else []).append(line)
    if fewer:
        warnings.warn("write the lower numbers into tests/cuda/syncs.csv:\n" + "\n".join(fewer), stacklevel=1)
    assert more == [], "a step must not wait for the GPU more often than tests/cuda/syncs.csv says"


def test_the_table_has_every_model_and_every_signature(plugins: Catalog) -> None:
    pairs = table()
    tasks, models = plugins.specs["tasks"], plugins.specs["models"]
    # an open family has no member of its own, and DGL's wheels are built for the CPU
    wanted = {name for name in models if not name.endswith("*") and not name.startswith("dgl:")} - ALIKE
    assert wanted - {model for _, model, _ in pairs} == set()
    signatures = {(spec.input_kind, spec.output_kind) for spec in tasks.values()}
    for precision in PRECISIONS:
        covered = {(tasks[t].input_kind, tasks[t].output_kind) for t, _, p in pairs if p == precision}
        assert signatures - covered == set(), precision


def test_most_steps_never_wait() -> None:
    """Only what counts examples, what draws neighbours on the device, and what matches answers with objects has to."""
    counting = {
        "constant", "naive_bayes", "most_frequent_tag", "ngram", "smiles_ngram", "degree_threshold", "nearest_edges",
        "otsu", "dictionary", "marked_words",
    }  # fmt: skip
    waiting = {pair for pair, count in table().items() if count and pair[1] not in counting}
    assert {task for task, model, _ in waiting if model != "detr"} <= {"tiny_parts"}
    assert all(table()[pair] == 1 for pair in waiting if pair[1] == "detr"), "the matching waits once"
