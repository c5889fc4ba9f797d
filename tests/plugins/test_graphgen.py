"""dlbench_graphgen on graphs: dense forms, orders, GraphVAE's bound, GraphRNN's likelihood, learning."""

from __future__ import annotations

import math
from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_graphgen
import dlbench_graphgen.graphrnn as rnn
import dlbench_graphgen.graphvae as vae
from dlbench import Batch, Graph, GraphBatch, NotApplicable, Sample, Signature, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_graphgen.dense import ORDERS, DenseGraphs, in_order, ordered, search_order, to_dense, to_graphs
from dlbench_graphgen.graphrnn import GraphRNN
from dlbench_graphgen.graphvae import GraphVAE, choose, divergence
from workshop import cell

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_graphgen.dlbench_models()}
PLAIN = Signature(input=Graph(node_features=1, nodes_max=6), output=Sample())
MOLECULES = Signature(input=Graph(node_features=3, edge_features=2, nodes_max=5), output=Sample())
BUILT = [
    ("graphvae", PLAIN, {}),
    ("graphvae", MOLECULES, {}),
    ("graphrnn", PLAIN, {}),
    ("graphrnn", PLAIN, {"simple": True}),
]


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def draw(count: int, signature: Signature, *, least: int = 1) -> GraphBatch:
    """Random graphs of `least` to `nodes_max` nodes, as a task hands them out."""
    kind = signature.input
    most = kind.nodes_max
    sizes = torch.randint(least, most + 1, (count,))
    bonds = torch.randint(0, max(1, kind.edge_features) + 1, (count, most, most)).triu(1)
    types = torch.randint(0, kind.node_features, (count, most))
    nodes = torch.nn.functional.one_hot(types, kind.node_features).float()
    return to_graphs(DenseGraphs(nodes, bonds + bonds.transpose(1, 2), sizes), kind.edge_features)


def same(first: GraphBatch, second: GraphBatch) -> bool:
    """Whether two batches hold the same tensors."""
    pairs = list(zip(first, second, strict=True))
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


# --- dense forms ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signature", [PLAIN, MOLECULES], ids=str)
def test_a_batch_comes_back_from_its_dense_form(signature: Signature) -> None:
    graphs = draw(20, signature)
    kind = signature.input
    dense = to_dense(graphs, kind.nodes_max + 3)
    assert dense.nodes.shape == (20, kind.nodes_max + 3, kind.node_features)
    assert torch.equal(dense.bonds, dense.bonds.transpose(1, 2))
    assert torch.equal(dense.mask.sum(1), torch.bincount(graphs.graph_ids))
    back = to_graphs(dense, kind.edge_features)
    assert same(back, graphs)


def test_edges_may_come_in_any_order_and_loops_go() -> None:
    graphs = draw(5, MOLECULES)
    order = torch.randperm(graphs.edges.shape[1])
    mixed = graphs._replace(edges=graphs.edges[:, order], edge_features=graphs.edge_features[order])
    dense = to_dense(mixed, 5)
    dense.bonds.diagonal(dim1=1, dim2=2).fill_(1)
    assert same(to_graphs(dense, 2), graphs)


def test_a_graph_that_is_too_large_is_refused() -> None:
    with pytest.raises(ValueError, match="6 nodes, but there is room for 5"):
        to_dense(draw(30, PLAIN), 5)


@pytest.mark.parametrize("order", ORDERS)
def test_an_order_renumbers_the_nodes_and_no_more(order: str) -> None:
    dense = to_dense(draw(20, MOLECULES), 5)
    found = ordered(dense, order)
    assert torch.equal(found.sizes, dense.sizes)
    assert torch.equal(found.bonds, found.bonds.transpose(1, 2))
    for name in ("nodes", "bonds"):  # what a node is and how many edges of each type it has
        one, other = getattr(dense, name), getattr(found, name)
        assert torch.equal(one.flatten(1).sort(1).values, other.flatten(1).sort(1).values)
    assert bool((found.nodes.sum(2) == dense.mask).all())
    assert not found.bonds[~(dense.mask[:, :, None] & dense.mask[:, None])].any()


def ring_with_tail() -> tuple[Tensor, Tensor]:
    near = torch.zeros(1, 8, 8, dtype=torch.bool)
    for i, j in [(0, 1), (1, 2), (2, 3), (3, 0), (3, 4), (4, 5)]:
        near[0, i, j] = near[0, j, i] = True
    return near, torch.arange(8)[None] < 7  # node 6 has no neighbour


