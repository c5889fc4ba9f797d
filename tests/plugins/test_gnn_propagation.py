"""dlbench_gnn: nn4g, dcnn, dgc, sgc, appnp, gcnii, ggnn against formulas on dense matrices, and what all share."""

from __future__ import annotations

import copy
import math
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import EdgeClasses, Graph, GraphBatch, GraphClasses, GraphValue, NodeClasses, OutputKind, Signature
from dlbench.contract.choice import option_defaults
from dlbench.contract.learner import Supervised
from dlbench_gnn.appnp import APPNP
from dlbench_gnn.dcnn import DCNN
from dlbench_gnn.declare import propagation
from dlbench_gnn.dgc import DGCLayer
from dlbench_gnn.gcnii import GCNII
from dlbench_gnn.ggnn import GGNN
from dlbench_gnn.hops import Hops
from dlbench_gnn.nn4g import NN4G
from dlbench_gnn.sgc import SGC
from dlbench_gnn.structure import Latest, Structure

SPECS = {spec.name: spec for spec in propagation.specs()}
NAMES = list(SPECS)
OWN = {"nn4g": NN4G, "dcnn": DCNN, "sgc": SGC, "appnp": APPNP, "gcnii": GCNII, "ggnn": GGNN}
SMALL = {"nn4g": {"width": 8}, "dgc": {"width": 32}, "appnp": {"width": 8}, "gcnii": {"depth": 4}, "ggnn": {"width": 8}}
OUTPUTS = [NodeClasses(num_classes=4), EdgeClasses(num_classes=3), GraphClasses(num_classes=5), GraphValue()]
NODES, FEATURES = 20, 9


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def linked(*, directed: bool = False) -> Tensor:
    """A random matrix of links, source by target, whose last node has none."""
    found = torch.rand(NODES, NODES) < 0.2
    found = found if directed else found.triu(1) | found.triu(1).T
    found[-1], found[:, -1] = False, False
    return found.fill_diagonal_(False)


def batch(nodes: Tensor, links: Tensor, starts: tuple[int, ...] = (0,)) -> GraphBatch:
    """Nodes from each start on are a graph."""
    target, source = links.T.nonzero().T
    graph_ids = (torch.arange(len(links))[:, None] >= torch.tensor(starts)).sum(1) - 1
    return GraphBatch(nodes, torch.stack([source, target]), None, graph_ids, len(starts))


def features() -> Tensor:
    """Mostly zeros, as bags of words are."""
    return torch.rand(NODES, FEATURES) * (torch.rand(NODES, FEATURES) < 0.4)


def signature(output: OutputKind, *, single: bool = False, columns: int = FEATURES) -> Signature:
    return Signature(input=Graph(node_features=columns, single=single), output=output)


def build(name: str, output: OutputKind = OUTPUTS[0], *, single: bool = False, **options: Any) -> nn.Module:
    return SPECS[name].build(signature(output, single=single), **{**SMALL.get(name, {}), **options})


def two_graphs() -> GraphBatch:
    links = linked()
    links[:8, 8:], links[8:, :8] = False, False
    return batch(features(), links, (0, 8))


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def symmetric(links: Tensor) -> Tensor:
    loops = links.float() + torch.eye(len(links))
    scale = loops.sum(1).rsqrt()
    return scale[:, None] * loops * scale


def mean_of_sources(links: Tensor) -> Tensor:
    """A row per target, which adds up to 1 where it has a source."""
    rows = links.T.float()
    return rows / rows.sum(1, keepdim=True).clamp(min=1)


# --- the formulas -----------------------------------------------------------------------------------------


@pytest.fixture(params=[False, True], ids=["undirected", "directed"])
def case(request: pytest.FixtureRequest) -> tuple[Tensor, Tensor]:
    return features(), linked(directed=request.param)


