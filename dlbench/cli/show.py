"""`dlbench show`."""

from __future__ import annotations

import click

from ..contract.choice import Choice
from ..contract.recipe import Settings
from ..contract.runtime import Runtime
from ..contract.sets import DataSet
from ..contract.specs import Block, ModelSpec, Suite, TaskSpec
from ..errors import unknown
from ..plan.catalog import Catalog, check_extra, discover
from ..plan.plan import recipe_of, why_skip
from ..tables.layout import paragraph, terminal_width
from .list import options_of

HANGING = 13 * " "


@click.command()
@click.argument("name")
@click.argument("task", required=False)
@click.option("-p", "--plugin", "plugins", multiple=True, metavar="PLUGIN|FILE.py", help="One more plugin.")
def command(name: str, task: str | None, plugins: tuple[str, ...]) -> None:
    """Show a model, task, suite or ingredient; `dlbench show MODEL TASK` prints each recipe value and its layer."""
    catalog = discover(plugins)
    check_extra(catalog, plugins)
    width = terminal_width()
    for line in pair_lines(catalog, name, task) if task else lines(catalog, name):
        for part in paragraph(line, width, HANGING):
            click.echo(part)


def lines(catalog: Catalog, name: str) -> list[str]:
    """What there is to say of one name."""
    choice = Choice.parse(name)
    family = f"{choice.name.partition(':')[0]}:*"
    found = [kind for kind in catalog.specs if choice.name in catalog.specs[kind]]
    if not found and ":" in choice.name:
        found = [kind for kind in ("models", "tasks") if family in catalog.specs[kind]]
    if not found:
        raise unknown("spec", choice.name, [n for specs in catalog.specs.values() for n in specs])
    result = []
    for kind in found:
        spec = catalog.specs[kind].get(choice.name) or catalog.spec(kind, choice.name)
        if isinstance(spec, ModelSpec):
            result += model_lines(catalog, spec)
        elif isinstance(spec, TaskSpec):
            result += task_lines(catalog, spec)
        elif isinstance(spec, Suite):
            result += suite_lines(catalog, spec)
        else:
            result += [f"{kind.removesuffix('s')} {spec.name}", f"  options    {options_of(spec.build) or '-'}"]
    return result


def model_lines(catalog: Catalog, spec: ModelSpec) -> list[str]:
    accepts = ", ".join(f"{i.label()} -> {o.label()}" for i, o in spec.accepts)
    recipes = [
        f"  recipe     {getattr(key, '__name__', key)}: " + ", ".join(f"{k}={v}" for k, v in settings.items())
        for key, settings in spec.recipes.items()
    ]
    return [
        f"model {spec.name} ({spec.family})",
        f"  paper      {spec.paper or '-'}",
        f"  accepts    {accepts}",
        f"  options    {options_of(spec.build) or '-'}",
        f"  plugin     {catalog.provider('models', spec.name).name}",
        *recipes,
    ]


def task_lines(catalog: Catalog, spec: TaskSpec) -> list[str]:
    direction = "higher" if spec.metric.higher_is_better else "lower"
    reference = f"{spec.reference.value} ({spec.reference.source})" if spec.reference else "-"
    recipe = ", ".join(f"{key}={value}" for key, value in spec.recipe.items())
    files = spec.files({}) if not spec.name.endswith(":*") else None
    return [
        f"task {spec.name}: {spec.description}",
        f"  signature  {spec.input_kind.label()} -> {spec.output_kind.label()}",
        f"  metric     {spec.metric.name} ({spec.metric.unit}, {direction} is better)",
        f"  floor      {_floor(spec)}",
        f"  bound      {spec.bound if spec.bound is not None else '-'}",
        f"  reference  {reference}",
        f"  options    {options_of(spec.load) or '-'}",
        f"  recipe     {recipe or '-'}",
        *(_data(files) if files else []),
        f"  plugin     {catalog.provider('tasks', spec.name).name}",
    ]


def _data(files: DataSet) -> list[str]:
    others = "".join(f" or {other.name}" for other in files.alternatives)
    return [f"  data       {files.name}{others}: {len(files.files)} files ({files.licence})"]


def _floor(spec: TaskSpec) -> str:
    if callable(spec.floor) and spec.name.endswith(":*"):
        return "depends on the member"
    floor = spec.floor_of({})
    return "the row of constant" if floor is None else str(floor)


def block_lines(block: Block) -> list[str]:
    """A block with what it sets, and a line for each of its treatments."""

    def shown(settings: Settings) -> str:
        return ", ".join(f"{key}={value}" for key, value in settings.items())

    given = f"  with {shown(block.set)}" if block.set else ""
    return [
        f"  block      {', '.join(block.tasks)}  x  {', '.join(block.models)}{given}",
        *(f"    under    {name}: {shown(own) or 'nothing else'}" for name, own in block.treatments.items()),
    ]


def suite_lines(catalog: Catalog, spec: Suite) -> list[str]:
    head = [f"suite {spec.name}: {spec.description}", f"  seeds      {spec.seeds}"]
    blocks = [line for block in spec.blocks for line in block_lines(block)]
    return [*head, *blocks, f"  plugin     {catalog.provider('suites', spec.name).name}"]


def pair_lines(catalog: Catalog, model: str, task: str) -> list[str]:
    """The recipe of a pair, each value with the layer that set it; or why they don't meet."""
    model_choice = catalog.checked("models", Choice.parse(model))
    task_choice = catalog.checked("tasks", Choice.parse(task))
    model_spec, task_spec = catalog.model(model_choice.name, model_choice.options), catalog.task(task_choice.name)
    resolved = recipe_of(model_spec, task_spec, Block(models=(), tasks=()), {})
    reason = why_skip(catalog, model_spec, task_spec, resolved.recipe, Runtime())
    head = f"{model_choice} on {task_choice}" + (f": skipped: {reason}" if reason else "")
    values = resolved.recipe.as_settings()
    width = max(map(len, values))
    return [head, *(f"  {key:{width}}  {value!s:24}  {resolved.layers[key]}" for key, value in values.items())]
