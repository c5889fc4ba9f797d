"""The catalog: discovers plugins, asks each for its specs, and turns names into specs. No torch.

Each implementation of a hook is called by itself: a plugin that can't be imported, raises, or claims a name twice is a
problem with one line of text, never the end of a run.
"""

from __future__ import annotations

import copy
import fnmatch
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import pluggy

from ..contract import hookspecs
from ..contract.choice import Choice, Options, check_options, option_defaults
from ..contract.importing import guest
from ..contract.sets import DataSet
from ..contract.specs import (
    ExecutorSpec,
    InitializerSpec,
    ModelSpec,
    OptimizerSpec,
    RegularizerSpec,
    ScheduleSpec,
    Suite,
    TaskSpec,
    TrackerSpec,
)
from ..contract.vetting import Fault, vet
from ..errors import UsageError, unknown
from . import installed
from .hooks import line_of, manager, wrong_arguments

KINDS_OF_SPEC: dict[str, type] = {
    "models": ModelSpec,
    "tasks": TaskSpec,
    "optimizers": OptimizerSpec,
    "schedules": ScheduleSpec,
    "regularizers": RegularizerSpec,
    "initializers": InitializerSpec,
    "suites": Suite,
    "trackers": TrackerSpec,
    "executors": ExecutorSpec,
}


@dataclass(frozen=True)
class Source:
    """Where a plugin comes from: an entry point's name and module, or what `-p` named."""

    name: str
    target: str

    @property
    def is_extra(self) -> bool:
        """Whether `-p` named it: an entry point has a name beside its module's."""
        return self.target.endswith(".py") or self.name == self.target

    @cached_property
    def version(self) -> str:
        """The version of the distribution that provides it; empty for a single file."""
        from importlib.metadata import PackageNotFoundError, entry_points, version

        if self.target.endswith(".py"):
            return ""
        owners = [
            p.dist for p in entry_points(group="dlbench") if p.dist and (p.name, p.value) == (self.name, self.target)
        ]
        try:
            return owners[0].version if owners else version(self.target.partition(".")[0])
        except PackageNotFoundError:
            return ""


