"""Generated graphs: block models, tours, superpixels of MNIST, contacts."""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import TaskSpec


def specs() -> Iterable[TaskSpec]:
    """The tasks of this room."""
    from . import declare

    return [
        declare.sbm_small(),
        *declare.sbm(),
        *declare.tsp(),
        *declare.superpixels(),
        declare.contacts(),
    ]
