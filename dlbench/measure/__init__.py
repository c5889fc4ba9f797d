"""Measuring: the profile of a model on a task, and the environment it was taken in.

`environment` loads no torch; `profile` and `Subject` load it when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import environment as environment

if TYPE_CHECKING:
    from .launch import profile as profile
    from .subject import Subject as Subject

_HOMES = {"profile": ".launch", "Subject": ".subject"}
__all__ = ["Subject", "environment", "profile"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name], __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