def test_breadth_first_takes_the_neighbours_of_whoever_came_first() -> None:
    near, mask = ring_with_tail()
    priority = torch.tensor([[0.9, 0.3, 0.5, 0.2, 0.1, 0.0, 0.8, 0.95]])
    found = search_order(near, mask, priority, breadth_first=True)
    assert found.tolist() == [[0, 1, 3, 2, 4, 5, 6, 7]]


def test_the_other_search_stays_among_the_well_joined() -> None:
    """Two cliques of four with a bridge: one comes after the other, unless the search begins on the bridge, where
    all are equals."""
    near = torch.block_diag(torch.ones(4, 4), torch.ones(4, 4)).bool() & ~torch.eye(8, dtype=torch.bool)
    near[3, 4] = near[4, 3] = True
    near, mask = near.expand(50, 8, 8), torch.ones(50, 8, dtype=torch.bool)
    found = search_order(near, mask, torch.rand(50, 8), breadth_first=False)
    first, inside = found[:, 0], (found[:, :4] < 4).sum(1)
    assert bool((inside % 4 == 0)[(first != 3) & (first != 4)].all())
    assert len(first.unique()) == 8


def test_degrees_descend() -> None:
    dense = to_dense(draw(10, PLAIN), 6)
    degrees = (ordered(dense, "degree").bonds > 0).sum(2)
    assert bool((degrees[:, 1:] <= degrees[:, :-1]).all())


# --- GraphVAE ---------------------------------------------------------------------------------------------


def every_graph(most: int, node_types: int, bond_types: int) -> DenseGraphs:
    """All ordered graphs of 1 to `most` nodes."""
    nodes, bonds, sizes = [], [], []
    for size in range(1, most + 1):
        pairs = [(i, j) for i in range(size) for j in range(i + 1, size)]
        for types in product(range(node_types), repeat=size):
            for kinds in product(range(bond_types + 1), repeat=len(pairs)):
                one, matrix = torch.zeros(most, node_types), torch.zeros(most, most, dtype=torch.int64)
                one[range(size), types] = 1
                for (i, j), kind in zip(pairs, kinds, strict=True):
                    matrix[i, j] = matrix[j, i] = kind
                nodes.append(one), bonds.append(matrix), sizes.append(size)
    return DenseGraphs(torch.stack(nodes), torch.stack(bonds), torch.tensor(sizes))


@pytest.mark.parametrize(("node_types", "bond_types"), [(1, 1), (2, 2)])
def test_chances_of_all_graphs_given_a_code_add_up_to_one(node_types: int, bond_types: int) -> None:
    network = GraphVAE(nodes_max=3, node_types=node_types, bond_types=bond_types, width=8, latent=2).double()
    graphs = every_graph(3, node_types, bond_types)
    decoded = network.decode(5 * torch.randn(1, 2, dtype=torch.float64).expand(len(graphs.sizes), 2))
    pairs = network.pairs(graphs.bonds)
    found = network.log_likelihood(decoded, graphs.nodes, pairs, graphs.sizes)
    assert float(found.detach().exp().sum()) == pytest.approx(1, abs=1e-5)
    assert float(found.detach().exp().max()) < 1


def test_the_divergence_has_its_closed_form() -> None:
    zeros = torch.zeros(1, 3)
    assert divergence(zeros, zeros).tolist() == [0.0]
    assert divergence(zeros + 2, zeros).tolist() == [6.0]  # mean squared over 2, in each of three
    assert float(divergence(zeros, zeros + math.log(4))) == pytest.approx(3 * (4 - math.log(4) - 1) / 2)


def test_the_bound_lies_below_the_logarithm_of_the_chance() -> None:
    """Which is taken by drawing codes; the order of one node and of two doesn't matter."""
    model = SPECS["graphvae"].build(Signature(input=Graph(node_features=1, nodes_max=2), output=Sample()),
                                    width=8, latent=1)  # fmt: skip
    graphs = every_graph(2, 1, 1)
    decoded = model.network.decode(torch.randn(20_000, 1))
    for index in range(3):
        some = [value[index : index + 1] for value in (graphs.nodes, model.network.pairs(graphs.bonds), graphs.sizes)]
        many = [value.expand(20_000, *value.shape[1:]) for value in some]
        exact = float(model.network.log_likelihood(decoded, *many).double().logsumexp(0) - math.log(20_000))
        batch = to_graphs(DenseGraphs(*(value[index : index + 1].expand(2000, *value.shape[1:]) for value in graphs)))
        likelihood, apart = model.terms(batch)
        assert float((likelihood - apart).mean()) < exact + 0.01
        loss = model.loss(Batch(inputs=batch, size=2000))
        assert float(loss.detach()) == pytest.approx(float((apart - likelihood).mean()), abs=0.05)


