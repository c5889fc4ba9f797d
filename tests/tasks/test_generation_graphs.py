"""community_small and ego_small: what the sets hold, floors, bad samples, flags, pictures."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graphparts import NAMED, batch, some, square, stack

from dlbench import GraphBatch, UsageError
from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.testing import check_task, report
from dlbench_generation import graphs as room
from dlbench_generation.graphs import communities
from dlbench_generation.graphs.alike import Seen
from dlbench_generation.graphs.drawing import layout
from dlbench_generation.graphs.mmd import distances
from dlbench_generation.graphs.sampling import NUM_SAMPLES, GraphSampling
from dlbench_generation.graphs.statistics import Stack

SPECS = {spec.name: spec for spec in room.specs()}
NOWHERE = Data(root=Path("no-data"), cache=Path("no-cache"))
RANDOM = {"communities": "random"}


@cache
def opened(name: str = "community_small", root: Path = Path("no-data"), **options: Any) -> GraphSampling:
    """The loaded task, shared by the tests, which don't change it."""
    return SPECS[name].open(Data(root=root, cache=default_cache()), options)


class Sampler:
    """A learner as a task sees it, with fixed samples."""

    def __init__(self, samples: Any) -> None:
        self.samples = samples

    def sample(self, count: int, generator: torch.Generator) -> Any:
        assert generator.device.type == "cpu"
        return self.samples


def judged(graphs: Stack, split: str = "test", **options: Any) -> dict[str, float]:
    return opened(**options).judge(Sampler(batch(graphs)), split)


# --- the sets ---------------------------------------------------------------------------------------------


def test_task_conforms() -> None:
    findings = check_task(SPECS["community_small"])
    assert not [f for f in findings if not f.ok], report(findings)


def test_egos_conform(data_root: Path) -> None:
    findings = check_task(SPECS["ego_small"], data_root=data_root)
    assert not [f for f in findings if not f.ok], report(findings)


@pytest.mark.parametrize("kind", communities.COMMUNITIES)
def test_communities_are_as_the_recipe_says(kind: str) -> None:
    drawn = communities.draw(kind, np.random.RandomState(0), 300)
    halves = drawn.sizes // 2
    assert set(drawn.sizes.tolist()) == {12, 14, 16, 18, 20}
    assert np.array_equal(drawn.edges, drawn.edges.transpose(0, 2, 1))
    between, inside = [], []
    for edges, half in zip(drawn.edges, halves, strict=True):
        assert len(communities.components(edges[: 2 * half, : 2 * half])) == 1
        assert not edges[2 * half :].any()
        between.append(edges[:half, half:].sum())
        inside.append(edges[:half, :half].sum() / (half * (half - 1)))
    assert min(between) >= 1
    # a Poisson number with mean 0.05 n, of which none becomes one
    expected = np.mean([0.1 * half + np.exp(-0.1 * half) for half in halves])
    assert np.mean(between) == pytest.approx(expected, abs=0.2)
    assert np.mean(inside) == pytest.approx(0.7, abs=0.02 if kind == "random" else 0.2)  # of five graphs only
    pairs = {edges[:half, :half].tobytes() for edges, half in zip(drawn.edges, halves, strict=True)}
    assert (len(pairs) == 5) == (kind == "published")


def test_a_published_community_is_that_of_the_generator_of_networkx() -> None:
    networkx = pytest.importorskip("networkx")
    for size, seed in ((6, 0), (10, 1)):
        drawn = networkx.gnp_random_graph(size, communities.INSIDE, seed=seed)
        assert np.array_equal(communities.fixed(size, seed), networkx.to_numpy_array(drawn) > 0)


def test_half_of_the_published_graphs_held_out_are_known_and_no_random_one() -> None:
    published, random = opened()._floors, opened(**RANDOM)._floors
    assert 0.3 <= np.mean([published["val"]["known_floor"], published["test"]["known_floor"]]) <= 0.7
    assert random["test"]["known_floor"] == random["val"]["known_floor"] == 0
    assert random["test"]["clustering_emd_floor"] < 0.09


