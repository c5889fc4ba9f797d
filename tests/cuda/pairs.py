"""Trains pairs of model and task on the pretend device, under `driver.python`.

Reads a JSON list of [task, model, precision], and writes a line of JSON per pair: the syncs of its third training step,
the fetching of its batch included, or what went wrong. Each pair lives through what a cell does: load, build, three
steps (the first works on a copy of its batch), validation, choice of the state, judging.
"""

from __future__ import annotations

import json
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import pretend
import torch_geometric  # noqa: F401  its import asks for real devices

pretend.install()  # before dlbench looks at torch

import torch  # noqa: E402

import dlbench.train.cell  # noqa: E402
import dlbench.train.training  # noqa: E402
import dlbench_generation.images.judging  # noqa: E402
from dlbench import Batch  # noqa: E402
from dlbench.contract.choice import Choice, option_defaults  # noqa: E402
from dlbench.contract.runtime import Runtime  # noqa: E402
from dlbench.errors import NotApplicable  # noqa: E402
from dlbench.plan.catalog import Catalog, discover  # noqa: E402
from dlbench.train.training import Stepper, Trainer  # noqa: E402
from workshop import message, planned  # noqa: E402

TINY = str(Path(__file__).with_name("tiny.py"))
FEW = {"num_train": 64, "num_val": 16, "num_test": 16}
TASKS: dict[str, Mapping[str, Any]] = {
    "digits": {}, "ring8": {"num_train": 256}, "community_small": {}, "digits_rows": {},
    "adding": {"length": 12, **FEW},
    "listops": {"length": 16, "min_length": 8, **FEW}, "reber": {"length": 12, **FEW},
    "hmm_tags": {"length": 8, **FEW}, "markov_chars": {"length": 8, **FEW}, "markov_masked": {"length": 8, **FEW},
    "reverse": {"length": 6, **FEW}, "shapes_captions": FEW, "contacts": {}, "tiny_text": {}, "tiny_streams": {},
    "tiny_sounds": {}, "tiny_tags": {}, "tiny_single": {}, "tiny_parts": {}, "tiny_class": {}, "tiny_value": {},
    "tiny_node": {}, "tiny_edge": {}, "tiny_node_probe": {}, "tiny_graph_probe": {}, "tiny_hypergraph": {},
    "tiny_mask": {}, "edge_detection": {}, "shapes_detection": FEW, "digits_gen": {}, "digits_by_class": {},
    "digits_inverted": {}, "tiny_smiles": {}, "tiny_molecules": {}, "tiny_sphere": {}, "tiny_names": {},
    "tiny_nominals": {}, "quadratic": {"noise": 1.0}, "family_links": {"families": 2, "generations": 3},
}  # fmt: skip
"""At least one of each signature, with options that make it small."""
SHORT: dict[str, dict[str, Any]] = {"ddpm": {"steps": 2}, "flow_matching": {"steps": 1}}


class Watched(Trainer):
    """Notes what has made the host wait when a step begins, by asking for its batch."""

    def batches(self) -> Iterator[Batch]:
        batches = super().batches()
        while True:
            Counting.before = pretend.SYNCS.copy()
            yield next(batches)


class Counting(Stepper):
    """Counts the syncs of each step."""

    before: ClassVar[Counter[str]] = Counter()
    last: ClassVar[Counter[str]] = Counter()

    def __call__(self, batch: Batch) -> torch.Tensor:
        loss = super().__call__(batch)
        Counting.last = pretend.SYNCS - Counting.before
        return loss


def smaller(catalog: Catalog, model: str) -> str:
    """The model as narrow as 16 units, where it has a width; one that draws step by step takes few of them."""
    known = option_defaults(catalog.model(model).build)
    options = {"width": 16} if "width" in known else {}
    return str(Choice(model, tuple(sorted({**options, **SHORT.get(model, {})}.items()))))


def train(catalog: Catalog, model: str, task: str, precision: str) -> dict[str, Any]:
    """What there is to say about a pair: its `syncs` by what made the host wait, or its `skip` or `error`."""
    runtime = Runtime(device="cuda:0", precision=precision)
    settings = {"budget.steps": 3, "evaluate_every": 3, "batch_size": 2}
    asked = str(Choice(task, tuple(sorted(TASKS[task].items()))))
    made = planned(smaller(catalog, model), asked, settings, among=catalog, runtime=runtime)
    if not made.jobs:
        return {"skip": made.skips[0].reason}
    start = time.process_time()
    try:
        with pretend.Device():
            bench = dlbench.train.cell.open_bench(message(made, catalog))
            dlbench.train.cell._run_fold(bench, 0, 0, lambda point: None)
    except NotApplicable as reason:
        return {"skip": str(reason)}
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "dlbench" in frame.filename] or frames
        place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:300]} ({place})"}
    return {"syncs": dict(sorted(Counting.last.items())), "s": round(time.process_time() - start, 2)}


def main(pairs: list[tuple[str, str, str]]) -> None:
    """Train pairs of task, model and precision."""
    warnings.simplefilter("ignore")
    dlbench_generation.images.judging.SCORE_STEPS = 2  # of a classifier that judging trains
    dlbench.train.cell.Trainer, dlbench.train.training.Stepper = Watched, Counting  # type: ignore[misc]
    catalog = discover([TINY])
    for task, model, precision in pairs:
        found = train(catalog, model, task, precision)
        print(json.dumps({"task": task, "model": model, "precision": precision, **found}), flush=True)


if __name__ == "__main__":
    main(json.load(sys.stdin))