def test_nn4g_sees_sums_of_all_earlier_layers(case: Any) -> None:
    x, links = case
    net = NN4G(features=FEATURES, num_outputs=4, width=3, depth=3).eval()
    own = (x @ net.own.weight.T + net.own.bias).split(3, dim=1)
    weights = [layer.weight.split(3, dim=1) for layer in net.context]
    states = [own[0].tanh()]
    for k in (1, 2):
        around = [links.T.float() @ state @ weights[k - 1][j].T for j, state in enumerate(states)]
        states.append((own[k] + sum(around)).tanh())
    heads = net.rows.linear.weight.split(3, dim=1)
    close(net(batch(x, links)), sum(h @ w.T for h, w in zip(states, heads, strict=True)) + net.rows.linear.bias)


@pytest.mark.parametrize("level", ["nodes", "edges", "graphs"])
def test_dcnn_weighs_each_hop_and_feature(level: str) -> None:
    x, links = features(), linked()
    net = DCNN(features=FEATURES, num_outputs=4, level=level, hops=3).eval()
    nn.init.normal_(net.weight)
    walk, weights = mean_of_sources(links), net.weight.view(4, FEATURES)
    powers = [torch.linalg.matrix_power(walk, hop) @ x for hop in range(4)]  # (N, F) each
    if level == "graphs":
        powers = [power.mean(0, keepdim=True) for power in powers]
    z = torch.cat([(w * power).tanh() for w, power in zip(weights, powers, strict=True)], dim=1)
    inputs = batch(x, links)
    if level == "edges":
        z = torch.cat([z[inputs.edges[0]], z[inputs.edges[1]]], dim=1)
    close(net(inputs), net.rows.linear(z))


def test_dcnn_works_on_a_few_rows_at_a_time_with_the_same_result(monkeypatch: pytest.MonkeyPatch) -> None:
    net, inputs = DCNN(features=FEATURES, num_outputs=4).eval(), batch(features(), linked())
    whole = net(inputs)
    monkeypatch.setattr("dlbench_gnn.dcnn.CHUNK", 3 * 27 * 2)
    close(net(inputs), whole)


def test_dgc_walks_in_both_directions(case: Any) -> None:
    x, links = case
    layer = DGCLayer(FEATURES, 4, hops=2)
    nn.init.normal_(layer.linear.bias)
    against, along = mean_of_sources(links.T), mean_of_sources(links)
    walks = [along, along @ along, against, against @ against]
    weights = layer.walks.weight.split(4, dim=0)
    expected = F.linear(x, *layer.linear.parameters()) + sum(p @ x @ w.T for p, w in zip(walks, weights, strict=True))
    close(layer(x, Structure(batch(x, links))), expected)


@pytest.mark.parametrize("hops", [0, 1, 3])
def test_sgc_is_linear_in_propagated_features(hops: int) -> None:
    x, links = features(), linked()
    net = SGC(features=FEATURES, num_outputs=4, hops=hops)
    close(net(batch(x, links)), net.rows.linear(torch.linalg.matrix_power(symmetric(links), hops) @ x))


def test_appnp_approaches_personalized_pagerank() -> None:
    x, links = features(), linked()
    net = APPNP(features=FEATURES, num_outputs=4, width=8, hops=200).eval()
    predicted = F.linear(F.linear(x, *net.layers[0].parameters()).relu(), *net.layers[1].parameters())
    rank = 0.1 * torch.linalg.inv(torch.eye(NODES) - 0.9 * symmetric(links))
    close(net(batch(x, links)), rank @ predicted)
    net.hops = 2
    once = 0.9 * symmetric(links) @ predicted + 0.1 * predicted
    close(net(batch(x, links)), 0.9 * symmetric(links) @ once + 0.1 * predicted)


def test_gcnii_mixes_in_the_first_state_and_the_identity() -> None:
    x, links = features(), linked()
    net = GCNII(features=FEATURES, num_outputs=4, width=6, depth=5, alpha=0.2, theta=0.7).eval()
    state = first = F.linear(x, *net.embed.parameters()).relu()
    for index, convolution in enumerate(net.convolutions, start=1):
        beta = math.log(0.7 / index + 1)
        mixed = 0.8 * symmetric(links) @ state + 0.2 * first
        state = (mixed @ ((1 - beta) * torch.eye(6) + beta * convolution.weight)).relu()
    close(net(batch(x, links)), net.rows.linear(state))


