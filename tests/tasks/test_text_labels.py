"""Labels of words: published counts, unseen labels, chunks by conlleval's rules, characters, buckets, broken files, and
the most frequent tag."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest
import torch

import dlbench_language.labelling as room
from dlbench import Batch, TokenBatch
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_baseline.most_frequent_tag import MostFrequentTag
from dlbench_language.labelling.atis import read as read_slots
from dlbench_language.labelling.chunks import chunk_f1
from dlbench_language.labelling.ewt import read as read_tags
from dlbench_language.labelling.spelling import Spellings
from dlbench_language.labelling.tagged import Tagged, TaggedSentences, Treatment, within
from dlbench_language.vocabulary import UNKNOWN

SPECS = {spec.name: spec for spec in room.tasks()}
PLAIN = Treatment(normal=str, characters=False, word_dropout=0.0, bucket=True)
SPELLED = Treatment(normal=str.lower, characters=True, word_dropout=0.0, bucket=True)


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


def small(treatment: Treatment = PLAIN, **options: Any) -> TaggedSentences:
    """Two sentences to train on; the test has a label that they lack, and an unknown word of five characters."""
    train = Tagged([["to", "Rome"], ["fly", "to", "New", "York"]], [["O", "B-c"], ["O", "O", "B-c", "I-c"]])
    test = Tagged([["to", "Nepal", "now"], ["Fly"]], [["O", "B-c", "B-t"], ["O"]])
    return TaggedSentences({"train": train, "val": train, "test": test}, treatment, **options)


class Answers:
    """A model that answers these tags, a list for each sentence, by the number of words in it."""

    def __init__(self, task: TaggedSentences, *answers: str) -> None:
        self.task, self.answers = task, {len(answer.split()): answer.split() for answer in answers}

    def predict(self, batch: Batch) -> torch.Tensor:
        ids = batch.inputs.ids
        logits = torch.zeros(*ids.shape, self.task.num_classes)
        for row, length in enumerate(batch.inputs.lengths.tolist()):
            for place, tag in enumerate(self.answers[length]):
                logits[row, place, self.task.tags.index(tag)] = 1
        return logits


# --- published counts -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SPECS))
def test_a_task_conforms(name: str, data: Data) -> None:
    skip_without(name, data)
    findings = check_task(SPECS[name], data_root=data.root)
    assert len(findings) == 15
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_slots_have_the_published_counts(data: Data) -> None:
    task = load("atis_slots", data, digits_to_zero=False)
    assert {name: len(rows) for name, rows in task.rows.items()} == {"train": 4478, "val": 500, "test": 893}
    assert {name: len(rows.values) for name, rows in task.rows.items()} == {"train": 50497, "val": 5703, "test": 9164}
    assert task.signature.input.vocab == 867 + 2
    assert (task.num_classes, len(task.tags)) == (120, 127)
    assert "I-return_date.day_number" in task.tags[120:]
    zeros = load("atis_slots", data)
    assert zeros.vocabulary.ids.keys() & {"000", "747"} == {"000"}


def test_parts_of_speech_have_the_published_counts(data: Data) -> None:
    task = load("ewt_pos", data)
    assert {name: len(rows) for name, rows in task.rows.items()} == {"train": 12544, "val": 2001, "test": 2077}
    words = {name: len(rows.values) for name, rows in task.rows.items()}
    assert words == {"train": 204577, "val": 25147, "test": 25094}
    assert task.num_classes == len(task.tags) == 17
    train = read_tags(data.path("text/ud-english-ewt/en_ewt-ud-train.conllu.gz"), 4)
    assert len({word for words in train.sentences for word in words}) == 19_674
    assert len({tag for tags in train.tags for tag in tags}) == 49


def test_other_tags_are_a_usage_error() -> None:
    with pytest.raises(UsageError, match="did you mean 'xpos'"):
        SPECS["ewt_pos"].load(Data(root=Path("none"), cache=Path("none")), tags="pos")


# --- batches ----------------------------------------------------------------------------------------------


def test_a_label_that_training_lacks_is_masked_and_counts_as_wrong() -> None:
    task = small(score=chunk_f1)
    batch = next(iter(task.batches("test", 2, None)))
    assert (task.tags, task.num_classes) == (["B-c", "I-c", "O", "B-t"], 3)
    assert batch.mask.tolist() == [[True, True, False], [True, False, False]]
    assert int(batch.targets.max()) < task.num_classes
    best = task.judge(Answers(task, "O B-c O", "O"), "test")
    assert best["accuracy"] == 3 / 4
    assert best["f1"] == pytest.approx(2 * 1 * 0.5 / 1.5)  # one of two chunks, and nothing wrong
    assert task.judge(Answers(task, "O O O", "O"), "test")["f1"] == 0.0


def test_batches_count_words_and_pad_at_the_end() -> None:
    task = small()
    batch = next(iter(task.batches("train", 2, None)))
    assert (batch.size, batch.inputs.lengths.tolist(), batch.inputs.characters) == (6, [4, 2], None)
    assert batch.inputs.ids[1, 2:].tolist() == [0, 0]
    assert torch.equal(batch.mask, within(batch.inputs))
    loss = task.loss(torch.zeros(2, 4, 3), batch)
    torch.testing.assert_close(loss, torch.tensor(3.0).log())
    outputs = torch.randn(2, 4, 3, generator=seeded())
    other = torch.where(batch.mask[..., None], outputs, 99.0)
    torch.testing.assert_close(task.loss(outputs, batch), task.loss(other, batch))


def test_characters_spell_the_words_as_they_stand() -> None:
    task = small(SPELLED)
    assert task.vocabulary.encode(["fly", "to", "nepal"])[-1] == UNKNOWN
    batch = next(iter(task.batches("test", 2, None)))
    letters = sorted(set("toRomeflyNewYork"))
    assert task.signature.input.characters == len(letters) + 2
    spelled = [[2 + letters.index(c) if c in letters else 1 for c in word] for word in ("to", "Nepal", "now")]
    assert batch.inputs.characters.shape == (2, 3, 5)
    assert batch.inputs.characters[0].tolist() == [row + [0] * (5 - len(row)) for row in spelled]
    assert batch.inputs.characters[1, 1:].eq(0).all()
    assert int(batch.inputs.ids[1, 0]) == task.vocabulary.ids["fly"]  # the number doesn't know case


def test_words_seen_once_are_dropped_in_training_alone_and_keep_their_spelling() -> None:
    task = small(Treatment(normal=str, characters=True, word_dropout=1.0, bucket=True))
    kept = next(iter(task.batches("train", 2, None))).inputs
    dropped = next(batch.inputs for batch in task.batches("train", 2, seeded()) if batch.inputs.batch_size == 2)
    order = dropped.lengths.argsort(descending=True)
    again = kept.ids == task.vocabulary.ids["to"]
    assert torch.equal(dropped.ids[order] == UNKNOWN, within(kept) & ~again)
    assert torch.equal(dropped.characters[order], kept.characters)


def test_long_words_are_cut() -> None:
    spellings = Spellings(["abcdef", "a"], ["zz"], longest=4)
    assert spellings.table.shape == (4, 4)
    assert spellings.table[spellings.encode(["abcdef"])[0]].tolist() == [2, 3, 4, 5]
    assert spellings.table[spellings.encode(["zz"])[0]].tolist() == [1, 1, 0, 0]
    assert (spellings.width_of(["abcdef", "a"]), spellings.width_of(["a"])) == (4, 1)


def test_without_buckets_every_batch_is_as_long_as_the_longest_sentence(data: Data) -> None:
    padded = {}
    for bucket in (True, False):
        task = load("atis_slots", data, bucket=bucket)
        batches = list(task.batches("train", 16, seeded()))
        assert sum(batch.size for batch in batches) == 50_497
        shapes = {batch.inputs.ids.shape[1] for batch in batches}
        padded[bucket] = sum(batch.inputs.ids.numel() for batch in batches)
        assert (shapes == {46}) == (not bucket)
    assert padded[True] * 3 < padded[False]


# --- chunks -----------------------------------------------------------------------------------------------


def chunks(tags: list[str]) -> set[tuple[str, int, int]]:
    """conlleval's rules for IOB2, written out: a chunk goes on while `I-` of its type follows."""
    found, start, kind = set(), 0, ""
    for place, tag in enumerate([*tags, "O"]):
        prefix, _, name = tag.partition("-")
        if kind and not (prefix == "I" and name == kind):
            found.add((kind, start, place))
            kind = ""
        if prefix in ("B", "I") and not kind:
            start, kind = place, name
    return found


