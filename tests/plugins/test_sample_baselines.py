"""noise, bootstrap, gaussian and kde: what they draw, of what class, and that all they know is state."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_baseline
from dlbench import (
    Batch,
    ConditionalSample,
    Graph,
    GraphBatch,
    Image,
    Learner,
    Sample,
    Signature,
    TokenBatch,
    Tokens,
    Vector,
)
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe
from dlbench.data.batches import joined
from dlbench.errors import UsageError
from dlbench_baseline.collected import fingerprints, packed, unpacked

SPECS = {spec.name: spec for spec in dlbench_baseline.dlbench_models()}
NAMES = ("noise", "bootstrap", "gaussian", "kde")
POINTS = Signature(input=Vector(features=3), output=Sample())
PICTURES = Signature(input=Image(channels=1, height=2, width=3), output=Sample())
OF_CLASSES = Signature(input=Vector(features=3), output=ConditionalSample(num_classes=4))
TOKENS = Signature(input=Tokens(vocab=9), output=Sample())
GRAPHS = Signature(input=Graph(node_features=2, edge_features=1), output=Sample())


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def trained(name: str, signature: Signature, batches: list[Batch], **options: Any) -> Learner:
    learner = SPECS[name].build(signature, **options)
    for batch in batches:
        assert learner.train_step(batch, PartOptimizers(learner, Recipe(), None)).item() == 0
    return learner.eval()


def drawn(learner: Any, count: int, *classes: Tensor, seed: int = 0) -> Any:
    return learner.sample(count, torch.Generator().manual_seed(seed), *classes)


def blob(count: int = 300) -> Tensor:
    return torch.randn(count, 3) @ torch.tensor([[1.0, 0.5, 0.0], [0.0, 0.3, 0.0], [0.2, 0.0, 2.0]]) + 5


def in_batches(inputs: Tensor, targets: Tensor | None = None, size: int = 64) -> list[Batch]:
    parts = [None] * len(inputs.split(size)) if targets is None else targets.split(size)
    return [Batch(inputs=x, targets=y, size=len(x)) for x, y in zip(inputs.split(size), parts, strict=True)]


def words(*texts: tuple[int, ...]) -> TokenBatch:
    width = max(map(len, texts))
    ids = torch.tensor([[*text, *[8] * (width - len(text))] for text in texts])  # padding may be any id
    return TokenBatch(ids, torch.tensor([len(text) for text in texts]))


def path(size: int, weight: float) -> GraphBatch:
    """A path of `size` nodes, whose first feature counts them."""
    one = torch.stack([torch.arange(size - 1), torch.arange(1, size)])
    edges = torch.cat([one, one.flip(0)], dim=1)
    nodes = torch.stack([torch.arange(size).float(), torch.full((size,), weight)], dim=1)
    features = torch.full((edges.shape[1], 1), weight)
    return GraphBatch(nodes, edges, features, torch.zeros(size, dtype=torch.int64), 1)


def graphs_of(batch: GraphBatch) -> list[tuple[list[list[float]], list[tuple[Any, ...]]]]:
    """Each graph's nodes and its edges with their features, in one order."""
    found = []
    for number in range(batch.num_graphs):
        mine = (batch.graph_ids == number).nonzero()[:, 0]
        start = int(mine[0])
        chosen = batch.graph_ids[batch.edges[0]] == number
        ends = (batch.edges[:, chosen] - start).T.tolist()
        assert batch.edge_features is not None
        edges = sorted(zip(map(tuple, ends), batch.edge_features[chosen, 0].tolist(), strict=True))
        found.append((batch.nodes[mine].tolist(), edges))
    return found


# --- what is drawn ----------------------------------------------------------------------------------------


def test_noise_knows_nothing() -> None:
    points, pictures = drawn(trained("noise", POINTS, []), 4000), drawn(trained("noise", PICTURES, []), 4000)
    assert points.shape == (4000, 3)
    torch.testing.assert_close(points.std(), torch.tensor(1.0), rtol=0.05, atol=0)
    assert pictures.shape == (4000, 1, 2, 3)
    assert -1 <= pictures.min() < -0.99 < 0.99 < pictures.max() <= 1
    torch.testing.assert_close(pictures.var(), torch.tensor(1 / 3), rtol=0.05, atol=0)
    fed = trained("noise", POINTS, in_batches(blob()))
    assert torch.equal(drawn(fed, 9), points.new_tensor(drawn(trained("noise", POINTS, []), 9).tolist()))


