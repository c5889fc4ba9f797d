"""The task of drawing graphs like those of a set, judged by how far what is drawn lies from graphs held out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Graph, Sample, Signature
from dlbench.data.batches import GatheredBatches
from dlbench.data.graphs import GraphSet, check_splits

from .alike import Seen
from .checking import checked
from .drawing import gallery
from .mmd import discrepancies
from .statistics import Described, Stack, describe

SEED = 41
NUM_SAMPLES = 100
NUM_DRAWN = 16  # in a picture
SPLIT_SEEDS = {"train": 1, "val": 2, "test": 3}
COPIED = 4
"""Samples are copies where new graphs among them are so many times rarer than in data that were held out."""
COLLAPSED = 0.1
"""Samples are all alike where fewer different graphs than this share are among them."""


class GraphSampling:
    """`graphs`: a set's; `splits`: train, val and test as indices of them. Nodes have one feature, which is 1."""

    def __init__(self, *, graphs: Stack, splits: Mapping[str, NDArray[np.int64]], device: str = "cpu") -> None:
        """Raises BadGraph where splits overlap or a graph has no nodes."""
        check_splits(splits, len(graphs.sizes))
        self.signature = Signature(input=Graph(node_features=1, nodes_max=graphs.edges.shape[1]), output=Sample())
        self.graphs = to_set(graphs, device)
        self.splits = {name: torch.from_numpy(np.asarray(index)).to(device) for name, index in splits.items()}
        self._stacks = {name: graphs.take(index) for name, index in splits.items()}
        self._described: dict[str, Described] = {name: describe(stack) for name, stack in self._stacks.items()}
        self._training = Seen()
        self._training.add(self._stacks["train"])
        self._floors = {name: self._floor(name) for name in splits}

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        """`batch_size` counts graphs."""
        chosen = self.splits[split]

        def gather(index: Tensor, nodes: int, edges: int) -> Batch:
            return Batch(inputs=self.graphs.gather(chosen[index], nodes, edges).graphs, size=len(index))

        return GatheredBatches(
            len(chosen), batch_size, generator, gather, str(chosen.device), self.graphs.sizes_of(chosen)
        )

    def loss(self, outputs: Any, batch: Batch) -> NoReturn:
        """Raises NotImplementedError: a generative model brings its own."""
        raise NotImplementedError("drawing graphs has no loss of its own: build a Learner that defines loss")

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """The discrepancies between what is drawn and the split; those between training graphs and the split
        (`..._floor`); `known`, the share of drawn graphs that are training graphs but for the numbers of their nodes,
        and `known_floor`, that of the split's; `distinct`, the share of different ones among those drawn; `valid`."""
        found, missing = self._draw(learner, NUM_SAMPLES, split)
        known, distinct = 0, 0
        if len(found.sizes):
            known, distinct = int(self._training.knows(found).sum()), Seen().add(found)
            apart = discrepancies(describe(found), self._described[split], missing)
        else:
            apart = _nothing(self._described[split], missing)
        return {
            **apart,
            **self._floors[split],
            "known": known / NUM_SAMPLES,
            "distinct": distinct / NUM_SAMPLES,
            "valid": len(found.sizes) / NUM_SAMPLES,
        }

    def warnings(self, metrics: Mapping[str, float]) -> Iterator[str]:
        """`copies` where samples are training graphs far more often than the split's own graphs are, `collapsed` where
        they are all alike."""
        if COPIED * (metrics["valid"] - metrics["known"]) < metrics["valid"] * (1 - metrics["known_floor"]):
            yield "copies"
        if metrics["distinct"] < COLLAPSED:
            yield "collapsed"

    def pictures(self, learner: Any) -> dict[str, NDArray[np.uint8]]:
        """`graphs`: some of those drawn for the test."""
        found, _ = self._draw(learner, NUM_SAMPLES, "test")
        return {"graphs": gallery(found.take(slice(NUM_DRAWN)))}

    def _draw(self, learner: Any, count: int, split: str) -> tuple[Stack, int]:
        drawn = learner.sample(count, torch.Generator().manual_seed(SEED + SPLIT_SEEDS[split]))
        return checked(drawn, node_features=1, nodes_max=self.signature.input.nodes_max)

    def _floor(self, split: str) -> dict[str, float]:
        apart = discrepancies(self._described["train"], self._described[split])
        known = self._training.knows(self._stacks[split]).mean()
        return {**{f"{name}_floor": value for name, value in apart.items()}, "known_floor": float(known)}


def to_set(graphs: Stack, device: str = "cpu") -> GraphSet:
    """The graphs as a task hands them out, edges in both directions."""
    graph, source, target = np.nonzero(graphs.edges)
    return GraphSet(
        node_counts=graphs.sizes,
        nodes=np.ones((int(graphs.sizes.sum()), 1), np.float32),
        edge_counts=np.bincount(graph, minlength=len(graphs.sizes)),
        edges=np.stack([source, target]),
        device=device,
    )


def in_parts(graphs: Stack, sizes: tuple[int, int, int], seed: int) -> dict[str, NDArray[np.int64]]:
    """Splits of these sizes, drawn by a seed."""
    order = np.random.RandomState(seed).permutation(len(graphs.sizes))
    parts = np.split(order, np.cumsum(sizes)[:-1])
    return {name: np.sort(part) for name, part in zip(("train", "val", "test"), parts, strict=True)}


def _nothing(reference: Described, missing: int) -> dict[str, float]:
    """How far no graph at all lies from the reference."""
    return discrepancies(Described(*(rows[:0] for rows in reference)), reference, missing)
