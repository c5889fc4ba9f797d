"""Networks over syntax: held against the papers' formulas edge by edge, no company, no padding; what refuses; graph
networks and sequence models on the same sentences; dropedge."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_baseline
import dlbench_gnn
import dlbench_mlp
import dlbench_regularize
import dlbench_rnn
import dlbench_transformer
from dlbench import Batch, Classes, NotApplicable, Signature, SyntaxBatch, SyntaxGraph, UsageError, WordTags
from dlbench_baseline.dictionary import Dictionary
from dlbench_baseline.marked_words import MarkedWords
from dlbench_rnn.c_gcn import PrunedLayer
from dlbench_rnn.syntactic_gcn import SyntacticLayer

PLUGINS = (dlbench_rnn, dlbench_transformer, dlbench_gnn, dlbench_mlp, dlbench_baseline)
MODELS = {spec.name: spec for plugin in PLUGINS for spec in plugin.dlbench_models()}
TAGS = ("B-a", "I-a", "O")
KIND = SyntaxGraph(vocab=12, length=6, characters=9, relations=6, marks=2)
TAGGED = Signature(input=KIND, output=WordTags(num_classes=3, tags=TAGS))
WHOLE = Signature(input=KIND, output=Classes(num_classes=4))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sentences() -> SyntaxBatch:
    """One of six words, one of four with two roots, and one of two without edges."""
    lengths = torch.tensor([6, 4, 2])
    within = torch.arange(6) < lengths[:, None]
    places = within.flatten().nonzero().squeeze(1)
    down = torch.tensor([[1, 1, 3, 3, 3, 7], [0, 2, 1, 4, 5, 6]])
    edges, kinds = torch.cat([down, down.flip(0)], 1), torch.tensor([0, 1, 2, 1, 0, 2, 3, 4, 5, 4, 3, 5])
    order = edges[1].argsort(stable=True)
    marks = torch.zeros(3, 6, dtype=torch.int64)
    marks[:, 0], marks[0, 4], marks[1, 1], marks[2, 1] = 1, 2, 2, 2
    path = torch.tensor([[0, 0, 1, 0, 0, 1], [0, 0, 1, 2, -1, -1], [0, 0, -1, -1, -1, -1]])
    draw = seeded()
    return SyntaxBatch(
        ids=torch.randint(1, 12, (3, 6), generator=draw) * within, lengths=lengths, places=places,
        edges=edges[:, order], relations=kinds[order], graph_ids=places // 6, vocab=12, num_relations=6,
        characters=torch.randint(1, 9, (3, 6, 5), generator=draw) * within[..., None], marks=marks, from_path=path,
    )  # fmt: skip


def built(name: str, signature: Signature, **options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return MODELS[name].build(signature, **options).eval()


# --- formulas ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gated", [True, False])
def test_a_layer_is_the_papers_sum_edge_by_edge(gated: bool) -> None:
    torch.manual_seed(1)
    layer, inputs = SyntacticLayer(4, 6, gated=gated), sentences()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(12, 4)
    down, up = layer.directions.weight.view(2, 4, 4)
    expected = torch.empty(12, 4)
    for word in range(12):
        terms = [(layer.own.weight @ x[word] + layer.own.bias, 0, x[word], 0.0)]
        for (source, target), kind in zip(inputs.edges.T.tolist(), inputs.relations.tolist(), strict=True):
            if target == word:
                back = kind >= 3
                bias = layer.gate_bias.weight[kind, 0] if gated else 0.0
                matrix = up if back else down
                terms.append((matrix @ x[source] + layer.bias.weight[kind], 1 + back, x[source], bias))
        total = torch.zeros(4)
        for value, direction, state, bias in terms:
            gate = 1.0
            if layer.gate is not None:
                gate = torch.sigmoid(layer.gate.weight[direction] @ state + layer.gate.bias[direction] + bias)
            total += gate * value
        expected[word] = total.relu()
    torch.testing.assert_close(layer(x, inputs.edges, inputs.relations), expected)


def test_a_pruned_layer_is_the_mean_over_kept_neighbours_and_itself() -> None:
    torch.manual_seed(1)
    layer, inputs = PrunedLayer(4, 3), sentences()
    x, kept = torch.randn(12, 4), torch.rand(12) < 0.7
    weights = (kept[inputs.edges[0]] & kept[inputs.edges[1]]).float()
    expected = []
    for word in range(12):
        near = [word, *(s for s, t in inputs.edges.T.tolist() if t == word and kept[s] and kept[word])]
        expected.append((layer.linear.weight @ x[near].mean(0) + layer.linear.bias).relu())
    torch.testing.assert_close(layer(x, inputs.edges, weights), torch.stack(expected))


def test_without_hops_it_is_the_bidirectional_lstm() -> None:
    options = {"width": 8, "embedding": 5, "dropout": 0.0, "characters": True}
    plain = built("lstm", TAGGED, bidirectional=True, **options)
    same = built("syntactic_gcn", TAGGED, hops=0, **options)
    same.load_state_dict(plain.state_dict())
    torch.testing.assert_close(same(sentences()), plain(sentences()))


def test_edges_and_relations_change_the_answer_and_shuffling_nodes_apart_from_them_does_not() -> None:
    model, inputs = built("syntactic_gcn", TAGGED, width=8), sentences()
    with torch.no_grad():
        model.syntax[0].bias.weight.normal_(generator=seeded())
        answer = model(inputs)
        turned = model(inputs._replace(relations=(inputs.relations + 3) % 6))
        bare = model(inputs._replace(edges=inputs.edges[:, :0], relations=inputs.relations[:0]))
    assert not torch.allclose(answer[0], turned[0])
    assert not torch.allclose(answer[0], bare[0])
    torch.testing.assert_close(answer[2, :2], bare[2, :2])  # that one has no edges


def test_pruning_leaves_the_path_and_what_is_near() -> None:
    inputs = sentences()
    kept = [built("c_gcn", WHOLE, prune=prune).kept(inputs).sum(1).tolist() for prune in (0, 1, None)]
    assert kept == [[4, 2, 2], [6, 3, 2], [6, 4, 2]]
    near, far = (built("c_gcn", WHOLE, prune=prune, width=8) for prune in (0, None))
    with torch.no_grad():
        assert not torch.allclose(near(inputs)[0], far(inputs)[0])
        torch.testing.assert_close(near(inputs)[2], far(inputs)[2])


# --- company and padding ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "signature"), [("syntactic_gcn", TAGGED), ("syntactic_gcn", WHOLE), ("c_gcn", WHOLE), ("lstm", TAGGED)]
)
def test_a_sentence_is_answered_alone_as_in_company(name: str, signature: Signature) -> None:
    model, inputs = built(name, signature, width=8), sentences()
    changed = inputs.ids.clone()
    changed[1, 4:], changed[2, 2:] = 7, 3
    with torch.no_grad():
        among, alone = model(inputs), model(inputs.first())
        filled = model(inputs._replace(ids=changed))
    torch.testing.assert_close(among[:1], alone)
    within = torch.arange(6) < inputs.lengths[:, None] if signature is TAGGED else slice(None)
    torch.testing.assert_close(among[within], filled[within])


# --- other models on the same sentences -------------------------------------------------------------------


def fitting(output: type) -> list[str]:
    """The models that a task from sentences with edges to this kind of output meets."""
    return [
        name for name, spec in MODELS.items()
        if not spec.wraps and any(issubclass(SyntaxGraph, i) and issubclass(output, o) for i, o in spec.accepts)
    ]  # fmt: skip


@pytest.mark.parametrize("name", fitting(WordTags))
def test_every_model_of_sequences_and_of_graphs_tags_words(name: str) -> None:
    model = built(name, TAGGED)
    if name in ("constant", "degree_threshold", "dictionary", "most_frequent_tag"):
        return
    outputs = model(sentences())
    assert TAGGED.output.fits(tuple(outputs.shape), sentences())
    assert outputs.isfinite().all()
    assert (outputs.dim() == 2) == (MODELS[name].family in ("GNN", "MLP") and name != "syntactic_gcn")


@pytest.mark.parametrize("name", fitting(Classes))
def test_every_model_of_sequences_and_of_graphs_classifies_sentences(name: str) -> None:
    if not isinstance(model := built(name, WHOLE), torch.nn.Module) or hasattr(model, "train_step"):
        return
    outputs = model(sentences())
    assert outputs.shape == (3, 4)
    assert outputs.isfinite().all()


def test_both_families_are_there() -> None:
    assert {"lstm", "gru", "encoder", "gpt", "gcn", "gat", "gatedgcn", "syntactic_gcn"} <= set(fitting(WordTags))
    assert {"lstm", "textcnn", "naive_bayes", "gin", "c_gcn", "marked_words"} <= set(fitting(Classes))
    assert "hypergcn" not in fitting(WordTags)


# --- what refuses -----------------------------------------------------------------------------------------


def test_what_has_nothing_to_act_on_is_refused() -> None:
    one = Signature(input=SyntaxGraph(vocab=9, relations=4, marks=1), output=Classes(num_classes=2))
    for name in ("c_gcn", "marked_words"):
        with pytest.raises(NotApplicable, match="two marked nominals"):
            MODELS[name].build(one)
    plain = Signature(input=KIND, output=WordTags(num_classes=3))
    with pytest.raises(NotApplicable, match="tags of spans"):
        MODELS["dictionary"].build(plain)
    for name, options in (("syntactic_gcn", {"hops": -1}), ("c_gcn", {"hops": 0}), ("c_gcn", {"prune": -1})):
        with pytest.raises(UsageError, match="at least"):
            MODELS[name].build(WHOLE, **options)
    with pytest.raises(UsageError, match="pool=sum"):
        MODELS["syntactic_gcn"].build(WHOLE, pool="sum")


# --- baselines --------------------------------------------------------------------------------------------


def spelled(*words: str) -> Tensor:
    longest = max(map(len, words))
    return torch.tensor([[[ord(c) - 63 for c in word] + [0] * (longest - len(word)) for word in words]])


def batch_of(words: str, tags: str, index: int = 0) -> Batch:
    said = words.split()
    inputs = sentences()._replace(
        ids=torch.ones(1, len(said), dtype=torch.int64), lengths=torch.tensor([len(said)]), characters=spelled(*said)
    )
    return Batch(
        inputs=inputs, targets=torch.tensor([[TYPES.index(tag) for tag in tags.split()]]), index=torch.tensor([index])
    )


TYPES = ("B-a", "B-b", "I-a", "O")


def answer(learner: Dictionary, words: str) -> str:
    numbers = learner.predict(batch_of(words, " ".join(["O"] * len(words.split()))).inputs).argmax(2)[0]
    return " ".join(TYPES[number] for number in numbers.tolist())


def test_the_dictionary_answers_the_longest_name_with_its_most_frequent_type_then_the_first() -> None:
    learner = Dictionary(tags=TYPES)
    learner.train_step(batch_of("New York is in New", "B-a I-a O O B-b", 5), None)
    learner.train_step(batch_of("York is", "B-b O", 4), None)
    learner.train_step(batch_of("York", "B-a", 3), None)
    assert answer(learner, "in New York New new York") == "O B-a I-a B-b O B-a"
    again = Dictionary(tags=TYPES)
    again.load_state_dict(learner.state_dict())
    assert answer(again, "in New York New new York") == "O B-a I-a B-b O B-a"
    learner.train_step(batch_of("York", "B-b", 9), None)
    assert answer(learner, "York") == "B-b"


def test_marked_words_are_scikit_learns_logistic_regression() -> None:
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    draw = np.random.RandomState(0)
    rows, labels, learner = [], [], MarkedWords(vocab=6, num_classes=4)
    for _ in range(5):
        ids = torch.from_numpy(draw.randint(1, 6, (8, 7)))
        marks = torch.tensor([[0, 1, 1, 0, 0, 2, 0]]).expand(8, -1)
        inputs = sentences()._replace(ids=ids, marks=marks, lengths=torch.full((8,), 7))
        targets = torch.from_numpy(draw.choice([0, 1, 3], 8))
        learner.train_step(Batch(inputs=inputs, targets=targets), None)
        for words in ids.numpy():
            parts = [np.bincount(words[part], minlength=6) for part in (slice(1, 3), slice(3, 5), slice(5, 6))]
            rows.append(np.concatenate(parts))
        labels += targets.tolist()
    fitted = LogisticRegression(max_iter=200).fit(np.stack(rows), labels)
    expected = torch.from_numpy(fitted.decision_function(np.stack(rows[-8:]))).float()
    found = learner.predict(inputs)
    torch.testing.assert_close(found[:, [0, 1, 3]], expected, rtol=1e-3, atol=1e-3)
    assert found.argmax(1).tolist() == [int(label) for label in fitted.predict(np.stack(rows[-8:]))]
    again = MarkedWords(vocab=6, num_classes=4)
    again.load_state_dict(learner.state_dict())
    torch.testing.assert_close(again.predict(inputs), found)


# --- dropedge ---------------------------------------------------------------------------------------------


def test_dropedge_leaves_out_dependencies_with_their_way_back() -> None:
    (spec,) = [spec for spec in dlbench_regularize.dlbench_regularizers() if spec.name == "dropedge"]
    inputs = sentences()
    targets = torch.zeros(3, 6, dtype=torch.int64)
    thinned = spec.build(rate=0.5).on_batch(Batch(inputs=inputs, targets=targets), seeded(3)).inputs
    kept = {(*edge, kind) for *edge, kind in zip(*thinned.edges.tolist(), thinned.relations.tolist(), strict=True)}
    every = {(*edge, kind) for *edge, kind in zip(*inputs.edges.tolist(), inputs.relations.tolist(), strict=True)}
    assert kept < every
    assert all((b, a, (kind + 3) % 6) in kept for a, b, kind in kept)
