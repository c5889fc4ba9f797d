"""Tries every ingredient of the catalog on a small pair of each family, one training step each: the page matrix.md.

An ingredient works where a cell is built with it and one step gives a finite loss, leaves every parameter finite and
(of an optimizer) moves some; a second step may, where the first only looks, as that of ADOPT. What else may come: the
command line refuses it, the pair is skipped, or the cell fails with a sentence of dlbench's own. Any other error is a
defect.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from dlbench.contract.recipe import Settings
from dlbench.contract.runtime import Runtime
from dlbench.data.root import default_cache
from dlbench.errors import NotApplicable, UsageError
from dlbench.plan.catalog import Catalog
from dlbench.plan.plan import Request, plan

PRECISIONS = ("fp32", "bf16")
PAIRS: Mapping[str, tuple[str, str]] = {
    "MLP": ("mlp[width=16]", "digits"),
    "CNN": ("lenet5", "digits"),
    "RNN": ("lstm[width=16]", "markov_chars[length=8,num_test=16,num_train=64,num_val=16]"),
    "Transformer": ("gpt[width=16]", "markov_chars[length=8,num_test=16,num_train=64,num_val=16]"),
    "GNN": ("gcn[width=16]", "sbm_small"),
    "GAN": ("gan[width=16]", "ring8[num_train=256]"),
}
KINDS = ("optimizers", "regularizers", "initializers")
KEYS = {"optimizers": "optimizer", "regularizers": "regularizers", "initializers": "init"}
FEW = {"batch_size": 8, "budget.steps": 1, "weight_decay": "none"}
REFUSED, SKIPPED, FAILED, DEFECT = "refused", "skip", "failed", "defect"
Outcome = tuple[str, str]
"""How it ends and why; both empty where it works."""
WORKS = ("", "")


def names(catalog: Catalog, kind: str) -> list[str]:
    """The ingredients of a kind that can be named without a member."""
    return sorted(name for name in catalog.specs[kind] if not name.endswith(":*"))


class Bench:
    """A pair, loaded once, on which recipes are tried."""

    def __init__(self, catalog: Catalog, family: str, precision: str) -> None:
        from dlbench.train.cell import open_bench

        self.catalog, self.family, self.runtime = catalog, family, Runtime(device="cpu", precision=precision)
        job = {
            "model": PAIRS[family][0], "task": PAIRS[family][1], "recipe": {}, "catalog": catalog,
            "runtime": self.runtime.as_dict(), "memory_bytes": None, "data_root": "no-data",
            "cache": str(default_cache()),
        }  # fmt: skip
        self.bench = open_bench(job)

    def attempt(self, kind: str, name: str) -> Outcome:
        """What comes of one step with an ingredient, whose name is left out of the reason: many share one."""
        with torch.compiler.set_stance("force_eager"):  # timm_kron compiles its own parts, for minutes
            how, why = self._attempt(kind, name)
        return how, why.replace(f" {name} ", " ")

    def _attempt(self, kind: str, name: str) -> Outcome:
        try:
            recipe = self.plan({**FEW, KEYS[kind]: name})
        except UsageError as error:
            return REFUSED, one_line(error)
        except NotApplicable as error:
            return SKIPPED, one_line(error)
        try:
            return self.step(recipe, kind)
        except NotApplicable as error:
            return SKIPPED, one_line(error)
        except UsageError as error:
            return FAILED, one_line(error)
        except Exception as error:  # whatever it is, the page shows it
            return DEFECT, f"{type(error).__name__}: {one_line(error)[:200]}"

    def plan(self, settings: Settings) -> Any:
        """The recipe of the pair's cell; raises NotApplicable or UsageError where there is none."""
        model, task = PAIRS[self.family]
        made = plan(self.catalog, Request(
            models=(model,), tasks=(task,), seeds=(0,), settings=settings, runtime=self.runtime, profiles=False,
            data_root=Path("no-data"), cache=default_cache(),
        ))  # fmt: skip
        if made.skips:
            raise NotApplicable(made.skips[0].reason)
        return made.cells[0].recipe.recipe

    def step(self, recipe: Any, kind: str) -> Outcome:
        """Builds the cell as training does, and takes one step."""
        import torch

        from dlbench.train.cell import seed_everything
        from dlbench.train.training import Stepper

        bench = replace(self.bench, recipe=recipe)
        task = bench.fold(0)
        seed_everything(0)
        learner, optimizers, regularizers = bench.build(task)
        before = [p.detach().clone() for p in learner.parameters()]
        batch = next(iter(task.batches("train", recipe.batch_size, torch.Generator().manual_seed(0))))
        learner.train()
        if optimizers.scheduled:
            optimizers.advance(optimizers.progress)
        step = Stepper(learner, optimizers, regularizers, bench.execution, torch.Generator().manual_seed(0))
        loss = float(step(batch))
        if kind == "optimizers" and unmoved(before, learner):
            loss = float(step(batch))
        for regularizer in regularizers:
            regularizer.eval_learner(learner)
        if not math.isfinite(loss) or not all(bool(p.isfinite().all()) for p in learner.parameters()):
            return DEFECT, f"the loss is {loss:g} or a parameter isn't finite"
        if kind == "optimizers" and unmoved(before, learner):
            return DEFECT, "no parameter has moved"
        return WORKS


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def unmoved(before: Iterable[Any], learner: Any) -> bool:
    """Whether all parameters are what they were."""
    return all(was.equal(now) for was, now in zip(before, learner.parameters(), strict=True))


