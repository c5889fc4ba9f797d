"""dlbench_gnn: each family against its formula or PyTorch Geometric's own layer, published sizes, what they can tell
apart."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch_geometric.nn import ChebConv, GATConv, GCNConv, GINConv, SAGEConv

from dlbench import EdgeClasses, Graph, GraphBatch, GraphClasses, GraphValue, NodeClasses, OutputKind, Signature
from dlbench_gnn.chebnet import ChebLayer
from dlbench_gnn.declare import message_passing
from dlbench_gnn.gat import GATLayer
from dlbench_gnn.gatedgcn import GatedLayer
from dlbench_gnn.gcn import GCNLayer
from dlbench_gnn.gin import GINLayer
from dlbench_gnn.graphsage import SAGELayer
from dlbench_gnn.monet import MoNetLayer
from dlbench_gnn.structure import Structure

SPECS = {spec.name: spec for spec in message_passing.specs()}
NODES = 14


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def undirected() -> Tensor:
    """A random graph (target by source) whose last node has no edge."""
    linked = (torch.rand(NODES, NODES) < 0.3).triu(1)
    linked[:, -1] = False
    return linked | linked.T


def batch(linked: Tensor, nodes: Tensor) -> GraphBatch:
    target, source = linked.nonzero().T
    return GraphBatch(nodes, torch.stack([source, target]), None, torch.zeros(len(linked), dtype=torch.int64), 1)


def with_bias(layer: nn.Module) -> nn.Module:
    for name, parameter in layer.named_parameters():
        if "bias" in name:
            nn.init.uniform_(parameter)
    return layer


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def agree(layer: nn.Module, own: Any, pyg: Any, x: Tensor) -> None:
    """Outputs and gradients of own code and of PyG's layer, on the same parameters of the same layer."""
    results = []
    layer.eval()
    for forward in (own, pyg):
        layer.zero_grad()
        x = x.detach().requires_grad_()
        y = forward(x)
        y.square().sum().backward()
        gradients = [p.grad.clone() for p in layer.parameters()]
        results.append([y.detach(), x.grad.clone(), *gradients])
    for mine, theirs in zip(*results, strict=True):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


# --- PyTorch Geometric's layers ---------------------------------------------------------------------------


@pytest.mark.parametrize("hops", [1, 2, 3, 5])
@pytest.mark.parametrize(("before", "after"), [(9, 4), (4, 9), (5, 5)])
def test_chebnet_equals_pyg_in_both_orders(before: int, after: int, hops: int) -> None:
    inputs = batch(undirected(), torch.rand(NODES, before))
    layer = with_bias(ChebLayer(before, after, hops=hops))
    assert isinstance(layer.conv, ChebConv)
    agree(
        layer,
        lambda x: layer(x, Structure(inputs)),
        lambda x: layer.conv(x, inputs.edges, lambda_max=torch.tensor(2.0)),
        inputs.nodes,
    )


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("before", "after"), [(9, 4), (4, 9)])
def test_graphsage_mean_equals_pyg_in_both_orders(before: int, after: int, normalize: bool) -> None:
    inputs = batch(undirected(), torch.rand(NODES, before))
    layer = with_bias(SAGELayer(before, after, normalize=normalize))
    theirs = with_bias(SAGEConv(before, after, aggr="mean", normalize=normalize))
    theirs.load_state_dict(layer.conv.state_dict(), strict=False)
    expected = theirs(inputs.nodes, inputs.edges)
    close(layer(inputs.nodes, Structure(inputs)), expected)


def test_graphsage_max_equals_pyg_forward_and_backward() -> None:
    inputs = batch(undirected(), torch.rand(NODES, 6))
    layer = with_bias(SAGELayer(6, 5, aggregator="max"))
    theirs = SAGEConv(6, 5, aggr="max", project=True)
    theirs.load_state_dict(layer.conv.state_dict())
    gradients = []
    for forward in (lambda: layer(inputs.nodes, Structure(inputs)), lambda: theirs(inputs.nodes, inputs.edges)):
        gradients.append(
            torch.autograd.grad(
                forward().square().sum(), [*layer.parameters(), *theirs.parameters()], allow_unused=True
            )
        )
    close(layer(inputs.nodes, Structure(inputs)), theirs(inputs.nodes, inputs.edges))
    count = len(list(layer.parameters()))
    for mine, other in zip(gradients[0][:count], gradients[1][count:], strict=True):
        close(mine, other)


