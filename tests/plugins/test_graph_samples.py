"""erdos_renyi: what it counts, what it draws."""

from __future__ import annotations

import math

import pytest
import torch

import dlbench_baseline
from dlbench import Batch, Graph, GraphBatch, NotApplicable, Sample, Signature
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench_baseline.graph_samples import ErdosRenyi

pytestmark = pytest.mark.numbers

SPEC = next(spec for spec in dlbench_baseline.dlbench_models() if spec.name == "erdos_renyi")


def paths(*sizes: int) -> GraphBatch:
    """Paths of these sizes; nodes of two types in turns, edges of two types in turns."""
    edges, ids, first = [], [], 0
    for graph, size in enumerate(sizes):
        for node in range(first, first + size - 1):
            edges += [(node, node + 1), (node + 1, node)]
        ids += [graph] * size
        first += size
    nodes = torch.eye(2)[torch.arange(first) % 2]
    ends = torch.tensor(edges).T.reshape(2, -1)
    features = torch.eye(2)[torch.arange(ends.shape[1]) // 2 % 2]
    return GraphBatch(nodes, ends, features, torch.tensor(ids), len(sizes))


def counted(*batches: GraphBatch) -> ErdosRenyi:
    kind = Graph(node_features=2, edge_features=2, nodes_max=8)
    model = SPEC.build(Signature(input=kind, output=Sample()))
    for batch in batches:
        model.train_step(Batch(inputs=batch, size=batch.num_graphs), PartOptimizers(model, Recipe(), None))
    return model.eval()


def test_it_counts_sizes_and_pairs_over_all_batches() -> None:
    model = counted(paths(2, 5), paths(5))
    assert model.sizes.tolist() == [0, 0, 1, 0, 0, 2, 0, 0, 0]
    assert float(model.density()) == (1 + 4 + 4) / (1 + 10 + 10)


def test_it_draws_what_it_counted_within_sampling_error() -> None:
    model = counted(paths(2, 5), paths(5, 5))
    drawn = model.sample(3000, torch.Generator().manual_seed(0))
    sizes = torch.bincount(drawn.graph_ids, minlength=3000)
    share = float((sizes == 2).float().mean())
    assert bool(((sizes == 2) | (sizes == 5)).all())
    assert share == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 3000))
    pairs = float((sizes * (sizes - 1)).sum()) / 2
    edges = drawn.edges.shape[1] / 2
    density = 13 / 31
    assert edges / pairs == pytest.approx(density, abs=4 * math.sqrt(density * (1 - density) / pairs))
    assert float(drawn.nodes[:, 0].mean()) == pytest.approx(9 / 17, abs=0.02)
    assert float(drawn.edge_features[:, 0].mean()) == pytest.approx(7 / 13, abs=0.03)


def test_what_it_draws_is_simple_and_repeats_itself() -> None:
    model = counted(paths(3, 8))
    first, second = (model.sample(200, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.edges, second.edges)
    pairs = {(s, t): kind for (s, t), kind in zip(first.edges.T.tolist(), first.edge_features.tolist(), strict=True)}
    assert len(pairs) == first.edges.shape[1]
    assert all(s != t and pairs[t, s] == kind for (s, t), kind in pairs.items())
    assert bool((first.graph_ids[first.edges[0]] == first.graph_ids[first.edges[1]]).all())


@pytest.mark.parametrize("full", [False, True])
def test_the_ends_of_the_density_are_kept(full: bool) -> None:
    size = 4
    ends = (~torch.eye(size, dtype=torch.bool)).nonzero().T if full else torch.zeros(2, 0, dtype=torch.int64)
    graphs = GraphBatch(torch.ones(size, 1), ends, None, torch.zeros(size, dtype=torch.int64), 1)
    model = ErdosRenyi(nodes_max=6)
    model.train_step(Batch(inputs=graphs, size=1), PartOptimizers(model, Recipe(), None))
    drawn = model.sample(50, torch.Generator().manual_seed(0))
    assert drawn.edges.shape[1] == (50 * size * (size - 1) if full else 0)


def test_the_loss_is_the_surprise_at_a_batch() -> None:
    model = ErdosRenyi(nodes_max=8, node_types=2, bond_types=2)
    loss = model.observe(paths(2, 3))
    of_edges = 3 * math.log(3 / 4) + math.log(1 / 4)
    assert float(loss) == pytest.approx(-(of_edges + 2 * math.log(1 / 2)) / 2, rel=1e-6)


def test_it_draws_before_it_has_seen_anything() -> None:
    drawn = ErdosRenyi(nodes_max=3).sample(20, torch.Generator().manual_seed(0))
    assert drawn.num_graphs == 20
    assert drawn.edges.shape[1] == 0


def test_a_task_must_say_how_large_graphs_are() -> None:
    with pytest.raises(NotApplicable, match="nodes_max"):
        SPEC.build(Signature(input=Graph(node_features=1), output=Sample()))