def test_gcnii_is_the_layer_of_pytorch_geometric() -> None:
    from torch_geometric.nn import GCN2Conv

    x, links = features(), linked()
    net = GCNII(features=FEATURES, num_outputs=4, width=6, depth=3).eval()
    inputs = batch(x, links)
    state = first = F.linear(x, *net.embed.parameters()).relu()
    for index, convolution in enumerate(net.convolutions, start=1):
        theirs = GCN2Conv(6, 0.1, 0.5, index)
        theirs.weight1 = convolution.weight
        state = theirs(state, first, inputs.edges).relu()
    close(net(inputs), net.rows.linear(state))


@pytest.mark.parametrize("directed", [False, True])
@pytest.mark.parametrize("level", ["nodes", "graphs"])
def test_ggnn_updates_by_one_cell(level: str, directed: bool) -> None:
    x, links = features(), linked(directed=True)
    net = GGNN(features=FEATURES, num_outputs=4, level=level, width=5, depth=3, directed=directed).eval()
    state = first = F.linear(x, *net.embed.parameters())
    ways = [links.T.float(), links.float()] if directed else [links.T.float()]
    for _ in range(3):
        sums = [way @ send(state) for way, send in zip(ways, net.messages, strict=True)]
        state = net.cell(torch.cat(sums, dim=1), state)
    seen = torch.cat([state, first], dim=1)
    if net.attention is not None:
        seen = (net.attention.gate(seen).sigmoid() * net.attention.value(seen).tanh()).sum(0, keepdim=True).tanh()
    close(net(batch(x, links)), net.rows.linear(seen))


