"""Contacts: who has caught an infection that spreads when nodes meet?

A susceptible-infected process (Kermack & McKendrick 1927, "A Contribution to the Mathematical Theory of Epidemics",
without recovery) on a graph whose edges change with time (Holme & Saramäki 2012, "Temporal networks"). At each of 8
steps some pairs of the 20 nodes of a graph meet. Whoever is infected when a step begins infects all that it meets in
that step: nothing passes on twice within one step. A node's features say whether it is infected at the start (1, 0) or
not (0, 1); its class says whether it is at the end (1) or not (0).

The order of the contacts decides, so no network that sees only their union can be exact; one that keeps a state per
node and takes the steps in turn can.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench import DynamicGraph, NodeClasses, Signature
from dlbench.data.kept import Arrays

from .dynamic import DynamicGraphs, DynamicGraphSet
from .splits import in_order

SEED = 5
SIZES = (500, 100, 300)
NODES, STEPS, SOURCES = 20, 8, 2  # of a graph; infected at the start
CONTACTS = 3  # pairs that meet in one step, drawn without replacement: half of the nodes end infected


def generate(seed: int = SEED) -> Arrays:
    """`infected`, `labels` (G, n) bool: at the start, at the end; `contacts` (G, T, 2, c): the pairs of each step."""
    random = np.random.RandomState(seed)  # its streams are frozen, those of numpy's Generator are not
    count = sum(SIZES)
    infected = random.random_sample((count, NODES)).argsort(axis=1) < SOURCES
    first, second = np.triu_indices(NODES, k=1)
    chosen = random.random_sample((count, STEPS, len(first))).argsort(axis=2)[..., :CONTACTS]
    contacts = np.stack([first[chosen], second[chosen]], axis=2)
    return {"infected": infected, "contacts": contacts, "labels": spread(infected, contacts)}


def spread(infected: NDArray[np.bool_], contacts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Who is infected after all steps, (G, n)."""
    now = infected.copy()
    graph = np.arange(len(now))[:, None]
    for step in range(contacts.shape[1]):
        first, second = contacts[:, step, 0], contacts[:, step, 1]
        before = now.copy()
        for one, other in ((first, second), (second, first)):
            np.logical_or.at(now, (np.broadcast_to(graph, one.shape), other), before[graph, one])
    return now


def make_task(device: str = "cpu") -> DynamicGraphs:
    """The task, on a device."""
    found = generate()
    count = len(found["infected"])
    infected = found["infected"].reshape(-1)
    ends = found["contacts"].transpose(2, 0, 1, 3).reshape(2, -1)  # by graph, then step
    times = np.repeat(np.tile(np.arange(STEPS), count), CONTACTS)
    graphs = DynamicGraphSet(
        node_counts=np.full(count, NODES),
        nodes=np.stack([infected, ~infected], axis=1),
        edge_counts=np.full(count, 2 * STEPS * CONTACTS),
        edges=np.stack([ends, ends[::-1]], axis=2).reshape(2, -1),  # both directions, side by side
        times=np.repeat(times, 2),
        num_steps=STEPS,
        device=device,
    )
    return DynamicGraphs(
        graphs=graphs,
        labels=torch.from_numpy(found["labels"].reshape(-1).astype(np.int64)).to(device),
        signature=Signature(input=DynamicGraph(node_features=2), output=NodeClasses(num_classes=2)),
        splits=in_order(SIZES, device),
    )
