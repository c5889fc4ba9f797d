"""Tasks on molecules as strings and as graphs: batches, judging, whatever a model may draw."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from moleculeparts import SPLITS, TRAIN, Sampler, rows, writes
from torch import Tensor

from dlbench import Batch, GraphBatch, TokenBatch
from dlbench_generation import molecules
from dlbench_generation.molecules import chemistry
from dlbench_generation.molecules.alphabet import END, PADDING, START
from dlbench_generation.molecules.graphs import MoleculeGraphs, read_graphs
from dlbench_generation.molecules.strings import SmilesStrings

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in molecules.specs()}


@pytest.fixture(scope="module")
def strings(tmp_path_factory: pytest.TempPathFactory) -> SmilesStrings:
    return SmilesStrings(SPLITS, cache=tmp_path_factory.mktemp("strings"), scaffolds=True)


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> MoleculeGraphs:
    return MoleculeGraphs(SPLITS, cache=tmp_path_factory.mktemp("graphs"))


# --- strings ----------------------------------------------------------------------------------------------


def test_batches_hold_every_string_once_from_start_to_end(strings: SmilesStrings) -> None:
    texts = []
    for batch in strings.batches("train", 4, torch.Generator().manual_seed(0)):
        ids, lengths = batch.inputs.ids, batch.inputs.lengths
        assert batch.targets is None
        assert batch.size == len(ids)
        assert batch.inputs.sizes == lengths.tolist()
        for row, length in zip(ids.tolist(), lengths.tolist(), strict=True):
            assert (row[0], row[length - 1], set(row[length:]) - {PADDING}) == (START, END, set())
            texts.append(strings.alphabet.decode(row[:length]))
    assert sorted(texts) == sorted(TRAIN)
    assert strings.signature.input.length == len(strings.alphabet.encode(SPLITS["test"][3]))


def test_test_molecules_are_judged_as_whole_new_and_different(strings: SmilesStrings) -> None:
    found = strings.judge(writes(strings, *SPLITS["test"]), "test")
    assert {found[name] for name in ("valid", "connected", "novel", "valid_floor", "new_molecules_floor")} == {1.0}
    assert (found["unique"], found["new_molecules"]) == (4 / 1000, 4 / 1000)
    assert found["property_distance"] == pytest.approx(0)
    assert found["scaffolds"] == pytest.approx(1)
    assert 0 < found["property_distance_floor"] < 2
    assert strings.warnings(found) == ["collapsed"]


def test_training_molecules_are_copies(strings: SmilesStrings) -> None:
    found = strings.judge(writes(strings, *TRAIN), "val")
    assert (found["valid"], found["novel"], found["new_molecules"]) == (1, 0, 0)
    assert found["distinct_molecules"] == len(TRAIN) / 1000
    assert "copies" in strings.warnings(found)
    assert found["property_distance"] == pytest.approx(found["property_distance_floor"], abs=0.05)


def test_whatever_a_row_holds_it_is_counted(strings: SmilesStrings) -> None:
    def wild(count: int, generator: torch.Generator) -> TokenBatch:
        ids = torch.randint(-3, len(strings.alphabet) + 3, (count, 12), generator=generator)
        return TokenBatch(ids, torch.randint(-2, 15, (count,), generator=generator))

    found = strings.judge(Sampler(wild), "test")
    assert all(map(math.isfinite, found.values()))
    assert found["valid"] < 0.5
    endless = Sampler(lambda count, _: TokenBatch(torch.full((count, 5), 4)))
    assert strings.judge(endless, "test")["valid"] == 0
    cut = rows(strings, ["CCO"])
    assert strings.texts(cut._replace(lengths=torch.tensor([4]))) == [None]  # the end lies beyond the length
    assert strings.texts(TokenBatch(cut.ids)) == ["CCO"]


def test_what_are_no_rows_of_numbers_is_an_error_with_a_sentence(strings: SmilesStrings) -> None:
    flat = TokenBatch(torch.zeros(1000, dtype=torch.int64))
    for wrong in (torch.zeros(3, 4), TokenBatch(torch.zeros(1000, 4)), flat):
        with pytest.raises(ValueError, match="not a TokenBatch of whole numbers"):
            strings.judge(Sampler(lambda count, _, wrong=wrong: wrong), "test")
    with pytest.raises(NotImplementedError, match="have no loss of their own"):
        strings.loss(torch.zeros(1), Batch(inputs=None))


def test_likelihood_is_nats_per_string_over_the_split(strings: SmilesStrings) -> None:
    class Knows(Sampler):
        def offers(self, name: str) -> bool:
            return name == "log_density"

        def log_density(self, batch: Batch) -> Tensor:
            return -2.0 * batch.inputs.lengths.float()

    found = strings.judge(Knows(writes(strings, "CO").make), "test")
    lengths = [len(strings.alphabet.encode(text)) for text in SPLITS["test"]]
    assert found["nll"] == pytest.approx(2 * sum(lengths) / len(lengths))
    assert "nll" not in strings.judge(writes(strings, "CO"), "test")


def test_texts_of_a_record_say_what_is_wrong(strings: SmilesStrings) -> None:
    shown = strings.samples(writes(strings, "CCO", "CC(", ""))
    assert shown[:3] == ["CCO", "CC( (no molecule)", " (no molecule)"]
    assert len(shown) == 12
    assert strings.samples(Sampler(lambda count, _: TokenBatch(torch.full((count, 2), 4)))) == ["without an end"] * 12


def test_pictures_are_the_same_for_the_same_samples(strings: SmilesStrings) -> None:
    first, second = (strings.pictures(writes(strings, "CCO", "CC(", "c1ccccc1"))["molecules"] for _ in range(2))
    assert (first.dtype, first.ndim, first.shape[2]) == (np.uint8, 3, 3)
    assert np.array_equal(first, second)
    assert (first < 128).any()
    assert strings.pictures(writes(strings, "CC(")) == {}


# --- graphs -----------------------------------------------------------------------------------------------


def test_graphs_of_the_data_are_their_molecules(graphs: MoleculeGraphs) -> None:
    names = []
    for split in ("train", "val", "test"):
        for batch in graphs.batches(split, 3, None):
            assert batch.inputs.num_graphs == batch.size
            names += [chemistry.name_of(molecule) for molecule in graphs.read(batch.inputs)]
    assert names == [chemistry.name_of(chemistry.parsed(text)) for texts in SPLITS.values() for text in texts]
    kind = graphs.signature.input
    assert (kind.node_features, kind.edge_features, kind.nodes_max) == (len(graphs.kinds), 3, 11)
    assert {("C", 0), ("N", 1), ("O", -1), ("Br", 0)} <= set(graphs.kinds)


KINDS = [("C", 0), ("O", 0)]


def one(nodes: list[int], bonds: list[tuple[int, int, int]], *, both: bool = True) -> GraphBatch:
    """A graph of these kinds of atoms, with bonds (from, to, order)."""
    ends = [(i, j, order) for i, j, order in bonds] + ([(j, i, order) for i, j, order in bonds] if both else [])
    table = torch.tensor(ends, dtype=torch.int64).reshape(-1, 3)
    return GraphBatch(
        torch.eye(2)[torch.tensor(nodes, dtype=torch.int64)], table[:, :2].T, torch.eye(3)[table[:, 2] - 1],
        torch.zeros(len(nodes), dtype=torch.int64), 1,
    )  # fmt: skip


def test_a_graph_is_read_by_its_largest_columns() -> None:
    right = ([("C", 0), ("O", 0)], [(0, 1, 2)])
    assert read_graphs(one([0, 1], [(0, 1, 2)]), KINDS) == [right]
    assert read_graphs(one([0, 1], [(1, 0, 2)], both=False), KINDS) == [right]  # one direction is enough
    shares = one([0, 1], [(0, 1, 2)])
    soft = shares._replace(nodes=shares.nodes * 0.4 + 0.1, edge_features=shares.edge_features * 2 - 0.5)
    assert read_graphs(soft, KINDS) == [right]
    lonely = GraphBatch(torch.eye(2)[:1], torch.zeros(2, 0, dtype=torch.int64), None, torch.zeros(1).long(), 2)
    assert read_graphs(lonely, KINDS) == [([("C", 0)], []), ([], [])]  # the second has no nodes
    mixed = GraphBatch(torch.eye(2), torch.tensor([[0], [1]]), torch.eye(3)[:1], torch.tensor([1, 1]), 2)
    assert read_graphs(mixed, KINDS) == [([], []), ([("C", 0), ("O", 0)], [(0, 1, 1)])]


def test_graphs_that_contradict_themselves_are_none() -> None:
    good = one([0, 1], [(0, 1, 1)])
    broken = [
        good._replace(nodes=good.nodes.clone().fill_(math.nan)),
        good._replace(nodes=torch.zeros(2, 2)),
        good._replace(edge_features=torch.zeros(2, 3)),
        good._replace(edge_features=torch.full((2, 3), math.inf)),
        one([0, 1], [(0, 0, 1)]),
        one([0, 1], [(0, 1, 1), (0, 1, 2)]),
    ]
    assert [read_graphs(graph, KINDS) for graph in broken] == [[None]] * len(broken)
    across = good._replace(graph_ids=torch.tensor([0, 1]), num_graphs=2)
    assert read_graphs(across, KINDS) == [None, None]


def test_what_is_no_batch_of_such_graphs_is_an_error_with_a_sentence(graphs: MoleculeGraphs) -> None:
    good = one([0, 1], [(0, 1, 1)])
    wrong: list[tuple[Any, str]] = [
        (torch.zeros(3), "not a GraphBatch"),
        (good._replace(nodes=torch.zeros(2, 3)), "sample returned nodes"),
        (good._replace(graph_ids=torch.zeros(3).long()), "sample returned nodes"),
        (good._replace(edge_features=None), "sample returned edges"),
        (good._replace(edges=torch.tensor([[0, 5], [1, 0]])), "an edge to node 5"),
        (good._replace(graph_ids=torch.tensor([0, 4])), "a node of graph 4"),
    ]
    for examples, sentence in wrong:
        with pytest.raises(ValueError, match=sentence):
            read_graphs(examples, KINDS)
    with pytest.raises(ValueError, match="not a GraphBatch"):
        graphs.judge(Sampler(lambda count, _: torch.zeros(count, 2)), "test")


def test_graphs_are_judged_as_strings_are(strings: SmilesStrings, graphs: MoleculeGraphs) -> None:
    first = next(iter(graphs.batches("test", 4, None))).inputs
    parts = [graphs.graphs.gather(torch.arange(14 + 3, 14 + 3 + 4).repeat(250)).graphs]
    found = graphs.judge(Sampler(lambda count, _: parts[0]), "test")
    expected = strings.judge(writes(strings, *SPLITS["test"]), "test")
    assert first.num_graphs == 4
    assert found == pytest.approx({name: value for name, value in expected.items() if not name.startswith("scaff")})
    alone = GraphBatch(torch.eye(len(graphs.kinds))[:1], torch.zeros(2, 0).long(), None, torch.zeros(1).long(), 12)
    assert graphs.samples(Sampler(lambda *_: alone))[1:] == ["no molecule"] * 11


def test_every_metric_that_is_declared_is_given(strings: SmilesStrings, graphs: MoleculeGraphs) -> None:
    for task, name in ((strings, "zinc_smiles"), (graphs, "qm9_gen")):
        spec = SPECS[name]
        declared = {metric.name for metric in (spec.metric, *spec.metrics)} - {"nll"}
        nothing = Sampler(lambda count, _: TokenBatch(torch.full((count, 2), 1)))
        if task is graphs:
            atoms, edges, ids = torch.zeros(0, len(graphs.kinds)), torch.zeros(2, 0).long(), torch.zeros(0).long()
            empty = GraphBatch(atoms, edges, None, ids, 1000)
            nothing = Sampler(lambda *_, empty=empty: empty)
        assert set(task.judge(nothing, "val")) == declared