# --- what all share ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(OWN))
def test_defaults_are_those_of_the_constructor(name: str) -> None:
    given = option_defaults(OWN[name])
    assert option_defaults(SPECS[name].build) == {k: v for k, v in given.items() if k not in ("level",)}


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_every_output_has_its_shape_and_every_parameter_a_gradient(name: str, output: OutputKind) -> None:
    inputs, model = two_graphs(), build(name, output, dropout=0.0) if name != "sgc" else build(name, output)
    outputs = model(inputs)
    assert tuple(outputs.shape) == output.shape(inputs)
    (outputs * torch.rand_like(outputs)).sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("output", [OUTPUTS[0], OUTPUTS[2]], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_renumbered_nodes_change_nothing_else(name: str, output: OutputKind) -> None:
    model, x, links = build(name, output).eval(), features(), linked(directed=True)
    order = torch.randperm(NODES)
    before, after = model(batch(x, links)), model(batch(x[order], links[order][:, order]))
    assert (after - (before[order] if len(before) == NODES else before)).abs().max() < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_a_graph_in_a_batch_is_as_alone(name: str) -> None:
    model, both = build(name, GraphValue()).eval(), two_graphs()
    keep = both.edges[0] >= 8
    alone = GraphBatch(both.nodes[8:], both.edges[:, keep] - 8, None, both.graph_ids[8:] - 1, 1)
    close(model(alone), model(both)[1:])


@pytest.mark.parametrize("output", OUTPUTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_one_node_no_edge(name: str, output: OutputKind) -> None:
    inputs = GraphBatch(
        features()[:1], torch.zeros(2, 0, dtype=torch.int64), None, torch.zeros(1, dtype=torch.int64), 1
    )
    outputs = build(name, output).eval()(inputs)
    assert tuple(outputs.shape) == output.shape(inputs)
    assert outputs.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_an_isolated_node_hears_nobody(name: str) -> None:
    model, x, links = build(name).eval(), features(), linked()
    before = model(batch(x, links))
    assert before.isfinite().all()
    after = model(batch(torch.cat([x[:-1] + 1, x[-1:]]), links))
    close(after[-1], before[-1])
    assert (after[:-1] - before[:-1]).abs().max() > 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_csr_features_give_the_same_outputs_and_gradients(name: str) -> None:
    model, x, links = build(name, single=True).eval(), features(), linked()
    found = []
    for nodes in (x, x.to_sparse_csr()):
        model.zero_grad()
        outputs = model(batch(nodes, links))
        outputs.square().sum().backward()
        found.append([outputs.detach(), *(p.grad.clone() for p in model.parameters())])
    for dense, sparse in zip(*found, strict=True):
        torch.testing.assert_close(dense, sparse, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "sgc"])
def test_training_with_csr_features_draws_dropout(name: str) -> None:
    model, inputs = build(name, single=True, dropout=0.5), batch(features().to_sparse_csr(), linked())
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def skip_links(skip: int) -> Tensor:
    """A circle of 41 nodes with links to the next and to the `skip`-th next."""
    links = torch.zeros(41, 41, dtype=torch.bool)
    at = torch.arange(41)
    for step in (1, skip):
        links[at, (at + step) % 41] = links[(at + step) % 41, at] = True
    return links


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", NAMES)
def test_regular_graphs_without_features_look_alike(name: str, precision: str) -> None:
    model, ones = build(name, GraphClasses(num_classes=10)).eval(), torch.ones(41, FEATURES)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        first, second = (model(batch(ones, skip_links(skip))).float() for skip in (2, 16))
    close(first, second)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_trains_in_lowered_precision(name: str, single: bool) -> None:
    model, x, links = build(name, single=single), features(), linked()
    nodes = x.to_sparse_csr() if single else x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = F.cross_entropy(model(batch(nodes, links)).float(), torch.arange(NODES) % 4)
    loss.backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    model.eval()
    exact = model(batch(nodes, links))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rounded = model(batch(nodes, links)).float()
    assert (rounded - exact).abs().max() < 0.05 * exact.abs().max()  # bf16 keeps 8 bits


@pytest.mark.parametrize("name", ["appnp", "gcnii"])
def test_parts_hold_each_parameter_once(name: str) -> None:
    model = build(name, single=True)
    parts = {part: list(found) for part, found in Supervised(model, lambda *_: None).parts().items()}
    named = {key.partition(".")[0] for settings in SPECS[name].recipes.values() for key in settings if "." in key}
    assert named <= set(parts)
    assert sorted(id(p) for found in parts.values() for p in found) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("nn4g", {"depth": 0}),
        ("dcnn", {"hops": -1}),
        ("dgc", {"hops": 0}),
        ("sgc", {"readout": "median"}),
        ("appnp", {"teleport": 1.5}),
        ("gcnii", {"depth": 0}),
        ("ggnn", {"depth": 0}),
    ],
)
def test_impossible_options_are_refused(name: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        build(name, **options)


# --- what is kept -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_appnp_drops_entries_and_their_gradients(precision: str) -> None:
    x, links = torch.eye(NODES, requires_grad=True), linked()
    net, full = APPNP(features=FEATURES, num_outputs=4, dropout=0.5), symmetric(links)
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
        matrix = net.step(x, Structure(batch(x, links)))  # of the identity: the matrix itself
    kept = matrix != 0
    assert 0 < kept.sum() < (full != 0).sum()
    close(matrix, 2 * full * kept)
    weights = torch.rand(NODES, NODES)
    close(torch.autograd.grad((matrix * weights).sum(), x)[0], matrix.detach().T @ weights)


def test_features_are_propagated_once_for_the_same_graph() -> None:
    inputs, structure_of, hops = batch(features(), linked()), Latest(), Hops(2, "mean")
    first = hops(inputs.nodes, structure_of(inputs))
    assert hops(inputs.nodes, structure_of(inputs)) is first
    inputs.nodes.mul_(2)
    close(hops(inputs.nodes, structure_of(inputs)), 2 * first)
    inputs.nodes.requires_grad_()
    assert torch.autograd.grad(hops(inputs.nodes, structure_of(inputs)).sum(), inputs.nodes)[0].any()
    other = batch(features(), linked())
    close(hops(other.nodes, structure_of(other)), Hops(2, "mean")(other.nodes, Structure(other)))


@pytest.mark.parametrize("name", NAMES)
def test_copies_and_changed_graphs_start_afresh(name: str) -> None:
    model, x = build(name).eval(), features()
    for links in (linked(), linked()):
        fresh = pickle.loads(pickle.dumps(model)), copy.deepcopy(model)
        inputs = batch(x, links)
        outputs = model(inputs)
        for other in fresh:
            assert torch.equal(other(inputs), outputs)
