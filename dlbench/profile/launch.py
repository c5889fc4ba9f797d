"""The whole profile of one launch: speed, memory, FLOPs and energy of a model on a task, in this (fresh) process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch

from ..contract.learner import Batch
from ..contract.specs import ProfileProtocol
from ..measure import clock
from ..measure.calibration import Calibration, Reading, fingerprint
from ..measure.clock import Blocks
from ..measure.energy import SHORTEST_WINDOW_S, Energy
from ..measure.environment import OtherLoad, load_average
from ..measure.flops import count_flops
from ..measure.memory import TOO_COARSE_BYTES, held_on_card, peak_bytes, resident_peak_bytes
from ..measure.nvml import find_gpu
from ..measure.turns import Turns, time_turns
from .subject import Resident, Subject, model_bytes, num_parameters

LOADER_BOUND = 0.9
"""The pipeline's share of the resident batch's throughput under which the loader is what limits it."""
SHARED = 0.1
"""The share of the machine's CPU from which on others disturb a measurement."""
LAUNCH_BOUND = 1.25
"""How much longer than the device alone a step may take before the host is what limits it."""
BUILD, RESIDENT, PIPELINE, SCRATCH, MEASURED, TIMES, WHOLE, END = "brpsmtwe"
"""What the process that measures orders of those that train with it: to build anew, to take a step on the resident
batch or on the next one, to train from scratch, the same and measure it, to say what CPU time it used, to help it to
the whole learner, and to stop."""


def profile(subject: Subject, protocol: ProfileProtocol, *, counting: bool = True) -> dict[str, Any]:
    """Every pass once, as `launches` of a profile's record hold it. What couldn't be measured is None. `counting`:
    whether to count what needs no clock, FLOPs and bytes, which is the same in each launch. A step that fails raises
    here as it would in training."""
    try:
        return _Launch(subject, protocol, counting).run()
    finally:
        subject.team.order(END)


def profile_in_turns(subject: Subject, protocol: ProfileProtocol, turns: Turns) -> dict[str, Any]:
    """The speed of training alone, as `profile` returns it, measured while the other process of a race waits."""
    return _Launch(subject, protocol).run_in_turns(turns)


def follow(subject: Subject) -> None:
    """Take part in the training steps of a launch that another process measures, until it is over."""
    team = subject.team
    for said in team.orders():
        if said == BUILD:
            learner, optimizers = subject.build()
            resident, batches = subject.resident(), subject.endless()
            learner.train()
        elif said in (RESIDENT, PIPELINE):
            subject.train_step(learner, optimizers, resident() if said == RESIDENT else next(batches))
        elif said == SCRATCH:
            from_scratch(subject)
        elif said == MEASURED:
            del learner, optimizers, resident, batches
            team.gather(peak_bytes(lambda: from_scratch(subject), subject.device))
        elif said == TIMES:
            team.gather(time.process_time())
        elif said == WHOLE:
            with team.whole(learner):
                pass
        else:
            return


def from_scratch(subject: Subject) -> None:
    """The first steps of a fresh learner."""
    learner, optimizers = subject.build()
    learner.train()
    batches = subject.endless()
    for _ in range(subject.first_steps):
        subject.train_step(learner, optimizers, next(batches))


