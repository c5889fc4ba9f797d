"""Graph networks of `dlbench_gnn` on Deep Graph Library's layers: `dgl:gcn`, `dgl:gat`, ... See `docs/engines.md`."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import ModelSpec

from . import declare


def dlbench_models() -> Iterable[ModelSpec]:
    return declare.specs()
