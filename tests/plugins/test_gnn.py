"""dlbench_gnn: what every family of message passing must show, on one graph and on many."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import (
    EdgeClasses,
    Graph,
    GraphBatch,
    GraphClasses,
    GraphValue,
    NodeClasses,
    NotApplicable,
    OutputKind,
    Signature,
)
from dlbench.contract.choice import option_defaults
from dlbench.contract.learner import Supervised
from dlbench_gnn.declare import message_passing
from dlbench_gnn.plain import drop

SPECS = {spec.name: spec for spec in message_passing.specs()}
FAMILIES = [
    ("gcn", {}), ("gcn", {"norm": "sum"}), ("chebnet", {}), ("graphsage", {"aggregator": "mean"}),
    ("graphsage", {"aggregator": "max"}), ("graphsage", {"aggregator": "lstm"}), ("graphsage", {"normalize": True}),
    ("gat", {}), ("gat", {"self_loops": True}), ("gin", {}), ("monet", {}), ("gatedgcn", {}),
]  # fmt: skip
EACH = pytest.mark.parametrize(("name", "options"), FAMILIES, ids=lambda v: v if isinstance(v, str) else str(v))
OUTPUTS = [NodeClasses(num_classes=4), EdgeClasses(num_classes=3), GraphClasses(num_classes=5), GraphValue()]
SIZES, COLUMNS, EDGE_COLUMNS = (9, 1, 6, 14), 9, 2
NODES = sum(SIZES)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(name: str, output: OutputKind, *, single: bool = False, **options: Any) -> nn.Module:
    kind = Graph(node_features=COLUMNS, edge_features=EDGE_COLUMNS, single=single)
    return SPECS[name].build(Signature(input=kind, output=output), **{"width": 16, **options})


def features(rows: int = NODES) -> Tensor:
    """Mostly zeros, as bags of words are."""
    return torch.rand(rows, COLUMNS) * (torch.rand(rows, COLUMNS) < 0.4)


def graphs() -> GraphBatch:
    """Four random undirected graphs: the second is one node without edges; the last node of the others is isolated."""
    ids = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    linked = (torch.rand(NODES, NODES) < 0.4).triu(1) & (ids[:, None] == ids)
    linked[:, torch.tensor(SIZES).cumsum(0) - 1] = False
    target, source = (linked | linked.T).nonzero().T
    return GraphBatch(features(), torch.stack([source, target]), torch.rand(len(source), 2), ids, len(SIZES))


def one_graph(inputs: GraphBatch) -> GraphBatch:
    return inputs._replace(graph_ids=torch.zeros_like(inputs.graph_ids), num_graphs=1)


def lively(model: nn.Module) -> nn.Module:
    """In evaluation mode, with batch norms and biases that aren't those of a new network."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2.0)
    for parameter in model.parameters():
        if parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.1, 0.5)
    return model.eval()


def renumbered(inputs: GraphBatch) -> tuple[GraphBatch, Tensor]:
    """The nodes of each graph in a random order (N,), and that order. Edges stay in their places."""
    order = torch.argsort(inputs.graph_ids + torch.rand(len(inputs.nodes)) * 0.9)
    return inputs._replace(nodes=inputs.nodes[order], edges=order.argsort()[inputs.edges]), order


@EACH
@pytest.mark.parametrize("output", OUTPUTS, ids=str)
def test_outputs_have_the_shape_of_the_kind_and_follow_the_nodes(
    name: str, options: dict[str, Any], output: OutputKind
) -> None:
    model, inputs = lively(build(name, output, **options)), graphs()
    moved, order = renumbered(inputs)
    found, after = model(inputs), model(moved)
    assert tuple(found.shape) == output.shape(inputs)
    assert found.std() > 1e-4
    assert (after - (found[order] if isinstance(output, NodeClasses) else found)).abs().max() < 1e-5


@EACH
def test_logits_on_one_graph_follow_the_nodes(name: str, options: dict[str, Any]) -> None:
    model, inputs = lively(build(name, OUTPUTS[0], single=True, depth=3, **options)), one_graph(graphs())
    moved, order = renumbered(inputs)
    found = model(inputs)
    assert tuple(found.shape) == (NODES, 4)
    assert found.std() > 1e-4
    assert (model(moved) - found[order]).abs().max() < 1e-5


@EACH
def test_the_order_of_edges_means_nothing(name: str, options: dict[str, Any]) -> None:
    if options.get("aggregator") == "lstm":
        pytest.skip("an LSTM reads the neighbours in their order")
    model, inputs = lively(build(name, GraphValue(), **options)), graphs()
    order = torch.randperm(inputs.edges.shape[1])
    mixed = inputs._replace(edges=inputs.edges[:, order], edge_features=inputs.edge_features[order])
    assert (model(mixed) - model(inputs)).abs().max() < 1e-5


@EACH
@pytest.mark.parametrize("single", [False, True])
def test_gradient_reaches_every_parameter(name: str, options: dict[str, Any], single: bool) -> None:
    inputs = graphs()
    model = lively(build(name, OUTPUTS[0], single=single, **options))  # not in training: there, biases before a batch
    F.cross_entropy(model(one_graph(inputs) if single else inputs), torch.arange(NODES) % 4).backward()  # norm get 0
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@EACH
def test_a_graph_does_not_feel_its_batch(name: str, options: dict[str, Any]) -> None:
    """Also one without edges, and one with isolated nodes."""
    model, inputs = lively(build(name, GraphValue(), **options)), graphs()
    alone = []
    for graph in range(len(SIZES)):
        nodes = (inputs.graph_ids == graph).nonzero().squeeze(1)
        edges = torch.isin(inputs.edges[0], nodes)
        ids = torch.zeros_like(nodes)
        part = inputs.edges[:, edges] - nodes[0], inputs.edge_features[edges]
        alone.append(model(GraphBatch(inputs.nodes[nodes], *part, ids, 1)))
    assert (torch.cat(alone) - model(inputs)).abs().max() < 1e-5