@pytest.mark.parametrize(("before", "after"), [(9, 4), (4, 9)])
def test_gin_equals_pyg_in_both_orders(before: int, after: int) -> None:
    inputs = batch(undirected(), torch.rand(NODES, before))
    layer = with_bias(GINLayer(before, after))
    nn.init.constant_(layer.conv.eps, 0.3)
    assert isinstance(layer.conv, GINConv)
    agree(layer, lambda x: layer(x, Structure(inputs)), lambda x: layer.conv(x, inputs.edges), inputs.nodes)


def test_gcn_equals_pyg() -> None:
    inputs = batch(undirected(), torch.rand(NODES, 6))
    layer, theirs = with_bias(GCNLayer(6, 4)), GCNConv(6, 4)
    theirs.load_state_dict(layer.conv.state_dict())
    close(layer(inputs.nodes, Structure(inputs)), theirs(inputs.nodes, inputs.edges))


def test_gcn_with_the_benchmarks_norm_is_a_mean_without_the_node() -> None:
    linked = undirected()
    inputs, layer = batch(linked, torch.rand(NODES, 6)), with_bias(GCNLayer(6, 4, norm="mean"))
    mean = linked.float() / linked.sum(1, keepdim=True).clamp(min=1)
    close(layer(inputs.nodes, Structure(inputs)), mean @ inputs.nodes @ layer.conv.lin.weight.T + layer.conv.bias)


@pytest.mark.parametrize("last", [False, True])
@pytest.mark.parametrize("loops", [False, True])
def test_gat_equals_pyg_forward_and_backward(last: bool, loops: bool) -> None:
    inputs = batch(undirected(), torch.rand(NODES, 6))
    layer, structure = with_bias(GATLayer(6, 4, last, heads=3, output_heads=2, loops=loops)), Structure(inputs)
    edges = structure.looped_edges() if loops else inputs.edges
    agree(layer, lambda x: layer(x, structure), lambda x: layer.conv(x, edges), inputs.nodes)


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("aggregation", ["sum", "mean"])
def test_monet_equals_pyg_forward_and_backward(aggregation: str, loops: bool) -> None:
    inputs = batch(undirected(), torch.rand(NODES, 6))
    layer, structure = with_bias(MoNetLayer(6, 4, aggregation=aggregation, loops=loops)), Structure(inputs)
    edges = structure.looped_edges() if loops else inputs.edges
    agree(
        layer,
        lambda x: layer(x, structure),
        lambda x: layer.conv(x, edges, structure.coordinates(loops)),
        inputs.nodes,
    )


@pytest.mark.parametrize("last", [False, True])
def test_gat_adds_the_self_loops_that_pyg_adds(last: bool) -> None:
    linked = undirected()
    linked[2, 2] = True  # one that was there
    inputs = batch(linked, torch.rand(NODES, 6))
    layer = with_bias(GATLayer(6, 4, last, heads=3, output_heads=2, dropout=0.0))
    theirs = GATConv(6, 4, heads=2 if last else 3, concat=not last)
    theirs.load_state_dict(layer.conv.state_dict())
    found = layer(inputs.nodes, Structure(inputs))
    assert found.shape == (NODES, layer.out_features) == (NODES, 4 if last else 12)
    close(found, theirs(inputs.nodes, inputs.edges))


# --- formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [3, 7])
def test_graphsage_lstm_runs_over_each_nodes_neighbours_alone(before: int) -> None:
    linked, x = undirected(), torch.rand(NODES, before)
    layer = SAGELayer(before, 4, aggregator="lstm").eval()
    columns = x if layer.narrow is None else layer.narrow(x)
    lstm, states = layer.conv.aggr_module.lstm, []
    for node in range(NODES):
        neighbours = columns[linked[node]]
        states.append(lstm(neighbours)[0][-1] if len(neighbours) else columns.new_zeros(columns.shape[1]))
    expected = layer.conv.lin_l(torch.stack(states)) + layer.conv.lin_r(columns)
    close(layer(x, Structure(batch(linked, x))), expected)


def test_graphsage_lstm_shuffles_neighbours_in_training_alone() -> None:
    inputs = batch(undirected(), torch.rand(NODES, 4))
    layer, structure = SAGELayer(4, 4, aggregator="lstm"), Structure(inputs)
    assert not torch.equal(layer(inputs.nodes, structure), layer(inputs.nodes, structure))
    layer.eval()
    assert torch.equal(layer(inputs.nodes, structure), layer(inputs.nodes, structure))


