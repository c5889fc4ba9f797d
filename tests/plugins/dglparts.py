"""Graphs, networks and gradients for the tests of dlbench_dgl."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from dlbench import Graph, GraphBatch, GraphClasses, GraphValue, NodeClasses, Signature
from dlbench.data.graphs import GraphSet, single_graph
from dlbench.plan.catalog import Catalog, discover

FAMILIES = ("gcn", "chebnet", "graphsage", "gat", "gin", "monet")
ON_ONE = Signature(input=Graph(node_features=9, single=True), output=NodeClasses(num_classes=4))
ON_MANY = Signature(input=Graph(node_features=9), output=GraphClasses(num_classes=3))
AS_VALUE = Signature(input=Graph(node_features=9), output=GraphValue())
NODES = 30
Gradients = dict[str, Tensor]


@cache
def everything() -> Catalog:
    return discover(["dlbench_dgl"])


def undirected() -> Tensor:
    """The edges (2, E) of a random graph whose last node has none."""
    linked = torch.triu(torch.rand(NODES, NODES) < 0.15, diagonal=1)
    linked[:, -1] = False
    return (linked | linked.T).nonzero().T.contiguous()


def awkward() -> Tensor:
    """Directed, with self-loops, an edge that is there twice, nodes without edges into them and one without any."""
    linked = torch.rand(NODES, NODES) < 0.1
    linked[:, :4] = linked[-1] = linked[:, -1] = False
    linked[[0, 9, 11], [9, 9, 11]] = True
    edges = linked.nonzero().T
    return torch.cat([edges, torch.tensor([[0], [9]])], dim=1)


GRAPHS: dict[str, Callable[[], Tensor]] = {
    "undirected": undirected,
    "awkward": awkward,
    "without edges": lambda: torch.zeros(2, 0, dtype=torch.int64),
}


def one(edges: Tensor) -> GraphBatch:
    return single_graph(torch.randn(NODES, 9), edges)


def many(edge_features: int = 0) -> GraphBatch:
    """Five graphs, one of a single node, one without edges, one with an isolated node."""
    links = [[(0, 1), (1, 2), (2, 0)], [], [], [(0, 3), (3, 1), (1, 2), (1, 4)], [(0, 1)]]
    edges = [pair for part in links for a, b in part for pair in ((a, b), (b, a))]
    sizes = torch.tensor([3, 1, 4, 6, 2])
    columns = torch.randn(len(edges), edge_features) if edge_features else None
    graphs = GraphSet(
        node_counts=sizes, nodes=torch.randn(16, 9), edge_counts=[2 * len(part) for part in links],
        edges=torch.tensor(edges).T, edge_features=columns,
    )  # fmt: skip
    return graphs.gather(torch.arange(5)).graphs


def build(name: str, signature: Signature, seed: int = 1, **options: Any) -> nn.Module:
    torch.manual_seed(seed)
    network = everything().model(name).build(signature, **options)
    assert isinstance(network, nn.Module)
    return network


def close(a: Tensor, b: Tensor, what: str = "") -> None:
    torch.testing.assert_close(a, b, atol=1e-5, rtol=0, msg=lambda text: f"{what}: {text}")


def carried(translated: Gradients, own: Gradients, module: nn.Module) -> Gradients:
    """Gradients by DGL's parameters -> gradients by `module`'s, from which `translated` was computed."""
    names, parameters = zip(*module.named_parameters(), strict=True)
    trained = {name: value for name, value in translated.items() if value.requires_grad}
    assert own.keys() == trained.keys()
    found = torch.autograd.grad(list(trained.values()), parameters, [own[name] for name in trained])
    return dict(zip(names, found, strict=True))


def gradients(module: nn.Module) -> Gradients:
    """By name; 0 where none came."""
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in module.named_parameters()}


def run(module: nn.Module, call: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """Outputs, and the gradient of a weighted mean of them by x; by the parameters it is left in them."""
    module.zero_grad()
    x = x.clone().requires_grad_()
    outputs = call(x)
    rows = torch.arange(outputs.numel(), dtype=outputs.dtype).sin().reshape(outputs.shape)
    (outputs * rows).mean().backward()
    assert x.grad is not None
    return outputs.detach(), x.grad
