"""Links of knowledge graphs: filtered ranks against brute force, expectations in closed form, batches, files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from linkparts import Scorer
from torch import Tensor

from dlbench import Batch, NoData
from dlbench.data import Data, at_hand
from dlbench.data.graphs import BadGraph
from dlbench.data.verify import state
from dlbench.testing import check_task, report
from dlbench_graph import knowledge
from dlbench_graph.knowledge import files
from dlbench_graph.knowledge.links import LinkTask
from dlbench_graph.knowledge.ranking import by_chance, figures, ranks
from dlbench_graph.knowledge.triples import link_files, read_triples
from workshop import catalog

SPECS = {spec.name: spec for spec in knowledge.specs()}
ENTITIES, RELATIONS = 12, 3
SIZES = {"train": 60, "val": 15, "test": 25}


def small(seed: int = 0) -> LinkTask:
    """Random triples, of which many share an end and a relation."""
    random = np.random.RandomState(seed)
    chosen = random.permutation(ENTITIES * RELATIONS * ENTITIES)[: sum(SIZES.values())]
    triples = torch.from_numpy(np.stack(np.unravel_index(chosen, (ENTITIES, RELATIONS, ENTITIES))))
    splits = dict(zip(SIZES, triples.split(list(SIZES.values()), dim=1), strict=True))
    return LinkTask(splits, entities=[f"e{i}" for i in range(ENTITIES)], relations=["a", "b", "c"])


class Drawn:
    """Scores without sense, drawn anew for each question."""

    def __init__(self, entities: int) -> None:
        self.entities = entities

    def predict(self, batch: Batch) -> Tensor:
        return torch.rand(len(batch.targets), self.entities, dtype=torch.float64)


def brute_force(task: LinkTask, table: Tensor, split: str) -> list[float]:
    """The filtered rank of each tail, then of each head, triple by triple: the middle of the best and the worst place
    among entities that make no known triple."""
    known = {tuple(triple) for part in task.splits.values() for triple in part.T.tolist()}
    tails, heads = [], []
    for head, relation, tail in task.splits[split].T.tolist():
        right = table[head, relation, tail]
        for end, found in ((2, tails), (0, heads)):
            best, worst = 1, 1
            for other in range(ENTITIES):
                triple = (head, relation, other) if end == 2 else (other, relation, tail)
                if triple not in known:
                    best += int(table[triple] > right)
                    worst += int(table[triple] >= right)
            found.append((best + worst) / 2)
    return tails + heads


# --- ranks ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("levels", [4, 10**9])  # many ties, none
@pytest.mark.parametrize("split", ["val", "test"])
def test_judging_agrees_with_brute_force(split: str, levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    task = small()
    table = torch.from_numpy(np.random.RandomState(1).randint(0, levels, (ENTITIES, RELATIONS, ENTITIES))).double()
    places = brute_force(task, table, split)
    monkeypatch.setattr("dlbench_graph.knowledge.links.JUDGED_AT_ONCE", 7)
    found = task.judge(Scorer(table), split)
    count = SIZES[split]
    for most in (1, 3, 10):
        assert found[f"hits_at_{most}"] == pytest.approx(sum(place <= most for place in places) / (2 * count))
    assert found["mrr"] == pytest.approx(np.mean([1 / place for place in places]))
    assert found["mrr_tails"] == pytest.approx(np.mean([1 / place for place in places[:count]]))
    assert found["mrr_heads"] == pytest.approx(np.mean([1 / place for place in places[count:]]))
    assert found["mean_rank"] == pytest.approx(np.mean(places))
    assert any(place % 1 for place in places) == (levels == 4)


def test_the_loss_is_the_mean_over_all_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    task = small()
    table = torch.from_numpy(np.random.RandomState(1).randn(ENTITIES, RELATIONS, ENTITIES))
    monkeypatch.setattr("dlbench_graph.knowledge.links.JUDGED_AT_ONCE", 7)
    heads, relations, tails = task.splits["test"]
    of_tails = table[heads, relations].log_softmax(1)[torch.arange(25), tails]
    of_heads = table[:, relations, tails].log_softmax(0)[heads, torch.arange(25)]
    assert task.judge(Scorer(table), "test")["loss"] == pytest.approx(-float((of_tails + of_heads).mean()) / 2)


def test_candidates_are_what_is_not_known() -> None:
    task = small()
    known = {tuple(triple) for part in task.splits.values() for triple in part.T.tolist()}
    expected = [
        1 + sum((head, relation, other) not in known for other in range(ENTITIES))
        for head, relation, _ in task.splits["test"].T.tolist()
    ]
    assert task.candidates("test")[:25].tolist() == expected
    assert min(expected) < ENTITIES


def test_scores_at_random_come_to_the_closed_form() -> None:
    task = small()
    expected = by_chance(task.candidates("test"))
    torch.manual_seed(0)
    rounds = [task.judge(Drawn(ENTITIES), "test") for _ in range(400)]
    for name, value in expected.items():
        drawn = np.array([found[name] for found in rounds])
        error = drawn.std() / np.sqrt(len(drawn))
        assert abs(drawn.mean() - value) <= 4 * error, name
    assert by_chance(torch.tensor([4]))["mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)
    assert by_chance(torch.tensor([4, 2]))["hits_at_3"] == pytest.approx((3 / 4 + 1) / 2)


def test_equal_scores_get_the_middle() -> None:
    task = small()
    found = task.judge(Scorer(torch.zeros(ENTITIES, RELATIONS, ENTITIES)), "test")
    count = task.candidates("test").double()
    assert found["mrr"] == pytest.approx(float((2 / (count + 1)).mean()))
    assert found["hits_at_1"] == float((count == 1).double().mean())


def test_ranks_of_what_is_not_finite() -> None:
    scores = torch.tensor([[1.0, float("nan"), 0.0], [0.0, -float("inf"), float("inf")], [2.0, 3.0, 1.0]])
    none = torch.zeros(3, 3, dtype=torch.bool)
    places = ranks(scores, torch.tensor([0, 1, 1]), none)
    assert places.isnan().tolist() == [True, False, False]
    assert places[1:].tolist() == [3, 1]
    assert np.isnan(figures(places)["mrr"])  # which ends a cell as diverged


def test_what_is_left_out_never_counts_and_a_target_always_does() -> None:
    scores, everything = torch.tensor([[5.0, 4.0, 4.0, 1.0]]), torch.ones(1, 4, dtype=torch.bool)
    assert ranks(scores, torch.tensor([3]), everything).tolist() == [1]
    assert ranks(scores, torch.tensor([2]), torch.tensor([[True, False, False, False]])).tolist() == [1.5]


# --- batches ----------------------------------------------------------------------------------------------


def rows(triples: Any) -> list[tuple[int, ...]]:
    return [tuple(triple) for triple in torch.stack(list(triples)).T.tolist()]


@pytest.mark.parametrize("seed", [None, 5])
def test_a_training_batch_does_not_know_what_it_asks_for(seed: int | None) -> None:
    task = small()
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    batches = task.batches("train", 16, generator)
    found, all_triples = [], set(rows(task.splits["train"]))
    for batch in batches:
        inputs, half = batch.inputs, batch.size
        asked = rows((inputs.anchors[:half], inputs.relations[:half], batch.targets[:half]))
        assert asked == rows((batch.targets[half:], inputs.relations[half:], inputs.anchors[half:]))
        assert inputs.backward.tolist() == [False] * half + [True] * half
        assert len(inputs.known.heads) == SIZES["train"] - half
        assert set(rows(inputs.known)) == all_triples - set(asked)
        found += asked
    assert len(batches) == 4
    assert sorted(found) == sorted(all_triples)
    assert (found == rows(task.splits["train"])) == (seed is None)


@pytest.mark.parametrize("split", ["val", "test"])
def test_judging_knows_the_training_triples_and_no_others(split: str) -> None:
    task = small()
    for batch in task.batches(split, 10, None):
        assert rows(batch.inputs.known) == rows(task.splits["train"])


def test_bad_triples_are_refused() -> None:
    names: Any = {"entities": ["x", "y"], "relations": ["r"]}
    one, other, third = (torch.tensor([[a], [0], [b]]) for a, b in ((0, 1), (1, 0), (1, 1)))
    LinkTask({"train": one, "val": other, "test": third}, **names)
    with pytest.raises(BadGraph, match=r"the triple \(0, 0, 1\) of test stands in train already"):
        LinkTask({"train": one, "val": other, "test": one}, **names)
    with pytest.raises(BadGraph, match="the split val has the entity 2, but there are 0 to 1"):
        LinkTask({"train": one, "val": torch.tensor([[0], [0], [2]]), "test": third}, **names)
    with pytest.raises(BadGraph, match="the split test has no triples"):
        LinkTask({"train": one, "val": other, "test": one[:, :0]}, **names)


def test_samples_name_triples_and_places() -> None:
    task = small()
    table = torch.from_numpy(np.random.RandomState(1).randn(ENTITIES, RELATIONS, ENTITIES))
    places = brute_force(task, table, "test")
    head, relation, tail = task.splits["test"][:, 0].tolist()
    texts = task.samples(Scorer(table))
    assert len(texts) == 8
    assert texts[0] == f"e{head} {'abc'[relation]} e{tail}: tail {places[0]:g}, head {places[25]:g}"


# --- files ------------------------------------------------------------------------------------------------


def write(folder: Path, **texts: str) -> Data:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}.txt").write_text(text)
    return Data(root=folder, cache=folder)


GOOD = {"train": "b\tr\ta\n\na\ts\tc\n", "val": "c\tr\ta\n", "test": "a\tr\tb\n"}


def test_files_are_numbered_by_name(tmp_path: Path) -> None:
    task = link_files(write(tmp_path, **GOOD), "train.txt", "val.txt", "test.txt")
    assert task.names == (["a", "b", "c"], ["r", "s"])
    assert rows(task.splits["train"]) == [(1, 0, 0), (0, 1, 2)]
    assert rows(task.splits["test"]) == [(0, 0, 1)]


@pytest.mark.parametrize(
    ("split", "text", "sentence"),
    [
        ("train", "b\tr\ta\nb\tr\n", "line 2 of train.txt isn't a head, a relation and a tail: 'b"),
        ("train", "b\tr\ta\n\nb\t \ta\n", "line 3 of train.txt isn't"),
        ("val", "a\tb\tc\td\n", "line 1 of val.txt isn't"),
        ("test", "\n \n", "test.txt holds no triples"),
        ("test", "c\tr\tb\nb\tr\ta\n", "line 2 of test.txt repeats line 1 of train.txt: b r a"),
    ],
)
def test_a_broken_file_names_the_line(tmp_path: Path, split: str, text: str, sentence: str) -> None:
    data = write(tmp_path, **{**GOOD, split: text})
    with pytest.raises(NoData) as raised:
        link_files(data, "train.txt", "val.txt", "test.txt")
    assert sentence in str(raised.value)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"a\tr\t\xff\n")
    with pytest.raises(NoData, match=r"bad.txt isn't text in UTF-8 \(byte 4\)"):
        read_triples(tmp_path / "bad.txt")


def package_root() -> Path | None:
    """The folder that holds the package pykeen, where it is installed."""
    from importlib.util import find_spec

    found = find_spec("pykeen")
    return Path(found.origin).parents[1] if found is not None and found.origin else None


@pytest.fixture(scope="module")
def umls(data_root: Path) -> Data:
    for root in (data_root, package_root()):
        if root is not None and state(files.UMLS, root, None).status != "missing":
            return Data(root=root, cache=root)
    pytest.skip("neither the data root nor an installed package pykeen has the files of umls")


def test_umls_is_the_published_set(umls: Data) -> None:
    task = SPECS["umls_links"].load(umls)
    assert {name: part.shape[1] for name, part in task.splits.items()} == {"train": 5216, "val": 652, "test": 661}
    assert str(task.signature) == "knowledge_graph[135,46] -> links[135]"
    findings = check_task(SPECS["umls_links"], catalog(), data_root=umls.root)
    assert all(finding.ok for finding in findings), report(findings)


def test_umls_is_read_from_the_package_where_it_is_a_data_folder(tmp_path: Path) -> None:
    names = {"train": "train", "valid": "val", "test": "test"}
    write(tmp_path / files.PACKAGE, **{name: GOOD[split] for name, split in names.items()})
    data = Data(root=tmp_path, cache=tmp_path)
    assert at_hand(files.UMLS, tmp_path).name == "umls_pykeen"
    assert str(SPECS["umls_links"].load(data).signature) == "knowledge_graph[3,2] -> links[3]"
    write(tmp_path / files.FOLDER, **{name: GOOD[split].replace("r", "t") for name, split in names.items()})
    assert SPECS["umls_links"].load(data).names[1] == ["s", "t"]
