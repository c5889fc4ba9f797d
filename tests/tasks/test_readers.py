"""Readers of files that others bring: what stands in them, which splits are drawn, what is refused, with the place."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dlbench import NoData, NodeValue, UsageError
from dlbench.data import Data
from dlbench.data.graphs import BadGraph
from dlbench_graph.readers import hypergraph_arrays, node_arrays
from dlbench_language.readers import conllu, labelled_sentences, parallel_text, plain_text, tag_files
from dlbench_speech.readers import labelled_recordings


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return Data(root=tmp_path, cache=tmp_path / "cache")


def put(data: Data, name: str, text: str) -> str:
    path = data.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name


def sizes(task: Any) -> dict[str, int]:
    return {s: sum(b.size for b in task.batches(s, 100, None)) for s in ("train", "val", "test")}


# --- text -------------------------------------------------------------------------------------------------


def test_words_and_tags_are_columns_between_blanks_or_tabs(data: Data) -> None:
    train = put(data, "a.txt", "-DOCSTART- -X- O\n\nAda NNP B-PER\nmet VBD O\n\n\nRome\tNNP\tB-LOC\n")
    other = put(data, "b.txt", "rome NNP B-LOC\n")
    task = tag_files(data, {"train": train, "val": other, "test": other}, chunks=True)
    assert sizes(task) == {"train": 3, "val": 1, "test": 1}
    assert task.tags == ["B-LOC", "B-PER", "O"]
    (batch,) = task.batches("test", 1, None)
    assert batch.inputs.ids.item() == task.vocabulary.ids["rome"]  # case is in the spelling alone
    assert batch.targets.item() == 0

    class Right:
        def predict(self, batch: Any) -> torch.Tensor:
            return torch.nn.functional.one_hot(batch.targets, 3).float()

    assert task.judge(Right(), "test")["f1"] == 1.0
    parts = tag_files(data, {"train": train, "val": other, "test": other}, tag=1, lower=False)
    assert parts.tags == ["NNP", "VBD"]
    assert parts.vocabulary.encode(["rome"]) == [1]
    with pytest.raises(NoData, match=r"a\.txt, line 1 has 1 columns"):
        tag_files(data, {"train": put(data, "bad/a.txt", "alone\n"), "test": other}, tag=1)
    with pytest.raises(NoData, match="holds no sentences"):
        tag_files(data, put(data, "none.txt", "\n\n"))


def test_one_tag_file_is_drawn_apart_by_sentences(data: Data) -> None:
    path = put(data, "all.txt", "".join(f"w{i} A\nx B\n\n" for i in range(40)))
    task = tag_files(data, path)
    assert sizes(task) == {"train": 64, "val": 8, "test": 8}
    assert len(task.vocabulary) == 2 + 33


def test_conllu_files_give_either_column_of_tags(data: Data) -> None:
    row = "1\tDogs\tdog\tNOUN\tNNS\t_\t0\troot\t_\t_\n2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\t_\n"
    path = put(data, "t.conllu", "# text\n" + row + "\n")
    files = {"train": path, "val": path, "test": path}
    assert conllu(data, files).tags == ["NOUN"]
    assert conllu(data, files, tags="xpos").tags == ["NNS"]
    with pytest.raises(UsageError, match="column of tags"):
        conllu(data, files, tags="feats")


def test_sentences_may_have_their_class_first_or_last(data: Data) -> None:
    first = put(data, "first.tsv", "".join(f"{c}\tSome film {i}\n" for i in range(20) for c in ("good", "bad")))
    task = labelled_sentences(data, first)
    assert sizes(task) == {"train": 32, "val": 4, "test": 4}
    assert "some" in task.vocabulary.ids
    for split in ("val", "test"):
        (batch,) = task.batches(split, 10, None)
        assert batch.targets.sum() == 2
    last = put(data, "last.csv", "A film, dull,0\nA film, fine,1\n")
    found = labelled_sentences(data, {"train": last, "val": last, "test": last}, label=-1, separator=",", lower=False)
    (batch,) = found.batches("test", 2, None)
    assert batch.targets.tolist() == [0, 1]
    assert "film," in found.vocabulary.ids
    strange = put(data, "strange.tsv", "great\tfilm\n")
    with pytest.raises(NoData, match=r"strange\.tsv, line 1 has a class that no training sentence has"):
        labelled_sentences(data, {"train": first, "test": strange})
    with pytest.raises(NoData, match="line 1 needs a class and words"):
        labelled_sentences(data, put(data, "no.tsv", "good film\n"))
    with pytest.raises(NoData, match="missing"):
        labelled_sentences(data, "nowhere.tsv")


def test_parallel_text_leaves_long_training_pairs_out_and_draws_val(data: Data) -> None:
    source = put(data, "s.txt", "ein haus\n" * 19 + "ein " * 30 + "\n")
    target = put(data, "t.txt", "a house\n" * 20)
    one = (put(data, "s1.txt", "ein haus\n"), put(data, "t1.txt", "a house\n"))
    task = parallel_text(data, {"train": (source, target), "test": one}, max_length=5)
    assert len(task.splits["val"]) == 2
    assert len(task.splits["test"]) == 1
    assert max(map(len, (s.split() for s in task.splits["train"].texts))) == 2


def test_plain_text_is_of_words_or_characters(data: Data) -> None:
    path = put(data, "t.txt", "to be or not to be\n" * 30)
    files = {"train": path, "val": path, "test": path}
    words = plain_text(data, files, length=5)
    assert words.vocabulary.symbols == ("be", "to", "<eos>", "not", "or")
    characters = plain_text(data, files, unit="characters", length=5, carry=True)
    assert "_" in characters.vocabulary.symbols
    assert characters.signature.output.carried
    with pytest.raises(UsageError, match="unit of text"):
        plain_text(data, files, unit="bytes")


# --- sounds -----------------------------------------------------------------------------------------------


def test_recordings_lie_in_a_folder_for_each_class(data: Data) -> None:
    for pitch, name in ((300, "low"), (1500, "high")):
        for number in range(20):
            path = data.root / "sounds" / name / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            times = np.arange(1600 + 160 * (number % 3)) / 16000
            samples = (12000 * np.sin(2 * np.pi * pitch * times)).astype("<i2")
            with wave.open(str(path), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(16000)
                file.writeframes(samples.tobytes())
    task = labelled_recordings(data, "sounds", mels=10)
    assert sizes(task) == {"train": 32, "val": 4, "test": 4}
    assert str(task.signature) == "series[10,8] -> classes[2]"
    (batch,) = task.batches("test", 4, None)
    strongest = batch.inputs.values[:, 2].argmax(dim=1)  # a band: those of high sounds, class 0, lie above
    assert strongest[batch.targets == 0].min() > strongest[batch.targets == 1].max()
    put(data, "sounds/low/bad.wav", "no sound")
    with pytest.raises(NoData, match=r"bad\.wav can't be read"):
        labelled_recordings(data, "sounds")


# --- graphs -----------------------------------------------------------------------------------------------


def arrays(data: Data, **changes: Any) -> str:
    found = {
        "node_features": np.eye(20), "edges": np.stack([np.arange(19), np.arange(1, 20)], axis=1),
        "node_labels": np.arange(20) % 2, **changes,
    }  # fmt: skip
    np.savez(data.root / "graph.npz", **{name: value for name, value in found.items() if value is not None})
    return "graph.npz"


def test_a_graph_comes_from_arrays_with_folds_or_splits_drawn(data: Data) -> None:
    task = node_arrays(data, arrays(data))
    assert task.graph.edges.shape == (2, 38)
    assert task.graph.nodes.dtype == torch.float32
    assert sizes(task) == {"train": 12, "val": 4, "test": 4}
    assert all(int(task.labels[index].sum()) == len(index) / 2 for index in task.splits.values())
    masks = np.zeros((2, 20), dtype=bool)
    masks[0, :5] = masks[1, 5:10] = True
    folded = node_arrays(
        data, arrays(data, train_masks=masks, val_masks=np.roll(masks, 5, 1), test_masks=np.roll(masks, 10, 1)),
        directed=True, sparse=True,
    )  # fmt: skip
    assert folded.graph.edges.shape == (2, 19)
    assert folded.graph.nodes.layout == torch.sparse_csr
    assert folded.fold(1).splits["train"].tolist() == [5, 6, 7, 8, 9]
    assert len(folded.folds) == 2


def test_unlabelled_nodes_are_in_no_split_and_numbers_are_told_on_request(data: Data) -> None:
    labels = np.where(np.arange(20) < 5, -1, np.arange(20) % 2)
    task = node_arrays(data, arrays(data, node_labels=labels))
    assert sum(map(len, task.splits.values())) == 15
    assert min(int(index.min()) for index in task.splits.values()) == 5
    values = node_arrays(data, arrays(data, node_labels=np.linspace(0, 1, 20)), values=True)
    assert values.signature.output == NodeValue()


def test_matrices_may_be_sparse_as_published(data: Data) -> None:
    from scipy.sparse import csr_matrix

    adjacency, features = csr_matrix(np.eye(20, k=1)), csr_matrix(np.eye(20))
    parts = {}
    for name, matrix in (("adj", adjacency), ("attr", features)):
        for part in ("data", "indices", "indptr", "shape"):
            parts[f"{name}_{part}"] = np.asarray(getattr(matrix, part))
    task = node_arrays(data, arrays(data, node_features=None, edges=None, **parts))
    assert torch.equal(task.graph.nodes, torch.eye(20))
    assert task.graph.edges.shape == (2, 38)


def test_a_hypergraph_comes_from_arrays(data: Data) -> None:
    members = np.stack([np.arange(20), np.arange(20) // 5])
    task = hypergraph_arrays(data, arrays(data, edges=None, members=members))
    assert task.graph.num_hyperedges == 4
    assert sizes(task) == {"train": 12, "val": 4, "test": 4}


def test_what_is_no_graph_is_refused(data: Data) -> None:
    with pytest.raises(NoData, match="no array edges or edge_index; it has node_features, node_labels"):
        node_arrays(data, arrays(data, edges=None))
    with pytest.raises(BadGraph, match="an edge to node 20, but its nodes are 0 to 19"):
        node_arrays(data, arrays(data, edges=np.array([[0, 20]])))
    with pytest.raises(NoData, match=r"can't read bad\.npz as arrays"):
        node_arrays(data, put(data, "bad.npz", "nothing"))