def test_classes_are_drawn_as_often_as_their_logits_say() -> None:
    shares = torch.tensor([0.0, 0.2, 0.5, 0.3])
    found = choose(shares.log().expand(4000, 4), torch.arange(4000) / 4000)
    assert torch.bincount(found, minlength=4).tolist() == [0, 800, 2000, 1200]


def test_greedy_samples_are_a_function_of_the_code() -> None:
    model = SPECS["graphvae"].build(MOLECULES, width=8, greedy=True).eval()
    model.network.decoder[-1].weight.data.zero_()
    with torch.no_grad():
        dense = to_dense(model.sample(5, torch.Generator().manual_seed(0)), 5)
    assert bool((dense.bonds == dense.bonds[:1]).all())
    assert bool((dense.nodes == dense.nodes[:1]).all())


# --- GraphRNN ---------------------------------------------------------------------------------------------


def every_sequence(most: int, window: int) -> tuple[Tensor, Tensor]:
    """All graphs that the rows can write: each node but the first has one of the `window` nodes before it."""
    found, sizes = [], []
    for size in range(1, most + 1):
        rows = [[bits for bits in product((0, 1), repeat=min(i, window)) if any(bits)] for i in range(1, size)]
        for chosen in product(*rows):
            matrix = torch.zeros(most, most, dtype=torch.int64)
            for i, bits in enumerate(chosen, start=1):
                for back, bit in enumerate(bits):
                    matrix[i, i - 1 - back] = matrix[i - 1 - back, i] = bit
            found.append(matrix), sizes.append(size)
    return torch.stack(found), torch.tensor(sizes)


