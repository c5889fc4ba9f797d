"""The linear probe: its batches, what it makes of constant, better and broken vectors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dlbench.data import Data
from dlbench.data.graphs import BadGraph
from dlbench_graph import citation
from dlbench_graph.citation.probe import NodeProbe, probe

SPEC = next(spec for spec in citation.specs() if spec.name == "cora_probe")


class Vectors:
    """A learner as a task sees it."""

    def __init__(self, function: Any) -> None:
        self.embed = lambda batch: function(batch.inputs).detach()


@pytest.fixture(scope="module")
def cora_probe(data_root: Path) -> NodeProbe:
    return SPEC.load(Data(root=data_root, cache=Path("no-cache")))


def test_a_probe_batch_is_the_whole_graph_without_targets(cora_probe: NodeProbe) -> None:
    for split in ("train", "val", "test"):
        (batch,) = cora_probe.batches(split, 8, None)
        assert batch.targets is None
        assert batch.mask is None
        assert batch.size == batch.inputs.nodes.shape[0] == 2708
    with pytest.raises(TypeError, match="must be a Learner that brings its own"):
        cora_probe.loss(torch.zeros(1), batch)


def test_constant_vectors_score_the_floor(cora_probe: NodeProbe) -> None:
    scores = cora_probe.judge(Vectors(lambda inputs: torch.zeros(inputs.nodes.shape[0], 1)), "test")
    assert scores["accuracy"] == SPEC.floor


def test_better_vectors_score_higher_and_the_same_each_time(
    cora_probe: NodeProbe, recwarn: pytest.WarningsRecorder
) -> None:
    def words(inputs: Any) -> Tensor:
        return 20 * inputs.nodes.to_dense()

    def smoothed(inputs: Any) -> Tensor:
        x, (source, target) = words(inputs), inputs.edges
        degree = target.bincount(minlength=len(x)).clamp(min=1)[:, None]
        for _ in range(2):
            x = (x + torch.zeros_like(x).index_add(0, target, x[source])) / (degree + 1)
        return x

    own, around, again = (cora_probe.judge(Vectors(f), "test")["accuracy"] for f in (words, smoothed, smoothed))
    assert 0.5 < own < around - 0.1
    assert around == again
    assert "sklearn" not in "".join(str(warning.filename) for warning in recwarn)


def test_a_probe_separates_what_a_line_separates() -> None:
    vectors = torch.tensor([[0.0, 3.0], [0.0, 2.0], [3.0, 0.0], [2.0, 0.0]])
    guesses = probe(vectors, torch.tensor([4, 4, 1, 1]), torch.tensor([[0.0, 9.0], [9.0, 0.0]]))
    assert guesses.tolist() == [4, 1]


def test_vectors_that_are_not_finite_are_a_figure_that_is_not(cora_probe: NodeProbe) -> None:
    scores = cora_probe.judge(Vectors(lambda inputs: torch.full((inputs.nodes.shape[0], 2), math.nan)), "val")
    assert math.isnan(scores["accuracy"])  # the core ends such a run as diverged


def test_overlapping_splits_are_refused(cora_probe: NodeProbe) -> None:
    splits = {**cora_probe.splits, "test": torch.tensor([0])}
    with pytest.raises(BadGraph, match="0 is in the splits train and test"):
        NodeProbe(graph=cora_probe.graph, labels=cora_probe.labels, splits=splits)
