"""Classes of sentences: published counts, splits and floors, folds, unknown words, broken files, naive Bayes."""

from __future__ import annotations

import gzip
import math
from pathlib import Path
from typing import Any

import pytest
import torch

import dlbench_language.classification as room
from dlbench import Batch, TokenBatch
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_baseline.naive_bayes import NaiveBayes
from dlbench_language.classification.rt_polarity import read as read_reviews
from dlbench_language.classification.rt_polarity import split
from dlbench_language.classification.sentences import Labelled, SentenceClasses
from dlbench_language.classification.sst import read_phrases, read_sentences
from dlbench_language.classification.trec import read as read_questions
from dlbench_language.vocabulary import UNKNOWN, Vocabulary, drop_rare

SPECS = {spec.name: spec for spec in room.tasks()}
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def data(data_root: Path) -> Data:
    return Data(root=data_root, cache=Path("no-cache"))


def skip_without(name: str, data: Data, **options: Any) -> None:
    """Skip the test where the data root lacks the task's files."""
    files = SPECS[name].files(options)
    if state(files, data.root, None).status == "missing":
        pytest.skip(f"the data root lacks {files.name}")


def load(name: str, data: Data, **options: Any) -> Any:
    skip_without(name, data, **options)
    return SPECS[name].load(data, **options)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counts(task: Any) -> dict[str, list[int]]:
    return {split: torch.bincount(task.labels[split]).tolist() for split in SPLITS}


def small(**options: Any) -> SentenceClasses:
    """Five sentences to train on; `fine` and `plot` stand there once."""
    train = Labelled(
        [["a", "fine", "film"], ["a", "film"], ["bad"], ["bad", "plot"], ["a", "bad", "film"]], [1, 1, 0, 0, 0]
    )
    other = Labelled([["bad", "music", "bad"], ["fine"]], [0, 1])
    return SentenceClasses({"train": train, "val": other, "test": other}, num_classes=2, **options)


# --- published counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SPECS))
def test_a_task_conforms(name: str, data: Data) -> None:
    skip_without(name, data)
    findings = check_task(SPECS[name], data_root=data.root)
    assert len(findings) == 15
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_the_treebank_has_the_published_counts(data: Data) -> None:
    assert counts(load("sst2", data)) == {"train": [3310, 3610], "val": [428, 444], "test": [912, 909]}
    fine = counts(load("sst5", data))
    assert fine["train"] == [1092, 2218, 1624, 2322, 1288]
    assert fine["val"] == [139, 289, 229, 279, 165]
    assert fine["test"] == [279, 633, 389, 510, 399]


def test_phrases_hold_all_training_sentences(data: Data) -> None:
    skip_without("sst5", data, phrases=True)
    trees = read_phrases(data.path("text/sst/trees/train.txt.gz"), 5)
    lines = read_sentences(data.path("text/sst/stsa.fine.train"), 5)
    known = {(*words, label) for words, label in zip(trees.sentences, trees.labels, strict=True)}
    assert len(known) == len(trees.labels) > 150_000
    assert all((*words, label) in known for words, label in zip(lines.sentences, lines.labels, strict=True))


def test_questions_have_the_published_counts(data: Data) -> None:
    coarse = counts(load("trec", data))
    assert coarse["test"] == [138, 94, 9, 65, 81, 113]
    assert [a + b for a, b in zip(coarse["train"], coarse["val"], strict=True)] == [1162, 1250, 86, 1223, 835, 896]
    assert sum(coarse["val"]) == 545
    assert all(
        abs(v - total / 10) <= 1 for v, total in zip(coarse["val"], (1162, 1250, 86, 1223, 835, 896), strict=True)
    )
    fine = load("trec", data, fine=True)
    assert fine.signature.output.num_classes == 50
    assert torch.equal(fine.rows["val"].values.cpu(), load("trec", data).rows["val"].values.cpu())


# --- folds ------------------------------------------------------------------------------------------------


def test_ten_folds_part_the_reviews(data: Data) -> None:
    skip_without("rt_polarity", data)
    found = read_reviews(data)
    assert (len(found.labels), sum(found.labels)) == (10_662, 5_331)
    assert sum(map(len, found.sentences)) == 224_048
    numbered = Labelled([[str(number)] for number in range(10_662)], found.labels)
    tested = []
    for index in range(10):
        parts = {name: [int(words[0]) for words in part.sentences] for name, part in split(numbered, index).items()}
        assert sorted(number for part in parts.values() for number in part) == list(range(10_662))
        assert all(abs(2 * sum(number >= 5_331 for number in part) - len(part)) <= 1 for part in parts.values())
        assert len(parts["val"]) == (10_662 - len(parts["test"])) // 10
        tested += parts["test"]
    assert sorted(tested) == list(range(10_662))


