"""A profile's job in its child: opens the bench as a cell does, and measures instead of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def run_profile(job: Mapping[str, Any]) -> dict[str, Any]:
    """One launch of a profile."""
    raise NotImplementedError
