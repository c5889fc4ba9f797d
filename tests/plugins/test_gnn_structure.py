"""dlbench_gnn.structure and norm: matrices, sums and their gradients against dense ones, bad shapes, what is kept."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from dlbench import GraphBatch
from dlbench_gnn.mixing import mixing_of
from dlbench_gnn.norm import RowNorm
from dlbench_gnn.structure import NORMS, Latest, Structure, largest

NODES = 12


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def links() -> Tensor:
    """A random directed graph (target by source) whose last node has no edge and whose first has a self-loop."""
    linked = torch.rand(NODES, NODES) < 0.3
    linked.fill_diagonal_(False)
    linked[0, 0] = True
    linked[-1], linked[:, -1] = False, False
    return linked


def batch(linked: Tensor, nodes: Tensor | None = None) -> GraphBatch:
    target, source = linked.nonzero().T
    nodes = torch.rand(len(linked), 3) if nodes is None else nodes
    return GraphBatch(nodes, torch.stack([source, target]), None, torch.zeros(len(linked), dtype=torch.int64), 1)


def shuffled(inputs: GraphBatch) -> GraphBatch:
    return inputs._replace(edges=inputs.edges[:, torch.randperm(inputs.edges.shape[1])])


def known(inputs: GraphBatch) -> GraphBatch:
    """Told what is true of its edges."""
    source, target = inputs.edges
    by_target, loopless = bool((target.diff() >= 0).all()), not bool((source == target).any())
    return inputs._replace(by_target=by_target, loopless=loopless)


def dense(linked: Tensor, norm: str, loops: bool) -> Tensor:
    """The weighted matrix by its definition."""
    matrix = linked.float()
    if loops:
        matrix = matrix.clone().fill_diagonal_(1.0)
    degrees = matrix.sum(1).clamp(min=1)
    if norm == "mean":
        return matrix / degrees[:, None]
    return matrix if norm == "sum" else matrix / (degrees[:, None] * degrees).sqrt()


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("loop_at_first", [False, True])
def test_what_a_batch_tells_of_its_edges_changes_nothing(loops: bool, loop_at_first: bool) -> None:
    linked = links()
    linked[0, 0] = loop_at_first
    plain = batch(linked)
    told = known(plain)
    assert (told.by_target, told.loopless) == (True, not loop_at_first)
    for one, other in ((plain, told), (shuffled(plain), known(shuffled(plain)))):
        for turn in (lambda s: s, Structure.reversed):
            a, b = (turn(Structure(inputs)).adjacency("symmetric", loops) for inputs in (one, other))
            assert torch.equal(a.to_dense(), b.to_dense())


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("norm", NORMS)
def test_matrix_and_weighted_edges_are_what_the_norm_says(norm: str, loops: bool) -> None:
    linked = links()
    structure, expected = Structure(batch(linked)), dense(linked, norm, loops)
    (source, target), weights = structure.weighted_edges(norm, loops)
    by_edges = torch.zeros(NODES, NODES).index_put((target, source), weights, accumulate=True)
    torch.testing.assert_close(by_edges, expected)
    torch.testing.assert_close(structure.adjacency(norm, loops).to_dense(), expected)


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("norm", NORMS)
def test_propagation_and_its_gradient_are_those_of_the_dense_matrix(norm: str, loops: bool) -> None:
    linked, toward = links(), torch.rand(NODES, 5)
    structure, matrix = Structure(shuffled(batch(linked))), dense(linked, norm, loops)
    x = torch.rand(NODES, 5, requires_grad=True)
    y = structure.propagate(x, norm, loops)
    torch.testing.assert_close(y, matrix @ x)
    (gradient,) = torch.autograd.grad(y, x, toward)
    torch.testing.assert_close(gradient, matrix.T @ toward)


def test_lowered_precision_takes_the_edges_instead_of_the_matrix() -> None:
    linked, x = links(), torch.rand(NODES, 5)
    structure = Structure(batch(linked))
    with torch.autocast("cpu", torch.bfloat16):
        y = structure.propagate(x.bfloat16(), "mean")
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), dense(linked, "mean", False) @ x, atol=0.02, rtol=0)


def test_an_unknown_norm_is_refused() -> None:
    with pytest.raises(ValueError, match="norm is one of sum, mean, symmetric"):
        Structure(batch(links())).propagate(torch.rand(NODES, 1), "median")


def test_self_loops_are_added_once_each() -> None:
    linked = links()
    source, target = Structure(batch(linked)).looped_edges()
    assert (source == target).sum() == NODES
    assert len(source) == linked.sum() - 1 + NODES  # one node had a self-loop


def test_degrees_coordinates_and_the_reverse() -> None:
    linked = links()
    structure = Structure(batch(linked))
    assert torch.equal(structure.in_degrees(), linked.sum(1).float())
    scale = linked.float().fill_diagonal_(1.0).sum(1).rsqrt()
    for loops, (source, target) in ((False, structure.edges), (True, structure.looped_edges())):
        torch.testing.assert_close(structure.coordinates(loops), torch.stack([scale[target], scale[source]], 1))
    torch.testing.assert_close(structure.reversed().adjacency("mean").to_dense(), dense(linked.T, "mean", False))


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("apart", [False, True])
def test_a_learned_mixture_and_its_gradients_are_those_of_a_row_per_edge(apart: bool, loops: bool) -> None:
    structure = Structure(shuffled(batch(links())))
    edges = structure.looped_edges() if loops else structure.edges
    y, weights = torch.rand(NODES, 3, 4, requires_grad=True), torch.rand(edges.shape[1], 3, requires_grad=True)
    messages = y[edges[0]] * weights[:, :, None]
    expected = torch.zeros(NODES, 3, 4).index_add(0, edges[1], messages)
    expected = expected if apart else expected.sum(dim=1)
    mixing = mixing_of(structure, 3, loops=loops, apart=apart)
    assert mixing is mixing_of(structure, 3, loops=loops, apart=apart)
    assert torch.equal(mixing.sizes, torch.bincount(edges[1], minlength=NODES))
    for found in (mixing(y, weights), mixing.by_edges(y, weights)):
        torch.testing.assert_close(found, expected)
        toward = torch.rand(found.shape)
        mine = torch.autograd.grad(found, (y, weights), toward)
        theirs = torch.autograd.grad(expected, (y, weights), toward, retain_graph=True)
        torch.testing.assert_close(mine, theirs)


def test_edge_values_are_summed_at_their_targets() -> None:
    linked = links()
    structure = Structure(batch(linked))
    values = torch.rand(structure.edges.shape[1], 2)
    expected = torch.zeros(NODES, NODES, 2).index_put((structure.edges[1], structure.edges[0]), values).sum(1)
    torch.testing.assert_close(structure.sum_edges(values), expected)


@pytest.mark.parametrize("how", ["sum", "mean", "max"])
def test_pooling_reduces_each_graph_by_itself(how: str) -> None:
    ids = torch.tensor([0, 0, 0, 2, 2])
    graphs = GraphBatch(torch.rand(5, 4), torch.empty(2, 0, dtype=torch.int64), None, ids, 3)
    x = torch.rand(5, 4) - 2
    reduce = {"sum": torch.sum, "mean": torch.mean, "max": torch.amax}[how]
    expected = torch.stack([reduce(x[:3], dim=0), torch.zeros(4), reduce(x[3:], dim=0)])
    torch.testing.assert_close(Structure(graphs).pool(x, how), expected)


def test_the_largest_is_exact_and_ties_share_its_gradient() -> None:
    values = torch.tensor([[1.0, -5.0], [3.0, -2.0], [3.0, -7.0], [0.1, 0.1]], requires_grad=True)
    most = largest(values, torch.tensor([0, 0, 0, 2]), 3)
    assert torch.equal(most, torch.tensor([[3.0, -2.0], [0.0, 0.0], [0.1, 0.1]]))
    most.sum().backward()
    assert torch.equal(values.grad, torch.tensor([[0.0, 0.0], [0.5, 1.0], [0.5, 0.0], [1.0, 1.0]]))


def test_csr_features_have_the_product_and_gradient_of_dense_ones() -> None:
    x = torch.rand(NODES, 7) * (torch.rand(NODES, 7) < 0.4)
    weight, toward = torch.rand(4, 7, requires_grad=True), torch.rand(NODES, 4)
    structure = Structure(batch(links(), x))
    csr = x.to_sparse_csr()
    halved = torch.sparse_csr_tensor(
        csr.crow_indices(), csr.col_indices(), csr.values() / 2, csr.shape, check_invariants=True
    )
    other = (torch.rand(NODES, 7) < 0.4).float().to_sparse_csr()
    for features in (csr, halved, other, csr):
        y = structure.linear(features, weight)
        (gradient,) = torch.autograd.grad(y, weight, toward)
        torch.testing.assert_close(y, features.to_dense() @ weight.T)
        torch.testing.assert_close(gradient, toward.T @ features.to_dense())


def test_csr_features_are_transposed_once_for_one_pattern() -> None:
    csr = torch.eye(NODES).to_sparse_csr()
    structure, weight = Structure(batch(links(), csr)), torch.rand(2, NODES, requires_grad=True)
    structure.linear(csr, weight)
    first = structure._turned
    again = torch.sparse_csr_tensor(
        csr.crow_indices(), csr.col_indices(), csr.values() * 2, csr.shape, check_invariants=True
    )
    structure.linear(again, weight)
    assert structure._turned is first


@pytest.mark.parametrize("count", [1, 4])
def test_a_graph_without_edges_propagates_nothing(count: int) -> None:
    structure = Structure(batch(torch.zeros(count, count, dtype=torch.bool)))
    x = torch.rand(count, 3)
    for norm in NORMS:
        assert torch.equal(structure.propagate(x, norm), torch.zeros(count, 3))
        torch.testing.assert_close(structure.propagate(x, norm, loops=True), x)
    assert structure.coordinates(loops=False).shape == (0, 2)


def test_the_latest_structure_is_kept_for_the_same_edges_alone() -> None:
    latest, inputs = Latest(), batch(links())
    first = latest(inputs)
    assert latest(inputs) is first
    assert latest(inputs._replace(nodes=torch.rand(NODES, 9))) is first  # other features, same edges
    assert latest(inputs._replace(edges=inputs.edges.clone())) is not first
    assert latest(inputs._replace(graph_ids=inputs.graph_ids.clone())) is not latest(inputs)
    first = latest(inputs)
    inputs.edges[0, 0] = (inputs.edges[0, 0] + 1) % NODES  # changed in place
    changed = latest(inputs)
    assert changed is not first
    assert changed.edges[0, 0] == inputs.edges[0, 0]


def test_copies_of_a_network_start_without_a_structure() -> None:
    inputs, latest = batch(links()), Latest()
    first = latest(inputs)
    for other in (copy.deepcopy(latest), pickle.loads(pickle.dumps(latest))):
        assert isinstance(other, Latest)
        assert other(inputs) is not first
    assert latest(inputs) is first


def test_row_norm_is_batch_norm_and_bears_fewer_than_two_rows() -> None:
    norm, plain, x = RowNorm(4), nn.BatchNorm1d(4), torch.rand(6, 4)
    torch.testing.assert_close(norm(x), plain(x))
    torch.testing.assert_close(norm.running_mean, plain.running_mean)
    for rows in (0, 1):
        y = norm(x[:rows])
        assert y.shape == (rows, 4)
        torch.testing.assert_close(y, plain.eval()(x[:rows]))
        torch.testing.assert_close(norm.running_var, plain.running_var)
