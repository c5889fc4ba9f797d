"""Contacts: an infection that spreads over the edges of a graph in time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from dlbench import Batch
from dlbench.data import Data
from dlbench.data.graphs import BadGraph
from dlbench.testing import check_task, report
from dlbench_graph.generated import specs
from dlbench_graph.generated.contacts import NODES, generate, spread
from dlbench_graph.generated.dynamic import DynamicGraphSet
from workshop import catalog

SPEC = next(spec for spec in specs() if spec.name == "contacts")


class Judged:
    """A rule as a task sees it: the share of infected nodes as logits."""

    def __init__(self, rule: Any) -> None:
        self._rule = rule

    def predict(self, batch: Batch) -> Tensor:
        infected = self._rule(batch.inputs).float()
        return torch.stack([1 - infected, infected], dim=1)


def in_turn(graphs: Any) -> Tensor:
    """Spread the infection step by step."""
    infected = graphs.nodes[:, 0] > 0
    for step in range(graphs.num_steps):
        source, target = graphs.edges[:, graphs.times == step]
        infected = infected.index_fill(0, target[infected[source]], True)
    return infected


def over_the_union(graphs: Any) -> Tensor:
    """Spread it over all contacts, whenever they were."""
    infected = graphs.nodes[:, 0] > 0
    for _ in range(NODES):
        source, target = graphs.edges
        infected = infected.index_fill(0, target[infected[source]], True)
    return infected


@pytest.fixture(scope="module")
def contacts() -> Any:
    return SPEC.load(Data(root=Path("no-data"), cache=Path("no-cache")))


def test_conforms() -> None:
    findings = check_task(SPEC, catalog())
    assert all(finding.ok for finding in findings), report(findings)


def test_contacts_are_exact_in_their_order_and_not_as_a_union(contacts: Any) -> None:
    assert contacts.judge(Judged(in_turn), "test")["accuracy"] == SPEC.bound == 1.0
    union = contacts.judge(Judged(over_the_union), "test")["accuracy"]
    assert SPEC.floor < union < 0.65
    for batch in contacts.batches("test", 300, None):
        reached, truly = over_the_union(batch.inputs), batch.targets == 1
        assert (reached | ~truly).all()  # nobody is infected without a path
        assert reached.float().mean() > truly.float().mean() + 0.2


def test_contacts_go_both_ways_and_come_in_the_order_of_time(contacts: Any) -> None:
    batch = next(iter(contacts.batches("train", 25, torch.Generator().manual_seed(0))))
    graphs = batch.inputs
    assert (graphs.times.diff() >= 0).all()
    assert graphs.times.bincount().tolist() == [25 * 6] * 8
    assert torch.equal(graphs.graph_ids[graphs.edges[0]], graphs.graph_ids[graphs.edges[1]])
    there = {(*edge, time) for edge, time in zip(graphs.edges.T.tolist(), graphs.times.tolist(), strict=True)}
    pairs = zip(graphs.edges.T.tolist(), graphs.times.tolist(), strict=True)
    assert {(target, source, time) for (source, target), time in pairs} == there
    assert len(there) == graphs.edges.shape[1]


def test_nothing_passes_on_twice_within_a_step() -> None:
    chain = np.array([[[[0, 1], [1, 2]], [[3, 2], [4, 3]]]])  # 0-1 and 1-2, then 3-2 and 4-3: in one step each
    start = np.array([[True, False, False, False, False]])
    assert spread(start, chain).tolist() == [[True, True, False, False, False]]
    assert spread(start, chain[:, [0, 0, 1]]).tolist() == [[True, True, True, True, False]]
    assert spread(start, chain[:, ::-1]).tolist() == [[True, True, False, False, False]]


def test_about_half_of_the_nodes_end_infected(contacts: Any) -> None:
    assert 0.45 < contacts.labels.float().mean() < 0.55


def test_a_time_outside_the_steps_is_refused() -> None:
    with pytest.raises(BadGraph, match="edge 1 is there at step 2"):
        DynamicGraphSet(
            node_counts=[2], nodes=np.zeros((2, 1)), edge_counts=[2], edges=[[0, 1], [1, 0]], times=[0, 2], num_steps=2
        )


def test_generation_depends_on_its_own_seed_alone() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = generate()
    torch.manual_seed(2)
    np.random.seed(2)
    second = generate()
    assert all(np.array_equal(first[key], second[key]) for key in first)
    assert not np.array_equal(first["contacts"], generate(seed=6)["contacts"])


def test_pairs_meet_at_most_once_in_a_step_and_all_equally_often() -> None:
    contacts = generate()["contacts"]
    pairs = contacts[:, :, 0] * NODES + contacts[:, :, 1]
    assert (contacts[:, :, 0] < contacts[:, :, 1]).all()
    assert (np.diff(np.sort(pairs, axis=2), axis=2) > 0).all()
    counts, chance = np.bincount(contacts.ravel(), minlength=NODES), 2 / NODES
    error = np.sqrt(pairs.size * chance * (1 - chance))
    assert (np.abs(counts - pairs.size * chance) < 4 * error).all()