@dataclass
class Catalog:
    """All specs by kind and name, who provides each, and the problems met on the way."""

    sources: list[Source] = field(default_factory=list)
    specs: dict[str, dict[str, Any]] = field(default_factory=lambda: {kind: {} for kind in KINDS_OF_SPEC})
    providers: dict[tuple[str, str], Source] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    plugins: pluggy.PluginManager = field(default_factory=lambda: manager())
    _claims: dict[tuple[str, str], list[tuple[Source, Any]]] = field(default_factory=dict)
    _left_out: dict[tuple[str, str], str] = field(default_factory=dict)
    _sets: dict[str, tuple[str, DataSet]] = field(default_factory=dict)

    def model(self, name: str, options: Options = ()) -> ModelSpec:
        """A model's spec; `timm:resnet18` is a member of the open family `timm:*`. One that wraps another model comes
        with the one that these options name, or its default. Raises UsageError."""
        spec: ModelSpec = self._get("models", name)
        if not spec.wraps:
            return spec
        wrapped = Choice.parse({**option_defaults(spec.build), **dict(options)}.get(spec.wraps, ""))
        inner = self.model(self.checked("models", wrapped).name, wrapped.options)
        return replace(
            spec, accepts=_common(inner.accepts, spec.accepts), recipes={**inner.recipes, **spec.recipes},
            why_not=inner.why_not, preload=(*spec.preload, *inner.preload), inner=(inner, wrapped.options),
        )  # fmt: skip

    def task(self, name: str) -> TaskSpec:
        """A task's spec, of an open family too. Raises UsageError."""
        return self._get("tasks", name)  # type: ignore[no-any-return]

    def optimizer(self, name: str) -> OptimizerSpec:
        return self._get("optimizers", name)  # type: ignore[no-any-return]

    def schedule(self, name: str) -> ScheduleSpec:
        return self._get("schedules", name)  # type: ignore[no-any-return]

    def regularizer(self, name: str) -> RegularizerSpec:
        return self._get("regularizers", name)  # type: ignore[no-any-return]

    def initializer(self, name: str) -> InitializerSpec:
        return self._get("initializers", name)  # type: ignore[no-any-return]

    def suite(self, name: str) -> Suite:
        return self._get("suites", name)  # type: ignore[no-any-return]

    def spec(self, kind: str, name: str) -> Any:
        """A spec of any kind (`models`, `tasks`, `optimizers`, ...). Raises UsageError."""
        return self.model(name) if kind == "models" else self._get(kind, name)

    def provider(self, kind: str, name: str) -> Source:
        """Who provides a spec."""
        name = self.plain(kind, name)
        family = f"{name.partition(':')[0]}:*"
        return self.providers.get((kind, name)) or self.providers[kind, family]

    def plain(self, kind: str, name: str) -> str:
        """The name that a spec goes by here, of a text that may be PLUGIN/NAME (the plugin's entry point or module):
        without the plugin, unless several claim the name. A text that names nothing is returned as it is."""
        for source in self.sources if "/" in name and name not in self.specs[kind] else ():
            for prefix in (f"{source.name}/", f"{source.target}/"):
                rest = name.removeprefix(prefix)
                if name.startswith(prefix) and (full := f"{source.name}/{rest}") in self.specs[kind]:
                    return full
                family = f"{rest.partition(':')[0]}:*"
                if name.startswith(prefix) and source in (
                    self.providers.get((kind, rest)), self.providers.get((kind, family))
                ):  # fmt: skip
                    return rest
        return name

    def expand(self, kind: str, text: str) -> list[Choice]:
        """The choices that a text with an optional glob names, in the catalog's order; open families stay out."""
        choice = Choice.parse(text)
        if not any(mark in choice.name for mark in "*?"):
            return [Choice(self.plain(kind, choice.name), choice.options)]
        if choice.name.endswith(":*") and choice.name in self.specs[kind]:
            raise UsageError(f"{choice.name} is an open family: name a member in place of the *")
        names = [n for n in self.specs[kind] if fnmatch.fnmatchcase(n, choice.name) and not n.endswith(":*")]
        if not names:
            raise unknown(kind.removesuffix("s"), choice.name, self.specs[kind])
        return [Choice(name, choice.options) for name in names]

    def checked(self, kind: str, choice: Choice) -> Choice:
        """The choice, once its name and its options are known to be right; raises UsageError."""
        spec = self._get(kind, choice.name)
        check_options(choice.name, spec.load if kind == "tasks" else spec.build, choice.options)
        if kind == "models":
            self.model(choice.name, choice.options)  # what it wraps must be right too
        return choice

    def track(self, choices: Iterable[str], results: Path) -> None:
        """Let these trackers observe, each with a folder of its name in the results; raises UsageError where one isn't
        there or can't be built."""
        for choice in dict.fromkeys(map(Choice.parse, choices)):
            spec = self._get("trackers", self.checked("trackers", choice).name)
            try:
                with guest():
                    tracker = spec.build(results / choice.name, **dict(choice.options))
            except (Exception, SystemExit) as error:
                text = str(error) if isinstance(error, UsageError) else line_of(error)
                raise UsageError(f"--track {choice}: {text}") from error
            self.plugins.register(tracker, name=f"tracker {choice}")

    def announce(self, record: Any) -> None:
        """Tell every observer of a finished record."""
        self._tell("dlbench_cell_finished", record=record)

    def follow(self, describe: Callable[[], Any], fold: int, point: Any) -> None:
        """Tell every observer of a new point of a cell's curve; the cell is described if there is one."""
        if self.plugins.hook.dlbench_cell_progress.get_hookimpls():
            self._tell("dlbench_cell_progress", cell=describe(), fold=fold, point=point)

    def _tell(self, hook: str, **given: Any) -> None:
        """An observer that raises or leaves costs a warning. Each gets copies of what it asks for."""
        for impl in getattr(self.plugins.hook, hook).get_hookimpls():
            try:
                with guest():
                    impl.function(*[copy.deepcopy(given[name]) for name in impl.argnames])
            except (Exception, SystemExit) as error:
                self._problem(impl.plugin_name, f"{hook} raised {line_of(error)}")

    def _get(self, kind: str, name: str) -> Any:
        known, name = self.specs[kind], self.plain(kind, name)
        if name in known and not name.endswith(":*"):
            return known[name]
        family, colon, member = name.partition(":")
        if colon and member and member != "*" and f"{family}:*" in known:
            return replace(known[f"{family}:*"], name=name, member=member)
        if (kind, name) in self._left_out:
            raise UsageError(self._left_out[kind, name])
        raise unknown(kind.removesuffix("s"), name, known)

    def _problem(self, plugin: str, text: str) -> None:
        known = self.problems.get(plugin, "")
        if text not in known:
            self.problems[plugin] = f"{known}; {text}" if known else text

    def _add(self, source: Source) -> None:
        try:
            with guest():
                module = import_source(source.target)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            self._problem(source.name, f"can't be imported: {line_of(error)}")
            return
        if self.plugins.get_plugin(source.name) not in (None, module):
            self._problem(source.name, f"is the name of two plugins; {source.target} is left out")
            return
        if fault := wrong_arguments(self.plugins, module):
            self._problem(source.name, fault)
            return
        try:
            if not self.plugins.is_registered(module):
                self.plugins.register(module, name=source.name)
        except pluggy.PluginValidationError as error:
            if self.plugins.is_registered(module):  # with the hooks before this one
                self.plugins.unregister(module)
            self._problem(source.name, f"has a hook that can't be called: {line_of(error)}")
            return
        self.sources.append(source)
        for name in vars(module):
            if name.startswith("dlbench_") and callable(getattr(module, name)) and not hasattr(hookspecs, name):
                self._problem(source.name, str(unknown("hook", name, [n for n in vars(hookspecs) if "dlbench_" in n])))

    def _collect(self, kinds: Iterable[str]) -> None:
        by_name = {source.name: source for source in self.sources}
        for kind in kinds:
            impls = getattr(self.plugins.hook, f"dlbench_{kind}").get_hookimpls()
            for impl in sorted(impls, key=lambda impl: by_name[impl.plugin_name].is_extra):
                source = by_name[impl.plugin_name]
                try:
                    with guest():
                        specs = list(impl.function())
                except (Exception, SystemExit) as error:
                    self._problem(source.name, f"dlbench_{kind} raised {line_of(error)}")
                    continue
                for spec in specs:
                    self._place(kind, spec, source)
        for (kind, name), claims in self._claims.items():
            if len(claims) > 1:
                self._settle(kind, name, claims)

    def _settle(self, kind: str, name: str, claims: list[tuple[Source, Any]]) -> None:
        """A name that several claim is nobody's: each spec goes by PLUGIN/NAME instead, where its plugin has one."""
        plugins = [source.name for source, _ in claims]
        del self.specs[kind][name], self.providers[kind, name]
        own = [f"{plugin}/{name}" for plugin in dict.fromkeys(plugins) if plugins.count(plugin) == 1]
        what = f"the {kind.removesuffix('s')} {name!r} is claimed by {' and by '.join(plugins)}"
        text = f"{what}, so " + (f"write {' or '.join(own)}" if own else "nobody can use it")
        self._left_out[kind, name] = text
        for plugin in dict.fromkeys(plugins):
            self._problem(plugin, text)
        for source, spec in claims:
            if (full := f"{source.name}/{name}") in own:
                self.specs[kind][full] = replace(spec, name=full)
                self.providers[kind, full] = source

    def _place(self, kind: str, spec: Any, source: Source) -> None:
        wanted, given = KINDS_OF_SPEC[kind], type(spec)
        if not issubclass(given, wanted):
            self._problem(source.name, f"dlbench_{kind} yields {given.__name__}, not {wanted.__name__}")
            return
        try:
            vet(spec)
        except Fault as fault:
            text = f"the {kind.removesuffix('s')} {spec.name!r} is left out: {fault}"
            self._problem(source.name, text)
            self._left_out[kind, str(spec.name)] = text
            return
        key = (kind, spec.name)
        claims = self._claims.setdefault(key, [])
        if claims:
            claims.append((source, spec))
            return
        if isinstance(spec, TaskSpec) and (taken := self._taken_set(spec, source)):
            text = f"the task {spec.name!r} is left out: {taken}"
            self._problem(source.name, text)
            self._left_out[kind, spec.name] = text
            return
        claims.append((source, spec))
        self.providers[key] = source
        self.specs[kind][spec.name] = spec

    def _taken_set(self, spec: TaskSpec, source: Source) -> str:
        """What is wrong with the names of a task's data sets: another plugin has another set of the same name. An
        installed plugin's stand before those that `-p` names; of functions of the options only `datasets` is seen."""
        sets = [*spec.datasets, *([spec.data] if isinstance(spec.data, DataSet) else [])]
        for dataset in sets:
            owner, known = self._sets.get(dataset.name, (source.name, dataset))
            if owner != source.name and known != dataset:
                return f"its data set {dataset.name!r} is not the one of {owner}: give it another name"
        self._sets |= {dataset.name: (source.name, dataset) for dataset in sets if dataset.name not in self._sets}
        return ""