@pytest.mark.parametrize("simple", [False, True])
@pytest.mark.parametrize(
    ("most", "window", "count"), [(3, 0, 1 + 1 + 3), (4, 0, 1 + 1 + 3 + 21), (4, 2, 1 + 1 + 3 + 9)]
)
def test_chances_of_all_graphs_add_up_to_one(most: int, window: int, count: int, simple: bool) -> None:
    network = GraphRNN(nodes_max=most, window=window, width=8, edge_width=4, simple=simple).double()
    for p in network.parameters():
        torch.nn.init.normal_(p)
    adjacency, sizes = every_sequence(most, window or most - 1)
    assert len(sizes) == count
    found = network.log_likelihood(adjacency, sizes)
    assert float(found.detach().exp().sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("simple", [False, True])
def test_graphs_are_drawn_as_often_as_their_likelihood_says(simple: bool) -> None:
    network = GraphRNN(nodes_max=4, width=8, edge_width=4, simple=simple)
    for p in network.parameters():
        torch.nn.init.normal_(p, std=0.5)
    adjacency, sizes = every_sequence(4, 3)
    count = 8000
    with torch.no_grad():
        chances = network.log_likelihood(adjacency, sizes).exp()
        drawn, drawn_sizes = network.draw(torch.rand(count, 3, 3))
    weights = 2 ** torch.arange(16).view(4, 4)
    keys = (adjacency * weights).sum((1, 2)) + 2**16 * sizes
    found = (drawn * weights).sum((1, 2)) + 2**16 * drawn_sizes
    shares = (found[:, None] == keys).float().mean(0)
    assert float(shares.sum()) == pytest.approx(1)
    spread = (chances * (1 - chances) / count).sqrt()
    assert bool(((shares - chances).abs() < 4.5 * spread + 1e-4).all())


def test_a_row_is_read_from_the_nearest_node_back() -> None:
    network = GraphRNN(nodes_max=4, window=2)
    adjacency = torch.zeros(1, 4, 4, dtype=torch.int64)
    for i, j in [(1, 0), (2, 0), (3, 2), (3, 0)]:
        adjacency[0, i, j] = adjacency[0, j, i] = 1
    assert network.rows(adjacency).tolist() == [[[1, 0], [0, 1], [1, 0]]]  # that of 3 and 0 is too long


# --- both -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "signature", "options"), BUILT, ids=str)
def test_samples_are_simple_graphs_that_depend_on_the_generator_alone(
    name: str, signature: Signature, options: dict[str, Any]
) -> None:
    model = SPECS[name].build(signature, **options).eval()
    with torch.no_grad():
        first = model.sample(50, torch.Generator().manual_seed(1))
        torch.manual_seed(99)
        again = model.sample(50, torch.Generator().manual_seed(1))
        other = model.sample(50, torch.Generator().manual_seed(2))
    assert same(first, again)
    assert not same(first, other)
    kind = signature.input
    assert first.num_graphs == 50
    assert first.nodes.shape[1] == kind.node_features
    assert bool((first.nodes.sum(1) == 1).all())
    assert (first.edge_features is None) == (not kind.edge_features)
    assert same(to_graphs(to_dense(first, kind.nodes_max), kind.edge_features), first)
    assert torch.equal(torch.bincount(first.graph_ids, minlength=50).clamp(1, kind.nodes_max),
                       torch.bincount(first.graph_ids, minlength=50))  # fmt: skip


@pytest.mark.parametrize(("name", "signature", "options"), BUILT, ids=str)
def test_gradient_reaches_every_parameter(name: str, signature: Signature, options: dict[str, Any]) -> None:
    model = SPECS[name].build(signature, **options)
    model.loss(Batch(inputs=draw(40, signature, least=3), size=40)).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_defaults_are_those_of_the_constructors() -> None:
    for name, network in (("graphvae", vae.GraphVAE), ("graphrnn", rnn.GraphRNN)):
        own, inner = option_defaults(SPECS[name].build), option_defaults(network)
        shared = own.keys() & inner.keys()
        assert len(shared) >= 3
        assert {key: own[key] for key in shared} == {key: inner[key] for key in shared}


def test_what_can_not_be_built_is_refused() -> None:
    unsaid = Signature(input=Graph(node_features=1), output=Sample())
    for name in SPECS.keys() & {"graphvae", "graphrnn"}:
        with pytest.raises(NotApplicable, match="nodes_max"):
            SPECS[name].build(unsaid)
        with pytest.raises(UsageError, match="'width'"):
            SPECS[name].build(PLAIN, width=0)
    with pytest.raises(NotApplicable, match="types"):
        SPECS["graphrnn"].build(MOLECULES)
    with pytest.raises(UsageError, match="'order'"):
        SPECS["graphvae"].build(PLAIN, order="dfs")
    with pytest.raises(UsageError, match="'window'"):
        SPECS["graphrnn"].build(PLAIN, window=-1)


@pytest.mark.parametrize(("name", "signature", "options"), BUILT, ids=str)
def test_learns_to_draw_one_graph(name: str, signature: Signature, options: dict[str, Any]) -> None:
    """A path of three nodes and no other graph. Seen from its end, two times in three, the third node is joined to the
    second, and else to the first: places that know nothing of each other give both right in 4 + 1 of 9 cases."""
    kind = signature.input
    bonds = torch.zeros(32, kind.nodes_max, kind.nodes_max, dtype=torch.int64)
    bonds[:, 0, 1] = bonds[:, 1, 0] = 1
    bonds[:, 1, 2] = bonds[:, 2, 1] = max(1, kind.edge_features)
    nodes = torch.nn.functional.one_hot(torch.zeros(32, kind.nodes_max, dtype=torch.int64), kind.node_features).float()
    graphs = to_graphs(DenseGraphs(nodes, bonds, torch.full((32,), 3)), kind.edge_features)
    more = {"order": "given"} if name == "graphvae" else {}
    model = SPECS[name].build(signature, width=32, **options, **more)
    adam = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(120):
        adam.zero_grad()
        model.loss(Batch(inputs=graphs, size=32)).backward()
        adam.step()
    model.eval()
    with torch.no_grad():
        found = to_dense(model.sample(400, torch.Generator().manual_seed(0)), kind.nodes_max)
    edges, sizes = (found.bonds > 0).sum((1, 2)) // 2, found.sizes
    share = float(((edges == 2) & (sizes == 3)).float().mean())
    assert abs(share - 5 / 9) < 0.1 if options.get("simple") else share > 0.8


def test_in_order_and_back_is_nothing() -> None:
    dense = to_dense(draw(6, MOLECULES), 5)
    order = torch.rand(6, 5).argsort(1)
    back = in_order(in_order(dense, order), order.argsort(1))
    assert all(torch.equal(a, b) for a, b in zip(dense, back, strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("model", ["graphvae", "graphrnn"])
def test_it_draws_communities_better_than_chance(model: str) -> None:
    """The recipe of the task, one seed."""
    found = cell(model, "community_small[communities=random]")["metrics"]["test"]
    chance = cell("erdos_renyi", "community_small[communities=random]")["metrics"]["test"]
    assert found["clustering_emd"] <= min(0.25, chance["clustering_emd"] / 3)
    assert found["orbits"] <= 0.08