def test_a_fold_has_its_own_words(data: Data) -> None:
    task = load("rt_polarity", data)
    first, last = task.fold(0), task.fold(9)
    assert first.signature == task.signature
    assert set(first.vocabulary.words) != set(last.vocabulary.words)
    assert int((last.rows["test"].values == UNKNOWN).sum()) > 0
    assert int((last.rows["train"].values == UNKNOWN).sum()) == 0


def test_fewer_folds_are_the_first_of_the_ten() -> None:
    assert [SPECS["rt_polarity"].num_folds(options) for options in ({}, {"folds": 3}, {"min_count": 2})] == [10, 3, 10]
    for folds in (0, 11):
        with pytest.raises(UsageError, match=f"not {folds}"):
            SPECS["rt_polarity"].load(Data(root=Path("none"), cache=Path("none")), folds=folds)


# --- words ------------------------------------------------------------------------------------------------


def test_words_are_numbered_by_falling_frequency() -> None:
    words = Vocabulary([["b", "b", "a"], ["b", "a", "c"]])
    assert words.words == ["b", "a", "c"]
    assert (len(words), words.first_rare) == (5, 4)
    assert words.encode(["a", "z", "c"]) == [3, UNKNOWN, 4]
    fewer = Vocabulary([["b", "b", "a"], ["b", "a", "c"]], min_count=2)
    assert (fewer.words, fewer.first_rare) == (["b", "a"], len(fewer))
    with pytest.raises(UsageError, match="min_count"):
        Vocabulary([], min_count=0)


def test_words_seen_once_become_unknown_at_the_given_rate() -> None:
    ids = torch.arange(2, 12).repeat(2000)
    dropped = drop_rare(ids, first_rare=7, rate=0.25, generator=seeded())
    frequent = ids < 7
    assert torch.equal(dropped[frequent], ids[frequent])
    changed = (dropped != ids)[~frequent]
    assert torch.all(dropped[~frequent][changed] == UNKNOWN)
    assert abs(changed.double().mean().item() - 0.25) < 4 * math.sqrt(0.25 * 0.75 / len(changed))


def test_only_training_batches_drop_words() -> None:
    task = small(word_dropout=1.0)
    rare = {task.vocabulary.ids["fine"], task.vocabulary.ids["plot"]}
    train = torch.cat([batch.inputs.ids.flatten() for batch in task.batches("train", 2, seeded())]).tolist()
    judged = torch.cat([batch.inputs.ids.flatten() for batch in task.batches("train", 2, None)]).tolist()
    val = torch.cat([batch.inputs.ids.flatten() for batch in task.batches("val", 2, seeded())]).tolist()
    assert not rare & set(train)
    assert rare <= set(judged)
    assert task.vocabulary.ids["fine"] in val
    assert [ids.count(UNKNOWN) for ids in (train, judged, val)] == [2, 0, 1]  # the last is music
    with pytest.raises(UsageError, match="word_dropout"):
        small(word_dropout=1.5)


def test_batches_are_padded_and_judged_over_all_examples() -> None:
    class Says:
        """The class 1 where the sentence is shorter than two words, with odds of e to 1."""

        def predict(self, batch: Batch) -> torch.Tensor:
            short = (batch.inputs.lengths < 2).float()
            return torch.stack([1 - short, short], dim=1)

    task = small()
    batch = next(iter(task.batches("test", 4, None)))
    assert batch.inputs.lengths.tolist() == [3, 1]
    assert batch.inputs.ids[1, 1:].tolist() == [0, 0]
    wrong, right = math.log(1 + math.e), math.log(1 + math.e) - 1
    found = task.judge(Says(), "train")  # [3, 2, 1, 2, 3] words in classes [1, 1, 0, 0, 0]
    assert found["accuracy"] == 2 / 5
    assert found["cross_entropy"] == pytest.approx((3 * wrong + 2 * right) / 5)


# --- broken files -----------------------------------------------------------------------------------------


