"""Why a record isn't what today's program would make: sources, versions of tasks, recipe, protocol. Reads no data."""

from __future__ import annotations

from typing import Any

from ..contract.choice import Choice
from ..contract.specs import Block
from ..errors import UsageError
from ..results import Record
from .plan import PROTOCOL, Makings, recipe_of, specs_of


def outdated(record: Record, makings: Makings) -> list[str]:
    """What has changed since, each in a few words; empty where today's program would make the same record, as far as
    can be told without its data."""
    model, task = (Choice.parse(choice_text(record[what])) for what in ("model", "task"))
    try:
        model_spec, task_spec = makings.catalog.model(model.name, model.options), makings.catalog.task(task.name)
        asked = {key: value for key, value in record["recipe"].items() if record["layers"].get(key) in BY_RUN}
        recipe = recipe_of(model_spec, task_spec, Block(models=(), tasks=(), set=asked), {}).recipe
        now = {kind + name: makings.of(kind, name).digest for kind, name in specs_of(model_spec, task, recipe)}
    except (UsageError, KeyError) as error:
        return [str(error)]
    then = {
        "models" + model.name: record["model"].get("digest"), "tasks" + task.name: record["task"].get("digest"),
        **{key.replace(":", "", 1): digest for key, digest in (record.get("ingredients") or {}).items()},
    }  # fmt: skip
    checks = {
        "protocol": record.get("protocol") == PROTOCOL,
        "task version": record["task"]["version"] == task_spec.version,
        "recipe": record["recipe"] == recipe.as_settings(),
        "model": then.pop("models" + model.name) == now.pop("models" + model.name),
        "task": then.pop("tasks" + task.name) == now.pop("tasks" + task.name),
        "ingredients": then == now,
    }
    return [name for name, same in checks.items() if not same]


BY_RUN = ("suite", "treatment", "tune", "command line")
"""The layers of a recipe that a run adds to what plugins say."""


def choice_text(described: dict[str, Any]) -> str:
    """`name[options]` of a record's model or task."""
    return f"{described['name']}[{described['options']}]" if described["options"] else str(described["name"])
