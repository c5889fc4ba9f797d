"""The training loop: steps under a budget, evaluations between them, the choice of the state to judge."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ..contract.guard import Guard
from ..contract.learner import Batch, Learner, Regularizer, Supervised, Task, overrides
from ..contract.optimizers import PartOptimizers
from ..contract.recipe import Recipe
from ..contract.schedule import Progress
from ..contract.specs import Metric
from ..data.batches import count_batches, whole_pass
from ..errors import Diverged
from ..measure.flops import count_flops
from .capture import StepGraph
from .dividing import check_loss
from .execution import Execution, compiled_graphs
from .judging import judge_and_count
from .soundness import explain


class Stepper:
    """One training step, as every loop and every profile takes it."""

    def __init__(
        self, learner: Learner, optimizers: PartOptimizers, regularizers: list[Regularizer],
        execution: Execution, generator: torch.Generator, guard: Guard | None = None,
    ) -> None:  # fmt: skip
        """`guard`: what is known of the model from earlier steps of it."""
        self.learner, self.optimizers, self.generator = learner, optimizers, generator
        self._team = execution.team
        self._alone = self._team.size == 1
        self.units = 0
        self._guard = guard or Guard()
        self._repeats = "its optimizer evaluates a batch several times" if optimizers.has_closures else ""
        self._autocast = execution.autocast()
        graphed = execution.runtime.cuda_graph
        self._graph = StepGraph(learner, optimizers, regularizers, execution) if graphed else None
        self._on_batch = overrides(regularizers, "on_batch")
        self._after_step = overrides(regularizers, "after_step")

    def __call__(self, batch: Batch) -> Tensor:
        """The loss of a batch before the step; of several processes each returns its share of it, and `units` is the
        size of the part that this one saw."""
        if self._alone:
            return self._guard(self._step, batch, repeats=self._repeats)
        part = self._team.take(batch)
        self.units = part.size
        with self._team.step():
            return self._team.share(self._guard(self._step, part, repeats=self._repeats))

    def _step(self, batch: Batch) -> Tensor:
        for act in self._on_batch:
            batch = act(batch, self.generator)
        loss = self._compute(batch) if self._graph is None else self._graph(self._compute, batch)
        if self._after_step:
            with self._team.alike():
                for act in self._after_step:
                    act(self.learner)
        return loss

    def _compute(self, batch: Batch) -> Tensor:
        with self._autocast:
            return self.learner.train_step(batch, self.optimizers)


class Clock:
    """The training clock: runs from `start` to `stop`, the device synchronised at the end. A step in which torch
    compiled something, as it does for shapes that it hasn't seen, or recorded a CUDA graph, is not on it but in
    `compile_s`."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._stopped_s, self.compile_s = 0.0, 0.0
        self._start: float | None = None

    @property
    def seconds(self) -> float:
        """What it shows."""
        return self._stopped_s + (0.0 if self._start is None else time.perf_counter() - self._start)

    def start(self) -> None:
        self._graphs, self._start = self._made(), time.perf_counter()

    def stop(self) -> None:
        self._execution.sync()
        self._stopped_s, self._start = self.seconds, None

    def take(self, step: Stepper, batch: Batch) -> Tensor:
        """One step on the clock."""
        before = time.perf_counter()
        loss = step(batch)
        if (graphs := self._made()) != self._graphs:
            self._execution.sync()
            spent = time.perf_counter() - before
            self.compile_s += spent
            self._stopped_s -= spent
            self._graphs = graphs
        return loss

    def _made(self) -> int:
        return compiled_graphs() + self._execution.captured


@dataclass
class Outcome:
    """What training left behind."""

    curve: list[dict[str, Any]] = field(default_factory=list)
    steps: int = 0
    epochs: float = 0.0
    examples: int = 0
    selected_step: int = 0
    phases: dict[str, float] = field(
        default_factory=lambda: {"first_step_s": 0.0, "compile_s": 0.0, "train_s": 0.0, "eval_s": 0.0}
    )


