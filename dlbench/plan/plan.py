"""Suite -> jobs and skips. Kinds are matched and recipes resolved here, without torch and without reading data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..contract.choice import Choice, only_defaults, option_defaults
from ..contract.importing import guest
from ..contract.recipe import INIT, MODEL_KEYS, PART_KEYS, Recipe, Resolved, Settings, profile_settings, resolve
from ..contract.runtime import Runtime
from ..contract.sets import DataSet
from ..contract.specs import Block, ModelSpec, ProfileProtocol, Suite, TaskSpec
from ..data.verify import digest as data_digest
from ..data.verify import state as data_state
from ..errors import UsageError
from ..results import slug
from .catalog import Catalog, Source
from .digest import Made, made_of
from .versions import version_of

PROTOCOL = 3
"""Raised whenever the core trains, judges or measures differently, so that old records no longer count as done."""

CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a run was asked for."""

    suites: tuple[Suite, ...] = ()
    models: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    seeds: int | tuple[int, ...] | None = None
    settings: Settings = field(default_factory=dict)
    runtime: Runtime = Runtime()
    cells: bool = True
    profiles: bool = True
    data_root: Path
    cache: Path
    unverified: bool = False


@dataclass(frozen=True, kw_only=True)
class Job:
    """One cell (`seed` is set) or one profile (`protocol` is set), and all that its record says before it runs.
    `covered`: the files whose content its name covers already. `block`: what it comes from. `tuned`: how its recipe was
    found, where it was tuned."""

    name: str
    square: str
    suite: str
    variant: str
    model: Choice
    task: Choice
    recipe: Resolved
    runtime: Runtime
    seed: int | None
    protocol: ProfileProtocol | None
    head: Mapping[str, Any]
    sources: tuple[Source, ...]
    preload: tuple[str, ...]
    covered: frozenset[Path] = frozenset()
    no_data: str | None = None
    flags: tuple[str, ...] = ()
    block: Block = Block(models=(), tasks=())
    tuned: Mapping[str, Any] | None = None

    @property
    def row(self) -> str:
        """Task, model, treatment and variant, as lines name them."""
        under = f" under {self.block.treatment}" if self.block.treatment else ""
        return f"{self.task} x {self.model}{under}" + (f" ({self.variant})" if self.variant else "")

    @property
    def pair(self) -> str:
        """What a profile and its cells have in common."""
        recipe = profile_settings(self.recipe.recipe.as_settings())
        return json.dumps([self.suite, str(self.model), str(self.task), recipe], sort_keys=True)

    @property
    def title(self) -> str:
        """The line that a progress display shows."""
        what = "profile" if self.protocol else f"seed {self.seed}"
        return f"{self.row}, {what}"


@dataclass(frozen=True)
class Skip:
    """A pair that doesn't run, and why. Never a record."""

    suite: str
    model: str
    task: str
    reason: str


@dataclass
class Plan:
    """Jobs in the order in which they run (profiles last), and skips."""

    cells: list[Job] = field(default_factory=list)
    profiles: list[Job] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    missing: dict[str, DataSet] = field(default_factory=dict)

    @property
    def jobs(self) -> list[Job]:
        return [*self.cells, *self.profiles]


def plan(catalog: Catalog, request: Request) -> Plan:
    """The jobs and skips of a request; raises UsageError on a wrong name, option or recipe."""
    result, seen, makings = Plan(), set(), Makings(catalog)
    for suite in request.suites or (Suite(name=CUSTOM, blocks=(Block(models=(), tasks=()),)),):
        seeds = _seeds(request.seeds if request.seeds is not None else suite.seeds)
        for block, model, task in _told_apart(list(_grid(catalog, suite, request))):
            for job in _pair(makings, suite, block, model, task, request, seeds, result):
                if (suite.name, job.name) not in seen:
                    seen.add((suite.name, job.name))
                    (result.cells if job.protocol is None else result.profiles).append(job)
    return result


def _seeds(seeds: int | tuple[int, ...]) -> tuple[int, ...]:
    return tuple(range(seeds)) if isinstance(seeds, int) else seeds


def _grid(catalog: Catalog, suite: Suite, request: Request) -> Iterator[tuple[Block, Choice, Choice]]:
    """The pairs of a suite. -m and -t pick among the suite's own names; a name that the suite hasn't joins every
    block, so that `--suite vision -m mine` puts a new model on the suite's tasks."""
    blocks = [single for block in suite.blocks for single in block.each()]
    models = _axis(catalog, "models", [b.models for b in blocks], request.models)
    tasks = _axis(catalog, "tasks", [b.tasks for b in blocks], request.tasks)
    for block, block_models, block_tasks in zip(blocks, models, tasks, strict=True):
        for task in block_tasks:
            for model in block_models:
                yield block, model, task