@pytest.mark.parametrize("published", ["one graph", "many graphs"])
def test_monet_equals_the_formula(published: str) -> None:
    linked, x = undirected(), torch.rand(NODES, 6)
    single = published == "one graph"
    layer = MoNetLayer(6, 4, aggregation="mean" if single else "sum", loops=single, project=not single)
    layer = with_bias(layer)
    nn.init.uniform_(layer.conv.mu)
    nn.init.uniform_(layer.conv.sigma, 0.5, 2.0)
    edges = linked.float().fill_diagonal_(1.0) if single else linked.float()
    scale = (linked.sum(1) + 1).rsqrt()
    places = torch.stack([scale[:, None].expand(-1, NODES), scale.expand(NODES, -1)], dim=-1)  # of target and source
    places = places if layer.project is None else torch.tanh(layer.project[0](places))
    total = torch.zeros(NODES, 4)
    for k in range(3):
        distance = ((places - layer.conv.mu[k]) / layer.conv.sigma[k]).square().sum(-1)
        total = total + (edges * torch.exp(-0.5 * distance)) @ (x @ layer.conv.g[:, 4 * k : 4 * (k + 1)])
    total = total / edges.sum(1, keepdim=True).clamp(min=1) if single else total
    close(layer(x, Structure(batch(linked, x))), total + layer.conv.bias)


def test_gatedgcn_equals_the_formula() -> None:
    linked, x = undirected(), torch.rand(NODES, 6)
    inputs, layer = batch(linked, x), with_bias(GatedLayer(6))
    source, target = inputs.edges
    e = torch.rand(len(source), 6)
    b, d, f, a = layer.on_nodes(x).chunk(4, dim=1)
    states = torch.zeros(NODES, NODES, 6)
    states[target, source] = layer.on_edges(e)
    states = states + d[None, :] + f[:, None]  # target by source
    gates = torch.sigmoid(states) * linked[:, :, None]
    expected = a + torch.einsum("tsd,sd->td", gates, b) / (gates.sum(1) + 1e-6)
    found, edges = layer(x, e, Structure(inputs))
    close(found, expected)
    close(edges, states[target, source])


@pytest.mark.parametrize("reads", [True, False])
def test_gatedgcn_reads_edge_features_if_asked(reads: bool) -> None:
    linked = undirected()
    inputs = batch(linked, torch.rand(NODES, 6))
    kind = Graph(node_features=6, edge_features=2)
    model = SPECS["gatedgcn"].build(
        Signature(input=kind, output=NodeClasses(num_classes=3)), edge_features=reads, width=16
    )
    model.eval()
    some, others = (model(inputs._replace(edge_features=torch.rand(inputs.edges.shape[1], 2))) for _ in range(2))
    assert torch.equal(some, others) is not reads
    if reads:
        with pytest.raises(ValueError, match="built for edges with 2 features"):
            model(inputs)


# --- published sizes --------------------------------------------------------------------------------------

ZINC = Signature(input=Graph(node_features=28, edge_features=4), output=GraphValue())
PATTERN = Signature(input=Graph(node_features=3), output=NodeClasses(num_classes=2))
CLUSTER = Signature(input=Graph(node_features=7), output=NodeClasses(num_classes=6))
TSP = Signature(input=Graph(node_features=2, edge_features=1), output=EdgeClasses(num_classes=2))
CORA = Signature(input=Graph(node_features=1433, single=True), output=NodeClasses(num_classes=7))


def size(name: str, signature: Signature, **options: Any) -> int:
    return sum(p.numel() for p in SPECS[name].build(signature, **options).parameters())


@pytest.mark.parametrize(("name", "count"), [("gcn", 23_063), ("gat", 92_373)])
def test_has_the_published_number_of_parameters_on_cora(name: str, count: int) -> None:
    assert size(name, CORA) == count


@pytest.mark.parametrize(
    ("name", "options", "signature", "published", "more"),
    [
        # The benchmark embeds without a bias: each is larger by its width at least.
        ("gcn", {"width": 145}, ZINC, 103_077, 145),
        ("gcn", {}, PATTERN, 100_923, 146),
        ("gcn", {}, CLUSTER, 101_655, 146),
        ("graphsage", {"width": 85}, ZINC, 94_977, 85),
        ("graphsage", {"width": 89}, PATTERN, 101_739, 89),
        ("graphsage", {"width": 89}, CLUSTER, 102_187, 89),
        ("gat", {}, ZINC, 102_385, 144 + 4 * 144),  # PyG's layers have a bias
        ("gat", {"width": 19}, PATTERN, 109_936, 152 + 4 * 152),
        ("gin", {}, ZINC, 103_079, 110),
        ("gin", {}, PATTERN, 100_884, 110),
        ("monet", {}, ZINC, 106_002, 90),
        ("monet", {}, PATTERN, 103_775, 90),
        ("gatedgcn", {}, ZINC, 105_875, 2 * 70 - 140),  # two embeddings; no batch norm of the last edge states
        ("gatedgcn", {"edge_features": False}, ZINC, 105_735, 70 - 140),
        ("gatedgcn", {}, PATTERN, 104_003, 70 - 140),
    ],
)
def test_has_the_size_of_the_benchmarks_tables(
    name: str, options: dict[str, Any], signature: Signature, published: int, more: int
) -> None:
    assert size(name, signature, **options) == published + more


