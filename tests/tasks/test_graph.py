"""dlbench_graph: the generated graph, floor, neighbour batches against the full graph, learning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import dlbench_gnn
import dlbench_graph
from dlbench import Batch
from dlbench.contract.learner import Supervised
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench_graph.generated.communities import COMMUNITIES, P_INTER, P_INTRA
from dlbench_graph.neighbours import neighbourhood, thin

pytestmark = pytest.mark.numbers

SPEC = next(spec for spec in dlbench_graph.dlbench_tasks() if spec.name == "sbm_small")
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
GCN = next(spec for spec in dlbench_gnn.dlbench_models() if spec.name == "gcn")


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Judged:
    """A learner as a task sees it."""

    def __init__(self, predict: Any) -> None:
        self._predict = predict

    def predict(self, batch: Batch) -> Tensor:
        with torch.no_grad():
            return self._predict(batch.inputs)


def trained_accuracy(task: Any, model: torch.nn.Module, epochs: int = 60) -> float:
    """Test accuracy after some epochs with the task's recipe."""
    learner = Supervised(model, task.loss)
    optimizer = torch.optim.Adam(learner.parameters(), lr=SPEC.recipe["lr"], weight_decay=SPEC.recipe["weight_decay"])
    order = torch.Generator().manual_seed(0)
    for _ in range(epochs):
        for batch in task.batches("train", SPEC.recipe["batch_size"], order):
            optimizer.zero_grad()
            learner.loss(batch).backward()
            optimizer.step()
    return task.judge(Judged(learner.eval().predict), "test")["accuracy"]


def test_edges_come_in_both_directions_with_the_given_frequencies() -> None:
    task = SPEC.load(DATA)
    source, target = task.graph.edges
    linked = torch.zeros(600, 600, dtype=torch.bool)
    linked[source, target] = True
    assert linked.sum().item() == len(source)  # no edge twice
    assert torch.equal(linked, linked.T)
    assert not linked.diagonal().any()
    same = task.labels[:, None] == task.labels
    for pairs, chance in [(same & ~torch.eye(600, dtype=torch.bool), P_INTRA), (~same, P_INTER)]:
        count = pairs.sum().item() / 2
        share = linked[pairs].float().mean().item()
        assert abs(share - chance) < 4 * (chance * (1 - chance) / count) ** 0.5
    assert task.labels.bincount().tolist() == list(COMMUNITIES)


def test_splits_are_disjoint_stratified_and_complete() -> None:
    task = SPEC.load(DATA)
    assert {name: len(nodes) for name, nodes in task.splits.items()} == {"train": 80, "val": 160, "test": 360}
    assert torch.cat(list(task.splits.values())).sort().values.tolist() == list(range(600))
    assert task.labels[task.splits["train"]].bincount().tolist() == [24, 21, 19, 16]


def test_data_depend_on_no_global_seed() -> None:
    tasks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        tasks.append(SPEC.load(DATA))
    first, second = tasks
    for mine, other in [*zip(first.graph[:2], second.graph[:2], strict=True), (first.labels, second.labels)]:
        assert torch.equal(mine, other)
    for name, nodes in first.splits.items():
        assert torch.equal(nodes, second.splits[name])


def test_floor_is_the_most_frequent_training_class() -> None:
    task = SPEC.load(DATA)
    counts = task.labels[task.splits["train"]].bincount()
    for options in ({}, {"sampler": "neighbour"}):
        task = SPEC.load(DATA, **options)
        scores = task.judge(Judged(lambda inputs: counts.float().expand(len(inputs.nodes), 4)), "test")
        assert scores["accuracy"] == SPEC.floor


def test_full_graph_is_one_batch_whose_mask_is_the_split() -> None:
    task = SPEC.load(DATA)
    for split, count in [("train", 80), ("val", 160), ("test", 360)]:
        batches = task.batches(split, 10, None)
        assert len(batches) == 1
        (batch,) = batches
        assert torch.equal(batch.mask.nonzero().squeeze(1), task.splits[split])
        assert batch.size == count
        assert batch.inputs.nodes.shape == (600, task.signature.input.node_features)


def test_loss_is_the_mean_over_the_mask() -> None:
    task = SPEC.load(DATA)
    (batch,) = task.batches("train", 1, None)
    outputs = torch.randn(600, 4)
    nodes = task.splits["train"]
    expected = torch.nn.functional.cross_entropy(outputs[nodes], task.labels[nodes])
    assert task.loss(outputs, batch).item() == pytest.approx(expected.item())


