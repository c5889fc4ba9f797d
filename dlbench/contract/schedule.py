"""What a learning-rate schedule sees and returns. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class _Stop(Enum):
    STOP = "stop"


Stop: Final = _Stop.STOP
"""Returned by a schedule to end training."""


@dataclass(slots=True)
class Progress:
    """How far training is. `share` of the budget, 0 to 1; `epoch` with its fraction; `history`: the validation
    scores so far, one per evaluation, turned so that higher is better."""

    step: int = 0
    epoch: float = 0.0
    share: float = 0.0
    history: tuple[float, ...] = ()


Factor = Callable[[Progress], "float | _Stop"]
