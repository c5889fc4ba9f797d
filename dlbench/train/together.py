"""Cells that differ by seed alone, trained as one, for their accuracy. Each seed keeps its own order of examples, its
own draws, its own selection and patience. What doesn't allow it, or isn't faster so, raises Apart before it costs much.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.guard import Guard, copied
from ..contract.learner import Batch, Supervised, Task, overrides
from ..contract.optimizers import PartOptimizers
from ..contract.schedule import Progress
from ..errors import Diverged
from ..plan.content import content_digest
from .cell import Bench, Report, judged_fold, make_trainer, open_bench, stream_seed, summary
from .stacking import Apart, Packed, Stack, check_optimizers, clip_each
from .training import Trainer

PROBE = 20
"""Steps that are timed each way, after a first one."""
WORTH = 1.1
"""So much faster a step must be together."""
LARGEST = 50_000_000
"""Numbers in all networks of a group: where they are large, there is nothing to gain."""
ELSEWHERE = ("penalty", "on_gradients", "after_step", "eval_learner")
"""Where a regularizer acts that isn't made for several seeds at once."""
AGREEMENT = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 3e-2}
"""How far, as a share, a seed's losses may lie from those that it has alone, over the steps of the probe."""


@dataclass
class Member:
    """One seed of a group: what its folds left, or what ended it."""

    id: str
    seed: int
    gallery: Path | None
    results: list[dict[str, Any]] = field(default_factory=list)
    error: Diverged | None = None


class Shared(Progress):
    """The progress of all seeds; of their scores, which differ, it knows nothing."""

    @property
    def history(self) -> tuple[float, ...]:  # type: ignore[override]
        raise Apart("its schedule watches scores, which differ from seed to seed")

    @history.setter
    def history(self, value: tuple[float, ...]) -> None: ...


@dataclass
class Probe:
    """A seed's first steps alone. `draws`: the model draws random numbers of its own. `step_s`: seconds of a step."""

    losses: list[float]
    step_s: float
    draws: bool
    first: Batch
    flops_per_unit: float | None
    optimizers: list[torch.optim.Optimizer]
    loss_in_eval: float
    together_s: float | None = None

    def decide(self, losses: Sequence[float], together_s: float, precision: str) -> None:
        """Raises Apart unless training together is the same (`losses`: the same seed's) and faster."""
        pairs = [] if self.draws else [*zip(self.losses, losses, strict=True)]
        for step, (alone, together) in enumerate(pairs, 1):
            if not near(alone, together, precision):
                raise Apart(f"its loss is {together:.6g} together and {alone:.6g} alone by step {step}")
        self.together_s = together_s
        if together_s * WORTH > self.step_s:
            raise Apart(
                f"a step takes {1e3 * together_s:.3g} ms of each seed together and {1e3 * self.step_s:.3g} ms alone"
            )


def near(alone: float, together: float, precision: str) -> bool:
    """Whether two losses agree as far as rounding lets them; those that aren't finite both aren't."""
    if not (math.isfinite(alone) and math.isfinite(together)):
        return math.isfinite(alone) == math.isfinite(together)
    return math.isclose(alone, together, rel_tol=AGREEMENT[precision], abs_tol=1e-6)


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


def check_pair(bench: Bench) -> None:
    """Raises Apart where what is asked for can't be had together."""
    recipe, runtime = bench.recipe, bench.execution.runtime
    if recipe.budget[0] == "seconds":
        raise Apart("its budget is in seconds")
    if runtime.compile or runtime.channels_last or runtime.precision == "fp16":
        what = "compiled" if runtime.compile else "channels last" if runtime.channels_last else "fp16"
        raise Apart(f"it runs {what}")


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

    def fit(self, accept: Any) -> dict[int, Diverged]:
        """Train all; `accept` is called when the probe has decided for it. Returns what ended some early, by place."""
        self.streams = [trainer.batches() for trainer in self.trainers]
        self.accept, self.seen, self.clock = accept, list[Tensor](), 0.0
        start = time.perf_counter()
        packed = self._next()
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
        if self.lead.outcome.steps >= self.stop:
            self._evaluate(False)
        while self.active:
            self._segment()
        return self.errors

    @property
    def stop(self) -> float:
        return self.trainers[self.active[0]].next_stop()

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
        self.probe.decide(losses, seconds, self.execution.runtime.precision)
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
        if not near(self.probe.loss_in_eval, together, self.execution.runtime.precision):
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


def alone(bench: Bench, task: Task, seed: int, fold: int) -> Probe:
    """A seed's first steps by itself, timed. Raises Apart where something shows that forbids to train together."""
    trainer = make_trainer(bench, task, seed, fold, lambda point: None)
    check_trainer(trainer)
    trainer.optimizers.progress = Shared()
    trainer.begin()
    guard, batches = Guard(), trainer.batches()
    step, batch = trainer.stepper(guard), next(batches)
    if trainer.last_step() <= PROBE:
        raise Apart(f"it trains {trainer.last_step():g} steps, too few to be measured")
    first = copied(batch)
    with torch.no_grad(), bench.execution.autocast():
        trainer.learner.eval()
        in_eval = trainer.learner.loss(copied(batch)).item()
        trainer.learner.train()
    before, others = drawn(), of_others()
    losses: list[Tensor] = []
    for steps in range(PROBE + 1):
        if steps == 1:
            start = now(bench.execution)
        trainer.place(trainer.optimizers.progress, steps)
        if not trainer.optimizers.advance(trainer.optimizers.progress):
            raise Apart("its schedule ends it within a few steps")
        losses.append(step(next(batches)) if steps else trainer.take_counted(step, batch))
    seconds = (now(bench.execution) - start) / PROBE
    if guard.in_place:
        raise Apart("it changes its inputs in place")
    if others != of_others():
        raise Apart("something draws from the global generator of Python or NumPy")
    return Probe(
        losses=[loss.item() for loss in losses], step_s=seconds, draws=not same(before, drawn()), first=first,
        flops_per_unit=trainer.flops_per_unit, optimizers=trainer.optimizers.all, loss_in_eval=in_eval,
    )  # fmt: skip


def check_trainer(trainer: Trainer) -> None:
    """Raises Apart where the learner or what acts on it isn't made for several at once."""
    if type(trainer.learner) is not Supervised:
        raise Apart("the model brings its own loss or its own step")
    if trainer.optimizers.has_closures:
        raise Apart("its optimizer evaluates a batch several times")
    for regularizer in trainer.regularizers:
        if any(overrides([regularizer], place) for place in ELSEWHERE):
            raise Apart(f"the regularizer {type(regularizer).__name__} acts on more than batches")
    for module in trainer.learner.modules():
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
            raise Apart(f"something is hooked into its {type(module).__name__}")


def now(execution: Any) -> float:
    """Processor time where one thread of the CPU does all the work, because others disturb it less; else wall time."""
    execution.sync()
    return time.perf_counter() if execution.is_cuda or execution.runtime.threads > 1 else time.process_time()


def drawn() -> list[Tensor]:
    """The state of torch's own generators."""
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [])]


def same(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    """Whether nothing was drawn between."""
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def of_others() -> tuple[Any, ...]:
    """The state of the other global generators, comparable."""
    kind, keys, *rest = np.random.get_state()
    return random.getstate(), kind, keys.tobytes(), *rest  # type: ignore[union-attr]