def _told_apart(grid: list[tuple[Block, Choice, Choice]]) -> Iterator[tuple[Block, Choice, Choice]]:
    """The grid with a variant for each block that sets something else than another block does for the same pair under
    the same variant and treatment: they are different rows."""
    settings: dict[tuple[str, str, Choice, Choice], list[Settings]] = {}
    for block, model, task in grid:
        known = settings.setdefault((block.variant, block.treatment, model, task), [])
        if (together := {**block.set, **block.treated}) not in known:
            known.append(together)
    for block, model, task in grid:
        others = settings[block.variant, block.treatment, model, task]
        together = {**block.set, **block.treated}
        own = [f"{k}={v}" for k, v in together.items() if any(k not in o or o[k] != v for o in others)]
        yield replace(block, variant=", ".join([v for v in (block.variant, *own) if v])), model, task


def _axis(catalog: Catalog, kind: str, own: list[tuple[str, ...]], asked: Iterable[str]) -> list[list[Choice]]:
    def expand(texts: Iterable[str]) -> list[Choice]:
        return [*dict.fromkeys(catalog.checked(kind, c) for text in texts for c in catalog.expand(kind, text))]

    blocks = [expand(texts) for texts in own]
    if not asked:
        return [choices or expand("*") for choices in blocks]
    picked = expand(asked)
    known = {choice for choices in blocks for choice in choices}
    strangers = [choice for choice in picked if choice not in known]
    return [[c for c in choices if c in picked] + strangers for choices in blocks]


def _pair(
    makings: Makings, suite: Suite, block: Block, model: Choice, task: Choice, request: Request,
    seeds: tuple[int, ...], result: Plan,
) -> Iterator[Job]:  # fmt: skip
    catalog = makings.catalog
    model_spec, task_spec = catalog.model(model.name, model.options), catalog.task(task.name)
    resolved = recipe_of(model_spec, task_spec, block, request.settings)
    reason = why_skip(catalog, model_spec, task_spec, resolved.recipe, request.runtime)
    if reason is None and resolved.recipe.params is not None and "width" in dict(model.options):
        reason = f"{model} has a width of its own, which budget.params would change"
    if reason is not None:
        result.skips.append(Skip(suite.name, str(model), str(task), reason))
        return
    check_ingredients(catalog, resolved.recipe)
    data = _data(task_spec, task, request, result)
    parts = {pair: makings.of(*pair) for pair in specs_of(model_spec, task, resolved.recipe)}
    head = _head(makings, model, task, parts, data)
    variant = ", ".join([v for v in (block.variant, *(f"{k}={v}" for k, v in request.settings.items())) if v])
    flags = [*task_spec.flags_of(dict(task.options)), *(["unverified_data"] if data["state"] == "unverified" else [])]
    if any(layer == "model" for layer in resolved.layers.values()):
        flags.append("model_recipe")
    base = Job(
        name="", square="", suite=suite.name, variant=variant, model=model, task=task, recipe=resolved,
        runtime=request.runtime, seed=None, protocol=None, head=head, flags=tuple(flags),
        sources=tuple(sorted({catalog.provider(*pair) for pair in parts}, key=lambda s: s.name)),
        covered=frozenset(data["paths"]).union(*(made.files for made in parts.values())),
        preload=(*model_spec.preload, *task_spec.preload), no_data=data["why"], block=block,
    )  # fmt: skip
    if request.cells:
        yield from (named(replace(base, seed=seed)) for seed in seeds)
    if request.profiles and base.no_data is None:
        yield named(replace(base, protocol=suite.profile))


def recipe_of(model: ModelSpec, task: TaskSpec, block: Block, settings: Settings) -> Resolved:
    """Command line over treatment over suite block over model over task over the core's defaults."""
    own: dict[str, Any] = {}
    for key, part in model.recipes.items():
        if isinstance(key, type) and issubclass(key, object) and _matches(key, task):
            own |= part
    own |= model.recipes.get(task.name.rpartition("/")[2], {})  # without the plugin, where a clash has brought it in
    for key in own:
        if key not in MODEL_KEYS and key.partition(".")[2] not in PART_KEYS:
            raise UsageError(f"the model {model.name!r} sets {key!r}: a model may set only {', '.join(MODEL_KEYS)}")
    layers = [("task", task.recipe), ("model", own), ("suite", block.set), ("treatment", block.treated)]
    return resolve([*layers, ("command line", settings)])


