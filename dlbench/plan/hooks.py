"""How hooks are found in a module, checked, and told of in one line where they fail."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ..contract import hookspecs


class _Manager(pluggy.PluginManager):
    """Finds hooks by the prefix `dlbench_`, as pytest finds `pytest_`."""

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if not name.startswith("dlbench_") and not _is_marked(plugin, name):
            return None
        options = super().parse_hookimpl_opts(plugin, name)
        if options is not None or not name.startswith("dlbench_"):
            return options
        function: Callable[..., Any] | None = getattr(plugin, name, None)
        if not callable(function) or not hasattr(hookspecs, name):
            return None
        return {"hookwrapper": False, "wrapper": False, "optionalhook": False, "tryfirst": False,
                "trylast": False, "specname": None}  # fmt: skip


def _is_marked(plugin: Any, name: str) -> bool:
    """Whether `hookimpl` marks a function of another name; asked first, because pluggy looks long at each name."""
    value = getattr(plugin, name, None) if not isinstance(plugin, ModuleType) else vars(plugin).get(name)
    return inspect.isroutine(value) and hasattr(value, "dlbench_impl")


def manager() -> pluggy.PluginManager:
    manager = _Manager("dlbench")
    manager.add_hookspecs(hookspecs)
    return manager


def wrong_arguments(manager: pluggy.PluginManager, module: ModuleType) -> str:
    """What is wrong with the parameters of a module's hooks; empty where nothing is."""
    for name in dir(module):
        options = manager.parse_hookimpl_opts(module, name)
        hook = getattr(manager.hook, options["specname"] or name, None) if options else None
        if options is None or hook is None or hook.spec is None:
            continue
        given = pluggy.HookImpl(module, "", getattr(module, name), options).argnames
        if strange := [text for text in given if text not in hook.spec.argnames]:
            takes = f"its argument is {hook.spec.argnames[0]!r}" if hook.spec.argnames else "it takes no argument"
            return f"{name} has an argument {strange[0]!r}: {takes}"
    return ""


def line_of(error: BaseException) -> str:
    """One line: the error, and the place in the plugin that raised it."""
    text = " ".join(str(error).split())[:200]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {text}{place}"
