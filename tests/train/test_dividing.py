"""Parts of batches: every example, node and edge once, weights that sum to one, and whole graphs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dlbench import (
    Batch,
    Classes,
    DynamicGraph,
    Graph,
    GraphBatch,
    GraphClasses,
    Hypergraph,
    NodeClasses,
    NotApplicable,
    Signature,
    TokenSequence,
    Value,
    Vector,
)  # fmt: skip
from dlbench.contract.kinds import EdgeClasses, OutputKind
from dlbench.contract.syntax import SyntaxBatch, WordTags
from dlbench.contract.values import DynamicGraphBatch, LinkBatch, SeriesBatch, TokenBatch, Triples
from dlbench.train.dividing import check_divisible, check_loss, part_of

SIZES = torch.tensor([3, 1, 4, 2, 5])
IDS = torch.repeat_interleave(torch.arange(5), SIZES)
NODES = torch.randn(15, 3, generator=torch.Generator().manual_seed(0))


def edges() -> torch.Tensor:
    """All pairs of nodes within a graph, ascending by target."""
    found = [(i, j) for j in range(15) for i in range(15) if IDS[i] == IDS[j]]
    return torch.tensor(found).T


def graph(**changes: Any) -> GraphBatch:
    return GraphBatch(NODES, edges(), edges().T.float(), IDS, 5, True)._replace(**changes)


def parts(batch: Batch, output: OutputKind, size: int) -> list[Any]:
    return [part_of(batch, output, rank, size) for rank in range(size)]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_examples_are_shared_out_and_weights_sum_to_one(size: int) -> None:
    batch = Batch(NODES, torch.arange(15), size=15, index=torch.arange(15) + 100)
    found = parts(batch, Classes(num_classes=15), size)
    assert torch.equal(torch.cat([part.batch.inputs for part in found]), NODES)
    assert torch.equal(torch.cat([part.batch.index for part in found]), batch.index)
    assert sum(part.weight for part in found) == pytest.approx(1)
    assert sum(part.batch.size for part in found) == 15


def test_a_device_without_an_example_gets_one_that_counts_nothing() -> None:
    found = parts(Batch(NODES[:1], torch.zeros(1).long(), size=1), Classes(num_classes=2), 3)
    assert [part.idle for part in found] == [True, True, False]
    assert [part.weight for part in found] == [0, 0, 1]
    assert all(len(part.batch.inputs) == 1 for part in found)


def test_a_mask_says_what_a_part_weighs() -> None:
    mask = torch.tensor([[True, True], [True, False], [False, False], [True, False]])
    batch = Batch(TokenBatch(torch.zeros(4, 2).long(), sizes=[2, 1, 2, 1]), torch.zeros(4, 2).long(), mask, size=4)
    first, second = parts(batch, Classes(num_classes=2), 2)
    assert (float(first.weight), float(second.weight)) == (0.75, 0.25)
    assert first.batch.inputs.sizes == [2, 1]
    assert second.batch.inputs.lengths is None


def test_series_keep_their_lengths_and_what_a_decoder_has_written() -> None:
    inputs = SeriesBatch(torch.randn(5, 4, 2), torch.arange(5) + 1, torch.arange(10).view(5, 2), [1, 2, 3, 4, 5])
    output = TokenSequence(vocab=10, length=2, start=1, end=2)
    found = parts(Batch(inputs, inputs.previous, size=5), output, 2)
    assert torch.equal(torch.cat([part.batch.inputs.previous for part in found]), inputs.previous)
    assert [part.batch.inputs.sizes for part in found] == [[1, 2], [3, 4, 5]]


@pytest.mark.parametrize("sparse", [False, True])
def test_graphs_stay_whole(sparse: bool) -> None:
    batch = Batch(graph(nodes=NODES.to_sparse_csr()) if sparse else graph(), torch.arange(5), size=5)
    found = parts(batch, GraphClasses(num_classes=5), 2)
    nodes = [p.batch.inputs.nodes.to_dense() if sparse else p.batch.inputs.nodes for p in found]
    assert torch.equal(torch.cat(nodes), NODES)
    assert [part.batch.inputs.num_graphs for part in found] == [2, 3]
    assert torch.equal(torch.cat([part.batch.targets for part in found]), torch.arange(5))
    offset, seen = 0, []
    for part, rows in zip(found, nodes, strict=True):
        given = part.batch.inputs
        assert torch.equal(given.graph_ids[given.edges[0]], given.graph_ids[given.edges[1]])
        assert given.graph_ids.min() == 0
        seen.append(given.edges + offset)
        assert torch.equal(given.edge_features, seen[-1].T.float())
        offset += len(rows)
    assert torch.equal(torch.cat(seen, 1), edges())


def test_targets_of_nodes_and_edges_go_with_them() -> None:
    first, second = parts(Batch(graph(), torch.arange(15), size=15), NodeClasses(num_classes=15), 2)
    assert torch.equal(first.batch.targets, torch.arange(4))
    assert second.weight == 11 / 15
    count = edges().shape[1]
    first, second = parts(Batch(graph(), torch.arange(count), size=count), EdgeClasses(num_classes=count), 2)
    assert torch.equal(first.batch.targets, torch.arange(count)[edges()[0] < 4])
    assert len(first.batch.targets) + len(second.batch.targets) == count


def test_edges_that_come_and_go_stay_in_their_order() -> None:
    times = torch.arange(edges().shape[1]) // 8
    inputs = DynamicGraphBatch(NODES, edges(), times, 7, IDS, 5, step_sizes=[8] * 7)
    found = parts(Batch(inputs, torch.arange(15), size=15), NodeClasses(num_classes=15), 2)
    for part in found:
        assert torch.equal(part.batch.inputs.times, part.batch.inputs.times.sort().values)
        assert part.batch.inputs.step_sizes is None
    assert sum(len(part.batch.inputs.times) for part in found) == len(times)


def test_sentences_are_cut_as_tokens_and_as_graphs() -> None:
    places = torch.cat([torch.arange(int(n)) + 5 * i for i, n in enumerate(SIZES)])
    ids = torch.randint(0, 9, (5, 5), generator=torch.Generator().manual_seed(0))
    inputs = SyntaxBatch(ids, SIZES, places, edges(), torch.arange(55), IDS, 9, 55, marks=ids % 2)
    assert torch.equal(inputs.rows_of(ids), ids.flatten()[places])
    found = parts(Batch(inputs, ids, size=15), WordTags(num_classes=9), 2)
    assert torch.equal(torch.cat([p.batch.inputs.rows_of(p.batch.targets) for p in found]), inputs.rows_of(ids))
    assert torch.equal(torch.cat([p.batch.inputs.relations for p in found]).sort().values, torch.arange(55))


def test_one_graph_facts_and_unknown_values_are_not_divided() -> None:
    output = NodeClasses(num_classes=2)
    for given in (Graph(node_features=3, single=True), Hypergraph(node_features=3)):
        with pytest.raises(NotApplicable, match="isn't divided between devices"):
            check_divisible(Signature(input=given, output=output))
    for given in (Graph(node_features=3), DynamicGraph(node_features=3)):
        check_divisible(Signature(input=given, output=output))
    facts = Triples(*torch.zeros(3, 4).long())
    links = LinkBatch(facts, torch.zeros(4).long(), torch.zeros(4).long(), torch.zeros(4).bool())
    with pytest.raises(NotApplicable, match="batches of LinkBatch"):
        part_of(Batch(links, size=4), Classes(num_classes=2), 0, 2)


def test_a_loss_that_is_no_mean_over_examples_is_found() -> None:
    signature = Signature(input=Vector(features=3), output=Value())
    batch = Batch(NODES, torch.linspace(0, 1, 15), size=15)

    def task(loss: Any) -> Any:
        return SimpleNamespace(signature=signature, loss=loss)

    check_loss(task(lambda outputs, given: (outputs - given.targets).square().mean()), batch, 2)
    for loss in (
        lambda outputs, given: (outputs - given.targets).square().sum(),
        lambda outputs, given: (outputs - given.targets).square().mean().sqrt(),
        lambda outputs, given: -torch.corrcoef(torch.stack([outputs, given.targets]))[0, 1],
    ):
        with pytest.raises(NotApplicable, match="it isn't a mean that 2 devices could share"):
            check_loss(task(loss), batch, 2)
