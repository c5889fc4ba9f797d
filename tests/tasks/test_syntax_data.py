"""The tasks on syntax and their data: published counts, floors, conformance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from syntaxparts import Learned, seeded

from dlbench import Batch
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.testing import check_task, report
from dlbench_baseline.constant import constant
from dlbench_baseline.dictionary import Dictionary
from dlbench_baseline.marked_words import MarkedWords
from dlbench_language.syntax import edges as joins
from dlbench_language.syntax import tasks
from dlbench_language.syntax.blocks import read_trees
from dlbench_language.syntax.entities import TREEBANK, UNER, read_tagged
from dlbench_language.syntax.relations import CLASSES

SPECS = {spec.name: spec for spec in tasks()}


@pytest.fixture(scope="module")
def data(data_root: Path) -> Data:
    return Data(root=data_root, cache=Path("no-cache"))


def load(name: str, data: Data, **options: Any) -> Any:
    """The task; the test is skipped where the data root lacks its files."""
    if state(SPECS[name].files(options), data.root, None).status == "missing":
        pytest.skip(f"the data root lacks the files of {name}")
    return SPECS[name].load(data, **options)


def trained(learner: Any, batches: Iterator[Batch]) -> Learned:
    for batch in batches:
        learner.train_step(batch, None)
    return Learned(learner)


@pytest.mark.parametrize("name", list(SPECS))
def test_a_task_conforms(name: str, data: Data) -> None:
    load(name, data)
    findings = check_task(SPECS[name], data_root=data.root)
    assert len(findings) == 15
    assert not [finding for finding in findings if not finding.ok], report(findings)


def counts(task: Any) -> dict[str, tuple[int, int]]:
    return {name: (len(split.lengths), len(split.words)) for name, split in task.sentences.splits.items()}


def test_uner_has_the_published_counts_and_its_dictionary_the_floor(data: Data) -> None:
    task = load("uner", data)
    assert counts(task) == {"train": (12543, 204579), "val": (2001, 25149), "test": (2077, 25097)}
    assert task.tags == ["B-LOC", "B-ORG", "B-PER", "I-LOC", "I-ORG", "I-PER", "O"]
    found = read_tagged(data.path(UNER.format("train")))
    starts = [tag for _, _, tags in found for tag in tags if tag.startswith("B-")]
    assert [starts.count(f"B-{kind}") for kind in ("LOC", "PER", "ORG")] == [2698, 2873, 1434]
    learned = trained(Dictionary(tags=task.tags), task.batches("train", 32, seeded()))
    scores = {split: round(100 * task.judge(learned, split)["f1"], 1) for split in ("val", "test")}
    assert scores == {"val": 45.4, "test": 52.7}


def test_nearly_all_sentences_have_their_tree(data: Data) -> None:
    load("uner", data)
    same = {}
    for part in ("train", "dev", "test"):
        trees = read_trees(data.path(TREEBANK.format(part)))
        same[part] = sum(trees[name].words == words for name, words, _ in read_tagged(data.path(UNER.format(part))))
    assert same == {"train": 12529, "dev": 1998, "test": 2074}


def test_no_name_of_wnut17_is_in_a_dictionary(data: Data) -> None:
    task = load("wnut17", data)
    assert counts(task) == {"train": (3394, 62730), "val": (1009, 15733), "test": (1287, 23394)}
    learned = trained(Dictionary(tags=task.tags), task.batches("train", 32, seeded()))
    assert task.judge(learned, "val")["f1"] == task.judge(learned, "test")["f1"] == 0.0


def test_roles_have_the_published_counts(data: Data) -> None:
    task = load("propbank_roles", data)
    sentences = {name: len(split.lengths) for name, split in task.sentences.splits.items()}
    assert sentences == {"train": 40424, "val": 4963, "test": 4795}
    starts = [task.tags.index(tag) for tag in task.tags if tag.startswith("B-")]
    found = {name: torch.isin(split.words[:, -1], torch.tensor(starts)).sum().item()
             for name, split in task.sentences.splits.items()}  # fmt: skip
    assert found == {"train": 81409, "val": 9583, "test": 9337}
    assert len({tag.partition("-")[2] for tag in task.tags if tag != "O"}) == 59
    assert counts(load("propbank_roles", data, num_train=50))["train"][0] == 50


def test_relations_have_the_published_counts_and_words_between_nominals_the_floor(data: Data) -> None:
    options = {"whole": True, "word_dropout": 0.0}
    task = load("semeval_relations", data, **options)
    assert {name: len(split.lengths) for name, split in task.sentences.splits.items()} == {
        "train": 8000, "val": 800, "test": 2717,
    }  # fmt: skip
    labels = {split: torch.bincount(task.labels[split], minlength=19).tolist() for split in ("train", "test")}
    assert (labels["train"][18], labels["test"][18]) == (1410, 454)
    rare = CLASSES.index("Entity-Destination(e2,e1)")
    assert (labels["train"][rare], labels["test"][rare]) == (1, 1)
    learner = MarkedWords(vocab=task.signature.input.vocab, num_classes=19)
    found = task.judge(trained(learner, task.batches("train", 64, seeded())), "test")
    assert round(100 * found["macro_f1"], 1) == pytest.approx(74.0, abs=0.15)
    assert round(100 * found["accuracy"], 1) == pytest.approx(69.3, abs=0.15)
    other = task.judge(trained(constant(task.signature), task.batches("train", 64, seeded())), "test")
    assert (other["macro_f1"], other["accuracy"]) == (0.0, pytest.approx(454 / 2717))


def test_validation_has_every_relation_and_is_apart_from_training(data: Data) -> None:
    task = load("semeval_relations", data)
    sizes = {name: len(split.lengths) for name, split in task.sentences.splits.items()}
    assert sizes == {"train": 7200, "val": 800, "test": 2717}
    assert set((task.labels["val"] // 2).tolist()) == set(range(10))
    whole = load("semeval_relations", data, whole=True)
    assert torch.equal(whole.labels["val"], task.labels["val"])


def test_other_edges_are_of_the_same_words(data: Data) -> None:
    tree, shuffled = (load("uner", data, edges=edges) for edges in ("tree", "shuffled"))
    for name in ("train", "test"):
        one, other = tree.sentences.splits[name], shuffled.sentences.splits[name]
        assert torch.equal(one.words, other.words)
        assert torch.equal(one.graphs.edge_counts, other.graphs.edge_counts)
        assert torch.equal(one.relations.sort()[0], other.relations.sort()[0])
        assert (one.graphs.edges != other.graphs.edges).any()
    assert set(joins.CHOICES) == {"tree", "chain", "both", "shuffled", "none"}
