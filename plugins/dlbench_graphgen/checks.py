"""What builders ask of their options. No torch."""

from __future__ import annotations

from dlbench import UsageError


def positive(**options: float) -> None:
    """Raises UsageError for an option that isn't above 0."""
    for name, value in options.items():
        if not value > 0:
            raise UsageError(f"option {name!r} is above 0, not {value}")
