"""What the conformance kit asks of a model's answers and of a task's batches: does anything travel that must not?

Each probe raises AssertionError with what was seen, or returns; where it doesn't apply, it returns.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import torch
from torch import Tensor

from ..contract.kinds import EdgeClasses, NextToken, NodeClasses, NodeValue, TokenSequence
from ..contract.learner import Batch, Learner, Task
from ..tables.groups import beats_bound
from ..train.cell import Bench
from ..train.judging import Evaluator, judge
from ..train.training import Stepper

PROBE_BATCH = 8
TRIAL_STEPS = 60
ALIKE = 1e-3
"""How far two answers may lie apart, as a share of the largest: sums of another shape are rounded otherwise."""


def changes_settings(bench: Bench) -> None:
    """Building a model and training it leaves the settings of the process as they were."""
    bench.settings.restore()
    changed = sorted(bench.settings.changed)
    assert not changed, f"it changes {', '.join(changed)}, which rows are named by or others depend on"


def hidden_targets(task: Task) -> None:
    """Training batches of nodes or edges whose mask leaves some out don't hold the labels of those: a model whose loss
    forgets the mask would be trained on the test split."""
    if not isinstance(task.signature.output, (NodeClasses, NodeValue, EdgeClasses)):
        return
    for batch in islice(task.batches("train", PROBE_BATCH, torch.Generator().manual_seed(0)), 3):
        if batch.mask is None or batch.targets is None:
            continue
        left_out = batch.targets[~batch.mask]
        shown = ~left_out.isnan() if left_out.is_floating_point() else left_out >= 0
        advice = "give them -1 or NaN (dlbench.data.batches.hide)"
        assert not shown.any(), f"a training batch holds {int(shown.sum())} targets outside its mask: {advice}"


def looks_ahead(bench: Bench, learner: Learner) -> None:
    """Logits at a place don't change with what comes later."""
    task, output = bench.task, bench.task.signature.output
    if not isinstance(output, (NextToken, TokenSequence)):
        return
    name = "ids" if isinstance(output, NextToken) else "previous"
    batch = next(iter(task.batches("val", PROBE_BATCH, None)))
    before = getattr(batch.inputs, name)  # (B, T)
    answer = _predict(bench, learner, batch)
    for cut in sorted({1, before.shape[1] // 2} - {0, before.shape[1]}):
        after = before.clone()
        after[:, cut:] = (after[:, cut:] + 1) % output.vocab
        changed = _predict(bench, learner, _with_inputs(batch, batch.inputs._replace(**{name: after})))
        assert _alike(answer[:, :cut], changed[:, :cut]), (
            f"its logits at the places before {cut} change with the tokens from {cut} on: it looks ahead"
        )


def depends_on_company(bench: Bench, learner: Learner) -> None:
    """In evaluation mode the answer about an example is the same alone and among others."""
    if "predict" not in bench.task.signature.output.verbs:
        return
    batch = next(iter(bench.task.batches("val", PROBE_BATCH, None)))
    alone = first_alone(batch.inputs)
    if alone is None:
        return
    single = _predict(bench, learner, _with_inputs(batch, alone))
    among = _predict(bench, learner, batch)[: len(single)]
    assert _alike(among, single), "its answer about an example changes with the rest of the batch"


def beats_the_bound(bench: Bench) -> None:
    """After a short training its score on the test split isn't better than the best possible."""
    spec = bench.task_spec
    natural = 1.0 if spec.metric.higher_is_better else 0.0
    floor = spec.floor_of({})
    if spec.bound is None or spec.bound == natural or floor is None:
        return
    torch.manual_seed(3)
    learner, optimizers, regularizers = bench.build(bench.task)
    generator = torch.Generator().manual_seed(0)
    step = Stepper(learner.train(), optimizers, regularizers, bench.execution, generator)
    for batch in islice(bench.task.batches("train", bench.recipe.batch_size, generator), TRIAL_STEPS):
        step(batch)
    score = judge(learner, bench.task, "test", bench.execution)[spec.metric.name]
    beaten = beats_bound(score, 0.0, floor=floor, bound=spec.bound, higher_is_better=spec.metric.higher_is_better)
    assert not beaten, f"it scores {score:.6g}, better than the best possible ({spec.bound:.6g}): it sees the answers"


def first_alone(inputs: Any) -> Any:
    """The first of the examples in a runtime value, in the same form; None where there is only one, or where the form
    is unknown."""
    if isinstance(inputs, Tensor):
        return inputs[:1] if len(inputs) > 1 else None
    if getattr(inputs, "batch_size", 1) < 2 or not hasattr(inputs, "_replace"):
        return None
    if hasattr(inputs, "first"):
        return inputs.first()
    if not hasattr(inputs, "graph_ids"):
        return type(inputs)(*(value[:1] if isinstance(value, (Tensor, list)) else value for value in inputs))
    nodes = int((inputs.graph_ids == 0).sum())
    within = inputs.edges[0] < nodes  # nodes of the first graph come first
    changes = {"nodes": inputs.nodes[:nodes], "graph_ids": inputs.graph_ids[:nodes], "num_graphs": 1}
    for name, value in inputs._asdict().items():
        if name in ("edge_features", "times") and value is not None:
            changes[name] = value[within]
    return inputs._replace(edges=inputs.edges[:, within], **changes)


def _predict(bench: Bench, learner: Learner, batch: Batch) -> Tensor:
    evaluator = Evaluator(learner.eval(), bench.task.signature, bench.execution)
    with torch.no_grad():
        return evaluator.predict(batch)  # type: ignore[no-any-return]


def _with_inputs(batch: Batch, inputs: Any) -> Batch:
    return Batch(inputs=inputs, size=batch.size, continues=batch.continues)


def _alike(first: Tensor, second: Tensor) -> bool:
    first, second = first.nan_to_num(), second.nan_to_num()
    return bool((first - second).abs().max() <= ALIKE * max(1.0, float(first.abs().max())))