@EACH
@pytest.mark.parametrize("count", [1, 5])
@pytest.mark.parametrize("single", [False, True])
def test_graphs_without_edges_can_be_trained_on(name: str, options: dict[str, Any], count: int, single: bool) -> None:
    model = build(name, OUTPUTS[0], single=single, **options)
    none, ids = torch.empty(2, 0, dtype=torch.int64), torch.zeros(count, dtype=torch.int64)
    inputs = GraphBatch(features(count), none, torch.empty(0, EDGE_COLUMNS), ids, 1)
    model(inputs).square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    assert all(state.isfinite().all() for state in model.state_dict().values())
    assert model.eval()(inputs).isfinite().all()


@EACH
@pytest.mark.parametrize("single", [False, True])
def test_csr_features_give_the_same_outputs_and_gradients(name: str, options: dict[str, Any], single: bool) -> None:
    inputs = one_graph(graphs())
    model = lively(build(name, OUTPUTS[0], single=single, **options))
    gradients = []
    for nodes in (inputs.nodes, inputs.nodes.to_sparse_csr()):
        model.zero_grad()
        outputs = model(inputs._replace(nodes=nodes))
        outputs.square().sum().backward()
        gradients.append([outputs.detach(), *(p.grad.clone() for p in model.parameters())])
    for dense, sparse in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, sparse, atol=1e-4, rtol=1e-4)


@EACH
@pytest.mark.parametrize("csr", [False, True])
@pytest.mark.parametrize("single", [False, True])
def test_lowered_precision_comes_close(name: str, options: dict[str, Any], csr: bool, single: bool) -> None:
    inputs = one_graph(graphs())
    inputs = inputs._replace(nodes=inputs.nodes.to_sparse_csr()) if csr else inputs
    model = lively(build(name, OUTPUTS[0], single=single, **options))
    expected = model(inputs)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(inputs)
        loss = F.cross_entropy(found, torch.arange(NODES) % 4)
    loss.backward()
    assert (found.float() - expected).abs().max() < 0.05 * expected.abs().max()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@EACH
def test_copies_compute_the_same(name: str, options: dict[str, Any]) -> None:
    model, inputs = lively(build(name, GraphValue(), **options)), graphs()
    expected = model(inputs)
    for other in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(other(inputs), expected)


@pytest.mark.parametrize("single", [False, True])
@pytest.mark.parametrize("name", list(SPECS))
def test_a_few_steps_lower_the_loss(name: str, single: bool) -> None:
    inputs = graphs()
    targets = inputs.nodes[:, :4].argmax(dim=1)
    inputs = one_graph(inputs) if single else inputs
    model = build(name, OUTPUTS[0], single=single, dropout=0.0, width=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(50):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.parametrize("jump", ["cat", "max", "sum"])
@pytest.mark.parametrize("name", [name for name in SPECS if name != "gatedgcn"])
def test_the_plain_form_joins_its_layers_and_adds_their_inputs(name: str, jump: str) -> None:
    inputs = one_graph(graphs())
    plain = build(name, OUTPUTS[0], single=True, depth=3, jump=jump)
    assert plain(inputs).shape == (NODES, 4)
    options = {"depth": 4, "single": True}
    torch.manual_seed(1)
    without = build(name, OUTPUTS[0], **options).eval()
    torch.manual_seed(1)
    residual = build(name, OUTPUTS[0], residual=True, **options).eval()
    assert not torch.allclose(residual(inputs), without(inputs))


@pytest.mark.parametrize("name", list(SPECS))
def test_wrong_options_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="depth"):
        build(name, GraphValue(), depth=0)
    with pytest.raises((ValueError, NotApplicable), match="jump"):
        build(name, GraphValue(), jump="cat")
    with pytest.raises(ValueError, match="readout"):
        build(name, GraphValue(), readout="median")


@pytest.mark.parametrize("name", list(SPECS))
def test_every_family_has_the_shared_options(name: str) -> None:
    shared = {"width", "depth", "dropout", "residual", "batch_norm", "jump", "readout"}
    assert shared <= set(option_defaults(SPECS[name].build))


@pytest.mark.parametrize("name", list(SPECS))
def test_recipes_set_only_what_the_network_has(name: str) -> None:
    learner = Supervised(build(name, OUTPUTS[0], single=True), lambda *_: None)
    parts = {part: list(parameters) for part, parameters in learner.parts().items()}
    held = [id(p) for parameters in parts.values() for p in parameters]
    assert sorted(held) == sorted(id(p) for p in learner.parameters())
    named = {key.split(".")[0] for recipe in SPECS[name].recipes.values() for key in recipe if "." in key}
    assert named <= set(parts)


def test_dropout_of_csr_features_drops_half_and_keeps_the_mean() -> None:
    ones = torch.ones(200, 200).to_sparse_csr()
    dropped = drop(ones, 0.5, training=True).to_dense()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)  # 4 standard errors
    assert drop(ones, 0.5, training=False) is ones
