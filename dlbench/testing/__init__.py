"""The conformance kit, for plugins' tests: `check_model`, `check_task`, `check_plugin`, `check_executor`, `report`."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .kit import Finding as Finding
    from .kit import check_model as check_model
    from .kit import check_plugin as check_plugin
    from .kit import check_task as check_task
    from .kit import report as report
    from .on_executors import check_executor as check_executor

_OF_KIT = ("Finding", "check_model", "check_plugin", "check_task", "report")  # with torch, so when they are asked for
__all__ = [*_OF_KIT, "check_executor"]


def __getattr__(name: str) -> Any:
    if name in _OF_KIT:
        return getattr(import_module(".kit", __name__), name)
    if name == "check_executor":
        return import_module(".on_executors", __name__).check_executor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
