"""A profile's job in its child: opens the bench as a cell does, and measures instead of training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ..contract.guard import Guard
from ..contract.learner import Batch, Learner
from ..contract.optimizers import PartOptimizers
from ..contract.specs import ProfileProtocol
from ..measure.turns import Turns
from ..train.capture import WARM
from ..train.cell import Bench, open_bench, seed_everything, stream_seed
from ..train.judging import Evaluator
from ..train.training import Stepper
from .launch import follow, profile, profile_in_turns
from .subject import Subject

HELD = "_dlbench_held"


@dataclass(frozen=True)
class Held:
    """How a learner is called, held by the learner itself, so that it goes when the learner goes. A copy of the
    learner, as averaging makes one, isn't called through it and shares it."""

    step: Stepper
    evaluator: Evaluator

    def __deepcopy__(self, memo: object) -> Held:
        return self


def run_profile(job: Mapping[str, Any]) -> dict[str, Any]:
    """One launch of a profile; of its training alone where the job names the pipes by which it takes `turns`."""
    bench, protocol = open_bench(job), ProfileProtocol(**job["protocol"])
    if "turns" in job:
        return profile_in_turns(subject_of(bench), protocol, Turns(**job["turns"]))
    if bench.execution.team.rank:
        follow(subject_of(bench))
        return {}
    found = profile(subject_of(bench), protocol, counting=job.get("first", True))
    bench.settings.restore()
    flags = {*found["flags"], *(["changed_global_state"] if bench.settings.changed else [])}
    return {**found, "flags": sorted(flags)}


def subject_of(bench: Bench) -> Subject:
    """What a profile measures: the training step of the recipe with its regularizers, and the evaluation as tasks call
    it, by the first verb of the output kind: examples are sampled, sequences written greedily, as long as the batch's
    longest target, the rest predicted.
    A task with folds is measured on its first."""
    task, team = bench.fold(0), bench.execution.team
    noise = torch.Generator().manual_seed(0)
    stepping, looking = Guard(), Guard()  # shared by all that is built: what is measured later makes no first copy

    def build() -> tuple[Learner, PartOptimizers]:
        seed_everything(0)
        learner, optimizers, regularizers = bench.build(task)
        team.scatter_draws(lambda stream: stream_seed(0, stream))
        draws = torch.Generator().manual_seed(stream_seed(0, "task"))
        step = Stepper(learner, optimizers, regularizers, bench.execution, draws, stepping)
        setattr(learner, HELD, Held(step, Evaluator(learner, task.signature, bench.execution, looking)))
        return learner, optimizers

    def predict(learner: Learner, batch: Batch) -> object:
        evaluator, verb = getattr(learner, HELD).evaluator, task.signature.output.verbs[0]
        if verb == "sample":
            return evaluator.sample(batch.size, noise, batch.targets)
        if verb == "generate":  # an untrained network seldom ends: it writes as much as its longest target
            return evaluator.generate(batch, max_length=batch.targets.shape[1])  # type: ignore[union-attr]
        return getattr(evaluator, verb)(batch)

    return Subject(
        build=build,
        task=task,
        signature=task.signature,
        batch_size=bench.recipe.batch_size,
        train_step=lambda learner, _, batch: getattr(learner, HELD).step(batch),
        predict=predict,
        device=bench.execution.runtime.device,
        team=team,
        seen=lambda learner: int(getattr(learner, HELD).step.units),
        first_steps=WARM + 1 if bench.execution.runtime.cuda_graph else 3,
    )
