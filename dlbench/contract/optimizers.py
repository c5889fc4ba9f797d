"""`PartOptimizers`: every optimizer of a learner behind one verb, `minimize`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from itertools import accumulate
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from ..errors import NotApplicable
from .choice import Choice
from .learner import Learner, Regularizer, overrides
from .recipe import Recipe
from .schedule import Factor, Progress, Stop
from .specs import OptimizerSpec, ScheduleSpec

Clipping = Callable[[list[nn.Parameter], float], None]


class Ingredients(Protocol):
    """Where optimizers and schedules come from: the catalog."""

    def optimizer(self, name: str) -> OptimizerSpec: ...
    def schedule(self, name: str) -> ScheduleSpec: ...


class Sharing(Protocol):
    """What `minimize` asks of the processes that take a step together; see `dlbench.train.team`."""

    def weigh(self, loss: Tensor) -> Tensor:
        """This process's share of a loss that is a mean over its part of a batch."""
        ...

    def add(self, parameters: list[nn.Parameter]) -> None:
        """Give every process the sum of all processes' gradients."""
        ...

    def total(self, value: Tensor) -> Tensor:
        """The sum of a value over all processes, detached."""
        ...

    def held(
        self, parameters: list[nn.Parameter], spec: OptimizerSpec, build: partial[torch.optim.Optimizer]
    ) -> list[nn.Parameter]:
        """What of a part's parameters this process steps. `build` makes the optimizer of some. Raises NotApplicable."""
        ...

    def alike(self) -> AbstractContextManager[Any]:
        """Where what is drawn is the same in every process."""
        ...


class Part:
    """One named group of parameters with its optimizer and schedule."""

    def __init__(
        self, parameters: list[nn.Parameter], recipe: Recipe, ingredients: Ingredients, clipping: Clipping | None,
        *, team: Sharing | None = None, capturable: bool = False,
    ) -> None:  # fmt: skip
        spec = ingredients.optimizer(recipe.optimizer.name)
        options = dict(recipe.optimizer.options)
        if recipe.weight_decay is not None:
            options["weight_decay"] = recipe.weight_decay
        build = partial(_build, spec.build, recipe.lr, options)
        self.parameters = parameters if team is None else team.held(parameters, spec, build)
        self.optimizer: torch.optim.Optimizer = build(self.parameters)
        self.closure = spec.closure
        self.clip, self._clipping = recipe.clip, clipping
        self.base_lrs = [group["lr"] for group in self.optimizer.param_groups]
        self._rates: list[float] = [*self.base_lrs]
        self._capturable = capturable
        if capturable:
            make_capturable(self.optimizer, recipe.optimizer.name)
        self.factor = _factor(recipe.schedule, ingredients)

    def set_lr(self, factor: float) -> None:
        self._rates = [base * factor for base in self.base_lrs]
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            if self._capturable:
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def rates(self) -> Iterator[tuple[list[nn.Parameter], float]]:
        """See `Optimizers.rates`. Of tensors on a device the numbers that they were given, which nobody waits for."""
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            yield group["params"], rate if self._capturable else group["lr"]

    def treat_gradients(self, on_gradients: list[Callable[[list[nn.Parameter]], None]]) -> None:
        """Regularize, then clip."""
        for act in on_gradients:
            act(self.parameters)
        if self.clip is not None:
            (self._clipping or clip)(self.parameters, self.clip)


def make_capturable(optimizer: torch.optim.Optimizer, name: str) -> None:
    """Let a CUDA graph take its steps: by kernels that read the learning rate, and count, on the device. Raises
    NotApplicable where it can't, by torch's own words for it: its groups have `capturable`, or are `fused`."""
    for group in optimizer.param_groups:
        fused = bool(group.get("fused"))
        if "capturable" in group:
            group["capturable"] = True
            group["foreach"] = not fused
        elif not fused:
            raise NotApplicable(f"{name} keeps count, or its learning rate, in Python, which a CUDA graph can't follow")
        group["lr"] = torch.tensor(float(group["lr"]), device=group["params"][0].device)


def _build(
    build: Callable[..., torch.optim.Optimizer], lr: float, options: dict[str, Any], parameters: list[nn.Parameter]
) -> torch.optim.Optimizer:
    return build(parameters, lr, **options)


