"""Relations of nominals: how a sentence is cut up, the official measure, directions, broken files."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
import torch
from syntaxparts import PLAIN, Learned, only, seeded, write

from dlbench.errors import NoData
from dlbench_language.syntax.relations import CLASSES, OTHER, RELATIONS, Labelled, RelationTask, macro_f1, read

SENTENCE = '{0}\t"{1}"\r\n{2}\r\nComment: none\r\n\r\n'
CAUSE, EFFECT = (CLASSES.index(f"Cause-Effect({ends})") for ends in ("e1,e2", "e2,e1"))


def found_in(folder: Path, *lines: tuple[str, str], edges: str = "chain") -> list[Labelled]:
    text = "".join(SENTENCE.format(number, *line) for number, line in enumerate(lines, start=1))
    return read(write(folder / "semeval" / "TRAIN.TXT.gz", text), edges)


def test_a_sentence_is_cut_into_words_with_markers_beside_the_nominals(tmp_path: Path) -> None:
    text = "White doves<e1>flew</e1>, it's said, to the <e2>dove cote</e2>."
    ((found, label),) = found_in(tmp_path, (text, "Other"))
    said = [*"White doves <e1> flew </e1> , it ' s said , to the <e2> dove cote </e2> .".split()]  # noqa: SIM905
    assert (found.words, CLASSES[label]) == (said, OTHER)
    assert [word for word, mark in zip(found.words, found.marks, strict=True) if mark == 1] == ["flew"]
    assert [word for word, mark in zip(found.words, found.marks, strict=True) if mark == 2] == ["dove", "cote"]
    words = [place for place, word in enumerate(said) if not word.startswith("<")]
    chain = [(a, b, "next") for a, b in itertools.pairwise(words)]
    assert found.edges[: len(chain)] == chain
    assert [edge[:2] for edge in found.edges[len(chain) :]] == [(3, 2), (3, 4), (14, 13), (15, 16)]
    (near, _) = read(tmp_path / "semeval" / "TRAIN.TXT.gz", "chain", 1)[0]
    assert near.words == [*said[1:18]]
    assert near.marks == found.marks[1:18]
    (least, _) = read(tmp_path / "semeval" / "TRAIN.TXT.gz", "chain", 0)[0]
    assert (least.words[0], least.words[-1]) == ("<e1>", "</e2>")
    (bare, _) = found_in(tmp_path, (text, "Other"), edges="none")[0]
    assert len(bare.edges) == 4  # the markers alone


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (SENTENCE.format(1, "A <e1>b</e1> <e2>c.", "Other"), "TRAIN.TXT.gz, line 1 lacks <e1>, </e1>, <e2> and </e2>"),
        (SENTENCE.format(1, "A <e2>b</e2> <e1>c</e1>.", "Other"), "line 1 lacks"),
        (SENTENCE.format(1, "<e1>b</e1> <e2>c</e2>.", "Others(e1,e2)"), "line 2 has the class 'Others\\(e1,e2\\)'"),
        ('1\t"<e1>b</e1> <e2>c</e2>."\n', "TRAIN.TXT.gz, line 1 has the class ''"),
        ("Comment: none\n", "TRAIN.TXT.gz holds no sentences"),
    ],
)  # fmt: skip
def test_broken_sentences_are_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    good = SENTENCE.format(1, "<e1>b</e1> <e2>c</e2>.", "Other") if "holds" not in message else ""
    with pytest.raises(
        NoData, match=message if not good else message.replace("line 1", "line 5").replace("line 2", "line 6")
    ):
        read(write(tmp_path / "TRAIN.TXT.gz", good + text), "chain")


# --- the official measure ---------------------------------------------------------------------------------


def by_counting(gold: list[int], said: list[int]) -> float:
    """The same from a table of the nine relations and Other, with a place apart for right relations in the wrong
    direction, as the task's own program has it."""
    kinds = [label.partition("(")[0] for label in CLASSES]
    scores = []
    for relation in RELATIONS:
        right = wrong_way = missed = invented = 0
        for a, b in zip(gold, said, strict=True):
            if kinds[a] == kinds[b] == relation:
                right, wrong_way = right + (a == b), wrong_way + (a != b)
            else:
                missed, invented = missed + (kinds[a] == relation), invented + (kinds[b] == relation)
        precision = right / max(right + wrong_way + invented, 1)
        recall = right / max(right + wrong_way + missed, 1)
        scores.append(2 * precision * recall / (precision + recall) if right else 0.0)
    return sum(scores) / 9


def test_the_measure_is_the_mean_over_nine_relations_with_directions() -> None:
    draw = random.Random(0)
    for _ in range(30):
        gold = draw.choices(range(19), k=60)
        said = [label if draw.random() < 0.6 else draw.randrange(19) for label in gold]
        assert macro_f1(gold, said) == pytest.approx(by_counting(gold, said))
    every = [*range(19)]
    assert macro_f1(every, every) == 1.0
    assert macro_f1(every, [18] * 19) == 0.0  # Other has no part in it


def test_the_wrong_direction_is_wrong() -> None:
    every = [*range(19)]
    turned = [label ^ 1 if label < 18 else label for label in every]
    assert macro_f1(every, turned) == 0.0
    assert macro_f1([CAUSE, CAUSE], [CAUSE, EFFECT]) == pytest.approx((2 / 4) / 9)


def test_swapped_nominals_ask_for_the_other_direction(tmp_path: Path) -> None:
    """A model that reads which marked word is the cause is right on both; one that answers a direction is not."""
    one, other = "the <e1>storm</e1> caused the <e2>flood</e2>", "the <e1>flood</e1> came from the <e2>storm</e2>"
    found = found_in(tmp_path, (one, "Cause-Effect(e1,e2)"), (other, "Cause-Effect(e2,e1)"))
    task = RelationTask(dict.fromkeys(("train", "val", "test"), found), PLAIN)
    storm = task.sentences.vocabulary.ids["storm"]

    class Reads:
        def predict(self, inputs: object) -> torch.Tensor:
            first = ((inputs.ids == storm) & (inputs.marks == 1)).any(1)
            return torch.nn.functional.one_hot(torch.where(first, CAUSE, EFFECT), 19).float()

    class Ignores:
        def predict(self, inputs: object) -> torch.Tensor:
            return torch.nn.functional.one_hot(torch.full((len(inputs.ids),), CAUSE), 19).float()

    right, half = (task.judge(Learned(model), "test") for model in (Reads(), Ignores()))
    assert (right["accuracy"], right["macro_f1"]) == (1.0, pytest.approx(1 / 9))
    assert (half["accuracy"], half["macro_f1"]) == (0.5, pytest.approx(0.5 / 9))
    words = task.sentences.vocabulary.ids
    near = only(task, size=1).inputs if len(found) == 1 else next(iter(task.batches("train", 1, None))).inputs
    path = {name for name, number in words.items() if number in near.ids[near.from_path == 0]}
    assert path == {"storm", "flood", "came", "from", "the"}


def test_batches_hold_the_classes_of_their_sentences(tmp_path: Path) -> None:
    lines = [(f"{'so ' * number}<e1>a</e1> <e2>b{number}</e2>", label) for number, label in enumerate(CLASSES)]
    task = RelationTask(dict.fromkeys(("train", "val", "test"), found_in(tmp_path, *lines)), PLAIN)
    for batch in task.batches("train", 4, seeded()):
        sizes = batch.inputs.lengths - 6  # markers and nominals
        assert batch.targets.tolist() == sizes.tolist()
        assert batch.size == len(sizes)
    assert task.signature.input.marks == 2
