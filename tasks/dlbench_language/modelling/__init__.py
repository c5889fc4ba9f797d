"""Language modelling: the next token of a generated source and of real text, and masked tokens."""

from __future__ import annotations

from .declare import tasks

__all__ = ["tasks"]
