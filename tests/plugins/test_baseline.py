"""dlbench_baseline: the constant model scores what counting by hand gives, exactly."""

from __future__ import annotations

import math
import subprocess
import sys
from collections import Counter

import pytest
import torch
from torch.nn import functional as F

import dlbench_baseline
from dlbench import (
    Batch,
    Classes,
    DynamicGraph,
    DynamicGraphBatch,
    EdgeClasses,
    Embedding,
    Graph,
    GraphBatch,
    Hypergraph,
    HypergraphBatch,
    Image,
    Kind,
    Learner,
    NextToken,
    NodeClasses,
    Progress,
    Sample,
    ScheduleSpec,
    Signature,
    Stop,
    TokenBatch,
    Tokens,
    Value,
    Vector,
)
from dlbench.contract.choice import Choice, option_defaults
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import Recipe, resolve
from dlbench.data.batches import GatheredBatches
from dlbench_baseline.constant import Frequencies

(SPEC,) = [spec for spec in dlbench_baseline.dlbench_models() if spec.name == "constant"]
(STOP_AFTER,) = dlbench_baseline.dlbench_schedules()
VECTOR = Vector(features=4)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


class Schedules:
    """What `PartOptimizers` asks a catalog for."""

    def optimizer(self, name: str) -> None:
        raise AssertionError(f"a model without parameters asked for the optimizer {name!r}")

    def schedule(self, name: str) -> ScheduleSpec:
        assert name == STOP_AFTER.name
        return STOP_AFTER


def trained(signature: Signature, batches: list[Batch]) -> Learner:
    """The constant model after one pass, as the core drives it."""
    learner = SPEC.build(signature)
    optimizers = PartOptimizers(learner, Recipe(), Schedules())
    for batch in batches:
        learner.train_step(batch, optimizers)
    return learner.eval()


def class_batches(targets: torch.Tensor, batch_size: int = 7) -> list[Batch]:
    inputs = torch.randn(len(targets), VECTOR.features)
    generator = torch.Generator().manual_seed(1)
    return list(GatheredBatches(len(targets), batch_size, generator, lambda i: Batch(inputs[i], targets[i])))


def test_accuracy_is_exactly_the_majority_share() -> None:
    targets = torch.tensor([2] * 41 + [0] * 40 + [1] * 19)
    learner = trained(Signature(input=VECTOR, output=Classes(num_classes=3)), class_batches(targets))
    logits = learner.predict(torch.randn(100, 4))
    assert logits.shape == (100, 3)
    assert (logits.argmax(dim=1) == targets).sum().item() == 41


@pytest.mark.parametrize("num_unseen", [0, 2])
def test_majority_wins_by_one_in_a_million(num_unseen: int) -> None:
    learner = SPEC.build(Signature(input=VECTOR, output=Classes(num_classes=2 + num_unseen)))
    learner.counts[:2] = torch.tensor([500_000, 500_001])
    assert (learner.predict(torch.randn(3, 4)).argmax(dim=1) == 1).all()


def test_shares_are_exact_where_all_classes_were_seen() -> None:
    targets = torch.tensor([0] * 5 + [1] * 3 + [2] * 2)
    learner = trained(Signature(input=VECTOR, output=Classes(num_classes=3)), class_batches(targets))
    shares = learner.predict(torch.randn(1, 4)).softmax(dim=1)[0]
    torch.testing.assert_close(shares, torch.tensor([0.5, 0.3, 0.2]), rtol=1e-6, atol=0)


def test_unseen_classes_stay_finite_and_last() -> None:
    targets = torch.tensor([1, 1, 3])
    learner = trained(Signature(input=VECTOR, output=Classes(num_classes=4)), class_batches(targets))
    logits = learner.predict(torch.randn(2, 4))
    assert logits.isfinite().all()
    assert logits[0].argsort(descending=True, stable=True).tolist() == [1, 3, 0, 2]
    torch.testing.assert_close(logits[0].exp(), torch.tensor([0.5, 2, 0.5, 1]) / 4, rtol=1e-6, atol=0)


def test_without_training_all_classes_are_equal() -> None:
    learner = SPEC.build(Signature(input=VECTOR, output=Classes(num_classes=4)))
    torch.testing.assert_close(learner.predict(torch.randn(2, 4)).exp(), torch.full((2, 4), 0.25))


def test_next_token_loss_is_exactly_the_unigram_entropy() -> None:
    ids = torch.randint(0, 11, (6, 40)).clamp(max=7)  # 0-6 about equally often, 7 four times as often
    targets = ids.roll(-1, dims=1)
    signature = Signature(input=Tokens(vocab=8), output=NextToken(vocab=8))
    learner = trained(
        signature,
        [Batch(TokenBatch(rows), wanted) for rows, wanted in zip(ids.split(2), targets.split(2), strict=True)],
    )
    counts = Counter(targets.flatten().tolist())
    assert set(counts) == set(range(8))
    entropy = -sum(n / 240 * math.log(n / 240) for n in counts.values())
    logits = learner.predict(TokenBatch(ids))
    assert logits.shape == (6, 40, 8)
    loss = F.cross_entropy(logits.flatten(0, 1).double(), targets.flatten()).item()
    assert loss == pytest.approx(entropy, rel=1e-6)


