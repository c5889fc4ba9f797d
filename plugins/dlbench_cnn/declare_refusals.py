"""Options that a network can't have. No torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dlbench import UsageError

if TYPE_CHECKING:
    from torch import nn


def or_refused(network: Callable[..., nn.Module], sizes: dict[str, Any], **options: Any) -> nn.Module:
    """The network. Raises UsageError, in the network's own words, where it can't have these options."""
    try:
        return network(**sizes, **options)
    except ValueError as reason:
        raise UsageError(str(reason)) from None
