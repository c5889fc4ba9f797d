"""The exceptions that cross the border between the core and plugins."""

from __future__ import annotations

from collections.abc import Iterable


class DlbenchError(Exception):
    """Base of every error that dlbench raises on purpose; its text is one sentence for the user."""


class UsageError(DlbenchError):
    """The command, a name or an option was wrong; the command line exits with 2."""


class NotApplicable(DlbenchError):
    """Raised by a model's `build` when it can't work on this signature; the cell becomes a skip.

    The text completes the sentence "skipped: ...", as in "needs a side divisible by 4".
    """


class NoData(DlbenchError):
    """A task's files are missing or don't have the published checksum; the cell becomes `no_data`."""


class ContractError(DlbenchError):
    """A model or a task doesn't keep to what it owes the core; the cell ends as `failed`."""


class WrongShape(ContractError):
    """A model returned something else than the output kind asks for."""


class Diverged(DlbenchError):
    """A loss or a metric became NaN or infinite; the cell ends as `diverged`."""


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a wrong name, with the nearest right one (empty if none is near)."""
    import difflib

    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.5)
    if near:
        return UsageError(f"there is no {what} {name!r}; did you mean {near[0]!r}?")
    listing = ", ".join(candidates[:12]) + (", ..." if len(candidates) > 12 else "")
    return UsageError(f"there is no {what} {name!r}; known: {listing or 'none'}")