def clip(parameters: list[nn.Parameter], limit: float) -> None:
    """As torch's `clip_grad_norm_`, to the last bit. On a CPU, where a norm can be read without waiting for a device,
    gradients within the limit are left alone, and the sorting by device and type is left out: a small network's step
    notices both."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if any(g.device.type != "cpu" or g.layout != torch.strided or g.dtype != torch.float32 for g in gradients):
        nn.utils.clip_grad_norm_(parameters, limit)
    elif gradients:
        factor = limit / (torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients))) + 1e-6)
        if not factor >= 1:  # NaN too
            torch._foreach_mul_(gradients, factor)


class PartOptimizers:
    """The `Optimizers` that the core hands to a `train_step`, which calls `minimize` as often as it needs; everything
    that a recipe asks for (schedules, penalties, clipping, precision scaling) happens inside."""

    def __init__(
        self,
        learner: Learner,
        recipe: Recipe,
        ingredients: Ingredients,
        regularizers: Iterable[Regularizer] = (),
        *,
        scale_for: str | None = None,
        team: Sharing | None = None,
        clipping: Clipping | None = None,
        capturable: bool = False,
    ) -> None:
        """`scale_for`: the device type whose fp16 gradients are to be scaled; None for no scaling. `team`: those that
        take each step together, where there are several. `clipping`: what bounds the gradients of a part, where it
        isn't their norm as a whole. `capturable`: a CUDA graph is to take the steps."""
        regularizers = list(regularizers)
        self._team = team
        self.progress = Progress()
        self._penalties = overrides(regularizers, "penalty")
        self._on_gradients = overrides(regularizers, "on_gradients")
        self._parts: dict[str, Part] = {}
        self._below: dict[str, list[Part]] = {}
        groups = _trainable_parts(learner)
        own = [*dict.fromkeys(name.rpartition("/")[2] for name in groups)]
        for name in dict(recipe.parts):
            if name not in own:
                raise ValueError(f"the recipe sets {name!r}, but the model's parts are: {', '.join(own) or 'none'}")
        for name, parameters in groups.items():
            own_recipe = recipe.part(name.rpartition("/")[2])
            self._parts[name] = Part(parameters, own_recipe, ingredients, clipping, team=team, capturable=capturable)
            for path in accumulate(name.split("/"), "{}/{}".format):  # the last one is the part's own name
                self._below.setdefault(path, []).append(self._parts[name])
        self._all = list(self._parts.values())
        self._closures = any(p.closure for p in self._all)
        self._scaler = torch.amp.GradScaler(scale_for) if scale_for else None
        # a learner without parameters (a counting one) still stops when its schedule says so
        self._stop_only = None if self._all else _factor(recipe.schedule, ingredients)
        self.scheduled = self._stop_only is not None or any(part.factor is not None for part in self._all)

    def minimize(self, loss: Tensor | Callable[[], Tensor], part: str | None = None) -> Tensor:
        """See `Optimizers.minimize`."""
        parts = self._all if part is None else self._named(part)
        if self._closures and any(p.closure for p in parts):
            return self._minimize_closure(loss, parts)
        for p in parts:
            p.optimizer.zero_grad()
        value = loss() if callable(loss) else loss
        # as `without_autocast` does: a small network's step notices a context that does nothing
        device_type = "cpu" if value.is_cpu else value.device.type
        if torch.is_autocast_enabled(device_type):
            with torch.autocast(device_type, enabled=False):
                self._follow(value, parts, restricted=part is not None)
        else:
            self._follow(value, parts, restricted=part is not None)
        return value.detach()

    def advance(self, progress: Progress) -> bool:
        """Set every learning rate for this step; returns False where a schedule says to stop."""
        if self._stop_only is not None:
            return self._stop_only(progress) is not Stop
        for part in self._all:
            if part.factor is not None:
                factor = part.factor(progress)
                if factor is Stop:
                    return False
                part.set_lr(factor)
        return True

    def rates(self) -> Iterator[tuple[list[nn.Parameter], float]]:
        """See `Optimizers.rates`."""
        for part in self._all:
            yield from part.rates()

    @property
    def all(self) -> list[torch.optim.Optimizer]:
        """The optimizers of all parts."""
        return [part.optimizer for part in self._all]

    @property
    def has_closures(self) -> bool:
        """Whether one of them evaluates its loss several times a step."""
        return self._closures

    def state_bytes(self) -> int:
        """Bytes of all tensors in the optimizers' states."""
        states = (state for part in self._all for state in part.optimizer.state.values())
        return sum(v.numel() * v.element_size() for s in states for v in s.values() if isinstance(v, Tensor))

    def _named(self, part: str) -> list[Part]:
        if part not in self._below:
            raise KeyError(f"there is no part {part!r} to minimize; parts: {', '.join(self._parts)}")
        return self._below[part]

    def _follow(self, value: Tensor, parts: list[Part], restricted: bool) -> None:
        self._backward(value, parts, restricted)
        if self._team is None:
            self._step(parts)
        else:
            with self._team.alike():
                self._step(parts)

    def _backward(self, value: Tensor, parts: list[Part], restricted: bool) -> None:
        total: Tensor = value
        for penalty in self._penalties:
            for p in parts:
                total = total + penalty(p.parameters)
        if self._team is not None:
            total = self._team.weigh(total)
        if self._scaler is not None:
            total = self._scaler.scale(total)
        if restricted and len(self._all) > 1:
            total.backward(inputs=[q for p in parts for q in p.parameters])  # type: ignore[no-untyped-call]
        else:
            total.backward()  # type: ignore[no-untyped-call]
        if self._team is not None:  # before unscaling: where one overflows, all see it
            self._team.add([q for p in parts for q in p.parameters])

    def _step(self, parts: list[Part]) -> None:
        for p in parts:
            if self._scaler is None:
                p.treat_gradients(self._on_gradients)
                p.optimizer.step()
            else:
                self._scaler.unscale_(p.optimizer)
                p.treat_gradients(self._on_gradients)
                self._scaler.step(p.optimizer)
        if self._scaler is not None:
            self._scaler.update()
        torch.clear_autocast_cache()  # the weights have moved: copies that were cast from them are stale

    def _minimize_closure(self, loss: Tensor | Callable[[], Tensor], parts: list[Part]) -> Tensor:
        if len(parts) != 1:
            names = ", ".join(name for name, part in self._parts.items() if part in parts)
            raise NotApplicable(
                f"an optimizer that evaluates its loss several times needs one part, not {names} at once"
            )
        if not callable(loss):
            raise TypeError("this optimizer evaluates its loss several times: give minimize a closure, not a tensor")
        part = parts[0]
        device = part.parameters[0].device.type
        enabled, dtype = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
        values: list[Tensor] = []

        def evaluate() -> Any:
            torch.clear_autocast_cache()
            part.optimizer.zero_grad()
            with torch.autocast(device, dtype, enabled):
                value = loss()
            with torch.enable_grad():
                self._backward(value, parts, restricted=len(self._all) > 1)
            part.treat_gradients(self._on_gradients)
            values.append(value.detach())
            return value.detach() if self._team is None else self._team.total(self._team.weigh(value))

        with without_autocast(device):
            part.optimizer.step(evaluate)
        torch.clear_autocast_cache()
        return values[0]


def without_autocast(device_type: str) -> AbstractContextManager[Any]:
    """For backward and all that follows it: autocast is for forward passes and losses. Its lists of operators would run
    gradients and steps in types that they weren't made for."""
    if torch.is_autocast_enabled(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()


def _trainable_parts(learner: Learner) -> dict[str, list[nn.Parameter]]:
    groups = {name: [p for p in params if p.requires_grad] for name, params in learner.parts().items()}
    groups = {name: params for name, params in groups.items() if params}
    held = {id(p) for params in groups.values() for p in params}
    missing = [name for name, p in learner.named_parameters() if p.requires_grad and id(p) not in held]
    if missing:
        raise ValueError(f"parts() leaves out the parameter {missing[0]!r}")
    return groups


def _factor(schedule: Choice, ingredients: Ingredients) -> Factor | None:
    """The schedule's function; None for a constant one, so that the step pays nothing for it."""
    if schedule == Choice("constant"):
        return None
    return ingredients.schedule(schedule.name).build(**dict(schedule.options))