def test_bootstrap_draws_training_examples_as_often_as_they_came() -> None:
    rows = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    learner = trained("bootstrap", POINTS, in_batches(rows[[0, 1, 0, 0]], size=3))
    found = drawn(learner, 4000)
    first, second = (int((found == row).all(dim=1).sum()) for row in rows)
    assert first / 4000 == pytest.approx(0.75, abs=0.03)
    assert first + second == 4000


def test_bootstrap_keeps_an_example_once_however_often_it_comes() -> None:
    rows = blob(700)
    learner = trained("bootstrap", POINTS, in_batches(rows) * 5)
    assert sorted(learner.fields()["examples"].tolist()) == sorted(rows.tolist())
    assert learner.counts.tolist() == [5] * 700
    assert learner._num_new == 0


def test_gaussian_has_the_mean_and_the_covariance_of_the_examples() -> None:
    rows = blob()
    found = drawn(trained("gaussian", POINTS, in_batches(rows)), 40_000)
    torch.testing.assert_close(found.mean(0), rows.mean(0), rtol=0, atol=0.05)
    torch.testing.assert_close(found.T.cov(), rows.T.cov(correction=0), rtol=0.05, atol=0.05)
    assert torch.cdist(found[:500], rows).min() > 0


def test_gaussian_is_exactly_a_weighted_sum() -> None:
    """Two examples: a line between them, on which the samples are normal."""
    rows = torch.tensor([[0.0, 0.0, 0.0], [2.0, 0.0, -4.0]])
    found = drawn(trained("gaussian", POINTS, in_batches(rows)), 5000)
    torch.testing.assert_close(found[:, 2], -2 * found[:, 0])
    assert found[:, 1].abs().max() == 0
    torch.testing.assert_close(found[:, 0].std(), torch.tensor(1.0), rtol=0.05, atol=0)


def test_kde_is_a_gaussian_on_each_example() -> None:
    rows = torch.tensor([[0.0, 0.0, 0.0], [100.0, 100.0, 100.0]])
    found = drawn(trained("kde", POINTS, in_batches(rows), width=0.5), 4000)
    near = found[found[:, 0] < 50]
    assert len(near) / 4000 == pytest.approx(0.5, abs=0.03)
    torch.testing.assert_close(near.std(0), torch.full((3,), 0.5), rtol=0.05, atol=0)
    same = trained("kde", POINTS, in_batches(rows), width=0.0)
    assert torch.equal(drawn(same, 50), drawn(trained("bootstrap", POINTS, in_batches(rows)), 50))
    for width in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="kde needs a width of at least 0"):
            SPECS["kde"].build(POINTS, width=width)


@pytest.mark.parametrize("name", ["bootstrap", "gaussian", "kde"])
def test_each_class_has_its_own(name: str) -> None:
    targets = torch.arange(300) % 3
    rows = torch.randn(300, 3) + 100 * targets[:, None]
    learner = trained(name, OF_CLASSES, in_batches(rows, targets))
    asked = torch.tensor([2, 0, 1, 1, 0, 2, 2])
    found = drawn(learner, 7, asked)
    assert torch.equal((found.mean(1) / 100).round().long(), asked)
    never = drawn(learner, 50, torch.full((50,), 3))  # a class that was never seen: any example
    assert never.isfinite().all()
    assert len(never.unique(dim=0)) > 10


def test_an_example_of_two_classes_is_two_examples() -> None:
    rows = torch.ones(2, 3)
    learner = trained("bootstrap", OF_CLASSES, in_batches(rows, torch.tensor([0, 1])))
    assert learner.state_dict()["counts"].tolist() == [1, 1]
    assert learner.counts.tolist() == [1, 1]


# --- tokens and graphs ------------------------------------------------------------------------------------


def test_words_come_back_whole() -> None:
    known = [(1, 2, 3), (4,), (5, 6), (7, 7, 7, 7, 7)]
    learner = trained("bootstrap", TOKENS, [Batch(words(*known[:2])), Batch(words(*known[2:])), Batch(words(*known))])
    assert learner.counts.tolist() != [1] * 4
    found = drawn(learner, 200)
    assert found.ids.shape == (200, 5)
    texts = {tuple(row[:n]) for row, n in zip(found.ids.tolist(), found.lengths.tolist(), strict=True)}
    assert texts == set(known)
    assert learner.counts.tolist() == [2] * 4
    plain = trained("bootstrap", TOKENS, [Batch(TokenBatch(torch.tensor([[1, 2], [3, 4]])))])
    assert drawn(plain, 5).lengths.tolist() == [2] * 5


