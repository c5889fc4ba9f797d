"""Several processes that train one cell together, each with a shard of every weight, its gradient and its state.

Torch's `fully_shard` gathers the weights of a block before it computes and hands each process its rows of the summed
gradients afterwards. Optimizers step plain tensors, the process's own rows, so what they do must be the same number by
number, which is tried before the first step. To be judged, the learner stands in one piece in the first process.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.fsdp._fully_shard._fsdp_api import AllGather, ReduceScatter
from torch.distributed.tensor import DTensor

from ..contract.learner import Learner, Regularizer, Supervised, overrides
from ..contract.specs import OptimizerSpec
from ..errors import NotApplicable
from .board import Board
from .team import Build, Reaching, Several

WITH_WEIGHTS = ("penalty", "on_gradients", "after_step", "eval_learner")
"""Where a regularizer acts on weights or gradients, of which each process holds some rows only."""
SMALLEST = 1e-3
"""The share of a network's numbers from which on a block is gathered by itself: each costs messages."""
TRIED = 8
"""Steps of an optimizer that are compared: some change their rule after a few."""
CONTAINERS = (nn.ModuleList, nn.ModuleDict)


class Sharding(Several):
    """One of several processes that hold a learner together."""

    def __init__(self, *given: Any, scaled: bool = False, **named: Any) -> None:
        """`scaled`: whether gradients are, as those of fp16."""
        super().__init__(*given, **named)
        self.clipping, self._scaled = self._clip, scaled
        self._by_number: dict[str, bool] = {}

    def divide(self, learner: Learner, regularizers: Sequence[Regularizer]) -> None:
        if not hasattr(FSDPModule, "reset_iter_state"):
            raise NotApplicable(f"needs a newer torch than {torch.__version__} for --shard")
        _check(learner, regularizers)
        assert dist.group.WORLD is not None
        mesh = DeviceMesh.from_group(dist.group.WORLD, self.device.type)
        number = 0
        for network in networks_of(learner):
            for module in [*(blocks_of(network) if self._by_blocks else ()), network]:
                number += 1
                made = fully_shard(module, mesh=mesh, ignored_params=_left_whole(module))
                made.set_gradient_divide_factor(1.0)
                made.set_force_sum_reduction_for_comms(True)
                made.set_custom_reduce_scatter(_Summing(self, number))
                if self.board is not None:
                    made.set_custom_all_gather(_Gathering(self.board, number))
        self._learner: Callable[[], Learner | None] = weakref.ref(learner)
        self._looked = False

    def held(self, parameters: list[nn.Parameter], spec: OptimizerSpec, build: Build) -> list[nn.Parameter]:
        if spec.closure:
            raise NotApplicable(f"is stepped by {spec.name}, which evaluates a batch several times, as --shard can't")
        key = f"{spec.name} {build.args[1:]}"
        if key not in self._by_number:  # once, so that no measurement of a later learner holds what it takes
            self._by_number[key] = by_number(build)
        if not self._by_number[key]:
            raise NotApplicable(
                f"is stepped by {spec.name}, which looks at a weight as a whole, and --shard leaves each device some "
                "of its rows"
            )
        return [_rows_of(parameter) if isinstance(parameter, DTensor) else parameter for parameter in parameters]

    def add(self, parameters: list[nn.Parameter]) -> None:
        whole = []
        for parameter in parameters:
            if (sharded := getattr(parameter, "sharded", None)) is None:
                whole.append(parameter)
            elif sharded.grad is not None:
                parameter.grad, sharded.grad = sharded.grad.to_local(), None
        self._look(whole)
        super().add(whole)
        if self._scaled and (found := [parameter.grad for parameter in parameters if parameter.grad is not None]):
            self._agree(found)

    def _agree(self, gradients: list[Tensor]) -> None:
        """Where one process has a gradient that isn't finite, leave none finite in any: all pass over this step."""
        own = torch.stack([gradient.sum() for gradient in gradients]).sum() * 0.0
        torch._foreach_add_(gradients, self.total(own))

    def _look(self, whole: list[nn.Parameter]) -> None:
        """Raises NotApplicable where the first backward pass left gradients that weren't shared out."""
        if self._looked or (learner := self._learner()) is None:
            return
        self._looked, known = True, {id(parameter) for parameter in whole}
        for name, parameter in learner.named_parameters():
            if not isinstance(parameter, DTensor) and parameter.grad is not None and id(parameter) not in known:
                raise NotApplicable(f"hides from --shard what is computed from its weights {name}")

    def _clip(self, parameters: list[nn.Parameter], limit: float) -> None:
        """As torch's `clip_grad_norm_` does of all rows together."""
        squares = [torch.zeros((), device=self.device), torch.zeros((), device=self.device)]
        found = [parameter for parameter in parameters if parameter.grad is not None]
        for parameter in found:
            assert parameter.grad is not None
            squares[hasattr(parameter, "sharded")] += torch.linalg.vector_norm(parameter.grad).square()
        norm = (self.total(squares[1]) + squares[0]).sqrt()
        factor = (limit / (norm + 1e-6)).clamp_max(1.0)
        for parameter in found:
            parameter.grad.mul_(factor)  # type: ignore[union-attr]

    @contextmanager
    def step(self) -> Iterator[None]:
        try:
            with super().step():
                yield
        except RuntimeError as error:
            if "mixed torch.Tensor and DTensor" in str(error):
                raise Reaching("uses weights otherwise than by calling the module they belong to") from error
            raise

    @contextmanager
    def whole(self, learner: Learner) -> Iterator[None]:
        modules = [module for module in learner.modules() if isinstance(module, FSDPModule)]
        for module in modules:
            module.unshard()
            if self.rank:
                module.reshard()
        if self.rank:
            yield
            return
        for module in modules:
            module.set_reshard_after_forward(False, recurse=False)
        try:
            yield
        finally:
            roots = networks_of(learner)
            for network in roots if self._looked else ():  # a step began what passes of this process alone went on with
                network.reset_iter_state()  # type: ignore[operator]
            for module in modules:
                module.set_reshard_after_forward(module not in roots, recurse=False)
                module.reshard()

    def replicated(self, learner: Learner) -> dict[str, Tensor]:
        return {name: value for name, value in super().replicated(learner).items() if not isinstance(value, DTensor)}


