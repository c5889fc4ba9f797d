"""dlbench_mlp: every kind it accepts, sparse nodes, parameter counts, learning."""

from __future__ import annotations

import inspect
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn import functional as F

import dlbench_mlp
from dlbench import (
    Classes,
    EdgeClasses,
    Graph,
    GraphBatch,
    Hypergraph,
    HypergraphBatch,
    Image,
    NodeClasses,
    NodeValue,
    NotApplicable,
    Signature,
    Value,
    Vector,
)
from dlbench.contract.choice import option_defaults
from dlbench_mlp.mlp import MLP, drop
from dlbench_mlp.perceptron import Perceptron
from dlbench_mlp.readout import ReadoutMLP

pytestmark = pytest.mark.numbers

CONSTRUCTORS = {"perceptron": Perceptron, "mlp": MLP}
SPECS = {spec.name: spec for spec in dlbench_mlp.dlbench_models() if spec.name in CONSTRUCTORS}
SIGNATURES = {
    "image": Signature(input=Image(channels=1, height=4, width=5), output=Classes(num_classes=3)),
    "vector": Signature(input=Vector(features=6), output=Classes(num_classes=3)),
    "value": Signature(input=Vector(features=6), output=Value()),
    "nodes": Signature(input=Graph(node_features=7), output=NodeClasses(num_classes=3)),
    "edges": Signature(input=Graph(node_features=7), output=EdgeClasses(num_classes=3)),
    "graphs": Signature(input=Graph(node_features=7), output=Classes(num_classes=3)),
    "graph_value": Signature(input=Graph(node_features=7), output=Value()),
    "node_value": Signature(input=Graph(node_features=7), output=NodeValue()),
    "hypergraph": Signature(input=Hypergraph(node_features=7), output=NodeClasses(num_classes=3)),
    "hypergraph_value": Signature(input=Hypergraph(node_features=7), output=NodeValue()),
}
CASES = [("perceptron", key) for key in ("image", "vector", "value")] + [("mlp", key) for key in SIGNATURES]


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def graph_batch(nodes: torch.Tensor) -> GraphBatch:
    count = nodes.shape[0]
    edges = torch.randint(count, (2, 2 * count))
    return GraphBatch(nodes, edges, None, torch.zeros(count, dtype=torch.int64), 1)


def examples(key: str, count: int = 12) -> tuple[Any, torch.Tensor]:
    """Inputs as the kind fixes them, and targets."""
    classes = torch.arange(count) % 3
    if key == "image":
        return torch.randn(count, 1, 4, 5), classes
    if key in ("nodes", "node_value"):
        return graph_batch(torch.randn(count, 7)), classes if key == "nodes" else torch.randn(count)
    if key.startswith("hypergraph"):
        batch = HypergraphBatch(torch.randn(count, 7), torch.zeros(2, 0, dtype=torch.int64), 0)
        return batch, classes if key == "hypergraph" else torch.randn(count)
    if key == "edges":
        ring = torch.stack([torch.arange(count), torch.arange(count).roll(1)])
        return graph_batch(torch.randn(count, 7))._replace(edges=ring), classes
    if key in ("graphs", "graph_value"):
        ids = torch.arange(count).repeat_interleave(torch.arange(count) % 3 + 1)  # graphs of 1 to 3 nodes
        batch = graph_batch(torch.randn(len(ids), 7))._replace(graph_ids=ids, num_graphs=count)
        return batch, classes if key == "graphs" else torch.randn(count)
    return torch.randn(count, 6), classes if key == "vector" else torch.randn(count)


