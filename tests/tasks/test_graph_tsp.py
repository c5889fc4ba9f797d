"""TSP: labels against an exact solver, the neighbour graph, heuristics with known scores."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch
from dlbench.data import Data
from dlbench.errors import NoData
from dlbench.testing import check_task, report
from dlbench_graph.generated import specs, tours, tsp
from workshop import catalog

pytest.importorskip("fast_tsp", reason="the labels of TSP need fast_tsp")

SPEC = next(spec for spec in specs() if spec.name == "tsp_small")
FORM = tsp.TourSet(name="tsp_tiny", sizes=(16, 4, 12), cities=(50, 100), seed=3)


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    return tsp.solve(FORM)


@pytest.fixture(scope="module")
def data(solved: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Data:
    """A cache in which the instances are solved."""
    folder = tmp_path_factory.mktemp("tsp")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tsp, "solve", lambda form: solved)
        tsp.make_task(Data(root=folder, cache=folder), FORM)
    return Data(root=folder, cache=folder)


class Judged:
    """A rule that marks edges, as a task sees it."""

    def __init__(self, rule: Any) -> None:
        self._rule = rule

    def predict(self, batch: Batch) -> Tensor:
        marked = self._rule(batch).float()
        return torch.stack([1 - marked, marked], dim=1)


def two_nearest(batch: Batch) -> Tensor:
    """From each node to its two nearest."""
    length, source = batch.inputs.edge_features[:, 0], batch.inputs.edges[0]
    order = torch.from_numpy(np.lexsort((length.numpy(), source.numpy())))
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order)) % tsp.NEIGHBOURS
    return rank < 2


def test_heuristics_score_as_published(data: Data) -> None:
    task = tsp.make_task(data, FORM)
    scores = {split: task.judge(Judged(two_nearest), split)["f1"] for split in ("train", "test")}
    assert all(0.67 <= score <= 0.71 for score in scores.values()), scores
    everything = task.judge(Judged(lambda batch: torch.ones_like(batch.targets)), "test")["f1"]
    assert everything == pytest.approx(2 * 0.08 / 1.08, abs=0.0005)
    assert task.judge(Judged(lambda batch: torch.zeros_like(batch.targets)), "test")["f1"] == SPEC.floor == 0.0
    assert task.judge(Judged(lambda batch: batch.targets), "test")["f1"] == SPEC.bound == 1.0


def test_nearly_all_tour_edges_are_in_the_neighbour_graph(solved: dict[str, Any]) -> None:
    built = tsp.build(solved)
    assert len(solved["points"]) >= 1000
    assert built["labels"].sum() / (2 * len(solved["points"])) >= 0.999


def test_each_point_leads_to_its_25_nearest(data: Data) -> None:
    batch = next(iter(tsp.make_task(data, FORM).batches("val", 1, None)))
    points, (source, target) = batch.inputs.nodes.double(), batch.inputs.edges
    assert torch.equal(source.bincount(), torch.full((len(points),), 25))
    distances = torch.cdist(points, points).fill_diagonal_(torch.inf)
    nearest = torch.zeros(len(points), len(points), dtype=torch.bool)
    nearest.scatter_(1, distances.topk(25, largest=False).indices, True)
    assert nearest[source, target].all()
    assert torch.allclose(batch.inputs.edge_features[:, 0].double(), distances[source, target], atol=1e-6)


def test_labels_belong_to_their_edges(data: Data, solved: dict[str, Any]) -> None:
    batch = next(iter(tsp.make_task(data, FORM).batches("train", 2, None)))
    first, second = solved["counts"][:2]
    trips = [solved["tours"][:first], solved["tours"][first : first + second] + first]
    pairs = {frozenset(pair) for trip in trips for pair in zip(trip.tolist(), np.roll(trip, -1).tolist(), strict=True)}
    wanted = [int(frozenset(edge) in pairs) for edge in batch.inputs.edges.T.tolist()]
    assert batch.targets.tolist() == wanted


def test_tours_visit_every_point_once(solved: dict[str, Any]) -> None:
    starts = solved["counts"].cumsum()[:-1]
    for count, tour in zip(solved["counts"], np.split(solved["tours"], starts), strict=True):
        assert sorted(tour) == list(range(count))
        assert tour[0] == 0
        assert tour[1] < tour[-1]
        assert FORM.cities[0] <= count <= FORM.cities[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_tours_are_as_short_as_exact_ones(seed: int) -> None:
    points = np.random.RandomState(seed).random_sample((50, 2))
    distances = tours.distances_between(points)
    found = tours.length(tours.best_tour(points), distances)
    assert found == pytest.approx(shortest_length(distances), rel=2e-5)


def shortest_length(distances: NDArray[np.float64]) -> float:
    """By integer programming: two edges at each point, and whatever subtours appear forbidden until none does."""
    from scipy.optimize import Bounds, LinearConstraint, milp
    from scipy.sparse.csgraph import connected_components

    n = len(distances)
    one, other = np.triu_indices(n, k=1)
    at = np.arange(n)[:, None]
    rows, low, high = ((one == at) | (other == at)).astype(float), np.full(n, 2.0), np.full(n, 2.0)
    while True:
        answer = milp(
            distances[one, other],
            constraints=LinearConstraint(rows, low, high),
            integrality=np.ones(len(one)),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        used = np.zeros((n, n))
        used[one, other] = answer.x > 0.5
        count, part = connected_components(used, directed=False)
        if count == 1:
            return float(answer.fun)
        cuts = np.array([(part[one] == c) != (part[other] == c) for c in range(count)], dtype=float)
        rows = np.concatenate([rows, cuts])
        low, high = np.concatenate([low, np.full(count, 2.0)]), np.concatenate([high, np.full(count, np.inf)])


def test_solving_anew_gives_the_same_labels(solved: dict[str, Any]) -> None:
    """An integer tie may be broken either way, so lengths are compared and not the trips."""
    starts = solved["counts"].cumsum()[:-1]
    pairs = zip(np.split(solved["points"], starts), np.split(solved["tours"], starts), strict=True)
    for points, tour in list(pairs)[:8]:
        distances = tours.distances_between(points)
        again = tours.length(tours.best_tour(points), distances)
        assert again == pytest.approx(tours.length(tour, distances), rel=2e-5)


def test_points_depend_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    first = tsp.draw(FORM)
    torch.manual_seed(2)
    assert all(np.array_equal(a, b) for a, b in zip(first, tsp.draw(FORM), strict=True))
    assert not np.array_equal(first[0], tsp.draw(replace(FORM, seed=4))[0])


def test_distances_can_be_left_out(data: Data) -> None:
    task = tsp.make_task(data, FORM, distances=False)
    batch = next(iter(task.batches("val", 2, None)))
    assert task.signature.input.edge_features == 0
    assert batch.inputs.edge_features is None


def test_without_the_solver_only_the_cache_helps(data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fast_tsp", None)
    tsp.make_task(data, FORM)
    with pytest.raises(NoData, match="pip install fast-tsp"):
        tsp.make_task(Data(root=tmp_path, cache=tmp_path), FORM)


def test_a_small_form_conforms(data: Data) -> None:
    findings = check_task(replace(SPEC, load=lambda _: tsp.make_task(data, FORM)), catalog())
    assert all(finding.ok for finding in findings), report(findings)


def test_a_tour_is_the_same_from_wherever_it_starts() -> None:
    for trip in ([0, 2, 1, 3], [2, 1, 3, 0], [3, 1, 2, 0], [1, 2, 0, 3]):
        assert tours.canonical(np.array(trip)).tolist() == [0, 2, 1, 3]