class _Launch:
    """The passes over one subject, in order; each leaves its figures and its time."""

    def __init__(self, subject: Subject, protocol: ProfileProtocol, counting: bool = True) -> None:
        self.subject, self.protocol, self.counting = subject, protocol, counting
        self.sync, self._order = clock.device_sync(subject.device), subject.team.order
        self.flags: set[str] = set()
        self.phases: dict[str, float] = {}
        self.learner: Any
        self.optimizers: Any
        self.on_cuda = subject.device.startswith("cuda")
        self.calibration: dict[str, Any] = {"program": fingerprint()}

    def run(self) -> dict[str, Any]:
        before, load, helped = load_average(), OtherLoad(), self._helpers_seconds()
        self._set_up()
        counted: dict[str, Any] = {}
        if self.counting:
            with self._phase("flops"):
                counted["flops_per_example"] = self._flops()
        with self._phase("warmup"):
            self._warm_up()
        with clock.steady(self._resident_step, self.sync):
            speed = self._speed()
        self._note_disturbances(load, helped)
        sizes = {
            "params": num_parameters(self.learner),
            "model_bytes": model_bytes(self.learner),
            "optimizer_bytes": self.optimizers.state_bytes(),
        }
        del self.learner, self.optimizers, self.meter
        if self.counting:
            with self._phase("memory"), clock.steady():
                counted["memory"] = self._memory()
        return {
            **sizes,
            "batch_size": self.subject.batch_size,
            "units_per_step": self.resident.batch.size,
            **counted,
            **speed,
            "calibration": self.calibration,
            "flags": sorted(self.flags),
            "phases": {name: round(seconds, 6) for name, seconds in self.phases.items()},
            "load_average": [before, load_average()],
        }

    def run_in_turns(self, turns: Turns) -> dict[str, Any]:
        self._set_up()
        self._warm_up()
        with clock.steady(self._resident_step, self.sync):
            train = time_turns(self._resident_step, turns, self.sync)
        return {"train": _figures(train), "units_per_step": self.resident.batch.size, "flags": sorted(self.flags)}

    def _set_up(self) -> None:
        with self._phase("setup"):
            self.subject.team.order(BUILD)
            self.learner, self.optimizers = self.subject.build()
            self.resident = self.subject.resident()

    @contextmanager
    def _phase(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self.sync()
        self.phases[name] = time.perf_counter() - start

    @contextmanager
    def _pass(self, name: str) -> Iterator[None]:
        """A timed phase with readings of the calibration: the first ended the phase before, others follow blocks."""
        first = len(self.readings) - 1
        with self._phase(name):
            yield
        if len(self.readings) == first + 1:  # no blocks
            self._calibrate()
        found = self.readings[first:]
        self.calibration[name] = {
            "s": [reading.wall_s for reading in found],
            "cpu_s": [reading.cpu_s for reading in found],
        }

    def _calibrate(self) -> None:
        self.readings.append(self.meter.read())

    # --- one step of each sort -------------------------------------------------------------------------------

    def _train(self, batch: Batch) -> int:
        self.subject.train_step(self.learner, self.optimizers, batch)
        return batch.size

    def _resident_step(self) -> int:
        self._order(RESIDENT)
        return self._train(self.resident())

    def _pipeline_step(self, batches: Iterator[Batch]) -> int:
        self._order(PIPELINE)
        return self._train(next(batches))

    def _evaluate(self, resident: Resident, units: int) -> int:
        self.subject.evaluate(self.learner, resident())
        return units

    @contextmanager
    def _judging(self, learner: Any) -> Iterator[None]:
        """Where a learner is evaluated: in this process alone, in one piece."""
        self._order(WHOLE)
        learner.eval()
        with self.subject.team.whole(learner):
            yield
        learner.train()

    # --- passes ----------------------------------------------------------------------------------------------

    def _flops(self) -> dict[str, float | None]:
        """Per unit. Runs before the warm-up: counting is slow, and its first steps are not the usual ones."""
        self.learner.train()
        train = self._count(self._resident_step)
        with self._judging(self.learner):
            units = self.subject.evaluated_units(self.learner, self.resident())
            infer = self._count(partial(self._evaluate, self.resident, units))
        seen = self.subject.seen(self.learner) or self.resident.batch.size
        return {"train": _ratio(train, seen), "infer": _ratio(infer, units)}

    def _count(self, step: Callable[[], object]) -> int | None:
        """None where not countable, or where parameters worked and no product was seen."""
        try:
            flops = count_flops(step)
        except Exception:  # the counter's own limits; a fault of the step shows again in the warm-up, and raises there
            return None
        return None if flops == 0 and num_parameters(self.learner) else flops

    def _warm_up(self) -> None:
        self.learner.train()
        if not clock.warm_up(self._resident_step, warmup_s=self.protocol.warmup_s, sync=self.sync):
            self.flags.add("warmup_not_settled")

    def _speed(self) -> dict[str, Any]:
        """The timed passes. Training comes first, so that evaluation sees a state that steps have moved."""
        self.learner.train()
        self.meter = Calibration(self.subject.device, self.sync)
        self.readings: list[Reading] = []
        self._calibrate()
        with self._pass("train"):
            train = self._blocks(self._resident_step)
        with self._pass("pipeline"):
            pipeline = self._blocks(partial(self._pipeline_step, self.subject.endless()))
        with self._pass("energy"):
            energy = self._energy(train)
        if pipeline.units_per_s < LOADER_BOUND * train.units_per_s:
            self.flags.add("loader_bound")
        with self._judging(self.learner):
            with self._pass("infer"):
                units = self.subject.evaluated_units(self.learner, self.resident())
                infer = self._blocks(partial(self._evaluate, self.resident, units))
            with self._pass("latency"):
                latency = self._latency()
        found = {
            "train": _figures(train),
            "pipeline": _figures(pipeline),
            "infer": _figures(infer),
            "latency_ms": latency,
            "energy_j_per_example": energy,
        }
        if self.on_cuda:
            with self._phase("device"):
                found["device"] = self._device(train)
        return found

    def _blocks(self, step: clock.Step) -> Blocks:
        rounds, block_s = self.protocol.rounds, self.protocol.block_s
        blocks = clock.time_blocks(
            step, rounds=rounds, block_s=block_s, sync=self.sync, device=self.subject.device, after=self._calibrate
        )
        self.flags.update(doubts(blocks.spread))
        return blocks

    def _latency(self) -> dict[str, float | int | None]:
        """Of one evaluation of the test split's first batch of one, synchronised."""
        single = self.subject.resident("test", 1)
        units = self.subject.evaluated_units(self.learner, single())
        step = partial(self._evaluate, single, units)
        for _ in range(3):  # new shapes, new kernels
            step()
        window = self.protocol.rounds * self.protocol.block_s
        return {**percentiles_ms(clock.time_single_steps(step, seconds=window, sync=self.sync)), "batch_units": units}

    def _energy(self, train: Blocks) -> float | None:
        """Joules per unit over a window that the counter can resolve. A quick protocol doesn't wait for it."""
        if self.protocol.rounds * self.protocol.block_s < 1.0:
            return None
        if self.on_cuda and self.subject.team.size > 1:  # the counter is of one card
            return None
        energy = Energy(self.subject.device, self.sync)
        if not energy.available:
            return None
        steps = int(1.2 * SHORTEST_WINDOW_S / min(train.wall_s)) + 1
        with energy:
            units = sum(self._resident_step() for _ in range(steps))
        return _ratio(energy.joules, units)

    def _memory(self) -> dict[str, Any]:
        """Peaks above what is alive before: the learner, its optimizers and what their steps hold."""
        device = self.subject.device
        if self.on_cuda:
            torch.cuda.empty_cache()
        resident = None if self.on_cuda else resident_peak_bytes(partial(self._train_from_scratch, SCRATCH))
        train = peak_bytes(partial(self._train_from_scratch, MEASURED), device)
        held = held_on_card(device) if self.on_cuda else {}  # before another pass starts the peaks anew
        return {
            **_of_devices(self.subject.team.gather(train)),
            "infer_peak_bytes": peak_bytes(self._evaluate_from_scratch, device),
            **held,
            "method": "cuda requested bytes" if self.on_cuda else "cpu allocator events",
            "rss_train_peak_bytes": resident,
            "rss_too_coarse": None if resident is None else resident < TOO_COARSE_BYTES,
        }

    def _train_from_scratch(self, order: str) -> None:
        self._order(order)
        from_scratch(self.subject)

    def _evaluate_from_scratch(self) -> None:
        self._order(BUILD)
        learner, _ = self.subject.build()
        with self._judging(learner):
            self.subject.evaluate(learner, self.subject.first_batch())

    # --- reasons to doubt ------------------------------------------------------------------------------------

    def _device(self, train: Blocks) -> dict[str, float | None]:
        """What a training step gives a CUDA device to do. Flags a step that leaves it waiting for launches."""
        step_s = float(np.median(train.wall_s))
        work = clock.device_work(self._resident_step, self.sync)
        if work is None:
            return {"busy_s_per_step": None, "busy_share": None, "launches_per_step": None}
        if step_s > LAUNCH_BOUND * work.busy_s:
            self.flags.add("launch_bound")
        share = min(1.0, work.busy_s / step_s)
        return {"busy_s_per_step": work.busy_s, "busy_share": share, "launches_per_step": work.launches}

    def _helpers_seconds(self) -> float:
        """The CPU time that the others of several devices have used."""
        self._order(TIMES)
        return sum(self.subject.team.gather(time.process_time())[1:])

    def _note_disturbances(self, load: OtherLoad, helped: float) -> None:
        """After the timed passes, while a GPU is still at its working clocks. A GPU's row isn't shared where only the
        CPU is."""
        if not self.on_cuda and (share := load.share(self._helpers_seconds() - helped)) is not None and share > SHARED:
            self.flags.add("device_shared")
        gpu = find_gpu(self.subject.device) if self.on_cuda else None
        if gpu is not None:
            if gpu.throttle_reasons():
                self.flags.add("throttled")
            if (gpu.num_processes() or 1) > 1:
                self.flags.add("device_shared")


def _of_devices(peaks: list[float]) -> dict[str, Any]:
    """The most of any device; where there are several, also that of all together, and each device's."""
    most = {"train_peak_bytes": int(max(peaks))}
    if len(peaks) == 1:
        return most
    each = [int(peak) for peak in peaks]
    return {**most, "train_peak_bytes_in_all": sum(each), "train_peak_bytes_of_devices": each}


def doubts(spread: float) -> set[str]:
    """The flags that the spread of a pass's blocks earns."""
    return {flag for flag, limit in (("noisy", clock.NOISY), ("unusable", clock.UNUSABLE)) if spread > limit}


def percentiles_ms(seconds: list[float]) -> dict[str, float | int | None]:
    """p50 to p99 in milliseconds; None where too few readings lie beyond to tell."""
    found: dict[str, float | int | None] = {}
    for percent in (50, 90, 95, 99):
        enough = len(seconds) * (100 - percent) >= 100 or percent == 50
        found[f"p{percent}"] = float(np.percentile(seconds, percent)) * 1000 if enough else None
    return {**found, "count": len(seconds)}


def _figures(blocks: Blocks) -> dict[str, Any]:
    return {
        "s_per_step": blocks.wall_s,
        "cpu_s_per_step": blocks.cpu_s,
        **({"device_s_per_step": blocks.device_s} if blocks.device_s else {}),
        "steps_per_block": blocks.steps,
        "units_per_s": blocks.units_per_s,
        "iqr_over_median": blocks.spread,
    }


def _ratio(value: float | None, units: int) -> float | None:
    return None if value is None or units == 0 else value / units