@pytest.mark.parametrize("name", list(SPECS))
def test_defaults_meet_the_budget_of_100k(name: str) -> None:
    for signature in (ZINC, PATTERN, CLUSTER):
        assert size(name, signature) == pytest.approx(103_000, rel=0.05)


# --- what a family can tell apart -------------------------------------------------------------------------


def star(leaves: list[Tensor]) -> GraphBatch:
    """A node linked with leaves that have these features; a node's own are zeros."""
    count = len(leaves)
    hub, rim = torch.zeros(count, dtype=torch.int64), torch.arange(1, count + 1)
    edges = torch.stack([torch.cat([rim, hub]), torch.cat([hub, rim])])
    nodes = torch.stack([torch.zeros_like(leaves[0]), *leaves])
    return GraphBatch(nodes, edges, None, torch.zeros(count + 1, dtype=torch.int64), 1)


@pytest.mark.parametrize(
    ("name", "options", "accuracy"),
    [
        ("gin", {}, 1.0),
        ("gcn", {"norm": "sum"}, 1.0),
        ("gcn", {"norm": "mean"}, 0.5),
        ("graphsage", {"aggregator": "mean"}, 0.5),
        ("graphsage", {"aggregator": "max"}, 0.5),
    ],
)
def test_sums_tell_a_doubled_multiset_from_its_half(name: str, options: dict[str, Any], accuracy: float) -> None:
    """{a, b} and {a, a, b, b} around a node: Xu et al. 2019, "How Powerful are Graph Neural Networks?"."""
    pairs = [torch.rand(2, 3) for _ in range(12)]
    examples = [(star([a, b]), 0) for a, b in pairs] + [(star([a, a, b, b]), 1) for a, b in pairs]
    kind = Signature(input=Graph(node_features=3), output=NodeClasses(num_classes=2))
    model = SPECS[name].build(kind, depth=1, width=48, batch_norm=False, residual=False, jump="last", **options)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    inputs, hubs = together([graph for graph, _ in examples])
    targets = torch.tensor([target for _, target in examples])
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(inputs)[hubs], targets).backward()
        optimizer.step()
    model.eval()
    right = sum(int(model(graph)[0].argmax() == target) for graph, target in examples)
    assert right / len(examples) == accuracy


def together(graphs: list[GraphBatch]) -> tuple[GraphBatch, Tensor]:
    """Graphs as one batch, and where each one's first node is."""
    counts = torch.tensor([len(graph.nodes) for graph in graphs])
    firsts = counts.cumsum(0) - counts
    edges = torch.cat([graph.edges + first for graph, first in zip(graphs, firsts, strict=True)], dim=1)
    ids = torch.repeat_interleave(torch.arange(len(graphs)), counts)
    return GraphBatch(torch.cat([graph.nodes for graph in graphs]), edges, None, ids, len(graphs)), firsts


def skip_links(skip: int, nodes: Tensor) -> GraphBatch:
    """A circle of 41 nodes, each also linked with those `skip` places further."""
    at = torch.arange(41)
    linked = torch.zeros(41, 41, dtype=torch.bool)
    for step in (1, skip):
        linked[at, (at + step) % 41] = linked[(at + step) % 41, at] = True
    return batch(linked, nodes)


@pytest.mark.parametrize("name", list(SPECS))
def test_circular_skip_links_look_alike_without_positions(name: str) -> None:
    output: OutputKind = GraphClasses(num_classes=10)
    same = SPECS[name].build(Signature(input=Graph(node_features=1), output=output)).eval()
    outputs = [same(skip_links(skip, torch.ones(41, 1))) for skip in (2, 16)]
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-5, rtol=1e-5)
    placed = SPECS[name].build(Signature(input=Graph(node_features=2), output=output)).eval()
    angle = torch.arange(41) * 2 * torch.pi / 41
    positions = torch.stack([angle.cos(), angle.sin()], dim=1)
    outputs = [placed(skip_links(skip, positions)) for skip in (2, 16)]
    assert (outputs[0] - outputs[1]).abs().max() > 1e-4