def conlleval(gold: list[list[str]], answers: list[list[str]]) -> float:
    right = sum(len(chunks(a) & chunks(b)) for a, b in zip(gold, answers, strict=True))
    total = sum(len(chunks(tags)) for tags in gold + answers)
    return 2 * right / total if total else 0.0


@pytest.mark.parametrize(
    ("gold", "answer", "expected"),
    [
        ("B-a I-a O B-b", "B-a I-a O B-b", 1.0),
        ("B-a I-a O B-b", "B-a O O B-b", 0.5),  # a part of a chunk is no chunk
        ("B-a I-a O B-b", "I-a I-a O I-b", 1.0),  # I- opens one
        ("B-a B-a", "B-a I-a", 0.0),  # two chunks against one
        ("B-a I-a", "B-a I-b", 0.0),  # two chunks answered, neither right
        ("B-a O", "O O", 0.0),
        ("O O", "O O", 0.0),
    ],
)
def test_chunks_by_hand(gold: str, answer: str, expected: float) -> None:
    found = chunk_f1([gold.split()], [answer.split()])["f1"]
    assert found == pytest.approx(expected)
    assert conlleval([gold.split()], [answer.split()]) == pytest.approx(expected)


def test_chunks_never_run_over_the_end_of_a_sentence() -> None:
    assert chunk_f1([["B-a"], ["I-a"]], [["B-a"], ["I-a"]]) == {"f1": 1.0}
    assert chunk_f1([["B-a"], ["B-a"]], [["B-a"], ["O"]])["f1"] == pytest.approx(2 / 3)