def _matches(kind: type, task: TaskSpec) -> bool:
    return issubclass(task.input_kind, kind) or issubclass(task.output_kind, kind)


def why_skip(catalog: Catalog, model: ModelSpec, task: TaskSpec, recipe: Recipe, runtime: Runtime) -> str | None:
    """The reason, as a sentence's end, why this pair can't run; None if it can."""
    kinds = (task.input_kind, task.output_kind)
    if not any(issubclass(kinds[0], i) and issubclass(kinds[1], o) for i, o in model.accepts):
        name = f"{model.name} of {model.inner[0].name}" if model.inner else model.name
        return f"{name} doesn't accept {kinds[0].label()} -> {kinds[1].label()}"
    if reason := runtime.why_not():
        return reason
    if model.why_not and (reason := _refusal(model, kinds, runtime)):
        return reason
    if recipe.params is not None and "width" not in option_defaults(model.build):
        return f"{model.name} has no width that budget.params could change"
    if runtime.precision == "fp16" or runtime.cuda_graph:
        who = "fp16 scaling" if runtime.precision == "fp16" else "a CUDA graph"
        for part in (recipe, *(recipe.part(name) for name, _ in recipe.parts)):
            if catalog.optimizer(part.optimizer.name).closure:
                return f"{part.optimizer.name} evaluates its loss several times a step, which {who} can't follow"
    return None


def _refusal(model: ModelSpec, kinds: tuple[Any, Any], runtime: Runtime) -> str | None:
    assert model.why_not is not None
    try:
        with guest():
            return model.why_not(*kinds, runtime)
    except (Exception, SystemExit) as error:
        return " ".join(f"the why_not of {model.name} raised {type(error).__name__}: {error}".split())


def check_ingredients(catalog: Catalog, recipe: Recipe) -> None:
    """Raise UsageError unless a recipe's optimizers, schedules and regularizers exist with these options."""
    for part in [recipe, *(recipe.part(name) for name, _ in recipe.parts)]:
        catalog.checked("optimizers", part.optimizer)
        catalog.checked("schedules", part.schedule)
        builder = catalog.optimizer(part.optimizer.name).build
        if part.weight_decay is not None and "weight_decay" not in option_defaults(builder):
            raise UsageError(f"the optimizer {part.optimizer.name} has no weight decay: set weight_decay=none")
    for regularizer in recipe.regularizers:
        catalog.checked("regularizers", regularizer)
    if recipe.init != INIT:
        catalog.checked("initializers", recipe.init)


def specs_of(model: ModelSpec, task: Choice, recipe: Recipe) -> list[tuple[str, str]]:
    """Kind and name of every spec that a job uses, those of wrapped models included."""
    models = [("models", model.name)]
    while model.inner is not None:
        model = model.inner[0]
        models.append(("models", model.name))
    parts = [recipe, *(recipe.part(name) for name, _ in recipe.parts)]
    pairs = [(k, c.name) for p in parts for k, c in (("optimizers", p.optimizer), ("schedules", p.schedule))]
    regularizers = [("regularizers", r.name) for r in recipe.regularizers]
    init = [("initializers", recipe.init.name)] if recipe.init != INIT else []
    return [*dict.fromkeys([*models, ("tasks", task.name), *pairs, *regularizers, *init])]