def test_graphs_come_back_whole() -> None:
    known = [path(2, 0.5), path(5, 1.5), path(1, 2.5), path(3, 3.5)]
    learner = trained("bootstrap", GRAPHS, [Batch(joined(known[:3])), Batch(joined(known[3:]))])
    found = drawn(learner, 60)
    assert found.num_graphs == 60
    assert found.edge_features.shape == (found.edges.shape[1], 1)
    expected = [graph for one in known for graph in graphs_of(one)]
    drawn_ones = graphs_of(found)
    assert all(graph in expected for graph in drawn_ones)
    assert all(graph in drawn_ones for graph in expected)


def test_packing_undoes_itself_and_mixes_no_edges() -> None:
    batch = joined([path(3, 1.0), path(2, 2.0), path(4, 3.0)])
    mixed = torch.randperm(batch.edges.shape[1])
    shuffled = batch._replace(edges=batch.edges[:, mixed], edge_features=batch.edge_features[mixed])
    assert graphs_of(unpacked(packed(shuffled))) == graphs_of(batch)
    bare = unpacked(packed(batch._replace(edge_features=None)))
    assert bare.edge_features is None
    with pytest.raises(TypeError, match="tensors, tokens or graphs, not list"):
        packed([1])


def test_fingerprints_tell_examples_apart_and_see_no_filling() -> None:
    rows = torch.randint(0, 3, (3000, 6)).float()
    marks = fingerprints({"examples": rows})
    assert len(marks.unique()) == len(rows.unique(dim=0))
    short, long = packed(words((1, 2), (3,))), packed(words((1, 2), (3,), (4,) * 30))
    assert torch.equal(fingerprints(short), fingerprints(long)[:2])


# --- state ------------------------------------------------------------------------------------------------

CASES = {
    "noise": (POINTS, in_batches(torch.randn(40, 3))),
    "bootstrap": (POINTS, in_batches(torch.randn(40, 3))),
    "bootstrap-pictures": (PICTURES, in_batches(torch.randn(40, 1, 2, 3))),
    "bootstrap-tokens": (TOKENS, [Batch(words((1, 2, 3), (4,), (5, 6)))]),
    "bootstrap-graphs": (GRAPHS, [Batch(joined([path(2, 0.5), path(4, 1.0)]))]),
    "gaussian": (POINTS, in_batches(torch.randn(40, 3))),
    "kde": (POINTS, in_batches(torch.randn(40, 3))),
}


def same(first: Any, second: Any) -> bool:
    pairs = [(first, second)] if isinstance(first, Tensor) else list(zip(first, second, strict=True))
    return all(torch.equal(a, b) if isinstance(a, Tensor) else a == b for a, b in pairs)


@pytest.mark.parametrize("case", CASES)
def test_what_was_learnt_is_state(case: str) -> None:
    (signature, batches), spec = CASES[case], SPECS[case.partition("-")[0]]
    learner = trained(spec.name, signature, batches)
    state = copy.deepcopy(learner.state_dict())
    expected = drawn(learner, 20)
    assert list(learner.parameters()) == []
    fresh, fuller = spec.build(signature), trained(spec.name, signature, batches * 2)
    for other in (fresh, fuller):
        other.load_state_dict(state)
        assert same(drawn(other, 20), expected)
    assert same(drawn(copy.deepcopy(learner), 20), expected)
    if spec.name != "noise":
        untrained = spec.build(signature).state_dict()
        learner.load_state_dict(untrained)
        assert not same(drawn(learner, 20), expected)


@pytest.mark.parametrize("case", CASES)
def test_before_anything_was_seen(case: str) -> None:
    signature, _ = CASES[case]
    found = drawn(SPECS[case.partition("-")[0]].build(signature), 4)
    assert getattr(found, "batch_size", len(found)) == 4
    tensors = [found] if isinstance(found, Tensor) else [part for part in found if isinstance(part, Tensor)]
    assert all(tensor.isfinite().all() for tensor in tensors if tensor.is_floating_point())


@pytest.mark.parametrize("name", NAMES)
def test_draws_depend_on_the_given_generator_alone(name: str) -> None:
    learner = trained(name, POINTS, in_batches(blob()))
    first = drawn(learner, 9)
    torch.manual_seed(99)
    assert torch.equal(first, drawn(learner, 9))
    assert not torch.equal(first, drawn(learner, 9, seed=2))
    rows = blob()
    one, other = (trained(name, POINTS, in_batches(each)) for each in (rows, rows.flip(0)))
    torch.testing.assert_close(drawn(one, 9), drawn(other, 9))  # nor on the order of the examples