def test_egos_are_one_hop_around_their_first_node(data_root: Path) -> None:
    task = opened("ego_small", data_root)
    assert [len(task.splits[split]) for split in ("train", "val", "test")] == [120, 40, 40]
    graphs = task.graphs.gather(torch.arange(200)).graphs
    sizes = torch.bincount(graphs.graph_ids)
    assert (int(sizes.min()), int(sizes.max())) == (4, 18)
    firsts = sizes.cumsum(0) - sizes
    degrees = torch.bincount(graphs.edges[1], minlength=len(graphs.nodes))
    assert torch.equal(degrees[firsts], sizes - 1)
    shares = [task._floors[split]["known_floor"] for split in ("val", "test")]
    assert 0.6 <= np.mean(shares) <= 0.9
    assert Seen().add(Stack(*map(np.concatenate, zip(*task._stacks.values(), strict=True)))) == 60


def test_batches_hold_every_graph_once_with_both_directions() -> None:
    task = opened(**RANDOM)
    found = list(task.batches("train", 32, torch.Generator().manual_seed(0)))
    assert [each.size for each in found] == [32, 28]
    assert all(each.targets is None for each in found)
    for each in found:
        graphs = each.inputs
        assert bool((graphs.nodes == 1).all())
        assert {tuple(e) for e in graphs.edges.T.tolist()} == {tuple(e) for e in graphs.edges.flip(0).T.tolist()}
        assert graphs.loopless
    assert sum(len(each.inputs.nodes) for each in found) == int(task._stacks["train"].sizes.sum())


# --- judging ----------------------------------------------------------------------------------------------


def resampled(split: str = "train", **options: Any) -> Stack:
    held = opened(**options)._stacks[split]
    return held.take(np.random.RandomState(0).randint(len(held.sizes), size=NUM_SAMPLES))


def test_true_graphs_come_near_the_floor_and_unstructured_ones_do_not() -> None:
    truth = judged(communities.draw("random", np.random.RandomState(9), NUM_SAMPLES), **RANDOM)
    noise = judged(stack(*some(NUM_SAMPLES, 16, 0.4), room_for=20), **RANDOM)
    assert truth["clustering_emd"] < 0.1
    assert truth["orbits"] < 0.05
    assert noise["clustering_emd"] > 0.7
    assert (truth["known"], truth["distinct"], truth["valid"]) == (0, 1, 1)
    assert {m.name for m in (room.CLUSTERING, *room.METRICS)} == truth.keys()


@pytest.mark.parametrize("options", [{}, RANDOM], ids=str)
def test_copies_and_collapse_are_flagged_and_the_truth_is_not(options: dict[str, Any]) -> None:
    task = opened(**options)
    assert list(task.warnings(judged(resampled(**options), **options))) == ["copies"]
    assert list(task.warnings(judged(resampled("test", **options), **options))) == []
    same = stack(*[square(4, NAMED["paw"])] * NUM_SAMPLES)
    assert list(task.warnings(judged(same, **options))) == ["collapsed"]


def changed(graphs: GraphBatch, what: str) -> GraphBatch:
    """The first graph, which begins with nodes 0 and 1, spoilt."""
    edges, nodes = graphs.edges, graphs.nodes
    if what == "loop":
        return graphs._replace(edges=torch.cat([edges, torch.tensor([[0], [0]])], dim=1))
    if what == "one direction":
        return graphs._replace(edges=torch.cat([edges[:, 1:]], dim=1))
    if what == "twice":
        return graphs._replace(edges=torch.cat([edges, edges[:, :1]], dim=1))
    if what == "nan":
        return graphs._replace(nodes=nodes.clone().index_fill_(0, torch.tensor([1]), float("nan")))
    return graphs._replace(graph_ids=graphs.graph_ids + 1, num_graphs=graphs.num_graphs + 1)  # the first is empty


@pytest.mark.parametrize("what", ["loop", "one direction", "twice", "nan", "empty"])
def test_a_graph_that_is_none_counts_out(what: str) -> None:
    task, truth = opened(**RANDOM), resampled("test", **RANDOM)
    if what == "empty":
        truth = truth.take(slice(NUM_SAMPLES - 1))
    found = task.judge(Sampler(changed(batch(truth), what)), "test")
    assert found["valid"] == (NUM_SAMPLES - 1) / NUM_SAMPLES
    assert all(np.isfinite(value) for value in found.values())