class _Fresh:
    """Memory for messages, as torch's own have it."""

    def allocate(self, size: Any, *, dtype: torch.dtype, device: torch.device) -> Tensor:
        return torch.empty(*size, dtype=dtype, device=device)


class _Summing(_Fresh, ReduceScatter):
    """The sum over all processes; a part of which nothing counts adds zeros."""

    def __init__(self, team: Sharding, number: int) -> None:
        self._team, self._number = team, number

    def __call__(
        self, output_tensor: Tensor, input_tensor: Tensor, group: Any, op: Any, async_op: bool = False
    ) -> Any:  # fmt: skip
        own = self._team.live(input_tensor)
        if self._team.board is None:
            return dist.reduce_scatter_tensor(output_tensor, own, group=group, async_op=async_op)
        self._team.board.scatter_sum(output_tensor, own, -self._number)
        return None


class _Gathering(_Fresh, AllGather):
    """The rows of all processes."""

    def __init__(self, board: Board, number: int) -> None:
        self._board, self._number = board, number

    def __call__(self, output_tensor: Tensor, input_tensor: Tensor, group: Any, async_op: bool = False) -> Any:
        self._board.gather(output_tensor, input_tensor, self._number)


def networks_of(learner: nn.Module) -> list[nn.Module]:
    """The outermost modules of a learner that are called and hold weights."""
    found: list[nn.Module] = []
    for child in learner.children():
        if isinstance(child, (Learner, *CONTAINERS)):
            found += networks_of(child)
        elif any(True for _ in child.parameters()):
            found.append(child)
    return found


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """The modules of a network that are gathered by themselves: where a container has several of a kind with weights,
    each of those, if no other module holds one of its weights too."""
    smallest = SMALLEST * _size(network)

    def within(module: nn.Module) -> Iterator[nn.Module]:
        children = [child for child in module.children() if _size(child)]
        kinds = Counter(type(child) for child in children if isinstance(module, (nn.Sequential, *CONTAINERS)))
        for child in children:
            if (
                kinds[type(child)] > 1 and not isinstance(child, CONTAINERS) and _size(child) >= smallest
                and not _tied(child, network)
            ):  # fmt: skip
                yield child
            else:
                yield from within(child)

    return list(dict.fromkeys(within(network)))


def by_number(build: Callable[[list[nn.Parameter]], torch.optim.Optimizer]) -> bool:
    """Whether an optimizer moves each number by what it knows of that number alone: steps on the rows of a few weights
    are tried against those on the weights. Some look at a matrix as a whole only if it is large."""
    draw = torch.Generator().manual_seed(0)
    begin = [torch.randn(shape, generator=draw) for shape in ((320, 160), (320,), (320, 2, 3, 3))]
    rows = (slice(320), slice(160), slice(160, 320))
    groups = [[nn.Parameter(x[some].clone()) for x in begin] for some in rows]
    with torch.random.fork_rng(devices=[]):
        optimizers = [build(group) for group in groups]
        for _ in range(TRIED):
            gradients = [torch.randn(x.shape, generator=draw) for x in begin]
            for group, some in zip(groups, rows, strict=True):
                for parameter, gradient in zip(group, gradients, strict=True):
                    parameter.grad = gradient[some].clone()
            for optimizer in optimizers:
                optimizer.step()
    for x, whole, *parts in zip(begin, *groups, strict=True):
        moved, apart = whole.detach() - x, torch.cat(parts).detach() - x
        if not torch.allclose(moved, apart, rtol=1e-3, atol=1e-3 * float(moved.abs().max())):
            return False
    return True


def _check(learner: Learner, regularizers: Sequence[Regularizer]) -> None:
    for regularizer in regularizers:
        if any(overrides([regularizer], place) for place in WITH_WEIGHTS):
            name = type(regularizer).__name__
            raise NotApplicable(f"has the regularizer {name}, which needs weights whole, and --shard divides them")
    if type(learner) is not Supervised and len([*learner.parts()]) > 1:
        raise NotApplicable(f"minimizes its parts {', '.join(learner.parts())} one at a time, as --shard can't")
    if not networks_of(learner):
        raise NotApplicable("has no network whose weights could be divided")


def _left_whole(module: nn.Module) -> set[nn.Parameter]:
    """Weights that have no rows, or aren't laid out by rows: every process keeps them."""
    return {p for p in module.parameters() if not isinstance(p, DTensor) and (p.dim() == 0 or not p.is_contiguous())}


def _rows_of(parameter: Any) -> nn.Parameter:
    """This process's rows of a weight, on the same memory, as an optimizer takes them; `sharded` is the weight."""
    rows = nn.Parameter(parameter.detach().to_local())
    rows.sharded = parameter  # type: ignore[attr-defined]
    return rows


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _tied(block: nn.Module, network: nn.Module) -> bool:
    own, inside = {id(parameter) for parameter in block.parameters()}, set(block.modules())
    others = [module for module in network.modules() if module not in inside]
    return any(id(parameter) in own for module in others for parameter in module._parameters.values())