def write(path: Path, text: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


def test_broken_sentences_are_named_by_file_and_line(tmp_path: Path) -> None:
    for text, message in {
        b"1 a film\n\n0 a plot\n": "sst/x, line 2 is empty",
        b"1 a film\n7 a plot\n": "sst/x, line 2 must hold a class 0 .. 1",
        b"1 a film\n0\n": "sst/x, line 2 must hold a class 0 .. 1 and words",
        b"1 a film\n0 caf\xe9\n": "sst/x, line 2: byte 6 is not utf-8",
    }.items():
        with pytest.raises(NoData, match=message):
            read_sentences(write(tmp_path / "sst" / "x", text), 2)


def test_broken_questions_are_named_by_file_and_line(tmp_path: Path) -> None:
    good = read_questions(write(tmp_path / "trec" / "good", b"HUM:ind Who was Poincar\xe9 ?\n"))
    assert good == [("HUM:ind", ["who", "was", "poincar\xe9", "?"])]
    for text, message in {
        b"HUM:ind Who ?\nWHO:ind Who ?\n": "trec/x, line 2 starts with the unknown class 'WHO:ind'",
        b"HUM Who ?\n": "trec/x, line 1 starts with the unknown class 'HUM'",
        b"HUM:ind\n": "trec/x, line 1 has a class but no words",
    }.items():
        with pytest.raises(NoData, match=message):
            read_questions(write(tmp_path / "trec" / "x", text))
    with pytest.raises(NoData, match="'HUM:odd': it must be a class of the training set"):
        read_questions(write(tmp_path / "trec" / "x", b"HUM:odd Who ?\n"), known={"HUM:ind"})


def test_phrases_replace_the_training_split_alone(tmp_path: Path) -> None:
    for part in ("train", "dev", "test"):
        write(tmp_path / "text" / "sst" / f"stsa.binary.{part}", b"1 a fine film\n0 a bad film\n")
    write(tmp_path / "text" / "sst" / "trees" / "train.txt.gz", gzip.compress(b"(3 (2 A) (4 (4 Fine) (2 film)))\n"))
    here = Data(root=tmp_path, cache=tmp_path)
    assert counts(SPECS["sst2"].load(here)) == {"train": [1, 1], "val": [1, 1], "test": [1, 1]}
    assert counts(SPECS["sst2"].load(here, phrases=True)) == {"train": [0, 3], "val": [1, 1], "test": [1, 1]}
    names = {file.path.rpartition("/")[2] for file in SPECS["sst2"].files({"phrases": True}).files}
    assert names == {"stsa.binary.train", "stsa.binary.dev", "stsa.binary.test", "train.txt.gz"}


def test_trees_give_every_phrase_once_and_broken_ones_are_named(tmp_path: Path) -> None:
    path = tmp_path / "trees" / "train.txt.gz"
    write(path, gzip.compress(b"(3 (2 A) (4 (4 Fine) (2 film)))\n(2 (2 a) (2 film))\n"))
    found = read_phrases(path, 5)
    assert list(zip(map(" ".join, found.sentences), found.labels, strict=True)) == [
        ("a", 2), ("fine", 4), ("film", 2), ("fine film", 4), ("a fine film", 3), ("a film", 2),
    ]  # fmt: skip
    assert read_phrases(path, 2).labels == [1, 1, 1]
    for text, message in {
        b"(3 (2 A) (4 film)\n": "line 1: 1 brackets are never closed",
        b"(3 A))\n": "line 1: the brackets don't match",
        b"(9 A)\n": "line 1: a bracket must open with a class 0 .. 4, not '9'",
        b"(3 )\n": "line 1: a bracket holds no words",
    }.items():
        write(path, gzip.compress(text))
        with pytest.raises(NoData, match=message):
            read_phrases(path, 5)
    write(path, gzip.compress(b"(3 A)\n" * 1000)[:-9])
    with pytest.raises(NoData, match="not a whole gzip file"):
        read_phrases(path, 5)


# --- naive Bayes ------------------------------------------------------------------------------------------


class Answers:
    def __init__(self, learner: NaiveBayes) -> None:
        self.learner = learner

    def predict(self, batch: Batch) -> torch.Tensor:
        return self.learner.predict(batch.inputs)


def counted(task: Any) -> NaiveBayes:
    kinds = task.signature
    learner = NaiveBayes(vocab=kinds.input.vocab, num_classes=kinds.output.num_classes)
    for batch in task.batches("train", 50, seeded()):
        assert math.isfinite(float(learner.train_step(batch, None)))
    return learner


def test_naive_bayes_on_paper() -> None:
    task = small(word_dropout=0.0)
    found = counted(task)
    # class 0: 3 sentences that hold bad 3, plot 1, a 1, film 1; class 1: 2 that hold a 2, film 2, fine 1; 5 words
    logits = found.predict(next(iter(task.batches("test", 2, None))).inputs)
    share = {"bad": (4 / 11, 1 / 10), "fine": (1 / 11, 2 / 10)}
    prior = (4 / 7, 3 / 7)
    expected = [[math.log(prior[c]) + math.log(share[word][c]) for c in range(2)] for word in ("bad", "fine")]
    torch.testing.assert_close(logits, torch.tensor(expected))  # `bad` twice counts once, `music` not at all


def test_naive_bayes_sees_no_padding() -> None:
    learner = counted(small(word_dropout=0.0))
    ids = torch.tensor([[3, 2, 4, 5], [2, 3, 3, 3]])
    padded = learner.predict(TokenBatch(ids, torch.tensor([2, 1])))
    torch.testing.assert_close(padded[1:], learner.predict(TokenBatch(ids[1:, :1])))
    torch.testing.assert_close(padded[:1], learner.predict(TokenBatch(ids[:1, :2])))


@pytest.mark.parametrize(("name", "expected"), [("sst2", 0.820), ("sst5", 0.399), ("trec", 0.746)])
def test_naive_bayes_scores_what_it_is_known_to_score(name: str, expected: float, data: Data) -> None:
    task = load(name, data, word_dropout=0.0)
    assert task.judge(Answers(counted(task)), "test")["accuracy"] == pytest.approx(expected, abs=0.005)