def test_a_state_is_handed_back() -> None:
    signature = Signature(input=Tokens(vocab=3), output=NextToken(vocab=3))
    learner = SPEC.build(signature)
    batch = TokenBatch(torch.zeros(2, 5, dtype=torch.int64))
    logits, state = learner.predict(batch, None)
    assert state is None
    assert torch.equal(logits, learner.predict(batch))


def test_only_what_the_mask_lets_count_is_counted() -> None:
    nodes, targets = torch.randn(6, 2), torch.tensor([1, 1, 0, 0, 0, 2])
    graph = GraphBatch(nodes, torch.zeros(2, 0, dtype=torch.int64), None, torch.zeros(6, dtype=torch.int64), 1)
    mask = torch.tensor([True, True, True, False, False, False])
    signature = Signature(input=Graph(node_features=2), output=NodeClasses(num_classes=3))
    learner = trained(signature, [Batch(graph, targets, mask)])
    assert learner.counts.tolist() == [1, 2, 0]
    assert learner.predict(graph).argmax(dim=1).tolist() == [1] * 6


def test_edges_are_counted() -> None:
    edges = torch.tensor([[0, 1, 2, 0], [1, 0, 0, 2]])
    graph = GraphBatch(torch.randn(3, 2), edges, torch.randn(4, 1), torch.zeros(3, dtype=torch.int64), 1)
    signature = Signature(input=Graph(node_features=2, edge_features=1), output=EdgeClasses(num_classes=2))
    learner = trained(signature, [Batch(graph, torch.tensor([1, 1, 0, 1]))])
    assert learner.counts.tolist() == [1, 3]
    assert learner.predict(graph).argmax(dim=1).tolist() == [1] * 4


def test_hypergraphs_and_graphs_in_time_have_classes_of_nodes() -> None:
    nodes, none = torch.randn(4, 2), torch.zeros(2, 0, dtype=torch.int64)
    ids, targets = torch.zeros(4, dtype=torch.int64), torch.tensor([2, 2, 0, 2])
    for kind, inputs in (
        (Hypergraph(node_features=2), HypergraphBatch(nodes, none, 0)),
        (DynamicGraph(node_features=2), DynamicGraphBatch(nodes, none, none[0], 3, ids, 1)),
    ):
        learner = trained(Signature(input=kind, output=NodeClasses(num_classes=3)), [Batch(inputs, targets)])
        assert learner.predict(inputs).argmax(dim=1).tolist() == [2] * 4


@pytest.mark.parametrize(("level", "rows"), [("nodes", 5), ("graphs", 2)])
def test_vectors_are_all_the_same(level: str, rows: int) -> None:
    ids = torch.tensor([0, 0, 0, 1, 1])
    graphs = GraphBatch(torch.randn(5, 3), torch.zeros(2, 0, dtype=torch.int64), None, ids, 2)
    signature = Signature(input=Graph(node_features=3), output=Embedding(level=level))
    learner = SPEC.build(signature)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    loss = learner.train_step(Batch(graphs), PartOptimizers(learner, Recipe(), Schedules()))
    assert loss.item() == 0
    assert all(torch.equal(value, before[name]) for name, value in learner.state_dict().items())
    assert torch.equal(learner.embed(graphs), torch.zeros(rows, 1))
    assert list(learner.parameters()) == []


def test_an_all_masked_batch_changes_nothing() -> None:
    learner = SPEC.build(Signature(input=VECTOR, output=Classes(num_classes=2)))
    batch = Batch(torch.randn(3, 4), torch.tensor([0, 1, 1]), torch.zeros(3, dtype=torch.bool))
    assert learner.train_step(batch, PartOptimizers(learner, Recipe(), Schedules())).item() == 0
    assert learner.counts.tolist() == [0, 0]


def test_padded_tokens_are_left_out() -> None:
    ids = torch.tensor([[1, 2, 0, 0], [2, 2, 2, 0]])
    signature = Signature(input=Tokens(vocab=3), output=NextToken(vocab=3))
    learner = trained(signature, [Batch(TokenBatch(ids), ids, ids != 0)])
    assert learner.counts.tolist() == [0, 1, 4]


def test_train_step_returns_the_cross_entropy_of_the_batch() -> None:
    learner = SPEC.build(Signature(input=VECTOR, output=Classes(num_classes=2)))
    optimizers = PartOptimizers(learner, Recipe(), Schedules())
    learner.train_step(Batch(torch.randn(4, 4), torch.tensor([0, 0, 0, 1])), optimizers)
    loss = learner.train_step(Batch(torch.randn(2, 4), torch.tensor([0, 0])), optimizers)
    assert loss.item() == pytest.approx(-math.log(5 / 6), rel=1e-6)
    assert not loss.requires_grad


