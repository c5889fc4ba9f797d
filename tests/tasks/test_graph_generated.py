"""PATTERN and CLUSTER against the parameters that they are drawn with; declarations of generated tasks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from dlbench import Batch
from dlbench.data import Data
from dlbench.data.kept import Arrays
from dlbench.data.root import default_cache
from dlbench.errors import UsageError
from dlbench.plan.plan import check_ingredients
from dlbench.testing import check_task, report
from dlbench_graph.generated import sbm, specs
from dlbench_graph.scores import batch_balanced_accuracy
from workshop import catalog

SPECS = {spec.name: spec for spec in specs()}
PATTERN = sbm.PatternSet(name="tiny_pattern", patterns=150, graphs=(2, 1, 1), seed=7)
CLUSTER = sbm.ClusterSet(name="tiny_cluster", sizes=(200, 20, 20), seed=7)
SIZE, SQUARE = np.mean(np.arange(*sbm.SIZES)), np.mean(np.square(np.arange(*sbm.SIZES)))


@pytest.fixture(scope="module")
def pattern() -> Arrays:
    return sbm.generate(PATTERN)


@pytest.fixture(scope="module")
def cluster() -> Arrays:
    return sbm.generate(CLUSTER)


def graphs_of(arrays: Arrays) -> Iterator[tuple[NDArray[Any], NDArray[Any], NDArray[np.bool_]]]:
    """Signal, label and adjacency matrix of each graph."""
    nodes, edges = arrays["node_counts"].cumsum(), arrays["edge_counts"].cumsum()
    for n, last_node, e, last_edge in zip(arrays["node_counts"], nodes, arrays["edge_counts"], edges, strict=True):
        links = np.zeros((n, n), dtype=bool)
        source, target = arrays["edges"][:, last_edge - e : last_edge]
        links[target, source] = True
        rows = slice(last_node - n, last_node)
        yield arrays["signals"][rows], arrays["labels"][rows], links


def assert_mean(values: list[float] | NDArray[Any], expected: float) -> None:
    """Four standard errors of independent draws."""
    error = np.std(values, ddof=1) / math.sqrt(len(values))
    assert error > 0
    assert abs(np.mean(values) - expected) < 4 * error, f"{np.mean(values)} is not {expected} +- 4 x {error}"


def assert_rate(hits: float, trials: float, chance: float) -> None:
    """Four standard errors of a binomial share."""
    assert trials > 1000
    assert abs(hits / trials - chance) < 4 * math.sqrt(chance * (1 - chance) / trials)


# --- PATTERN ----------------------------------------------------------------------------------------------


def test_pattern_edges_have_the_given_chances(pattern: Arrays) -> None:
    base, across, possible_across, excess = [], 0, 0, []
    for _, label, links in graphs_of(pattern):
        inside = label == 1
        assert not links.diagonal().any()
        assert (links == links.T).all()
        base.append(links[~inside][:, ~inside].sum() / 2)
        across += links[inside][:, ~inside].sum()
        possible_across += inside.sum() * (~inside).sum()
        excess.append(links[inside].sum(axis=1).mean() - 0.5 * (len(label) - 1))
    pairs_intra, pairs_inter = 5 * (SQUARE - SIZE) / 2, 10 * SIZE**2
    assert_mean(base, pairs_intra * PATTERN.p_intra + pairs_inter * PATTERN.p_inter)
    assert_rate(across, possible_across, PATTERN.p_planted)
    assert_mean(excess[:: PATTERN.graphs[0]][: PATTERN.patterns], 0.0)  # one graph of each pattern


def test_pattern_classes_and_signals_have_the_given_shares(pattern: Arrays) -> None:
    drawn = list(graphs_of(pattern))
    one_each = drawn[: 2 * PATTERN.patterns : 2]
    assert_mean([(label == 1).sum() for _, label, _ in one_each], SIZE)
    assert_mean([(label == 0).sum() for _, label, _ in drawn], 5 * SIZE)
    base = np.concatenate([signal[label == 0] for signal, label, _ in drawn])
    for value in range(PATTERN.num_signals):
        assert_rate((base == value).sum(), len(base), 1 / 3)


def test_the_splits_share_the_patterns_and_not_the_base_graphs(pattern: Arrays) -> None:
    drawn = list(graphs_of(pattern))
    first, second = drawn[0], drawn[PATTERN.sizes[0]]  # of train and of val
    edges = [links[label == 1][:, label == 1].sum() for _, label, links in (first, second)]
    signals = [sorted(signal[label == 1]) for signal, label, _ in (first, second)]
    assert edges[0] == edges[1]
    assert signals[0] == signals[1]
    assert len({label.tobytes() for _, label, _ in drawn}) == len(drawn)


def test_a_threshold_on_the_degree_alone_finds_most_of_the_pattern() -> None:
    """Nodes of the pattern expect 0.5 (n - 1) neighbours, all others fewer."""
    found = sbm.generate(sbm.PATTERN_SMALL)
    shares = [(links.sum(axis=1) / len(label), label) for _, label, links in graphs_of(found)]
    train, test = shares[: sbm.PATTERN_SMALL.sizes[0]], shares[-sbm.PATTERN_SMALL.sizes[2] :]

    def score(part: list[tuple[Any, Any]], threshold: float) -> float:
        share, label = (np.concatenate(column) for column in zip(*part, strict=True))
        found = torch.from_numpy(share > threshold).long()
        return batch_balanced_accuracy([torch.eye(2)[found]], [torch.from_numpy(label.astype(np.int64))])

    best = max(np.linspace(0.3, 0.6, 61), key=lambda threshold: score(train, threshold))
    assert 0.82 < score(test, best) < 0.88


# --- CLUSTER ----------------------------------------------------------------------------------------------


def test_cluster_edges_have_the_given_chances(cluster: Arrays) -> None:
    counts = np.zeros((2, 2))  # linked or not, of one community or of two
    sizes = []
    for _, label, links in graphs_of(cluster):
        same, pair = label[:, None] == label[None], np.triu(np.ones_like(links), k=1)
        counts += [
            [(links & same & pair).sum(), (links & ~same & pair).sum()],
            [(same & pair).sum(), (~same & pair).sum()],
        ]
        sizes += np.bincount(label, minlength=6).tolist()
        assert (links == links.T).all()
    assert_rate(counts[0, 0], counts[1, 0], CLUSTER.p_intra)
    assert_rate(counts[0, 1], counts[1, 1], CLUSTER.p_inter)
    assert_mean(sizes, SIZE)
    assert (min(sizes), max(sizes)) == (5, 34)


def test_one_node_of_each_community_shows_it(cluster: Arrays) -> None:
    places = []
    for signal, label, _ in graphs_of(cluster):
        shown = np.nonzero(signal)[0]
        assert sorted(signal[shown]) == [1, 2, 3, 4, 5, 6]
        assert (signal[shown] == label[shown] + 1).all()
        places += (shown / (len(label) - 1)).tolist()
    assert_mean(places, 0.5)


# --- tasks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sbm_small", "sbm_pattern_small", "sbm_cluster_small"])
def test_conforms(name: str) -> None:
    findings = check_task(SPECS[name], catalog())
    assert all(finding.ok for finding in findings), report(findings)


@pytest.mark.parametrize("form", [PATTERN, CLUSTER], ids=lambda form: form.name)
def test_the_task_shows_the_generated_graphs(form: Any, tmp_path: Path) -> None:
    arrays = sbm.generate(form)
    task = sbm.make_task(Data(root=tmp_path, cache=tmp_path), form)
    batch = next(iter(task.batches("train", 5, None)))
    wanted = list(graphs_of(arrays))[:5]
    assert batch.inputs.edge_features is None
    assert batch.targets.tolist() == np.concatenate([label for _, label, _ in wanted]).tolist()
    assert batch.inputs.nodes.argmax(dim=1).tolist() == np.concatenate([signal for signal, _, _ in wanted]).tolist()
    assert batch.inputs.nodes.sum(dim=1).eq(1).all()
    starts = np.cumsum([0, *(len(label) for _, label, _ in wanted)])
    linked = torch.zeros(starts[-1], starts[-1], dtype=torch.bool)
    linked[batch.inputs.edges[1], batch.inputs.edges[0]] = True
    for start, (_, label, links) in zip(starts, wanted, strict=False):
        rows = slice(start, start + len(label))
        assert linked[rows, rows].numpy().tolist() == links.tolist()
    assert linked.sum() == batch.inputs.edges.shape[1]


def test_every_judged_batch_holds_all_classes() -> None:
    """So that the constant answer scores exactly 1 / classes."""
    for form in (sbm.PATTERN_SMALL, sbm.CLUSTER_SMALL):
        task = sbm.make_task(Data(root=default_cache(), cache=default_cache()), form)
        for split in ("val", "test"):
            for batch in task.batches(split, 128, None):
                assert len(batch.targets.unique()) == form.num_classes


def test_generation_depends_on_the_tasks_own_seed_alone() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = sbm.generate(CLUSTER)
    torch.manual_seed(2)
    np.random.seed(2)
    second = sbm.generate(CLUSTER)
    assert all(np.array_equal(first[key], second[key]) for key in first)
    other = sbm.generate(sbm.ClusterSet(name="other", sizes=CLUSTER.sizes, seed=8))
    assert not np.array_equal(first["edge_counts"], other["edge_counts"])


def test_positions_are_the_last_columns(tmp_path: Path) -> None:
    form = sbm.ClusterSet(name="few", sizes=(4, 2, 2), seed=3)
    data = Data(root=tmp_path, cache=tmp_path)
    task, plain = sbm.make_task(data, form, pe=3), sbm.make_task(data, form)
    nodes = next(iter(task.batches("test", 2, None))).inputs.nodes
    bare = next(iter(plain.batches("test", 2, None))).inputs.nodes
    assert (task.signature.input.node_features, task.signature.input.positions) == (10, 3)
    assert torch.equal(nodes[:, :7], bare)
    assert (nodes[:, 7:].square().sum(dim=0) - 2).abs().max() < 1e-4  # unit vectors, of two graphs


def test_a_negative_number_of_positions_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pe"):
        sbm.make_task(Data(root=tmp_path, cache=tmp_path), sbm.ClusterSet(name="few", sizes=(4, 2, 2)), pe=-1)


@pytest.mark.parametrize("name", [name for name in SPECS if name not in ("sbm_small", "contacts")])
def test_recipes_resolve(name: str) -> None:
    from dlbench import Block, ModelSpec
    from dlbench.plan.plan import recipe_of

    spec, model = SPECS[name], ModelSpec(name="any", build=lambda signature: None, accepts=())
    recipe = recipe_of(model, spec, Block(models=(), tasks=()), {}).recipe
    check_ingredients(catalog(), recipe)
    assert recipe.select == "last"
    assert spec.monitor == ("" if name.endswith("_small") else "loss")
    assert spec.monitored.name == ("loss" if spec.monitor else spec.metric.name)


@pytest.mark.parametrize("name", ["sbm_pattern_small", "sbm_cluster_small"])
def test_the_loss_weighs_a_class_by_the_share_of_all_others(name: str) -> None:
    """Three nodes of class 0 and one of class 1: they weigh 1/4 and 3/4, so both classes count the same in the sum."""
    task = SPECS[name].open(Data(root=Path("no-data"), cache=default_cache(), device="cpu"), {})
    outputs = torch.randn(4, task.signature.output.num_classes, generator=torch.Generator().manual_seed(1))
    targets = torch.tensor([0, 1, 0, 0])
    nll = -outputs.log_softmax(dim=1)[range(4), targets]
    expected = (nll[[0, 2, 3]].sum() / 4 + 3 * nll[1] / 4) / (3 / 4 + 3 / 4)
    assert task.loss(outputs, Batch(inputs=None, targets=targets, size=1)).item() == pytest.approx(expected.item())
    alone = Batch(inputs=None, targets=torch.zeros(4, dtype=torch.int64), size=1)  # every weight would be 0
    assert task.loss(outputs, alone).item() == pytest.approx(-outputs.log_softmax(dim=1)[:, 0].mean().item())
