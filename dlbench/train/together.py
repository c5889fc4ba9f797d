"""Cells that differ by seed alone, trained as one, for their accuracy. Each seed keeps its own order of examples, its
own draws, its own selection and patience. What doesn't allow it, or isn't faster so, raises Apart before it costs much.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..contract.learner import Batch, overrides
from ..contract.optimizers import PartOptimizers
from ..errors import Diverged
from ..plan.content import content_digest
from .cell import Bench, Report, judged_fold, make_trainer, open_bench, stream_seed, summary
from .probe import PROBE, Probe, Shared, alone, check_pair, drawn, near, now, same
from .stacking import Apart, Packed, Stack, check_optimizers, clip_each
from .training import Trainer

LARGEST = 50_000_000
"""Numbers in all networks of a group: where they are large, there is nothing to gain."""


@dataclass
class Member:
    """One seed of a group: what its folds left, or what ended it."""

    id: str
    seed: int
    gallery: Path | None
    results: list[dict[str, Any]] = field(default_factory=list)
    error: Diverged | None = None


def run_together(job: Mapping[str, Any], report: Report) -> dict[str, Any]:
    """Train and judge the `cells` of a job as one. Returns, by id, each cell's part of its record, or the Diverged that
    ended it. Raises Apart where they must train alone."""
    start = time.perf_counter()
    bench = open_bench(job)
    check_pair(bench)
    content = content_digest(bench.fold(0), bench.recipe.batch_size) if job["generated"] else None
    members = [
        Member(cell["id"], cell["seed"], Path(cell["pictures"]) if cell.get("pictures") else None)
        for cell in job["cells"]
    ]
    loading = (time.perf_counter() - start) / len(members)
    group = Group(bench, members, report)
    for fold in range(bench.folds):
        group.train(fold)
    bench.execution.start_s /= len(members)
    probe, seeds = group.probe, [member.seed for member in members]
    assert probe is not None
    shared = {
        "seeds": seeds, "equal": "in distribution" if probe.draws else "up to rounding",
        "probe": {"steps": PROBE, "alone_step_s": probe.step_s, "together_step_s": probe.together_s},
    }  # fmt: skip
    found: dict[str, Any] = {}
    for member in members:
        if member.error is not None:
            found[member.id] = member.error
            continue
        body = summary(bench, job, member.results, loading, content)
        found[member.id] = {**body, "flags": [*body["flags"], "together"], "together": shared}
    return found


class Group:
    """The seeds of a pair that train together."""

    def __init__(self, bench: Bench, members: list[Member], report: Report) -> None:
        self.bench, self.members = bench, members
        self.probe: Probe | None = None
        self._report = report
        self._held: list[dict[str, Any]] | None = []

    def train(self, fold: int) -> None:
        """Train and judge one fold of each seed that hasn't diverged."""
        bench, going = self.bench, [member for member in self.members if member.error is None]
        if not going:
            return
        start = time.perf_counter()
        task, probing = bench.fold(fold), self.probe is None
        if self.probe is None:
            self.probe = alone(bench, task, going[-1].seed, fold)
        trainers = [make_trainer(bench, task, member.seed, fold, self._reporter(member)) for member in going]
        torch.manual_seed(stream_seed(going[0].seed, "together", fold))
        before = drawn()
        ensemble = Ensemble(bench, trainers, self.probe, probing)
        setup = (time.perf_counter() - start) / len(going)
        errors = ensemble.fit(self._accept)
        for place, (member, trainer) in enumerate(zip(going, trainers, strict=True)):
            member.error = errors.get(place)
            if member.error is None:
                try:
                    left = judged_fold(bench, trainer, trainer.outcome, fold, setup, member.gallery)
                    member.results.append(left)
                except Diverged as error:
                    member.error = error
        self.probe.draws |= not same(before, drawn())

    def _reporter(self, member: Member) -> Report:
        def report(point: dict[str, Any]) -> None:
            told = {**point, "cell": member.id}
            if self._held is None:
                self._report(told)
            else:
                self._held.append(told)

        return report

    def _accept(self) -> None:
        """The probe has decided for it: say what happened so far."""
        held, self._held = self._held or [], None
        for point in held:
            self._report(point)


