"""The karate club: who of 34 members met whom outside the club, and whom they followed when it broke up.

Zachary 1977, "An Information Flow Model for Conflict and Fission in Small Groups": 78 friendships, two clubs. As a task
of one labelled node per class and no features: Kipf & Welling 2017, "Semi-Supervised Classification with Graph
Convolutional Networks", section on the karate club.
"""

from __future__ import annotations

import numpy as np
import torch

from dlbench import UsageError
from dlbench.data.graphs import single_graph
from dlbench.data.splits import stratified_split

from ..single import SingleGraph
from .arrays import clean_edges, to_indices

NODES, NUM_VAL = 34, 8

# Zachary's table of friendships: of each member (from 0) the friends with higher numbers.
FRIENDS = {
    0: (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31), 1: (2, 3, 7, 13, 17, 19, 21, 30),
    2: (3, 7, 8, 9, 13, 27, 28, 32), 3: (7, 12, 13), 4: (6, 10), 5: (6, 10, 16), 6: (16,), 8: (30, 32, 33), 9: (33,),
    13: (33,), 14: (32, 33), 15: (32, 33), 18: (32, 33), 19: (33,), 20: (32, 33), 22: (32, 33),
    23: (25, 27, 29, 32, 33), 24: (25, 27, 31), 25: (31,), 26: (29, 33), 27: (33,), 28: (31, 33), 29: (32, 33),
    30: (32, 33), 31: (32, 33), 32: (33,),
}  # fmt: skip

# 2: the club joined, the instructor's (member 0) or the administrator's (member 33).
# 4: communities of high modularity, numbered as PyTorch Geometric's copy of the set has them.
GROUPS = {
    2: "0000000001000011001010111111111111",
    4: "1111333101311100310101002200200200",
}
# The labelled nodes: both leaders; of the four communities each one's first member.
LABELLED = {2: (0, 33), 4: (0, 4, 8, 24)}


def load(*, groups: int, device: str = "cpu") -> SingleGraph:
    """`groups`: 2 or 4. Features are the identity matrix (34, 34). Of the unlabelled members 8 are for validation, the
    rest is the test. Raises UsageError on another number of groups."""
    if groups not in GROUPS:
        raise UsageError(f"option 'groups' is 2 or 4, not {groups!r}")
    labels = np.array([int(group) for group in GROUPS[groups]], dtype=np.int64)
    others = np.setdiff1d(np.arange(NODES), LABELLED[groups])
    val, test = stratified_split(labels[others], (NUM_VAL, len(others) - NUM_VAL))
    source = np.repeat(list(FRIENDS), [len(friends) for friends in FRIENDS.values()])
    edges = clean_edges(source, np.concatenate([*FRIENDS.values()]))
    return SingleGraph(
        graph=single_graph(torch.eye(NODES, device=device), torch.from_numpy(edges).to(device)),
        labels=torch.from_numpy(labels).to(device),
        splits=to_indices({"train": LABELLED[groups], "val": others[val], "test": others[test]}, device),
        num_classes=groups,
    )