@pytest.mark.parametrize("batch_size", [1, 37])
def test_whole_neighbourhoods_give_the_logits_of_the_full_graph(batch_size: int) -> None:
    full, sampled = SPEC.load(DATA), SPEC.load(DATA, sampler="neighbour", hops=2)
    model = GCN.build(full.signature).eval()
    (whole,) = full.batches("val", 1, None)
    expected = model(whole.inputs)
    batches = list(sampled.batches("val", batch_size, None))
    seen = []
    for batch in batches:
        logits, targets = model(batch.inputs)[batch.mask], batch.targets[batch.mask]
        seeds = sampled.splits["val"][len(seen) : len(seen) + batch.size]
        assert (logits - expected[seeds]).abs().max() < 1e-5
        assert torch.equal(targets, full.labels[seeds])
        seen += seeds.tolist()
    assert len(seen) == 160
    assert batch_size > 1 or min(len(batch.inputs.nodes) for batch in batches) < 600


def test_too_small_neighbourhoods_change_the_logits() -> None:
    full, sampled = SPEC.load(DATA), SPEC.load(DATA, sampler="neighbour", hops=1)
    model = GCN.build(full.signature, depth=3).eval()
    (whole,) = full.batches("val", 1, None)
    batch = next(iter(sampled.batches("val", 1, None)))
    assert (model(batch.inputs)[batch.mask] - model(whole.inputs)[sampled.splits["val"][:1]]).abs().max() > 1e-5


def test_neighbourhood_of_a_path() -> None:
    forward = torch.tensor([[0, 1, 2, 3, 4], [1, 2, 3, 4, 5]])
    edges = torch.cat([forward, forward.flip(0)], dim=1)
    nodes, kept = neighbourhood(edges, 6, torch.tensor([0]), hops=1)
    assert nodes.tolist() == [0, 1, 2]  # 1 is a step away; 2 is there because 1 has an edge from it
    assert sorted(map(tuple, nodes[kept].T.tolist())) == [(0, 1), (1, 0), (2, 1)]


def test_thinning_keeps_at_most_so_many_edges_into_each_node() -> None:
    edges = SPEC.load(DATA).graph.edges
    degrees = edges[1].bincount(minlength=600)
    first = thin(edges, 600, 5, torch.Generator().manual_seed(1))
    assert torch.equal(first[1].bincount(minlength=600), degrees.clamp(max=5))
    known = set(map(tuple, edges.T.tolist()))
    kept = set(map(tuple, first.T.tolist()))
    assert kept < known
    assert len(kept) == first.shape[1]
    assert torch.equal(first, thin(edges, 600, 5, torch.Generator().manual_seed(1)))
    assert kept != set(map(tuple, thin(edges, 600, 5, torch.Generator().manual_seed(2)).T.tolist()))


def test_drawn_neighbours_are_for_training_only() -> None:
    task = SPEC.load(DATA, sampler="neighbour", fanout=3)
    drawn = next(iter(task.batches("train", 40, torch.Generator().manual_seed(0))))
    assert drawn.inputs.edges[1].bincount().max() == 3
    assert drawn.mask.sum().item() == drawn.size == 40
    judged = next(iter(task.batches("train", 40, None)))
    assert judged.inputs.edges[1].bincount().max() > 3


def test_edges_help() -> None:
    task = SPEC.load(DATA)
    features = task.signature.input.node_features
    perceptron = torch.nn.Sequential(torch.nn.Linear(features, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4))

    class NodesAlone(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = perceptron

        def forward(self, inputs: Any) -> Tensor:
            return self.network(inputs.nodes)

    with_edges = trained_accuracy(task, GCN.build(task.signature))
    without = trained_accuracy(task, NodesAlone())
    assert with_edges > 0.8
    assert SPEC.floor < without < with_edges - 0.2


@pytest.mark.parametrize("fanout", [None, 5])
def test_mini_batches_train_as_well(fanout: int | None) -> None:
    """0.85 to 0.89 over six first weights and two kinds of processor; without edges it is about a half."""
    task = SPEC.load(DATA, sampler="neighbour", fanout=fanout)
    assert trained_accuracy(task, GCN.build(task.signature), epochs=40) > 0.75


def test_wrong_options_are_refused() -> None:
    with pytest.raises(UsageError, match="'full' or 'neighbour', not 'some'"):
        SPEC.load(DATA, sampler="some")
    for options in ({"hops": 0}, {"fanout": 0}):
        with pytest.raises(UsageError, match="at least 1"):
            SPEC.load(DATA, **options)
