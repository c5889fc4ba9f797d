"""Tasks on the nodes of one graph or hypergraph: scores, folds of subclasses, numbers, labels that nobody knows."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dlbench import Batch, NodeClasses, NodeValue
from dlbench.data.graphs import BadGraph, single_graph
from dlbench.plan.catalog import Catalog, discover
from dlbench.testing.probing import hidden_targets
from dlbench_graph.citation.hypergraph import SingleHypergraph, single_hypergraph
from dlbench_graph.detection import roc_auc
from dlbench_graph.single import SingleGraph
from workshop import cell

SPLITS = {"train": torch.tensor([0, 1, 2]), "val": torch.tensor([3, 4]), "test": torch.tensor([5, 6])}
LABELS = torch.tensor([0, 1, 0, 1, 0, 1, 0, 1])  # node 7 is in no split
PLUGIN = """
from dlbench import Graph, Hypergraph, Metric, NodeClasses, NodeValue, TaskSpec

def _graph(hyper):
    import torch
    from dlbench.data.graphs import single_graph
    from dlbench_graph.citation.hypergraph import single_hypergraph
    nodes = torch.rand(8, 3, generator=torch.Generator().manual_seed(1))
    ends = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 0, 3, 2, 5, 4, 7, 6]])
    return single_hypergraph(nodes, ends // torch.tensor([[1], [2]]), 4) if hyper else single_graph(nodes, ends)

def _load(hyper, values):
    def load(data):
        import torch
        from dlbench_graph.citation.hypergraph import SingleHypergraph
        from dlbench_graph.single import SingleGraph
        labels = torch.tensor([0, 1, 0, 1, 0, 1, 0, -1])
        splits = {"train": torch.tensor([0, 1, 2]), "val": torch.tensor([3, 4]), "test": torch.tensor([5, 6])}
        make = SingleHypergraph if hyper else SingleGraph
        if values:
            numbers = labels.float().masked_fill(labels < 0, float("nan"))
            return make(graph=_graph(hyper), labels=numbers, splits=splits, num_classes=None)
        return make(graph=_graph(hyper), labels=labels, splits=splits, num_classes=2)
    return load

def dlbench_tasks():
    for hyper, kind in ((False, Graph), (True, Hypergraph)):
        common = {"input_kind": kind, "unit": "nodes", "recipe": {"lr": 0.01, "budget.epochs": 2}}
        yield TaskSpec(name=f"classes_{kind.label()}", output_kind=NodeClasses, load=_load(hyper, False), floor=0.5,
                       metric=Metric(name="accuracy"), **common)
        yield TaskSpec(name=f"values_{kind.label()}", output_kind=NodeValue, load=_load(hyper, True), floor=0.5,
                       metric=Metric(name="mae", unit="C", higher_is_better=False), **common)
"""


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    file = tmp_path_factory.mktemp("plugin") / "one_graph.py"
    file.write_text(PLUGIN)
    found = discover([str(file)])
    assert file.name not in found.problems
    return found


class Judged:
    def __init__(self, answers: Tensor) -> None:
        self.answers = answers

    def predict(self, batch: Batch) -> Tensor:
        return self.answers


def graph(hyper: bool) -> Any:
    ends = torch.tensor([[0, 1, 2, 3, 4, 5, 6, 7], [1, 0, 3, 2, 5, 4, 7, 6]])
    return (
        single_hypergraph(torch.eye(8), ends // torch.tensor([[1], [2]]), 4)
        if hyper
        else single_graph(torch.eye(8), ends)
    )


def make(hyper: bool, **changes: Any) -> Any:
    parts = {"graph": graph(hyper), "labels": LABELS, "splits": SPLITS, "num_classes": 2, **changes}
    return (SingleHypergraph if hyper else SingleGraph)(**parts)


@pytest.mark.parametrize("hyper", [False, True])
def test_a_score_under_its_name_takes_the_rows_that_count(hyper: bool) -> None:
    splits = {**SPLITS, "test": torch.tensor([4, 5, 6, 7])}
    task = make(hyper, metric="auc", score=roc_auc, splits={**splits, "val": torch.tensor([3])})
    margins = torch.tensor([0.0, 0, 0, 0, 0.1, 0.2, 0.3, 0.4])  # of test: 0 1 0 1, of whose 4 pairs 3 are in order
    answers = torch.stack([torch.zeros(8), margins], dim=1)
    assert task.judge(Judged(answers), "test")["auc"] == pytest.approx(0.75)


@pytest.mark.parametrize("hyper", [False, True])
def test_a_fold_is_of_the_subclass_with_all_that_it_holds(hyper: bool) -> None:
    class Mine(SingleHypergraph if hyper else SingleGraph):  # type: ignore[misc]
        def __init__(self, note: str) -> None:
            super().__init__(
                graph=graph(hyper), labels=LABELS, splits=SPLITS, num_classes=2, metric="mine", score=lambda o, t: 0.25,
                folds=[SPLITS, {"train": torch.tensor([6]), "val": torch.tensor([5]), "test": torch.tensor([0])}],
            )  # fmt: skip
            self.note = note

    whole = Mine("kept")
    part = whole.fold(1)
    assert type(part) is Mine
    assert part.note == "kept"
    assert part.splits["train"].tolist() == [6]
    assert whole.splits is SPLITS
    assert part.judge(Judged(torch.zeros(8, 2)), "test")["mine"] == 0.25


@pytest.mark.parametrize("hyper", [False, True])
def test_labels_of_nodes_outside_all_splits_are_left_alone_and_others_must_be_classes(hyper: bool) -> None:
    unknown = LABELS.clone()
    unknown[7] = -1
    task = make(hyper, labels=unknown)
    hidden_targets(task)
    assert task.judge(Judged(torch.eye(2)[LABELS]), "test")["accuracy"] == 1.0
    for wrong in (-1, 2):
        labels = LABELS.clone()
        labels[5] = wrong
        with pytest.raises(BadGraph, match=f"node 5 of test has the label {wrong}, not 0 to 1"):
            make(hyper, labels=labels)
    with pytest.raises(BadGraph, match="7 labels for 8 nodes"):
        make(hyper, labels=LABELS[:7])


@pytest.mark.parametrize("hyper", [False, True])
def test_without_classes_a_number_is_asked_of_each_node(hyper: bool) -> None:
    numbers = torch.arange(8.0)
    numbers[7] = math.nan
    task = make(hyper, labels=numbers, num_classes=None)
    assert task.signature.output == NodeValue()
    assert task.signature.output.shape(task.graph) == (8,)
    hidden_targets(task)
    answers = torch.arange(8.0) + 0.5
    assert task.judge(Judged(answers), "test") == {"mae": 0.5, "loss": 0.5}
    (batch,) = task.batches("train", 1, None)
    outputs = torch.zeros(8, requires_grad=True)
    task.loss(outputs, batch).backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    with pytest.raises(BadGraph, match="node 0 of train has the label nan, not a finite number"):
        make(hyper, labels=torch.full((8,), math.nan), num_classes=None)


@pytest.mark.parametrize("task", ["classes_graph", "values_graph", "classes_hypergraph", "values_hypergraph"])
def test_constant_scores_the_floor_and_networks_train(task: str, catalog: Catalog) -> None:
    found = cell("constant", task, among=catalog)
    metric = catalog.task(task).metric.name
    expected = {"classes": 0.5, "values": 0.5}[task.partition("_")[0]]
    assert found["metrics"]["test"][metric] == pytest.approx(expected)
    for model in ("mlp", *(("gcn", "sgc", "gatedgcn", "gcn[jump=max]") if task.endswith("_graph") else ())):
        trained = cell(model, task, among=catalog)
        assert math.isfinite(trained["metrics"]["test"][metric]), model
        assert str(catalog.task(task).output_kind.label()) in trained["signature"]


def test_numbers_of_nodes_are_matched_by_their_kind(catalog: Catalog) -> None:
    accepts = {name: {output for _, output in spec.accepts} for name, spec in catalog.specs["models"].items()}
    takers = {name for name, outputs in accepts.items() if NodeValue in outputs}
    assert takers >= {"constant", "mlp", "gcn", "gat", "gin", "graphsage", "sgc", "appnp", "gcnii"}
    assert not issubclass(NodeValue, NodeClasses)