def test_graphs_beyond_the_largest_size_count_out() -> None:
    found = judged(stack(*some(NUM_SAMPLES, 21, 0.4)), **RANDOM)
    assert (found["valid"], found["known"], found["distinct"]) == (0, 0, 0)
    task = opened(**RANDOM)
    assert list(task.warnings(found)) == ["collapsed"]
    reference = task._described["test"].clustering
    inside = np.exp(-np.square(distances(reference, reference, "emd", 0.01)) / 0.02).mean()
    assert found["clustering_emd"] == pytest.approx(1 + inside)  # alike, and like nothing in the test


def test_nothing_is_won_by_leaving_graphs_out() -> None:
    truth = resampled("test", **RANDOM)
    task = opened(**RANDOM)
    scores = []
    for bad in (0, 10, 50):
        kept = batch(truth.take(slice(NUM_SAMPLES - bad)))
        scores.append(task.judge(Sampler(kept._replace(num_graphs=NUM_SAMPLES)), "test")["clustering_emd"])
    assert scores == sorted(scores)
    assert scores[2] > 0.2 > scores[0]


def test_what_is_no_batch_of_graphs_is_refused_with_a_sentence() -> None:
    task, graphs = opened(**RANDOM), batch(resampled("test", **RANDOM))
    cases: list[tuple[Any, str]] = [
        (torch.zeros(NUM_SAMPLES, 3), "Tensor where a GraphBatch"),
        (graphs._replace(nodes=graphs.nodes.repeat(1, 2)), "nodes of the shape"),
        (graphs._replace(nodes=graphs.nodes[1:]), "graph_ids"),
        (graphs._replace(graph_ids=graphs.graph_ids.flip(0)), "don't ascend"),
        (graphs._replace(edges=graphs.edges.float()), "edges float32"),
        (graphs._replace(edges=graphs.edges + len(graphs.nodes)), "an edge to node"),
        (graphs._replace(edges=torch.tensor([[0, 50], [50, 0]])), "from one graph to another"),
    ]
    for samples, text in cases:
        with pytest.raises(ValueError, match=text):
            task.judge(Sampler(samples), "test")


def test_wrong_uses_are_refused() -> None:
    with pytest.raises(UsageError, match="'communities'"):
        SPECS["community_small"].load(NOWHERE, communities="some")
    with pytest.raises(NotImplementedError, match="no loss of its own"):
        opened().loss(None, next(iter(opened().batches("train", 4, None))))


def test_judging_draws_other_noise_for_each_split() -> None:
    drawn: list[float] = []

    class Noise:
        def sample(self, count: int, generator: torch.Generator) -> GraphBatch:
            drawn.append(float(torch.rand((), generator=generator)))
            return batch(resampled("test", **RANDOM))

    for split in ("test", "test", "val"):
        opened(**RANDOM).judge(Noise(), split)
    assert drawn[0] == drawn[1] != drawn[2]


def test_data_depend_on_no_global_seed() -> None:
    tasks = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        tasks.append(SPECS["community_small"].load(NOWHERE, communities="random"))
    for split, index in tasks[0].splits.items():
        assert torch.equal(index, tasks[1].splits[split])
    assert torch.equal(tasks[0].graphs.edges, tasks[1].graphs.edges)


# --- pictures ---------------------------------------------------------------------------------------------


def test_pictures_repeat_themselves_and_show_graphs() -> None:
    task, graphs = opened(**RANDOM), batch(resampled("test", **RANDOM))
    first, second = (task.pictures(Sampler(graphs))["graphs"] for _ in range(2))
    assert first.dtype == np.uint8
    assert first.shape == (640, 640, 3)
    assert np.array_equal(first, second)
    tiles = first.reshape(4, 160, 4, 160, 3).transpose(0, 2, 1, 3, 4).reshape(16, -1)
    assert (tiles < 200).any(axis=1).all()  # something in each
    empty = task.pictures(Sampler(changed(graphs, "nan")._replace(nodes=graphs.nodes * float("nan"))))["graphs"]
    assert empty.min() == 255


def test_neighbours_lie_nearer_than_others() -> None:
    graphs = communities.draw("random", np.random.RandomState(1), 8)
    places = layout(graphs)
    assert np.abs(places).max() <= 1 + 1e-9
    apart = np.sqrt(np.square(places[:, :, None] - places[:, None]).sum(axis=3))
    for edges, size, far in zip(graphs.edges, graphs.sizes, apart, strict=True):
        pairs = np.triu_indices(size, 1)
        assert far[pairs][edges[pairs]].mean() < 0.8 * far[pairs][~edges[pairs]].mean()
