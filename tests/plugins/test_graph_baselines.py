"""degree_threshold and nearest_edges on graphs made by hand."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_baseline
from dlbench import (
    Batch,
    EdgeClasses,
    Graph,
    GraphBatch,
    GraphClasses,
    GraphValue,
    Learner,
    NodeClasses,
    NotApplicable,
    Signature,
)
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench_baseline.graph_size import sizes_of
from dlbench_baseline.graphs import near_edges, neighbour_share

SPECS = {spec.name: spec for spec in dlbench_baseline.dlbench_models()}
OF_EDGES = Signature(input=Graph(node_features=1, edge_features=1), output=EdgeClasses(num_classes=2))


def of_nodes(num_classes: int = 2) -> Signature:
    return Signature(input=Graph(node_features=1), output=NodeClasses(num_classes=num_classes))


def star_and_ring(arms: int) -> GraphBatch:
    """One graph: node 0 meets all others, which form a ring."""
    rim = torch.arange(arms) + 1
    pairs = torch.cat([torch.stack([torch.zeros_like(rim), rim]), torch.stack([rim, rim.roll(1)])], dim=1)
    edges = torch.cat([pairs, pairs.flip(0)], dim=1)
    return GraphBatch(torch.zeros(arms + 1, 1), edges, None, torch.zeros(arms + 1, dtype=torch.int64), 1)


def trained(name: str, signature: Signature, batches: list[Batch], **options: int) -> Learner:
    learner = SPECS[name].build(signature, **options)
    for batch in batches:
        learner.train_step(batch, PartOptimizers(learner, Recipe(), None))
    return learner.eval()


def with_degrees(degrees: list[int], size: int) -> GraphBatch:
    """The first nodes have these in-degrees, from any of the `size` nodes but themselves."""
    edges = [(s, t) for t, degree in enumerate(degrees) for s in [n for n in range(size) if n != t][:degree]]
    flat = torch.tensor(edges).T.reshape(2, -1)
    return GraphBatch(torch.zeros(size, 1), flat, None, torch.zeros(size, dtype=torch.int64), 1)


def answers(learner: Learner, graphs: GraphBatch) -> list[int]:
    return learner.predict(graphs).argmax(dim=1).tolist()


# --- degree_threshold -------------------------------------------------------------------------------------


def test_shares_are_of_the_other_nodes_of_the_own_graph() -> None:
    one, other = star_and_ring(4), star_and_ring(3)
    both = GraphBatch(
        torch.zeros(9, 1), torch.cat([one.edges, other.edges + 5], dim=1), None, torch.tensor([0] * 5 + [1] * 4), 2
    )
    assert neighbour_share(both).tolist() == [1, 0.75, 0.75, 0.75, 0.75, 1, 1, 1, 1]
    alone = GraphBatch(torch.zeros(1, 1), torch.zeros(2, 1).long(), None, torch.zeros(1).long(), 1)
    assert neighbour_share(alone).tolist() == [0]  # a self-loop is no neighbour


def test_it_separates_by_degree_in_graphs_of_any_size() -> None:
    batches = [Batch(star_and_ring(arms), (torch.arange(arms + 1) == 0).long()) for arms in (9, 12, 15)]
    learner = trained("degree_threshold", of_nodes(), batches)
    assert answers(learner, star_and_ring(20)) == [1] + [0] * 20
    turned = [Batch(batch.inputs, 1 - batch.targets) for batch in batches]
    assert answers(trained("degree_threshold", of_nodes(), turned), star_and_ring(20)) == [0] + [1] * 20


def test_the_threshold_has_the_best_balanced_accuracy() -> None:
    degrees, targets = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6], [0, 0, 0, 1, 0, 0, 1, 0, 1, 1, 0, 1]
    graphs = with_degrees(degrees, size=21)
    targets = torch.tensor(targets + [0] * 9)
    mask = torch.arange(21) < 12
    learner = trained("degree_threshold", of_nodes(), [Batch(graphs, targets, mask)], bins=20)
    assert learner.counts.sum().item() == 12

    def balanced(found: Tensor) -> float:
        right = (found == targets)[mask]
        return sum(right[targets[mask] == c].float().mean().item() for c in (0, 1)) / 2

    degree = torch.tensor(degrees + [0] * 9)
    best = max(balanced((degree >= at).long()) for at in range(8))
    assert balanced(learner.predict(graphs).argmax(dim=1)) == pytest.approx(best)


def test_rare_classes_weigh_as_much_as_frequent_ones() -> None:
    graphs = with_degrees([1] * 20 + [1, 5], size=41)  # of the high degrees one node is of class 1, one of class 0
    targets = torch.tensor([0] * 20 + [0, 1] + [0] * 19)
    mask = torch.arange(41) < 22
    learner = trained("degree_threshold", of_nodes(), [Batch(graphs, targets, mask)], bins=40)
    assert answers(learner, with_degrees([0, 1, 5, 9], size=41))[:4] == [0, 0, 1, 1]


def test_three_classes_take_the_likeliest_and_empty_intervals_the_nearest() -> None:
    graphs = with_degrees([1, 1, 1, 5, 5, 9], size=21)
    targets = torch.tensor([2, 2, 0, 1, 1, 0] + [0] * 15)
    learner = trained("degree_threshold", of_nodes(3), [Batch(graphs, targets, torch.arange(21) < 6)], bins=20)
    found = answers(learner, with_degrees([0, 1, 2, 4, 5, 6, 8, 9, 20], size=21))
    assert found[:9] == [2, 2, 2, 1, 1, 1, 0, 0, 0]


def test_counts_are_state() -> None:
    learner = trained("degree_threshold", of_nodes(), [Batch(star_and_ring(9), (torch.arange(10) == 0).long())])
    fresh = SPECS["degree_threshold"].build(of_nodes())
    fresh.load_state_dict(learner.state_dict())
    assert torch.equal(fresh.predict(star_and_ring(7)), learner.predict(star_and_ring(7)))
    assert list(fresh.parameters()) == []


def test_the_loss_is_the_share_of_wrong_answers() -> None:
    batch = Batch(star_and_ring(9), torch.tensor([1, 1] + [0] * 8))
    learner = SPECS["degree_threshold"].build(of_nodes())
    loss = learner.train_step(batch, PartOptimizers(learner, Recipe(), None))
    assert loss.item() == pytest.approx(0.1)
    nothing = Batch(batch.inputs, batch.targets, torch.zeros(10, dtype=torch.bool))
    assert learner.train_step(nothing, PartOptimizers(learner, Recipe(), None)).item() == 0


# --- nearest_edges ----------------------------------------------------------------------------------------


def on_a_line(places: list[float], pairs: list[tuple[int, int]]) -> GraphBatch:
    edges, where = torch.tensor(pairs).T, torch.tensor(places)
    lengths = (where[edges[0]] - where[edges[1]]).abs()[:, None]
    return GraphBatch(where[:, None], edges, lengths, torch.zeros(len(places), dtype=torch.int64), 1)


@pytest.mark.parametrize("either", [False, True])
def test_an_edge_is_near_for_its_source_or_for_either_end(either: bool) -> None:
    places = [0.0, 1.0, 2.5, 10.0]  # the last is nobody's nearest, but has nearest itself
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    one = {(0, 1), (1, 0), (2, 1), (3, 2)}
    two = one | {(0, 2), (1, 2), (2, 0), (3, 1)}
    for k, near in ((1, one), (2, two)):
        expected = [(a, b) in near or (either and (b, a) in near) for a, b in pairs]
        assert near_edges(on_a_line(places, pairs), k, either).tolist() == expected


def test_one_direction_is_enough_and_repetitions_count_once() -> None:
    graphs = on_a_line([0.0, 1.0, 3.0, 9.0], [(0, 1), (0, 1), (1, 1), (2, 0), (3, 0)])
    assert near_edges(graphs, 1, True).tolist() == [True, True, False, True, True]
    assert near_edges(graphs, 1, False).tolist() == [True, True, False, True, True]
    assert near_edges(graphs, 9, False).tolist() == [True, True, False, True, True]  # fewer neighbours than k


def test_graphs_of_a_batch_dont_mix() -> None:
    pairs = [(a, b) for a in range(5) for b in range(5) if a != b]
    one, other = on_a_line([0, 1, 3, 7, 15], pairs), on_a_line([0, 9, 1, 4, 2], pairs)
    both = GraphBatch(
        torch.zeros(10, 1), torch.cat([one.edges, other.edges + 5], dim=1),
        torch.cat([one.edge_features, other.edge_features]), torch.arange(10) // 5, 2,
    )  # fmt: skip
    apart = [near_edges(graph, 2, False).tolist() for graph in (one, other)]
    assert near_edges(both, 2, False).tolist() == apart[0] + apart[1]


def test_near_equals_a_search_by_hand() -> None:
    torch.manual_seed(0)
    where = torch.rand(25, 2)
    distance = (where[:, None] - where).norm(dim=2)
    nearest = distance.fill_diagonal_(9).argsort(dim=1)
    pairs = [(i, int(j)) for i in range(25) for j in nearest[i, :8]]  # one way, as a graph of nearest neighbours
    lengths = torch.tensor([[float(distance[p])] for p in pairs])
    graphs = GraphBatch(where, torch.tensor(pairs).T, lengths, torch.zeros(25).long(), 1)
    first = {(i, int(j)) for i in range(25) for j in nearest[i, :2]}
    assert near_edges(graphs, 2, False).tolist() == [pair in first for pair in pairs]
    assert near_edges(graphs, 2, True).tolist() == [(a, b) in first or (b, a) in first for a, b in pairs]


def test_predictions_have_the_shape_of_the_kind_and_the_loss_counts_errors() -> None:
    graphs = on_a_line([0.0, 1.0, 2.5, 10.0], [(0, 1), (1, 2), (2, 3), (0, 2)])
    learner = trained("nearest_edges", OF_EDGES, [], k=1)
    assert tuple(learner.predict(graphs).shape) == OF_EDGES.output.shape(graphs)
    assert answers(learner, graphs) == [1, 0, 0, 0]
    loss = learner.train_step(Batch(graphs, torch.tensor([1, 1, 0, 0])), PartOptimizers(learner, Recipe(), None))
    assert loss.item() == pytest.approx(0.25)


def test_what_nearest_edges_needs() -> None:
    for kind, classes, reason in ((Graph(node_features=1), 2, "edge features"), (OF_EDGES.input, 3, "2 classes")):
        with pytest.raises(NotApplicable, match=reason):
            SPECS["nearest_edges"].build(Signature(input=kind, output=EdgeClasses(num_classes=classes)))
    with pytest.raises(ValueError, match="k must be"):
        SPECS["nearest_edges"].build(OF_EDGES, k=0)
    with pytest.raises(ValueError, match="bins must be"):
        SPECS["degree_threshold"].build(of_nodes(), bins=0)


# --- graph_size and fingerprint -----------------------------------------------------------------------------


def two_graphs() -> GraphBatch:
    """A star of four around a node with a rim, and a path of two; three columns, the last a position."""
    one, two = star_and_ring(4), torch.tensor([[5, 6], [6, 5]])
    nodes = torch.rand(7, 3, generator=torch.Generator().manual_seed(0))
    return GraphBatch(nodes, torch.cat([one.edges, two], dim=1), None, torch.tensor([0] * 5 + [1] * 2), 2)


def whole(output: Any) -> Signature:
    return Signature(input=Graph(node_features=3, positions=1), output=output)


def rewired(graphs: GraphBatch) -> GraphBatch:
    """As many edges in each graph, all from its first node to its second."""
    first = torch.where(graphs.edges[0] < 5, 0, 5)
    return graphs._replace(edges=torch.stack([first, first + 1]))


def test_sizes_are_nodes_edges_and_mean_degree() -> None:
    expected = torch.tensor([[5.0, 16.0, 16 / 5], [2.0, 2.0, 1.0]])
    torch.testing.assert_close(sizes_of(two_graphs()).expm1(), expected)


@pytest.mark.parametrize("name", ["graph_size", "fingerprint"])
def test_a_structure_blind_baseline_does_not_see_how_nodes_are_joined(name: str) -> None:
    graphs = two_graphs()
    model = SPECS[name].build(whole(GraphClasses(num_classes=4)))
    assert model(graphs).shape == (2, 4)
    assert torch.equal(model.eval()(graphs), model(rewired(graphs)))
    assert SPECS[name].build(whole(GraphValue()))(graphs).shape == (2,)
    one = graphs._replace(
        nodes=graphs.nodes[:5], edges=graphs.edges[:, :16], graph_ids=graphs.graph_ids[:5], num_graphs=1
    )
    torch.testing.assert_close(model(one), model(graphs)[:1])
    assert model.train()(one).isfinite().all()  # a last batch may hold one graph


def test_a_fingerprint_is_the_sum_of_features_without_positions_and_a_size_needs_none() -> None:
    graphs = two_graphs()
    moved = graphs._replace(nodes=graphs.nodes + torch.tensor([0.0, 0.0, 9.0]))
    swapped = graphs._replace(nodes=torch.cat([graphs.nodes[:5].flip(0), graphs.nodes[5:]]))
    other = graphs._replace(nodes=graphs.nodes + 1)
    size, fingerprint = (
        SPECS[n].build(whole(GraphClasses(num_classes=2))).eval() for n in ("graph_size", "fingerprint")
    )
    torch.testing.assert_close(fingerprint(swapped), fingerprint(graphs))
    assert torch.equal(fingerprint(moved), fingerprint(graphs))
    assert not torch.allclose(fingerprint(other), fingerprint(graphs))
    assert torch.equal(size(other), size(graphs))
    positions_alone = Signature(input=Graph(node_features=2, positions=2), output=GraphValue())
    with pytest.raises(NotApplicable, match="beside positions"):
        SPECS["fingerprint"].build(positions_alone)
