"""What the generated tasks ask of their options, and how many sequences they judge at once."""

from __future__ import annotations

from dlbench import UsageError

JUDGE_TOKENS = 65_536  # places per batch: few enough for attention from all places to all others


def check_sizes(*, multiple: int = 1, **counts: int) -> dict[str, int]:
    """Sizes of the splits, `num_train=...` and so on, by the splits' names. Raises UsageError unless each is a positive
    multiple of `multiple`."""
    for name, count in counts.items():
        if count < 1 or count % multiple:
            raise UsageError(f"{name} must be a positive multiple of {multiple}, not {count}")
    return {name.removeprefix("num_"): count for name, count in counts.items()}


def check_at_least(smallest: int, **options: int) -> None:
    """Raises UsageError for an option below the smallest value that makes sense."""
    for name, value in options.items():
        if value < smallest:
            raise UsageError(f"{name} must be at least {smallest}, not {value}")


def judge_batch(length: int) -> int:
    """How many sequences of this length are judged at once."""
    return min(max(JUDGE_TOKENS // length, 8), 1024)
