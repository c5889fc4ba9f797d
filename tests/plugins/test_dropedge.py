"""dropedge: whole pairs, the share, repeatability, what it leaves alone, what it refuses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dlbench_regularize
from dlbench import Batch, GraphBatch, Regularizer
from dlbench.errors import UsageError

(SPEC,) = [spec for spec in dlbench_regularize.dlbench_regularizers() if spec.name == "dropedge"]
NODES = 200


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def build(rate: float) -> Regularizer:
    return SPEC.build(rate=rate)


def batch(nodes: int = NODES, directed: int = 0) -> Batch:
    """A random graph with both directions of each edge, in the order of their targets, plus some one-way edges; the
    features of an edge name its pair."""
    linked = torch.triu(torch.rand(nodes, nodes, generator=seeded(5)) < 0.2, diagonal=1)
    one_way = torch.triu(~linked, diagonal=1).nonzero().T[:, :directed]
    pairs = linked.nonzero().T
    edges = torch.cat([pairs, pairs.flip(0), one_way], dim=1)
    edges = edges[:, edges[1].argsort(stable=True)]
    features = (edges.amin(dim=0) * nodes + edges.amax(dim=0)).double()[:, None]
    graphs = GraphBatch(torch.randn(nodes, 2), edges, features, torch.zeros(nodes, dtype=torch.int64), 1)
    return Batch(graphs, targets=torch.zeros(nodes, dtype=torch.int64))


def keys(edges: Tensor) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in edges.T}


def test_both_directions_go_or_stay() -> None:
    given = batch(directed=300)
    thinned = build(0.5).on_batch(given, seeded()).inputs
    before, after = keys(given.inputs.edges), keys(thinned.edges)
    assert after < before
    for a, b in before:
        if (b, a) in before:
            assert ((a, b) in after) == ((b, a) in after)
    assert thinned.edges.shape[1] == len(after)


def test_features_stay_with_their_edges_and_the_order_is_kept() -> None:
    thinned = build(0.4).on_batch(batch(), seeded()).inputs
    pairs = thinned.edges.amin(dim=0) * NODES + thinned.edges.amax(dim=0)
    assert torch.equal(thinned.edge_features[:, 0], pairs.double())
    assert (thinned.edges[1].diff() >= 0).all()


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_the_share_is_the_rate(rate: float) -> None:
    given, regularizer, generator = batch(), build(rate), seeded(1)
    pairs, steps = given.inputs.edges.shape[1] // 2, 20
    dropped = sum(pairs - regularizer.on_batch(given, generator).inputs.edges.shape[1] // 2 for _ in range(steps))
    error = (rate * (1 - rate) / (pairs * steps)) ** 0.5
    assert abs(dropped / (pairs * steps) - rate) < 4 * error


def test_each_step_draws_anew_and_a_seed_repeats() -> None:
    given, regularizer, generator = batch(), build(0.5), seeded(2)
    drawn = [regularizer.on_batch(given, generator).inputs.edges for _ in range(3)]
    assert keys(drawn[0]) != keys(drawn[1]) != keys(drawn[2])
    again = build(0.5)
    generator = seeded(2)
    assert all(torch.equal(again.on_batch(given, generator).inputs.edges, edges) for edges in drawn)


def test_one_random_number_per_pair() -> None:
    given, generator, other = batch(), seeded(3), seeded(3)
    build(0.5).on_batch(given, generator)
    torch.rand(given.inputs.edges.shape[1] // 2, generator=other)
    assert torch.equal(generator.get_state(), other.get_state())


def test_the_batch_itself_is_left_alone() -> None:
    given = batch()
    edges, features = given.inputs.edges.clone(), given.inputs.edge_features.clone()
    changed = build(0.5).on_batch(given, seeded())
    assert torch.equal(given.inputs.edges, edges)
    assert torch.equal(given.inputs.edge_features, features)
    assert changed.inputs.nodes is given.inputs.nodes
    assert changed.targets is given.targets


def test_a_rate_of_zero_changes_nothing() -> None:
    given, generator = batch(), seeded()
    state = generator.get_state()
    assert build(0.0).on_batch(given, generator) is given
    assert torch.equal(generator.get_state(), state)


def test_other_graphs_have_other_pairs() -> None:
    regularizer, generator = build(0.5), seeded()
    for nodes in (30, 40, 30):
        given = batch(nodes)
        after = keys(regularizer.on_batch(given, generator).inputs.edges)
        assert after < keys(given.inputs.edges)
    given = batch(30)
    regularizer.on_batch(given, generator)
    given.inputs.edges.copy_(given.inputs.edges.flip(1))  # the same tensor, other edges
    after = regularizer.on_batch(given, generator).inputs.edges
    assert all((b, a) in keys(after) for a, b in keys(after))


def test_a_graph_without_edges_stays_without() -> None:
    graphs = GraphBatch(torch.randn(3, 2), torch.zeros(2, 0, dtype=torch.int64), None, torch.zeros(3).long(), 1)
    assert build(0.5).on_batch(Batch(graphs), seeded()).inputs.edges.shape == (2, 0)


def test_what_it_refuses() -> None:
    given = batch()
    with pytest.raises(UsageError, match="works on graphs only"):
        build(0.5).on_batch(Batch(torch.randn(3, 4)), seeded())
    given.targets = torch.zeros(given.inputs.edges.shape[1], dtype=torch.int64)
    with pytest.raises(UsageError, match="each edge has a target"):
        build(0.5).on_batch(given, seeded())
    for rate in (-0.1, 1.0):
        with pytest.raises(UsageError, match="rate from 0"):
            build(rate)