def try_all(catalog: Catalog) -> dict[tuple[str, str, str, str], Outcome]:
    """The outcome of each kind, name, family and precision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {
            (kind, name, family, precision): bench.attempt(kind, name)
            for family, precision, bench in benches(catalog)
            for kind in KINDS
            for name in names(catalog, kind)
        }


def benches(catalog: Catalog) -> Iterator[tuple[str, str, Bench]]:
    for family in PAIRS:
        for precision in PRECISIONS:
            yield family, precision, Bench(catalog, family, precision)


def sections(found: Mapping[tuple[str, str, str, str], Outcome]) -> Iterator[tuple[str, list[list[str]]]]:
    """A heading and the table below it for each kind, then the reasons."""
    reasons: dict[Outcome, int] = {}
    for kind in KINDS:
        rows = [[kind[:-1], *PAIRS]]
        for name in dict.fromkeys(key[1] for key in found if key[0] == kind):
            cells = [cell([found[kind, name, family, p] for p in PRECISIONS], reasons) for family in PAIRS]
            rows.append([f"`{name}`", *cells])
        yield kind.capitalize(), rows
    yield "Reasons", [["", "how it ends", "reason"], *([str(n), how, why] for (how, why), n in reasons.items())]


def cell(outcomes: Iterable[Outcome], reasons: dict[Outcome, int]) -> str:
    """`yes`, the number of a reason, or what holds for each precision."""
    texts = ["yes" if end == WORKS else str(reasons.setdefault(end, len(reasons) + 1)) for end in outcomes]
    return texts[0] if len(set(texts)) == 1 else ", ".join(f"{p} {t}" for p, t in zip(PRECISIONS, texts, strict=True))


def intro() -> str:
    """What the page begins with."""
    pairs = "; ".join(f"{family}: `{model}` on `{task}`" for family, (model, task) in PAIRS.items())
    return (
        "Every optimizer, regularizer and initializer that is built in, with its default options, on a small pair of "
        f"each family ({pairs}): one training step on the CPU in fp32 and in bf16. `yes`: it works in both. A number: "
        "it doesn't apply, for the reason below: the command line refuses it, the pair is skipped, or the cell ends as "
        "failed with that sentence. Where the two precisions differ, both are named."
    )
