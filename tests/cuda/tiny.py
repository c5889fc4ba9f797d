"""Tiny tasks of the kinds that no generated built-in task has, made of the built-in tasks' own classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from dlbench import (
    Classes,
    Embedding,
    Graph,
    GraphClasses,
    GraphValue,
    Hypergraph,
    Image,
    Mask,
    Metric,
    NextToken,
    NodeClasses,
    Sample,
    Series,
    SyntaxGraph,
    TaskSpec,
    Tokens,
    TokenTags,
    Vector,
    WordTags,
)
from dlbench.contract.kinds import EdgeClasses
from dlbench.data import Data

ACCURACY, LOSS = Metric(name="accuracy"), Metric(name="loss", unit="nats", higher_is_better=False)
ERROR = Metric(name="error", unit="units", higher_is_better=False)
MMD = Metric(name="mmd_1000", unit="mmd", higher_is_better=False)
RECIPE = {"optimizer": "adam", "lr": 1e-3, "batch_size": 4, "budget.steps": 2}
GRAPHS, NODES, CLASSES = 24, 6, 2


def draw() -> Any:
    import numpy as np

    return np.random.RandomState(0)


def ring(count: int) -> Any:
    """Edges (2, 2 count) of a ring, in both directions."""
    import numpy as np

    nodes = np.arange(count)
    after = (nodes + 1) % count
    return np.stack([np.concatenate([nodes, after]), np.concatenate([after, nodes])])


def splits(count: int, device: str) -> dict[str, Any]:
    import torch

    return dict(zip(("train", "val", "test"), torch.arange(count, device=device).chunk(3), strict=True))


def graph_set(data: Data) -> Any:
    """Rings of 5 to 9 nodes, with features of nodes and edges."""
    import numpy as np

    from dlbench.data.graphs import GraphSet

    random, counts = draw(), np.arange(GRAPHS) % 5 + 5
    edges = np.concatenate([ring(count) for count in counts], axis=1)
    features = {"nodes": random.randn(counts.sum(), 3), "edge_features": random.randn(edges.shape[1], 2)}
    return GraphSet(node_counts=counts, edge_counts=2 * counts, edges=edges, device=data.device, **features)


def many(data: Data, *, level: str) -> Any:
    """Something for each graph (a class or a number), node or edge."""
    import torch
    import torch.nn.functional as F

    from dlbench import Signature
    from dlbench_graph import scores
    from dlbench_graph.many import ManyGraphs

    graphs = graph_set(data)
    rows = {"node": len(graphs.nodes), "edge": graphs.edges.shape[1]}.get(level, GRAPHS)
    output: dict[str, Any] = {
        "class": GraphClasses(num_classes=CLASSES), "value": GraphValue(), "node": NodeClasses(num_classes=CLASSES),
        "edge": EdgeClasses(num_classes=CLASSES),
    }  # fmt: skip
    targets = torch.arange(rows, device=data.device) % CLASSES
    loss = {"value": scores.absolute_error, "node": scores.balanced_cross_entropy}.get(level, F.cross_entropy)
    return ManyGraphs(
        graphs=graphs,
        targets=targets.float() if level == "value" else targets,
        level="graph" if level in ("class", "value") else level,  # type: ignore[arg-type]
        signature=Signature(input=Graph(node_features=3, edge_features=2, positions=1), output=output[level]),
        splits=splits(GRAPHS, data.device),
        metric="error" if level == "value" else "accuracy",
        score=scores.mean_absolute_error if level == "value" else scores.accuracy,
        loss_of=loss,
    )


def single(data: Data, *, probe: bool = False, sampler: str = "full") -> Any:
    """One ring with sparse features: classes of its nodes, or vectors for them."""
    import torch

    from dlbench.data.graphs import single_graph
    from dlbench_graph.citation.probe import NodeProbe
    from dlbench_graph.single import SingleGraph

    nodes = torch.eye(NODES)[torch.arange(30) % NODES].to_sparse_csr()
    nodes = torch.sparse_csr_tensor(
        nodes.crow_indices().to(data.device), nodes.col_indices().to(data.device), nodes.values().to(data.device),
        nodes.shape,
    )  # fmt: skip
    graph = single_graph(nodes, torch.from_numpy(ring(30)).to(data.device))
    labels, chosen = torch.arange(30, device=data.device) % CLASSES, splits(30, data.device)
    if probe:
        return NodeProbe(graph=graph, labels=labels, splits=chosen)
    return SingleGraph(graph=graph, labels=labels, splits=chosen, num_classes=CLASSES, sampler=sampler)


def graph_probe(data: Data) -> Any:
    """Vectors of graphs, judged by a linear machine."""
    import numpy as np

    from dlbench import Signature
    from dlbench_graph.sets.probe import GraphProbe

    signature = Signature(input=Graph(node_features=3, edge_features=2), output=Embedding(level="graphs"))
    return GraphProbe(graphs=graph_set(data), classes=np.arange(GRAPHS) % CLASSES, signature=signature)


def hypergraph(data: Data) -> Any:
    """Classes of 30 nodes in ten hyperedges of four."""
    import torch

    from dlbench_graph.citation.hypergraph import SingleHypergraph, single_hypergraph

    owner = torch.arange(40, device=data.device) // 4
    members = torch.stack([(torch.arange(40, device=data.device) * 7) % 30, owner])
    nodes = torch.from_numpy(draw().rand(30, NODES)).float().to(data.device)
    return SingleHypergraph(
        graph=single_hypergraph(nodes, members, 10), labels=torch.arange(30, device=data.device) % CLASSES,
        splits=splits(30, data.device), num_classes=CLASSES,
    )  # fmt: skip


def squares(data: Data) -> Any:
    """Noise of 12x12 with a brighter square that is looked for; training sees parts of 8x8."""
    import numpy as np

    from dlbench_vision.segmentation.nuclei import Foreground

    images, targets = draw().randint(0, 90, (8, 1, 12, 12)).astype(np.uint8), np.zeros((8, 12, 12), np.uint8)
    targets[:, 3:8, 4:9] = 1
    images[:, 0] += 100 * targets
    parts = dict.fromkeys(("train", "val", "test"), (images, targets))
    return Foreground(parts, output=Mask(num_classes=CLASSES), crop=8, device=data.device)


def sounds(data: Data) -> Any:
    """Series of 5 to 8 steps."""
    import numpy as np

    from dlbench_speech.fsdd import Sounds, SpokenDigits

    lengths = np.arange(GRAPHS) % 4 + 5
    found = Sounds(
        values=draw().randn(lengths.sum(), 3).astype(np.float32), lengths=lengths, digits=np.arange(GRAPHS) % 10,
        speakers=np.zeros(GRAPHS, int), takes=np.arange(GRAPHS),
    )  # fmt: skip
    chosen = {name: part.numpy() for name, part in splits(GRAPHS, "cpu").items()}
    return SpokenDigits(sounds=found, splits=chosen, device=data.device)


def tags(data: Data) -> Any:
    """Sentences of two to five words with their spelling, each with its tag."""
    from dlbench_language.labelling.tagged import Tagged, TaggedSentences, Treatment

    sentences = [[f"w{(i + j) % 7}" * (j + 1) for j in range(i % 4 + 2)] for i in range(GRAPHS)]
    found = Tagged(sentences, [[str(len(word) % CLASSES) for word in words] for words in sentences])
    treatment = Treatment(normal=str.lower, characters=True, word_dropout=0.1, bucket=True)
    return TaggedSentences(dict.fromkeys(("train", "val", "test"), found), treatment, device=data.device)


def syntax(data: Data, *, nominals: bool) -> Any:
    """Sentences of three to six words with their spelling in a chain: names in them, or how two of them are related."""
    from dlbench_language.labelling.tagged import Treatment
    from dlbench_language.syntax.edges import chain
    from dlbench_language.syntax.relations import RelationTask
    from dlbench_language.syntax.sentences import Sentence
    from dlbench_language.syntax.tagging import SpanTags

    found = []
    for i in range(GRAPHS):
        words = [f"w{(i + j) % 7}" * (j + 1) for j in range(i % 4 + 3)]
        marks = [1, *[0] * (len(words) - 2), 2] if nominals else []
        tags = [] if nominals else ["B-a", "I-a", *["O"] * (len(words) - 2)]
        found.append(Sentence(words, chain(len(words)), marks, tags))
    treatment = Treatment(normal=str.lower, characters=True, word_dropout=0.1, bucket=True)
    parts = ("train", "val", "test")
    if nominals:
        labelled = [(sentence, i % 19) for i, sentence in enumerate(found)]
        return RelationTask(dict.fromkeys(parts, labelled), treatment, device=data.device)
    return SpanTags(dict.fromkeys(parts, found), treatment, device=data.device)


def text(data: Data, *, carry: bool) -> Any:
    """A text of 12 letters, in streams whose state is carried, or in random windows."""
    import torch

    from dlbench_language.modelling.text import TextTask

    texts = {split: torch.from_numpy(draw().randint(0, 12, 200)) for split in ("train", "val", "test")}
    return TextTask(
        vocabulary=[*"abcdefghijkl"], texts=texts, length=6, carry=carry, anywhere=not carry,  # type: ignore[arg-type]
        figures=lambda loss: {"loss": loss, "accuracy": 0.5}, device=data.device,
    )  # fmt: skip


def molecules(data: Data, *, strings: bool) -> Any:
    """A few small ones to draw, as strings or as graphs."""
    from dlbench_generation.molecules.graphs import MoleculeGraphs
    from dlbench_generation.molecules.strings import SmilesStrings

    texts = ["CO", "CCO", "C=O", "CC#C", "OCO", "C1CC1", "CN", "C(=O)[O-]"]
    form = SmilesStrings if strings else MoleculeGraphs
    return form(dict.fromkeys(("train", "val", "test"), texts), cache=data.cache, device=data.device)


def sphere(data: Data) -> Any:
    """Points of the unit sphere."""
    import torch

    from dlbench_generation.points.earth import EarthTask

    points = torch.from_numpy(draw().randn(GRAPHS, 3)).float().to(data.device)
    points = points / points.norm(dim=1, keepdim=True)
    return EarthTask({split: points[index] for split, index in splits(GRAPHS, data.device).items()}, data.device)


def dlbench_tasks() -> Iterator[TaskSpec]:
    def spec(name: str, kinds: tuple[Any, Any], load: Any) -> TaskSpec:
        drawn = {Vector: MMD}.get(kinds[0], Metric(name="valid"))
        metric = {GraphValue: ERROR, Mask: Metric(name="dice"), Sample: drawn}.get(kinds[1], ACCURACY)
        return TaskSpec(
            name=name, input_kind=kinds[0], output_kind=kinds[1], load=load, unit="examples", metric=metric,
            metrics=(LOSS,), floor=0.5, recipe=RECIPE,
        )  # fmt: skip

    kinds = {"class": GraphClasses, "value": GraphValue, "node": NodeClasses, "edge": EdgeClasses}
    for level, kind in kinds.items():
        yield spec(f"tiny_{level}", (Graph, kind), lambda data, level=level: many(data, level=level))
    yield spec("tiny_single", (Graph, NodeClasses), lambda data: single(data))
    yield spec("tiny_parts", (Graph, NodeClasses), lambda data: single(data, sampler="neighbour"))
    yield spec("tiny_node_probe", (Graph, Embedding), lambda data: single(data, probe=True))
    yield spec("tiny_graph_probe", (Graph, Embedding), graph_probe)
    yield spec("tiny_hypergraph", (Hypergraph, NodeClasses), hypergraph)
    yield spec("tiny_mask", (Image, Mask), squares)
    yield spec("tiny_sounds", (Series, Classes), sounds)
    yield spec("tiny_sphere", (Vector, Sample), sphere)
    yield spec("tiny_tags", (Tokens, TokenTags), tags)
    yield spec("tiny_names", (SyntaxGraph, WordTags), lambda data: syntax(data, nominals=False))
    yield spec("tiny_nominals", (SyntaxGraph, Classes), lambda data: syntax(data, nominals=True))
    yield spec("tiny_text", (Tokens, NextToken), lambda data: text(data, carry=False))
    yield spec("tiny_streams", (Tokens, NextToken), lambda data: text(data, carry=True))
    yield spec("tiny_smiles", (Tokens, Sample), lambda data: molecules(data, strings=True))
    yield spec("tiny_molecules", (Graph, Sample), lambda data: molecules(data, strings=False))
