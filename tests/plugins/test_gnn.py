"""dlbench_gnn: the published size, the formula, equivariance, CSR features."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dlbench_gnn
from dlbench import Graph, GraphBatch, NodeClasses, Signature
from dlbench.choice import option_defaults
from dlbench.learner import Supervised
from dlbench_gnn.gcn import GCN

SPEC = next(iter(dlbench_gnn.dlbench_models()))
SIGNATURE = Signature(input=Graph(node_features=9), output=NodeClasses(num_classes=4))
NODES = 30


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def adjacency() -> Tensor:
    """A random graph whose last node has no edge."""
    linked = torch.triu(torch.rand(NODES, NODES) < 0.15, diagonal=1)
    linked[:, -1] = False
    return linked | linked.T


def batch(nodes: Tensor, linked: Tensor) -> GraphBatch:
    return GraphBatch(nodes, linked.nonzero().T.contiguous(), None, torch.zeros(len(linked), dtype=torch.int64), 1)


def features() -> Tensor:
    """Mostly zeros, as bags of words are."""
    return torch.rand(NODES, 9) * (torch.rand(NODES, 9) < 0.3)


def build(**options: Any) -> nn.Module:
    return SPEC.build(SIGNATURE, **options)


def test_has_the_published_number_of_parameters_on_cora() -> None:
    cora = Signature(input=Graph(node_features=1433), output=NodeClasses(num_classes=7))
    assert sum(p.numel() for p in SPEC.build(cora).parameters()) == 23_063


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_output_has_the_shape_of_the_kind(depth: int) -> None:
    inputs = batch(features(), adjacency())
    assert tuple(build(depth=depth)(inputs).shape) == SIGNATURE.output.shape(inputs) == (NODES, 4)


@pytest.mark.parametrize("sparse", [False, True])
def test_gradient_reaches_every_parameter(sparse: bool) -> None:
    model, nodes = build(), features()
    outputs = model(batch(nodes.to_sparse_csr() if sparse else nodes, adjacency()))
    F.cross_entropy(outputs, torch.arange(NODES) % 4).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_defaults_are_those_of_the_constructor() -> None:
    assert option_defaults(SPEC.build) == option_defaults(GCN)


def test_equals_the_formula_of_the_paper() -> None:
    model, nodes, linked = build().eval(), features(), adjacency()
    for layer in model.layers:
        nn.init.normal_(layer.bias)
    loops = linked.float() + torch.eye(NODES)
    scale = loops.sum(1).rsqrt()
    mix = scale[:, None] * loops * scale
    first, second = model.layers
    hidden = F.relu(mix @ nodes @ first.lin.weight.T + first.bias)
    expected = mix @ hidden @ second.lin.weight.T + second.bias
    torch.testing.assert_close(model(batch(nodes, linked)), expected, atol=1e-5, rtol=0)


def test_renumbered_nodes_get_renumbered_logits() -> None:
    model, nodes, linked = build(depth=3).eval(), features(), adjacency()
    order = torch.randperm(NODES)
    moved = model(batch(nodes[order], linked[order][:, order]))
    assert (moved - model(batch(nodes, linked))[order]).abs().max() < 1e-5


def test_csr_features_give_the_same_logits_and_gradients() -> None:
    model, nodes, linked = build(dropout=0.0), features(), adjacency()
    gradients = []
    for x in (nodes, nodes.to_sparse_csr()):
        model.zero_grad()
        outputs = model(batch(x, linked))
        outputs.square().sum().backward()
        gradients.append([outputs.detach(), *(p.grad.clone() for p in model.parameters())])
    for dense, sparse in zip(*gradients, strict=True):
        torch.testing.assert_close(dense, sparse, atol=1e-5, rtol=1e-5)


def test_dropout_of_csr_features_drops_half_and_keeps_the_mean() -> None:
    model = build()
    dropped = model._drop(torch.ones(200, 200).to_sparse_csr()).to_dense()
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)  # 4 standard errors
    model.eval()
    assert torch.equal(model._drop(torch.ones(3, 3).to_sparse_csr()).to_dense(), torch.ones(3, 3))


def test_parts_hold_each_parameter_once() -> None:
    model = build(depth=3)
    parts = {name: list(parameters) for name, parameters in Supervised(model, lambda *_: None).parts().items()}
    assert list(parts) == ["first", "rest"]
    assert [p.shape for p in parts["first"]] == [p.shape for p in model.layers[0].parameters()]
    held = [id(p) for parameters in parts.values() for p in parameters]
    assert sorted(held) == sorted(id(p) for p in model.parameters())