class Makings:
    """What each spec of a catalog is made of, looked at once per plan."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._known: dict[tuple[str, str], Made] = {}

    def of(self, kind: str, name: str) -> Made:
        if (kind, name) not in self._known:
            self._known[kind, name] = made_of(self.catalog.spec(kind, name))
        return self._known[kind, name]

    def versions(self, parts: Mapping[tuple[str, str], Made]) -> dict[str, str]:
        """Of torch and numpy, of the installed packages that these specs need, and of the plugins they come from."""
        packages = {"torch", "numpy"}.union(*(made.needs for made in parts.values()))
        plugins = {source.name: source.version for source in map(self.catalog.provider, *zip(*parts, strict=True))}
        return {
            **{name: version for name in sorted(packages) if (version := version_of(name))},
            **{f"plugin {name}": version for name, version in sorted(plugins.items()) if version},
        }


def _data(spec: TaskSpec, task: Choice, request: Request, result: Plan) -> dict[str, Any]:
    """State, digest and paths of the task's files, and why there is no data to use."""
    files = spec.files(dict(task.options))
    if files is None:
        return {"state": "embedded", "digest": "", "why": None, "paths": ()}
    found = data_state(files, request.data_root, request.cache)
    paths = tuple(file.path for file in found.files)
    if found.status == "missing":
        result.missing[files.name] = files
        how = "fetch" if found.fetchable else "path"
        name = task.name if ":" in task.name else files.name  # no listing has the sets of an open family
        why = f"{found.paths('missing')[0]} is missing from the data root: run `dlbench data {how} {name}`"
        why += "" if found.fetchable else " and put the files there: they can't be fetched openly"
        return {"state": "missing", "digest": "missing", "why": why, "paths": paths}
    if found.status == "unverified" and not request.unverified:
        why = f"{found.paths('differs')[0]} doesn't have the published sha256: give --unverified-data to run on it"
        return {"state": "unverified", "digest": "refused", "why": why, "paths": paths}
    digest = data_digest(files, request.data_root, request.cache)
    return {"state": found.status, "digest": digest, "why": None, "paths": paths}


def _head(
    makings: Makings, model: Choice, task: Choice, parts: Mapping[tuple[str, str], Made], data: dict[str, Any]
) -> dict[str, Any]:
    """The part of a record that describes model and task."""
    catalog = makings.catalog
    model_spec, task_spec = catalog.model(model.name, model.options), catalog.task(task.name)
    task_options, source = dict(task.options), catalog.provider("models", model.name)
    plain = only_defaults(task_spec.load, task.options)
    return {
        "model": {
            "name": model.name, "options": model.options_text, "family": model_spec.family,
            "digest": parts["models", model.name].digest, "plugin": source.name, "plugin_version": source.version,
        },
        "task": {
            "name": task.name, "options": task.options_text, "version": task_spec.version,
            "digest": parts["tasks", task.name].digest, "unit": task_spec.unit,
            "folds": task_spec.num_folds(task_options),
            "metric": asdict(task_spec.metric), "metrics": [asdict(m) for m in task_spec.metrics],
            "floor": task_spec.floor_of(task_options), "bound": task_spec.bound if plain else None,
            "reference": asdict(task_spec.reference) if task_spec.reference and plain else None,
            "data": data["state"], "data_digest": data["digest"],
            **({"milestones": list(task_spec.milestones)} if task_spec.milestones else {}),
        },
        "ingredients": {
            f"{kind}:{name}": made.digest for (kind, name), made in parts.items()
            if (kind, name) not in (("models", model.name), ("tasks", task.name))
        },
        "versions": makings.versions(parts),
    }  # fmt: skip


def named(job: Job) -> Job:
    """The job with its name, made from everything that could change its result, and its square in the grid."""
    settings = _settings(job.recipe.recipe)
    if job.protocol is not None:
        settings = profile_settings(settings)
    square = {
        "type": "cell" if job.protocol is None else "profile",
        "model": str(job.model), "task": str(job.task), "variant": job.variant, "seed": job.seed,
        "runtime": _identity(job.runtime),
    }  # fmt: skip
    grid = {**square, "treatment": treatment} if (treatment := treatment_of(job)) else square
    identity = {
        **square, "recipe": settings, "protocol": PROTOCOL, "ingredients": job.head["ingredients"],
        "profile": asdict(job.protocol) if job.protocol else None,
        "digests": [job.head["model"]["digest"], job.head["task"]["digest"], job.head["task"]["data_digest"]],
        "version": job.head["task"]["version"],
    }  # fmt: skip
    del identity["variant"]
    code = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:12]
    what = "profile" if job.protocol else f"s{job.seed}"
    name = f"{slug(str(job.task))[:80]}--{slug(str(job.model))[:80]}--{what}--{code}"
    return replace(job, name=name, square=json.dumps(grid, sort_keys=True))


@cache
def _settings(recipe: Recipe) -> dict[str, Any]:
    """Of all seeds; nobody changes them."""
    return recipe.as_settings()


@cache
def _identity(runtime: Runtime) -> dict[str, Any]:
    return runtime.identity()


def treatment_of(job: Job) -> dict[str, Any]:
    """What a record says of its treatment: its name, and the keys of the recipe that it is about."""
    block = job.block
    return {"name": block.treatment, "keys": sorted(block.treated)} if block.treatment else {}