def test_value_is_the_mean_of_the_targets() -> None:
    targets = torch.randn(1000) + 1000
    signature = Signature(input=VECTOR, output=Value())
    batches = [Batch(torch.randn(len(t), 4), t) for t in targets.split(33)]
    learner = trained(signature, batches)
    predicted = learner.predict(torch.randn(5, 4))
    assert predicted.shape == (5,)
    assert predicted.tolist() == [targets.double().mean().float().item()] * 5
    loss = learner.train_step(batches[-1], PartOptimizers(learner, Recipe(), Schedules()))
    assert loss.item() == pytest.approx(F.mse_loss(learner.predict(batches[-1].inputs), batches[-1].targets).item())


@pytest.mark.parametrize(("kind", "shape"), [(VECTOR, (4,)), (Image(channels=2, height=3, width=5), (2, 3, 5))])
def test_samples_are_copies_of_the_mean_example(kind: Kind, shape: tuple[int, ...]) -> None:
    data = torch.randn(50, *shape)
    learner = trained(Signature(input=kind, output=Sample()), [Batch(rows) for rows in data.split(7)])
    generator = torch.Generator().manual_seed(3)
    before = generator.get_state()
    samples = learner.sample(6, generator)
    assert samples.shape == (6, *shape)
    assert torch.equal(generator.get_state(), before)
    torch.testing.assert_close(samples, data.double().mean(dim=0).float().expand(6, *shape), rtol=0, atol=0)
    samples[0] = 7  # a caller may write into them
    assert not (samples[1] == 7).any()


def test_a_saved_state_predicts_the_same() -> None:
    for output, targets in (
        (Classes(num_classes=3), torch.tensor([0, 2, 2])),
        (Value(), torch.tensor([1.0, 2.0, 6.0])),
    ):
        signature = Signature(input=VECTOR, output=output)
        learner = trained(signature, [Batch(torch.randn(3, 4), targets)])
        fresh = SPEC.build(signature)
        inputs = torch.randn(2, 4)
        assert not torch.equal(fresh.predict(inputs), learner.predict(inputs))
        fresh.load_state_dict(learner.state_dict())
        assert torch.equal(fresh.predict(inputs), learner.predict(inputs))


def test_it_has_no_parameters_and_no_options() -> None:
    for signature in (
        Signature(input=VECTOR, output=Classes(num_classes=3)),
        Signature(input=VECTOR, output=Value()),
        Signature(input=VECTOR, output=Sample()),
    ):
        assert list(SPEC.build(signature).parameters()) == []
    assert option_defaults(SPEC.build) == {}


def test_targets_are_needed_to_be_counted() -> None:
    learner = Frequencies(output=Classes(num_classes=2), num_classes=2)
    with pytest.raises(ValueError, match="batches have none"):
        learner.observe(Batch(torch.randn(3, 4)))


def test_its_recipe_ends_training_after_one_pass() -> None:
    (settings,) = [value for key, value in SPEC.recipes.items() if issubclass(Image, key)]
    recipe = resolve([("model", settings)]).recipe
    assert recipe.schedule == Choice.parse("stop_after[epochs=1]")
    assert recipe.regularizers == ()
    learner = SPEC.build(Signature(input=VECTOR, output=Classes(num_classes=3)))
    optimizers = PartOptimizers(learner, recipe, Schedules())
    assert optimizers.scheduled
    assert [optimizers.advance(Progress(epoch=epoch)) for epoch in (0.0, 0.5, 0.99, 1.0, 1.5)] == [True] * 3 + [
        False
    ] * 2


def test_stop_after_leaves_the_learning_rate_alone() -> None:
    factor = STOP_AFTER.build(epochs=2)
    assert [factor(Progress(epoch=epoch)) for epoch in (0.0, 1.9)] == [1.0, 1.0]
    assert factor(Progress(epoch=2.0)) is Stop
    assert option_defaults(STOP_AFTER.build) == {"epochs": 1}


def test_accepted_kinds() -> None:
    accepts = list(SPEC.accepts)

    def accepted(signature: tuple[type, type]) -> bool:
        return any(issubclass(signature[0], a) and issubclass(signature[1], b) for a, b in accepts)

    for kind in (Image, Vector, Tokens, Graph, Hypergraph, DynamicGraph):
        for output in (Classes, NodeClasses, EdgeClasses, NextToken, Value, Embedding):
            assert accepted((kind, output))
    assert accepted((Image, Sample))
    assert accepted((Vector, Sample))
    assert not accepted((Tokens, Sample))
    assert SPEC.family == "Baseline"


def test_describing_the_model_does_not_import_torch() -> None:
    code = (
        "import sys, dlbench, dlbench_baseline as b\n"
        "list(b.dlbench_models())\n"
        "factor = list(b.dlbench_schedules())[0].build()\n"
        "assert factor(dlbench.Progress(epoch=1.0)) is dlbench.Stop\n"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