def test_chunks_agree_with_conlleval_on_random_tags() -> None:
    draw = random.Random(0)
    tags = ["O", "B-a", "I-a", "B-b.c", "I-b.c", "B-d_e", "I-d_e"]
    for _ in range(50):
        gold = [draw.choices(tags, k=draw.randint(1, 12)) for _ in range(5)]
        answers = [[tag if draw.random() < 0.7 else draw.choice(tags) for tag in row] for row in gold]
        assert chunk_f1(gold, answers)["f1"] == pytest.approx(conlleval(gold, answers))


# --- broken files -----------------------------------------------------------------------------------------


def write(path: Path, text: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize(
    ("words", "tags", "message"),
    [
        (b"to rome\nfly\n", b"O B-c\nO O\n", "train/seq.out, line 2 has 2 labels for the 1 words in seq.in"),
        (b"to rome\nfly\n", b"O B-c\n", "train/seq.out, line 1 is the last, but seq.in has 2 lines"),
        (b"to rome\n\nfly\n", b"O B-c\nO\nO\n", "train/seq.in, line 2 is empty"),
        (b"to rome\n", b"O c\n", "train/seq.out, line 1: 'c' is no label"),
        (b"to rome\n", b"O B-\n", "train/seq.out, line 1: 'B-' is no label"),
        (b"fly\nto k\xf6ln\n", b"O\nO B-c\n", "train/seq.in, line 2: byte 5 is not utf-8"),
    ],
)
def test_broken_slots_are_named_by_file_and_line(tmp_path: Path, words: bytes, tags: bytes, message: str) -> None:
    with pytest.raises(NoData, match=message):
        read_slots(write(tmp_path / "train" / "seq.in", words), write(tmp_path / "train" / "seq.out", tags))


def test_a_treebank_file_is_read_by_its_columns(tmp_path: Path) -> None:
    def line(number: str, word: str, upos: str) -> bytes:
        return "\t".join([number, word, word, upos, "X", *"_____"]).encode() + b"\n"

    path = tmp_path / "ewt" / "x.conllu.gz"
    good = b"# text = can't go\n" + line("1-2", "can't", "_") + line("1", "ca", "AUX") + line("2", "n't", "PART")
    good += line("2.1", "gone", "VERB") + line("3", "go", "VERB") + b"\n\n" + line("1", "Caf\xe9", "NOUN")
    found = read_tags(write(path, good), 3)
    assert found.sentences == [["ca", "n't", "go"], ["Caf\xe9"]]
    assert found.tags == [["AUX", "PART", "VERB"], ["NOUN"]]
    for text, message in {
        good + b"\n1\tgo\tgo\tVERB\n": "ewt/x.conllu.gz, line 11 has 4 columns",
        good + line("2", "go", "_"): "ewt/x.conllu.gz, line 10 lacks the word or its tag in column 4",
        good + b"2\tb\xe4r\n": "ewt/x.conllu.gz, line 10: byte 4 is not utf-8",
        b"# nothing\n\n": "ewt/x.conllu.gz holds no sentences",
    }.items():
        with pytest.raises(NoData, match=message):
            read_tags(write(path, text), 3)


# --- the most frequent tag --------------------------------------------------------------------------------


class Learned:
    def __init__(self, learner: MostFrequentTag) -> None:
        self.learner = learner

    def predict(self, batch: Batch) -> torch.Tensor:
        return self.learner.predict(batch.inputs)


def counted(task: TaggedSentences) -> MostFrequentTag:
    kinds = task.signature
    learner = MostFrequentTag(
        vocab=kinds.input.vocab, num_classes=kinds.output.num_classes, characters=kinds.input.characters
    )
    for batch in task.batches("train", 32, seeded()):
        assert 0 <= float(learner.train_step(batch, None)) <= 1
    return learner


@pytest.mark.parametrize("word_dropout", [0.0, 1.0])
def test_unknown_words_are_tagged_as_rare_words_with_their_initial(word_dropout: float) -> None:
    train = Tagged([["the", "Nile", "the", "flow", "the", "fog", "a", "12"]], [[*"DNDVDVDQ"]])
    other = Tagged([["the", "Nepal", "far", "19", "xylem"]], [[*"DNVQV"]])
    treatment = Treatment(normal=str, characters=True, word_dropout=word_dropout, bucket=True)
    task = TaggedSentences({"train": train, "val": other, "test": other}, treatment)
    found = task.judge(Learned(counted(task)), "test")
    assert found["accuracy"] == 1.0  # `x` is nobody's initial: V is the most frequent among words seen once


def test_the_tag_of_a_word_is_its_most_frequent_one_and_padding_says_nothing() -> None:
    learner = MostFrequentTag(vocab=4, num_classes=3)
    ids, tags = torch.tensor([[2, 2, 2, 3], [2, 3, 3, 3]]), torch.tensor([[1, 0, 0, 2], [1, 1, 1, 1]])
    learner.train_step(Batch(inputs=TokenBatch(ids, torch.tensor([4, 1])), targets=tags), None)
    answers = learner.predict(TokenBatch(ids)).argmax(dim=2)
    assert answers.tolist() == [[0, 0, 0, 2], [0, 2, 2, 2]]  # of two equally frequent ones, the first
    assert int(learner.counts.sum()) == 5
    assert learner.predict(TokenBatch(torch.tensor([[UNKNOWN]]))).argmax().item() == 2  # as the only word seen once


def test_the_most_frequent_label_of_a_word_scores_what_is_published(data: Data) -> None:
    task = load("atis_slots", data, digits_to_zero=False, word_dropout=0.0)
    learner = counted(task)
    assert task.judge(Learned(learner), "test")["f1"] == pytest.approx(0.604, abs=0.001)
    assert task.judge(Learned(learner), "val")["f1"] == pytest.approx(0.639, abs=0.001)
