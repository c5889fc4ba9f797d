"""Sentences as graphs: what a batch holds, spans counted twice, edges and paths, unseen tags, broken files."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from seqeval.metrics import f1_score, precision_score, recall_score
from syntaxparts import SPELLED, TEST, TRAIN, Learned, only, seeded, small, write

from dlbench.data import Data
from dlbench.errors import NoData, UsageError
from dlbench_language.syntax import edges as joins
from dlbench_language.syntax import tasks
from dlbench_language.syntax.blocks import read_trees
from dlbench_language.syntax.entities import read_tagged
from dlbench_language.syntax.marking import MARKER, with_markers
from dlbench_language.syntax.roles import read_propositions
from dlbench_language.syntax.sentences import Sentence
from dlbench_language.syntax.spans import span_f1, spans

SPECS = {spec.name: spec for spec in tasks()}

# --- batches ----------------------------------------------------------------------------------------------


def test_a_batch_is_a_row_for_each_sentence_and_a_node_for_each_word() -> None:
    task = small()
    inputs = only(task).inputs
    assert (inputs.batch_size, inputs.num_graphs, inputs.lengths.tolist()) == (3, 3, [4, 4, 1])
    assert inputs.places.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert inputs.graph_ids.tolist() == [0] * 4 + [1] * 4 + [2]
    nodes = inputs.nodes.to_dense()
    assert nodes.argmax(dim=1).tolist() == inputs.ids.flatten()[inputs.places].tolist()
    assert nodes.sum(dim=1).eq(1).all()
    assert nodes.shape == (9, task.signature.input.node_features)
    other = only(small(), "test").inputs
    assert other.places.tolist() == [0, 1, 2, 3, 4]
    assert other.ids[1, 1:].eq(0).all()  # padding


def test_edges_lead_from_the_head_to_the_dependent_and_back_and_know_their_relation() -> None:
    task = small()
    names, inputs = task.sentences.relations, only(task).inputs
    half = len(names)
    assert (names, task.signature.input.relations) == (["?", "compound", "nsubj", "obj"], 8)
    found = {(*edge, kind) for *edge, kind in zip(*inputs.edges.tolist(), inputs.relations.tolist(), strict=True)}
    expected = set()
    for first, sentence in zip((0, 4), (TRAIN[0], TRAIN[2]), strict=True):
        for head, word, relation in sentence.edges:
            number = names.index(relation)
            expected |= {(first + head, first + word, number), (first + word, first + head, number + half)}
    assert found == expected
    assert inputs.edges[1].diff().ge(0).all()
    assert inputs.by_target
    assert inputs.loopless
    features = inputs.edge_features
    assert torch.equal(features.argmax(dim=1), inputs.relations)
    assert features.sum(dim=1).eq(1).all()
    unseen = only(task, "test").inputs  # `iobj` is unknown to training
    assert sorted(unseen.relations.tolist()) == sorted([0, 1, 2, 0 + half, 1 + half, 2 + half])


def test_the_first_of_a_batch_is_what_it_is_alone() -> None:
    task = small(SPELLED, test=TEST[:1])
    alone, first = only(task, "test").inputs, only(small(SPELLED), "test").inputs.first()
    for name in ("ids", "lengths", "places", "edges", "graph_ids"):
        assert torch.equal(getattr(alone, name), getattr(first, name)), name


def test_rows_and_padded_places_are_the_same_numbers() -> None:
    inputs = only(small(), "test").inputs
    rows = torch.randn(5, 3, generator=seeded())
    padded = inputs.padded(rows)
    assert padded.shape == (2, 4, 3)
    assert padded[1, 1:].eq(0).all()
    assert torch.equal(inputs.rows_of(padded), rows)


def test_words_seen_once_are_dropped_in_training_alone() -> None:
    treatment = type(SPELLED)(normal=str.lower, characters=True, word_dropout=1.0, bucket=True)
    task = small(treatment)
    kept, (dropped,) = only(task).inputs, task.batches("train", 8, seeded())
    assert (kept.ids == 1).sum() == 0
    assert (dropped.inputs.ids == 1).sum() == 7  # of nine words `ann` stands twice
    assert only(task).inputs.ids.tolist() == kept.ids.tolist()


# --- judging ----------------------------------------------------------------------------------------------


class Truth:
    """Answers what is right, as a sequence model or as a graph network, with O for tags that training lacks."""

    def __init__(self, task: object, rows: bool) -> None:
        self.task, self.rows = task, rows

    def predict(self, inputs: object) -> torch.Tensor:
        targets = only(self.task, "test").targets.clamp(min=0)
        assert torch.equal(inputs.ids, only(self.task, "test").inputs.ids)
        logits = torch.nn.functional.one_hot(targets, self.task.num_classes).float()
        return inputs.rows_of(logits) if self.rows else logits


@pytest.mark.parametrize("rows", [False, True])
def test_both_forms_of_an_answer_are_judged_alike_and_an_unseen_tag_is_wrong(rows: bool) -> None:
    task = small()
    assert (task.tags[-1], task.num_classes) == ("B-NEW", 4)
    batch = only(task, "test")
    assert batch.targets[~batch.mask].eq(-1).all()
    assert int(batch.mask.sum()) == 4
    found = task.judge(Learned(Truth(task, rows)), "test")
    assert found["accuracy"] == pytest.approx(4 / 5)
    wrong = task.tags[0] == "B-LOC"  # what the word of the unseen tag is answered instead
    assert found["recall"] == pytest.approx(2 / 3)
    assert found["precision"] == pytest.approx(2 / 3 if wrong else 1)
    outputs = torch.randn(2, 4, 4, generator=seeded())
    torch.testing.assert_close(task.loss(outputs, batch), task.loss(batch.inputs.rows_of(outputs), batch))
    kind = task.signature.output
    assert kind.fits((2, 4, 4), batch.inputs)
    assert kind.fits((5, 4), batch.inputs)
    assert not kind.fits((4, 4), batch.inputs)


def test_words_of_which_nothing_is_asked_count_nowhere() -> None:
    asked = [Sentence(["<v>", "Ann"], [(1, 0, MARKER)], [0, 1], [None, "B-PER"])]
    task = small(test=asked, marks=1)
    batch = only(task, "test")
    assert batch.mask.tolist() == [[False, True]]
    assert batch.inputs.marks.tolist() == [[0, 1]]
    assert task.judge(Learned(Truth(task, True)), "test") == {
        "f1": 1.0, "precision": 1.0, "recall": 1.0, "accuracy": 1.0, "loss": pytest.approx(0.7437, abs=1e-3),
    }  # fmt: skip


def test_spans_agree_with_seqeval_on_random_tags() -> None:
    draw = random.Random(0)
    tags = ["O", "B-a", "I-a", "B-b.c", "I-b.c", "B-d_e", "I-d_e"]
    for _ in range(60):
        gold = [draw.choices(tags, k=draw.randint(1, 12)) for _ in range(6)]
        answers = [[tag if draw.random() < 0.7 else draw.choice(tags) for tag in row] for row in gold]
        found = span_f1(gold, answers)
        for name, score in (("f1", f1_score), ("precision", precision_score), ("recall", recall_score)):
            assert found[name] == pytest.approx(score(gold, answers, zero_division=0)), (gold, answers)
    assert spans(["B-a", "I-a", "I-b", "B-b", "O", "I-a"]) == {("a", 0, 2), ("b", 2, 3), ("b", 3, 4), ("a", 5, 6)}
    assert span_f1([["O"]], [["O"]]) == {"f1": 0.0, "precision": 0.0, "recall": 0.0}


# --- edges ------------------------------------------------------------------------------------------------


def test_a_shuffled_tree_is_the_same_tree_on_other_words() -> None:
    tree = [(1, 0, "a"), (1, 2, "b"), (2, 3, "c"), (3, 4, "a")]
    found = joins.shuffled(tree, 5, random.Random(1))
    assert sorted(relation for *_, relation in found) == ["a", "a", "b", "c"]
    assert {end for head, word, _ in found for end in (head, word)} == set(range(5))
    degree = [sum(word in edge[:2] for edge in tree) for word in range(5)]
    assert sorted(degree) == sorted(sum(word in edge[:2] for edge in found) for word in range(5))
    assert found != tree
    assert len({tuple(joins.shuffled(tree, 5, random.Random(seed))) for seed in range(20)}) > 10


def test_edges_are_chosen_by_name() -> None:
    tree, draw = [(1, 0, "a")], random.Random(0)
    assert joins.chosen("tree", tree, 3, draw) == tree
    assert joins.chosen("chain", tree, 3, draw) == [(0, 1, "next"), (1, 2, "next")]
    assert joins.chosen("both", tree, 3, draw) == [(1, 0, "a"), (0, 1, "next"), (1, 2, "next")]
    assert joins.chosen("none", tree, 3, draw) == [] == joins.chain(1)
    for name, wrong in (
        ("uner", "trees"),
        ("wnut17", "tree"),
        ("propbank_roles", "chains"),
        ("semeval_relations", "both"),
    ):
        with pytest.raises(UsageError, match="choice of edges"):
            SPECS[name].load(Data(root=Path("none"), cache=Path("none")), edges=wrong)


def test_distances_from_the_path_between_two_marks() -> None:
    tree = [(1, 0, "a"), (1, 3, "a"), (3, 2, "a"), (3, 5, "a"), (0, 4, "a"), (4, 6, "a")]
    assert joins.from_path(tree, [1, 0, 0, 0, 0, 2, 0, 0]) == [0, 0, 1, 0, 1, 0, 2, -1]
    assert joins.from_path(joins.chain(6), [0, 1, 0, 0, 2, 0]) == [1, 0, 0, 0, 0, 1]
    assert joins.from_path(joins.chain(5), [1, 1, 0, 2, 2]) == [1, 0, 0, 0, 1]  # the near ends of both
    assert joins.from_path([], [0, 1, 0, 2]) == [-1, 0, -1, 0]


def test_markers_move_words_and_hang_on_theirs() -> None:
    given = Sentence(["a", "b", "c"], [(0, 1, "x"), (1, 2, "y")], [0, 1, 1], ["O", "B-t", "I-t"])
    found = with_markers(given, [(1, "<v>", 1), (3, "</v>", 2)])
    assert found.words == ["a", "<v>", "b", "c", "</v>"]
    assert (found.marks, found.tags) == ([0, 0, 1, 1, 0], ["O", None, "B-t", "I-t", None])
    assert found.edges == [(0, 2, "x"), (2, 3, "y"), (2, 1, MARKER), (3, 4, MARKER)]


# --- broken files -----------------------------------------------------------------------------------------

ROW = "{0}\tw\tw\tNOUN\tNN\t_\t{1}\t{2}\t_\t_\n"
NAMED = "# sent_id = s\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (NAMED + ROW.format(1, 0, "root") + "2\tw\n", "x.conllu.gz, line 3 has 2 columns between tabs: it needs 10"),
        (NAMED + ROW.format(1, 2, "obj"), "x.conllu.gz, line 2 has the head '2', which is no other word there"),
        (NAMED + ROW.format(1, 1, "obj"), "x.conllu.gz, line 2 has the head '1'"),
        (NAMED + ROW.format(1, "_", "obj"), "x.conllu.gz, line 2 has the head '_'"),
        (NAMED + ROW.format(1, 0, ""), "x.conllu.gz, line 2 has an empty column"),
        (ROW.format(1, 0, "root"), "x.conllu.gz, line 1 starts a sentence without a line '# sent_id = '"),
        ("# nothing\n\n", "x.conllu.gz holds no sentences"),
    ],
)
def test_broken_trees_are_named_by_file_and_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(NoData, match=message):
        read_trees(write(tmp_path / "ewt" / "x.conllu.gz", text))


def test_a_tree_is_read_without_ranges_and_with_several_roots(tmp_path: Path) -> None:
    text = NAMED + ROW.format("1-2", "_", "_") + ROW.format(1, 0, "root") + ROW.format(2, 1, "nmod:poss")
    text += ROW.format("2.1", "_", "_") + ROW.format(3, 0, "root") + "\n"
    tree = read_trees(write(tmp_path / "x.conllu.gz", text))["s"]
    assert (tree.words, tree.edges) == (["w"] * 3, [(0, 1, "nmod:poss")])


@pytest.mark.parametrize(
    ("text", "bare", "message"),
    [
        (NAMED + "1\tAnn\tB-PER\n2\tran\n", False, "x.iob2, line 3 has 2 columns between tabs: it needs 3"),
        (NAMED + "1\tAnn\tPER\n", False, "x.iob2, line 2: 'PER' is no tag"),
        ("#tag\tO\n\nAnn\tB-\n", True, "x.iob2, line 3: 'B-' is no tag"),
        ("Ann B-PER\n", True, "x.iob2, line 1 has 1 columns"),
    ],
)
def test_broken_names_are_named_by_file_and_line(tmp_path: Path, text: str, bare: bool, message: str) -> None:
    with pytest.raises(NoData, match=message):
        read_tagged(write(tmp_path / "x.iob2", text), bare=bare)


def test_a_post_may_start_with_a_hash(tmp_path: Path) -> None:
    path = write(tmp_path / "x.conll", "#tag\tO\nAnn\tB-person\n\t\n#\tO\n")
    assert read_tagged(path, bare=True) == [("", ["#tag", "Ann"], ["O", "B-person"]), ("", ["#"], ["O"])]


def test_propositions_are_read_in_the_order_of_their_predicates(tmp_path: Path) -> None:
    text = (
        NAMED + "1\tAnn\t_\tB-ARG0\tO\n2\twent\tgo.01\tB-V\tO\n3\toff\t_\tI-V\tB-ARG1\n4\trun\trun.02\tB-ARG1\tB-ARG0\n"
    )
    ((_, found),) = read_propositions(write(tmp_path / "x.tsv", text))
    assert [(each.predicate, each.tags) for each in found] == [
        (1, ["B-ARG0", "O", "O", "B-ARG1"]), (3, ["O", "O", "B-ARG1", "B-ARG0"]),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("1\tAnn\t_\n2\tgoes\tgo.01\n", "x.tsv, line 2 has 3 columns between tabs: it needs 4"),
        ("1\tAnn\t_\tO\n", "x.tsv, line 2 has 4 columns between tabs: it needs 3"),
        ("1\tgoes\tgo.01\tV\n", "x.tsv, line 2: 'V' is no tag"),
    ],
)
def test_broken_propositions_are_named_by_file_and_line(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(NoData, match=message):
        list(read_propositions(write(tmp_path / "x.tsv", NAMED + rows)))