@dataclass(kw_only=True)
class Trainer:
    """Trains a learner on a task by a recipe. `report(point)` is called after each evaluation with the curve's new
    point and the share of the budget that is spent."""

    learner: Learner
    task: Task
    recipe: Recipe
    metric: Metric
    optimizers: PartOptimizers
    regularizers: list[Regularizer]
    execution: Execution
    order: torch.Generator
    draws: torch.Generator
    report: Callable[[dict[str, Any], float], None] = lambda point, share: None

    metrics: tuple[Metric, ...] = ()

    def fit(self) -> Outcome:
        """Train until the budget, the schedule or the patience ends it, and leave the learner to judge in the state
        that the recipe selects. The clock counts training steps after the first one, synchronised at both ends.
        `metrics`: those that the task declares, its own first."""
        self.begin()
        step = self.stepper()
        batches = self.batches()
        batch = next(batches)
        if self.execution.team.size > 1 and isinstance(self.learner, Supervised):
            check_loss(self.task, batch, self.execution.team.size)
        try:
            running = self._first(step, batch)
        except RuntimeError as error:
            explain(error, self.learner, batch)
            raise
        while running:
            running = self._segment(step, batches)
        return self.finish()

    def begin(self) -> None:
        """What is there before the first step."""
        self.outcome, self.progress = Outcome(), self.optimizers.progress
        self._clock, self._looking = Clock(self.execution), Guard()
        self.losses = torch.zeros((), device=self.execution.device)
        self._counted = 0
        self.flops_per_unit: float | None = None
        self._best: tuple[float, dict[str, Any]] | None = None
        self._since_best = 0
        self.learner.train()

    def stepper(self, guard: Guard | None = None) -> Stepper:
        """What takes its steps."""
        return Stepper(self.learner, self.optimizers, self.regularizers, self.execution, self.draws, guard)

    def finish(self) -> Outcome:
        """Leave the learner to judge in the state that the recipe selects."""
        if self.recipe.select == "best" and self._best is not None:
            self.judged.load_state_dict(self._best[1])
        else:
            self.outcome.selected_step = self.outcome.steps
        return self.outcome

    @property
    def judged(self) -> Learner:
        """The learner to judge: the trained one, or an average of it."""
        learner = self.learner
        for regularizer in self.regularizers:
            learner = regularizer.eval_learner(learner)
        return learner

    def judge(self, split: str) -> dict[str, float]:
        """The task's metrics of the learner to judge."""
        return self.judge_and_count(split)[0]

    def judge_and_count(self, split: str) -> tuple[dict[str, float], int]:
        """The same, and how many examples they rest on."""
        needed, others, judged = (*self.metrics[:1], self.metric), self.metrics[1:], self.judged
        with self.execution.team.whole(judged):
            return self.execution.team.decide(
                lambda: judge_and_count(
                    judged, self.task, split, self.execution, needed=needed, others=others, guard=self._looking
                )
            )

    def batches(self) -> Iterator[Batch]:
        """Training batches without end, pass after pass."""
        while True:
            batches = self.task.batches("train", self.recipe.batch_size, self.order)
            self._per_epoch = count_batches(batches)
            yield from whole_pass(batches)

    def _first(self, step: Stepper, batch: Batch) -> bool:
        """The first step: untimed, because it initialises and compiles, and counted in FLOPs."""
        start, stop = time.perf_counter(), self.next_stop()
        if self.optimizers.scheduled and not self.optimizers.advance(self.progress):
            return False
        self.losses += step(batch) if self.execution.runtime.compile else self.take_counted(step, batch)
        self.execution.sync()
        self.execution.team.check(self.learner, begun=False)
        self.advance(1, batch.size)
        self.outcome.phases["first_step_s"] = time.perf_counter() - start
        return self.evaluate() if self.outcome.steps >= stop else True

    def take_counted(self, step: Stepper, batch: Batch) -> Tensor:
        """One step, counted in FLOPs."""
        losses: list[Tensor] = []
        flops = count_flops(lambda: losses.append(step(batch)))
        if (units := step.units or batch.size) and flops:
            self.flops_per_unit = flops / units
        return losses[0]

    def _segment(self, step: Stepper, batches: Iterator[Batch]) -> bool:
        """Steps up to the next evaluation, on the clock; then the evaluation. Returns whether to go on."""
        kind, amount = self.recipe.budget
        stop, seconds, clock = self.next_stop(), amount if kind == "seconds" else None, self._clock
        steps, examples, scheduled, losses = self.outcome.steps, 0, self.optimizers.scheduled, self.losses
        stopped, first = False, steps
        clock.start()
        for batch in batches:
            self.place(self.progress, steps)
            if scheduled and not self.optimizers.advance(self.progress):
                stopped = True
                break
            losses += clock.take(step, batch)
            steps += 1
            examples += batch.size
            if steps >= stop or (seconds is not None and self._seconds() >= seconds):
                break
        clock.stop()
        self.outcome.phases |= {"train_s": self._seconds(), "compile_s": clock.compile_s}
        self.advance(steps - first, examples)
        if stopped and steps == first and self.outcome.curve:
            return False
        return self.evaluate() and not stopped

    def advance(self, steps: int, examples: int) -> None:
        """So many steps were taken."""
        self.outcome.steps += steps
        self.outcome.examples += examples
        self.outcome.epochs = self.outcome.steps / self._per_epoch
        self._counted += steps

    def place(self, progress: Progress, steps: int) -> None:
        """Say in `progress` how far training is after so many steps."""
        progress.step, progress.epoch = steps, steps / self._per_epoch
        kind, amount = self.recipe.budget
        spent = self._seconds() if kind == "seconds" else {"epochs": progress.epoch, "steps": steps}[kind]
        progress.share = min(1.0, spent / amount)

    def _seconds(self) -> float:
        """What the training clock shows; of several processes the first one's decides."""
        return self.execution.team.decide(lambda: self._clock.seconds)

    def _share(self) -> float:
        kind, amount = self.recipe.budget
        if self.outcome.steps >= self.last_step():  # a budget with a fraction of a step is spent here too
            return 1.0
        spent = {
            "epochs": self.outcome.epochs,
            "steps": self.outcome.steps,
            "seconds": self.outcome.phases["train_s"],
        }[kind]
        return min(1.0, spent / amount)

    def last_step(self) -> float:
        """The step that ends the budget; infinite where nobody can say."""
        kind, amount = self.recipe.budget
        return {"epochs": round(amount * self._per_epoch), "steps": int(amount), "seconds": math.inf}[kind]

    def next_stop(self) -> float:
        """The step at which the next evaluation is due."""
        kind, amount = self.recipe.budget
        every = self.recipe.evaluate_every
        if kind == "epochs":
            interval = (every or 1) * self._per_epoch
        else:
            interval = every or (max(1, int(amount) // 10) if kind == "steps" else self._per_epoch)
        done = self.outcome.steps
        return max(1, min((done // interval + 1) * interval, self.last_step()))

    def evaluate(self) -> bool:
        """Judge on validation, keep the best state, say whether to go on. Raises Diverged."""
        start = time.perf_counter()
        loss = self.execution.team.total(self.losses).item() / max(1, self._counted)
        if not math.isfinite(loss):
            raise Diverged(f"the training loss became {loss} by step {self.outcome.steps}")
        self.losses.zero_()
        self._counted = 0
        self.execution.team.check(self.learner)
        val = self.judge("val")
        self._keep(val[self.metric.name], self.judged)
        self.outcome.phases["eval_s"] += time.perf_counter() - start
        flops = None if self.flops_per_unit is None else self.flops_per_unit * self.outcome.examples
        point = {
            "step": self.outcome.steps, "epoch": round(self.outcome.epochs, 4), "examples": self.outcome.examples,
            "seconds": self.outcome.phases["train_s"], "flops": flops, "loss": loss, "val": val,
        }  # fmt: skip
        self.outcome.curve.append(point)
        self.report(point, self._share())
        patience = self.recipe.patience
        return self._share() < 1.0 and (patience is None or self._since_best < patience)

    def _keep(self, value: float, judged: Learner) -> None:
        score = value if self.metric.higher_is_better else -value
        self.progress.history = (*self.progress.history, score)
        if self._best is None or score > self._best[0]:
            state = {k: v.detach().clone() if isinstance(v, Tensor) else v for k, v in judged.state_dict().items()}
            self._best = (score, state if self.recipe.select == "best" else {})
            self.outcome.selected_step = self.outcome.steps
            self._since_best = 0
        else:
            self._since_best += 1
