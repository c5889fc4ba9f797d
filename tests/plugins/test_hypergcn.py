"""hypergcn: the paper's formula hyperedge by hyperedge, its pairs, equivariance."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from dlbench import HypergraphBatch
from dlbench_gnn.hypergcn import Hyperedges, HyperGCN, propagate

NODES, FEATURES = 10, 6
HYPEREDGES = [[0, 1, 2, 3], [2, 4], [5], [3, 4, 6, 7, 8], [0, 8]]  # node 9 is in none


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def hypergraph(nodes: Tensor, hyperedges: list[list[int]] = HYPEREDGES) -> HypergraphBatch:
    members = [(node, number) for number, held in enumerate(hyperedges) for node in held]
    return HypergraphBatch(nodes, torch.tensor(members).T.contiguous(), len(hyperedges))


def build(**options: Any) -> HyperGCN:
    return HyperGCN(features=FEATURES, num_classes=3, **options)


def mixing_by_hand(signal: Tensor, first: Tensor, mediators: bool) -> Tensor:
    """The paper's definition, hyperedge by hyperedge."""
    weights = torch.eye(len(signal))
    for held in HYPEREDGES:
        if len(held) < 2:
            continue
        pairs = [(a, b) for a in held for b in held if a < b]
        apart = [[float((x[a] - x[b]).square().sum()) for a, b in pairs] for x in (signal, first)]
        tied = [pair for pair in range(len(pairs)) if apart[0][pair] >= 0.9999 * max(apart[0])]
        a, b = pairs[max(tied, key=lambda pair: apart[1][pair])]
        joined = [(a, b)]
        if mediators:
            joined += [(end, m) for m in held if m not in (a, b) for end in (a, b)]
            assert len(joined) == 2 * len(held) - 3
        for one, other in joined:
            weights[one, other] += 1 / len(joined)
            weights[other, one] += 1 / len(joined)
    scale = weights.sum(dim=1).rsqrt()
    return scale[:, None] * weights * scale


@pytest.mark.parametrize("mediators", [True, False])
@pytest.mark.parametrize("fast", [True, False])
@torch.no_grad()
def test_hypergcn_equals_the_formula_of_the_paper(mediators: bool, fast: bool) -> None:
    model, nodes = build(width=5, mediators=mediators, fast=fast).eval(), torch.randn(NODES, FEATURES)
    x, first = nodes, nodes @ model.layers[0].weight
    for index, layer in enumerate(model.layers):
        nn.init.normal_(layer.bias)
        signal = x @ layer.weight
        mix = mixing_by_hand(*(nodes, nodes) if fast else (signal, first), mediators)
        x = mix @ signal + layer.bias
        x = x.relu() if index == 0 else x
    torch.testing.assert_close(model(hypergraph(nodes)), x, atol=1e-5, rtol=0)


def test_the_most_different_pair_of_each_hyperedge() -> None:
    signal = torch.tensor([[0.0], [5.0], [1.0], [-3.0], [9.0]])
    batch = hypergraph(signal, [[0, 1, 2], [2], [0, 2, 3, 4]])
    hyperedges = Hyperedges(batch.members, 5, 3)
    apart = hyperedges.distances(signal)
    assert hyperedges.extremes(apart, apart).T.tolist() == [[0, 1], [0, 0], [3, 4]]


def test_of_equal_pairs_the_one_that_was_farthest_apart_at_first() -> None:
    before, now = torch.tensor([[0.0], [1.0], [7.0], [3.0]]), torch.tensor([[2.0], [2.0], [2.00001], [0.0]])
    hyperedges = Hyperedges(hypergraph(now, [[0, 1, 2, 3]]).members, 4, 1)
    found = hyperedges.extremes(hyperedges.distances(now), hyperedges.distances(before))
    assert found.flatten().tolist() == [2, 3]
    same = hyperedges.distances(torch.ones(4, 1))
    assert hyperedges.extremes(same, hyperedges.distances(before)).flatten().tolist() == [0, 2]


def test_pairs_searched_in_pieces_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = torch.randn(NODES, FEATURES)
    model = build().eval()
    whole = model(hypergraph(nodes))
    monkeypatch.setattr("dlbench_gnn.hypergcn.AT_ONCE", 20)
    assert torch.equal(model(hypergraph(nodes)), whole)


@pytest.mark.parametrize("options", [{}, {"mediators": False}, {"fast": True}, {"depth": 3}])
def test_hypergcn_is_equivariant(options: dict[str, Any]) -> None:
    model, nodes = build(**options).eval(), torch.randn(NODES, FEATURES)
    order = torch.randperm(NODES)
    place = order.argsort().tolist()
    moved = [[place[node] for node in reversed(held)] for held in reversed(HYPEREDGES)]
    difference = model(hypergraph(nodes[order], moved)) - model(hypergraph(nodes))[order]
    assert difference.abs().max() < 1e-5


def test_hyperedges_of_one_node_change_nothing() -> None:
    model, nodes = build().eval(), torch.randn(NODES, FEATURES)
    alone = hypergraph(nodes, [[n] for n in range(NODES)])
    hyperedges = Hyperedges(alone.members, NODES, NODES)
    apart = hyperedges.distances(nodes)
    assert hyperedges.edges(apart, apart, True)[0].shape == hyperedges.edges(apart, apart, False)[0].shape == (2, 0)
    first, second = model.layers
    expected = (nodes @ first.weight + first.bias).relu() @ second.weight + second.bias
    torch.testing.assert_close(model(alone), expected)


def test_propagation_keeps_the_eigenvector_of_the_normalised_matrix() -> None:
    edges, weights = torch.tensor([[0, 1, 1, 2], [1, 0, 2, 1]]), torch.tensor([2.0, 2.0, 0.5, 0.5])
    totals = torch.tensor([3.0, 3.5, 1.5])  # with the node's own weight of 1
    root = totals.sqrt()[:, None]
    torch.testing.assert_close(propagate(root, edges, weights), root)


class CudasRules(TorchFunctionMode):
    """What CUDA's autocast does and the CPU's does not: these functions are given, and give, float32."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if function in (Tensor.rsqrt, Tensor.square, Tensor.sum):
            args = (args[0].float() if args[0].is_floating_point() else args[0], *args[1:])
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("options", [{}, {"mediators": False}, {"fast": True}])
def test_hypergcn_trains_in_lowered_precision_under_cudas_rules(dtype: torch.dtype, options: dict[str, Any]) -> None:
    model, nodes = build(**options).eval(), torch.randn(NODES, FEATURES)
    exact = model(hypergraph(nodes))
    with CudasRules(), torch.autocast("cpu", dtype):
        lowered = model(hypergraph(nodes))
    assert (lowered - exact).abs().max() < 0.05 * exact.abs().max()  # bf16 keeps 8 bits
    lowered.sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_hypergcn_trains_in_lowered_precision_on_cuda(dtype: torch.dtype) -> None:
    model = build().cuda()
    batch = hypergraph(torch.randn(NODES, FEATURES))
    with torch.autocast("cuda", dtype):
        outputs = model(HypergraphBatch(batch.nodes.cuda(), batch.members.cuda(), batch.num_hyperedges))
    outputs.float().sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
