"""Whether the seeds of a pair may train together: what forbids it, and a few steps each way, timed and compared."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..contract.guard import Guard, copied
from ..contract.learner import Batch, Supervised, Task, overrides
from ..contract.runtime import Runtime
from ..contract.schedule import Progress
from .cell import Bench, make_trainer
from .execution import Execution
from .stacking import Apart
from .training import Trainer

PROBE = 20
"""Steps that are timed each way, after a first one."""
WORTH = 1.1
"""So much faster a step must be together."""
ELSEWHERE = ("penalty", "on_gradients", "after_step", "eval_learner")
"""Where a regularizer acts that isn't made for several seeds at once."""
AGREEMENT = {"fp32": 1e-3, "tf32": 1e-2, "bf16": 3e-2, "highest": 1e-3, "high": 1e-2, "medium": 3e-2}
"""How far, as a share, a seed's losses may lie from those that it has alone, over the steps of the probe.
By the precision, and by that of products."""


class Shared(Progress):
    """The progress of all seeds; of their scores, which differ, it knows nothing."""

    @property
    def history(self) -> tuple[float, ...]:
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
    loss_in_eval: float
    together_s: float | None = None

    def decide(self, losses: Sequence[float], together_s: float, runtime: Runtime) -> None:
        """Raises Apart unless training together is the same (`losses`: the same seed's) and faster."""
        pairs = [] if self.draws else [*zip(self.losses, losses, strict=True)]
        for step, (alone, together) in enumerate(pairs, 1):
            if not near(alone, together, runtime):
                raise Apart(f"its loss is {together:.6g} together and {alone:.6g} alone by step {step}")
        self.together_s = together_s
        if together_s * WORTH > self.step_s:
            raise Apart(
                f"a step takes {1e3 * together_s:.3g} ms of each seed together and {1e3 * self.step_s:.3g} ms alone"
            )


def near(alone: float, together: float, runtime: Runtime) -> bool:
    """Whether two losses agree as far as rounding lets them; those that aren't finite both aren't."""
    if not (math.isfinite(alone) and math.isfinite(together)):
        return math.isfinite(alone) == math.isfinite(together)
    share = max(AGREEMENT[runtime.precision], AGREEMENT[runtime.products])
    return math.isclose(alone, together, rel_tol=share, abs_tol=1e-6)


def check_pair(bench: Bench) -> None:
    """Raises Apart where what is asked for can't be had together."""
    recipe, runtime = bench.recipe, bench.execution.runtime
    if recipe.budget[0] == "seconds":
        raise Apart("its budget is in seconds")
    asked = {
        "compiled": runtime.compile, "channels last": runtime.channels_last, "as a CUDA graph": runtime.cuda_graph,
        "fp16": runtime.precision == "fp16",
    }  # fmt: skip
    for what in filter(asked.get, asked):
        raise Apart(f"it runs {what}")


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
        flops_per_unit=trainer.flops_per_unit, loss_in_eval=in_eval,
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


def now(execution: Execution) -> float:
    """Processor time where one thread of the CPU does all the work, because others disturb it less; else wall time."""
    execution.sync()
    return time.perf_counter() if execution.is_cuda or execution.runtime.threads > 1 else time.process_time()


def drawn() -> list[Tensor]:
    """The state of torch's own generators."""
    started = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state_all() if started else [])]


def same(before: Sequence[Tensor], after: Sequence[Tensor]) -> bool:
    """Whether nothing was drawn between."""
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def of_others() -> tuple[Any, ...]:
    """The state of the other global generators, comparable."""
    return random.getstate(), *(np.asarray(part).tobytes() for part in np.random.get_state())