def loss_of(key: str, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.mse_loss(outputs, targets) if key.endswith("value") else F.cross_entropy(outputs, targets)


def num_parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_each_name_accepts_the_kinds_tested_here() -> None:
    for name, spec in SPECS.items():
        tested = [(type(SIGNATURES[k].input), type(SIGNATURES[k].output)) for n, k in CASES if n == name]
        assert sorted(map(str, spec.accepts)) == sorted(map(str, tested))
        assert spec.family == "MLP"
        assert spec.paper


@pytest.mark.parametrize(("name", "key"), CASES)
def test_outputs_have_the_shape_of_the_signature(name: str, key: str) -> None:
    inputs, _ = examples(key)
    outputs = SPECS[name].build(SIGNATURES[key])(inputs)
    assert tuple(outputs.shape) == SIGNATURES[key].output.shape(inputs)


def test_one_example_keeps_its_shape() -> None:
    assert SPECS["mlp"].build(SIGNATURES["value"])(torch.randn(1, 6)).shape == (1,)


def test_parameter_counts() -> None:
    mnist = Signature(input=Image(channels=1, height=28, width=28), output=Classes(num_classes=10))
    assert num_parameters(SPECS["perceptron"].build(mnist)) == 7_850
    assert num_parameters(SPECS["mlp"].build(mnist)) == 784 * 256 + 256 + 256 * 256 + 256 + 256 * 10 + 10
    cora = Signature(input=Graph(node_features=1433), output=NodeClasses(num_classes=7))
    assert num_parameters(SPECS["mlp"].build(cora, width=16, depth=1)) == 23_063  # as many as Kipf and Welling's GCN


@pytest.mark.parametrize(("name", "key"), CASES)
def test_gradient_reaches_every_parameter(name: str, key: str) -> None:
    model = SPECS[name].build(SIGNATURES[key])
    inputs, targets = examples(key)
    loss_of(key, model(inputs), targets).backward()
    silent = [k for k, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize("key", list(SIGNATURES))
def test_mlp_learns_a_tiny_batch_by_heart(key: str) -> None:
    model = SPECS["mlp"].build(SIGNATURES[key])
    inputs, targets = examples(key)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = loss_of(key, model(inputs), targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = loss_of(key, model(inputs), targets)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.01 * before


def fitted_accuracy(name: str, points: torch.Tensor, targets: torch.Tensor) -> float:
    signature = Signature(input=Vector(features=2), output=Classes(num_classes=2))
    model = SPECS[name].build(signature)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-2)
    for _ in range(200):
        optimizer.zero_grad()
        F.cross_entropy(model(points), targets).backward()
        optimizer.step()
    return (model(points).argmax(dim=1) == targets).float().mean().item()


def test_a_line_separates_and_but_not_xor() -> None:
    points = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    both, either = torch.tensor([0, 0, 0, 1]), torch.tensor([0, 1, 1, 0])
    assert fitted_accuracy("perceptron", points, both) == 1.0
    assert fitted_accuracy("perceptron", points, either) <= 0.75
    assert fitted_accuracy("mlp", points, either) == 1.0


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support:UserWarning")
@pytest.mark.parametrize("key", ["nodes", "edges", "graphs", "hypergraph"])
def test_sparse_nodes_give_the_outputs_and_gradients_of_dense_ones(key: str) -> None:
    batch, _ = examples(key)
    dense = batch.nodes * (torch.rand_like(batch.nodes) < 0.2)
    model = SPECS["mlp"].build(SIGNATURES[key])
    found = []
    for nodes in (dense, dense.to_sparse_csr()):
        model.zero_grad()
        outputs = model(batch._replace(nodes=nodes))
        outputs.square().sum().backward()
        found.append([outputs.detach(), *(p.grad.clone() for p in model.parameters())])
    for of_dense, of_sparse in zip(*found, strict=True):
        torch.testing.assert_close(of_sparse, of_dense, rtol=1e-5, atol=1e-6)


def test_edges_have_no_say() -> None:
    model = SPECS["mlp"].build(SIGNATURES["nodes"])
    batch, _ = examples("nodes")
    assert torch.equal(model(batch), model(batch._replace(edges=torch.zeros(2, 0, dtype=torch.int64))))


def test_graphs_are_read_out_by_the_mean_and_edges_by_their_two_ends() -> None:
    for key in ("graphs", "edges"):
        model = SPECS["mlp"].build(SIGNATURES[key], width=8)
        batch, _ = examples(key)
        states = model.hidden(batch.nodes)
        if key == "graphs":
            rows = torch.stack([states[batch.graph_ids == g].mean(dim=0) for g in range(batch.num_graphs)])
        else:
            rows = torch.stack([torch.cat([states[a], states[b]]) for a, b in batch.edges.T])
        sizes = [layer.out_features for layer in model.output if isinstance(layer, torch.nn.Linear)]
        assert sizes == [rows.shape[1] // 2, rows.shape[1] // 4, 3]
        torch.testing.assert_close(model(batch), model.output(rows))


def test_a_readout_may_be_the_sum_or_the_maximum_of_a_graphs_nodes_and_of_nothing_else() -> None:
    batch, _ = examples("graphs")
    for readout, of_states in (("sum", lambda s: s.sum(dim=0)), ("max", lambda s: s.amax(dim=0))):
        model = SPECS["mlp"].build(SIGNATURES["graphs"], width=8, readout=readout)
        states = model.hidden(batch.nodes)
        rows = torch.stack([of_states(states[batch.graph_ids == g]) for g in range(batch.num_graphs)])
        torch.testing.assert_close(model(batch), model.output(rows))
    for key in ("vector", "nodes", "edges", "hypergraph"):
        with pytest.raises(NotApplicable, match="nothing to read out"):
            SPECS["mlp"].build(SIGNATURES[key], readout="sum")
    with pytest.raises(ValueError, match="mean, sum, max"):
        SPECS["mlp"].build(SIGNATURES["graphs"], readout="median")


def test_readout_levels() -> None:
    with pytest.raises(ValueError, match="'graphs' or 'edges'"):
        ReadoutMLP(features=3, num_classes=2, level="nodes")


@pytest.mark.parametrize("key", ["vector", "nodes", "graphs", "edges", "hypergraph"])
def test_input_dropout_acts_in_training_only(key: str) -> None:
    model = SPECS["mlp"].build(SIGNATURES[key], input_dropout=0.5)
    plain = SPECS["mlp"].build(SIGNATURES[key])
    plain.load_state_dict(model.state_dict())
    inputs, _ = examples(key)
    assert not torch.equal(model(inputs), model(inputs))
    assert torch.equal(model.eval()(inputs), plain(inputs))


def test_input_dropout_of_sparse_inputs_drops_half_and_keeps_the_mean() -> None:
    ones = torch.ones(200, 200)
    for inputs in (ones, ones.to_sparse_csr()):
        dropped = drop(inputs, 0.5, training=True).to_dense()
        assert set(dropped.unique().tolist()) == {0.0, 2.0}
        assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)  # 4 standard errors
        assert drop(inputs, 0.5, training=False) is inputs


def test_dropout_acts_in_training_only() -> None:
    model = SPECS["mlp"].build(SIGNATURES["vector"], dropout=0.5)
    inputs, _ = examples("vector")
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_depth_counts_hidden_layers() -> None:
    for depth in (1, 4):
        model = MLP(features=6, num_classes=3, depth=depth)
        assert sum(isinstance(m, torch.nn.Linear) for m in model.modules()) == depth + 1
    with pytest.raises(ValueError, match="at least 1, not 0"):
        MLP(features=6, num_classes=3, depth=0)


@pytest.mark.parametrize(
    ("norm", "kind"), [("batch", torch.nn.BatchNorm1d), ("layer", torch.nn.LayerNorm), ("group", torch.nn.GroupNorm)]
)
def test_a_norm_stands_before_each_rectifier(norm: str, kind: type) -> None:
    model = MLP(features=6, num_classes=3, width=12, norm=norm)
    kinds = [type(module) for module in model.hidden]
    assert kinds == [torch.nn.Linear, kind, torch.nn.ReLU] * 2
    with torch.no_grad():
        model.hidden[0].weight.mul_(1000).add_(5)
    states = model.hidden[:2](torch.randn(64, 6))
    assert states.mean().abs() < 0.1
    assert states.square().mean().item() == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match="norm is one of batch, layer, group or none, not 'bath'"):
        MLP(features=6, num_classes=3, norm="bath")


@pytest.mark.parametrize("name", list(SPECS))
def test_option_defaults_are_the_constructors(name: str) -> None:
    parameters = inspect.signature(CONSTRUCTORS[name]).parameters
    options = option_defaults(SPECS[name].build)
    options.pop("readout", None)  # of the form for whole graphs alone
    assert options == {key: p.default for key, p in parameters.items() if p.default is not p.empty}


def test_describing_the_models_does_not_import_torch() -> None:
    code = "import sys, dlbench_mlp; list(dlbench_mlp.dlbench_models()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
