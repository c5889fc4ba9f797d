"""The two sets of graphs as tasks."""

from __future__ import annotations

import numpy as np

from dlbench import UsageError
from dlbench.data import Data

from . import communities, egos
from .sampling import GraphSampling, in_parts

PARTS_OF_COMMUNITIES = (60, 20, 20)
PARTS_OF_EGOS = (120, 40, 40)


def load_communities(*, kind: str, device: str = "cpu") -> GraphSampling:
    """`kind`: `published` or `random`. Raises UsageError for another."""
    if kind not in communities.COMMUNITIES:
        raise UsageError(f"option 'communities' is published or random, not {kind!r}")
    graphs = communities.draw(kind, np.random.RandomState(communities.SEED))
    splits = in_parts(graphs, PARTS_OF_COMMUNITIES, communities.SEED)
    return GraphSampling(graphs=graphs, splits=splits, device=device)


def load_egos(data: Data) -> GraphSampling:
    graphs = egos.read(data)
    return GraphSampling(graphs=graphs, splits=in_parts(graphs, PARTS_OF_EGOS, egos.SEED), device=data.device)