class Ensemble:
    """Trains several seeds' trainers as one."""

    def __init__(self, bench: Bench, trainers: list[Trainer], probe: Probe, probing: bool) -> None:
        for trainer in trainers:
            trainer.begin()
        self.trainers, self.probe, self.probing = trainers, probe, probing
        self.execution, self.lead = bench.execution, trainers[0]
        self.stack = Stack([trainer.learner for trainer in trainers])
        if sum(p.numel() for p in self.stack.parameters()) > LARGEST:
            raise Apart(f"the networks of {len(trainers)} seeds are too large for it")
        self.optimizers = PartOptimizers(self.stack, bench.recipe, bench.catalog, clipping=clip_each)
        check_optimizers(trainers[0].optimizers.all, self.optimizers.all)
        self.optimizers.progress = Shared()
        self.on_batch = [overrides(trainer.regularizers, "on_batch") for trainer in trainers]
        self.active = [*range(len(trainers))]
        self.errors: dict[int, Diverged] = {}

    def fit(self, accept: Callable[[], None]) -> dict[int, Diverged]:
        """Train all; `accept` is called when the probe has decided for it. Returns what ended some early, by place."""
        self.streams = [trainer.batches() for trainer in self.trainers]
        self.accept, self.seen, self.clock = accept, list[Tensor](), 0.0
        start = time.perf_counter()
        packed, stop = self._next(), self.lead.next_stop()
        if self.probe.draws and self.probing:
            self._compare_in_eval()
        self._advance()
        losses = self._take(packed)
        self.execution.sync()
        spent = (time.perf_counter() - start) / len(self.trainers)
        for trainer in self.trainers:
            trainer.flops_per_unit = self.probe.flops_per_unit
            trainer.outcome.phases["first_step_s"] = spent
        self._count(1, packed.size, losses)
        if self.lead.outcome.steps >= stop:
            self._evaluate(False)
        while self.active:
            self._segment()
        return self.errors

    def _segment(self) -> None:
        """Steps up to the next evaluation, on a clock that all seeds share; then the evaluations."""
        lead = self.trainers[self.active[0]]
        first = steps = lead.outcome.steps
        stop, examples, ended = lead.next_stop(), 0, False
        losses = torch.zeros(len(self.active), device=self.execution.device)
        start = time.perf_counter()
        while steps < stop:
            ended = not self._advance(steps)
            if ended:
                break
            began = self._now()
            packed = self._next()
            losses += self._take(packed)
            self.clock += self._now() - began
            steps += 1
            examples += packed.size
            if self.probing and steps == PROBE + 1:
                self._decide()
        self.execution.sync()
        spent = (time.perf_counter() - start) / len(self.active)
        for place in self.active:
            self.trainers[place].outcome.phases["train_s"] += spent
        self._count(steps - first, examples, losses)
        if ended and steps == first and lead.outcome.curve:
            self._leave(self.active)
        else:
            self._evaluate(ended)

    def _now(self) -> float:
        return now(self.execution) if self.probing else 0.0

    def _next(self) -> Packed:
        """The next batch of each seed that goes on."""
        batches = []
        for place in self.active:
            batch = next(self.streams[place])
            for act in self.on_batch[place]:
                batch = act(batch, self.trainers[place].draws)
            batches.append(batch)
        return Packed(batches)

    def _take(self, packed: Packed) -> Tensor:
        with self.execution.autocast():
            self.stack.train_step(Batch(packed, size=packed.size), self.optimizers)
        losses = self.stack.losses
        if self.probing:
            self.seen.append(losses)
        return losses

    def _advance(self, steps: int = 0) -> bool:
        progress = self.optimizers.progress
        self.trainers[self.active[0]].place(progress, steps)
        return not self.optimizers.scheduled or self.optimizers.advance(progress)

    def _count(self, steps: int, examples: int, losses: Tensor) -> None:
        for loss, place in zip(losses, self.active, strict=True):
            self.trainers[place].losses += loss
            self.trainers[place].advance(steps, examples)

    def _decide(self) -> None:
        """The probe's end: its seed is the last one, which isn't the one whose module computes for all."""
        if len(self.active) < len(self.trainers):
            raise Apart("a seed ended during the probe")
        losses = torch.stack(self.seen)[:, -1].tolist()
        seconds = self.clock / PROBE / len(self.active)
        self.probe.decide(losses, seconds, self.execution.runtime)
        self.probing = False
        self.seen.clear()
        self.accept()

    def _compare_in_eval(self) -> None:
        """Of a model that draws random numbers, the loss in evaluation mode is what can be compared."""
        packed = Packed([self.probe.first] * len(self.trainers))
        learners = [trainer.learner for trainer in self.trainers]
        for learner in learners:
            learner.eval()
        with torch.no_grad(), self.execution.autocast():
            together = self.stack.of(packed)[-1].item()
        for learner in learners:
            learner.train()
        if not near(self.probe.loss_in_eval, together, self.execution.runtime):
            raise Apart(f"its first loss is {together:.6g} together and {self.probe.loss_in_eval:.6g} alone")

    def _evaluate(self, ended: bool) -> None:
        """Judge each seed on validation. Those that have ended leave."""
        leaving = []
        for place in self.active:
            try:
                running = self.trainers[place].evaluate()
            except Diverged as error:
                self.errors[place], running = error, False
            if ended or not running:
                leaving.append(place)
        self._leave(leaving)

    def _leave(self, leaving: Sequence[int]) -> None:
        if not leaving:
            return
        staying = [place for place in self.active if place not in leaving]
        if staying:
            self.stack.keep([self.active.index(place) for place in staying], self.optimizers.all)
        self.active = staying
        for place in leaving:
            if place not in self.errors:
                self.trainers[place].finish()