def discover(extra: Iterable[str] = (), kinds: Iterable[str] = KINDS_OF_SPEC) -> Catalog:
    """The catalog of all installed plugins and of what `-p` names (a module, or a .py file). `kinds`: those of the
    specs to ask for, as each costs time."""
    found = [Source(name, target) for name, target in installed.plugins()]
    return load_sources([*found, *(Source(_plugin_name(text), text) for text in extra)], kinds)


def load_sources(sources: Iterable[Source], kinds: Iterable[str] = KINDS_OF_SPEC) -> Catalog:
    """A catalog of just these plugins, and of these kinds of specs."""
    catalog = Catalog()
    for source in sorted(dict.fromkeys(sources), key=lambda s: s.name):
        catalog._add(source)
    catalog._collect(kinds)
    return catalog


def import_source(target: str) -> ModuleType:
    """Import a plugin by module name or by the path of its file."""
    if not target.endswith(".py"):
        top = target.partition(".")[0]
        if importlib.util.find_spec(top) is None and (os.path.isfile(f"{top}.py") or os.path.isdir(top)):
            sys.path.append(os.getcwd())  # last, so that it hides nothing
        return importlib.import_module(target)
    import hashlib

    path = Path(target).resolve()
    name = f"dlbench_file_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not path.exists():
        raise ImportError(f"there is no file {target}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def check_extra(catalog: Catalog, extra: Iterable[str]) -> None:
    """Raise UsageError if a plugin that the user named with -p couldn't be loaded."""
    for text in extra:
        name = _plugin_name(text)
        if name in catalog.problems and text not in {source.target for source in catalog.sources}:
            raise UsageError(f"-p {text}: {catalog.problems[name]}")


def _common(first: Iterable[tuple[type, type]], second: Iterable[tuple[type, type]]) -> list[tuple[Any, Any]]:
    """The pairs of kinds that both accept: of each two, the narrower kinds."""

    def narrower(a: type, b: type) -> type | None:
        return a if issubclass(a, b) else b if issubclass(b, a) else None

    pairs = [(narrower(i, j), narrower(o, p)) for i, o in first for j, p in second]
    return [*dict.fromkeys(pair for pair in pairs if None not in pair)]


def _plugin_name(text: str) -> str:
    """A file keeps its ending, so that `-p mlp.py` doesn't take the name of the plugin mlp."""
    return Path(text).name if text.endswith(".py") else text
