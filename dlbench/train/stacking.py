"""The networks of several seeds as one: their parameters stacked, their losses computed by `torch.vmap`.

Each learner's own parameters and buffers become views of the stacked ones, so that it can be judged, or its state be
kept, at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from ..contract.learner import Batch, Learner, Optimizers

ELEMENTWISE = (
    torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad,
    torch.optim.Adadelta, torch.optim.Adamax, torch.optim.NAdam, torch.optim.RAdam, torch.optim.Rprop, torch.optim.ASGD,
)  # fmt: skip
"""Optimizers that treat each number by itself, so that stacking changes nothing."""


class Apart(Exception):
    """Why the seeds of a pair don't train together, as the end of a sentence."""


class Packed:
    """One batch of each seed, as one. What all seeds share isn't copied."""

    def __init__(self, batches: Sequence[Batch]) -> None:
        """Raises Apart where the batches differ in more than the numbers in their tensors."""
        if any(batch.continues is not None for batch in batches):
            raise Apart("it carries state from batch to batch")
        flat = [flattened(batch) for batch in batches]
        leaves, self.structure = flat[0]
        self.size = batches[0].size
        if any(structure != self.structure for _, structure in flat) or any(b.size != self.size for b in batches):
            raise Apart("its batches differ in shape from seed to seed")
        self.fixed: dict[int, Any] = {}
        self.tensors: list[Tensor] = []
        self.dims: list[int | None] = []
        for place, first in enumerate(leaves):
            self._add(place, first, [found[place] for found, _ in flat])

    def _add(self, place: int, first: Any, values: list[Any]) -> None:
        if all(value is first for value in values):
            if not isinstance(first, Tensor):
                self.fixed[place] = first
                return
            self.dims.append(None)
            self.tensors.append(first)
        elif isinstance(first, Tensor):
            self.dims.append(0)
            try:
                self.tensors.append(torch.stack(values))
            except RuntimeError as error:
                raise Apart("its batches differ in shape from seed to seed") from error
        elif isinstance(first, (bool, int, float, str)) and all(value == first for value in values):
            self.fixed[place] = first
        else:
            raise Apart("its batches hold more than tensors, which differs from seed to seed")
        if self.tensors and self.tensors[-1].layout is not torch.strided:
            raise Apart("its batches are sparse")

    def one(self, tensors: Sequence[Tensor]) -> Batch:
        """The batch of one seed, from its tensors."""
        return unpacked(tensors, self.fixed, self.structure, self.size)


def flattened(batch: Batch) -> tuple[list[Any], TreeSpec | None]:
    """What a batch holds, one after the other, and how its inputs go together; None where they are one tensor, for
    which a general answer would take too long."""
    rest = [batch.targets, batch.mask, batch.index]
    if isinstance(batch.inputs, Tensor):
        return [*rest, batch.inputs], None
    leaves, structure = tree_flatten(batch.inputs)
    return [*rest, *leaves], structure


def unpacked(tensors: Sequence[Tensor], fixed: Mapping[int, Any], structure: TreeSpec | None, size: int) -> Batch:
    """A batch, put together from its tensors and the rest."""
    given = iter(tensors)
    leaves = [fixed[place] if place in fixed else next(given) for place in range(len(tensors) + len(fixed))]
    targets, mask, index, *inputs = leaves
    return Batch(
        inputs[0] if structure is None else tree_unflatten(inputs, structure), targets, mask, size, index=index
    )


class Slots:
    """Where the modules of a learner hold its parameters and buffers: what `torch.func.functional_call` looks for anew
    in each call, and a small network's step notices."""

    def __init__(self, learner: Learner, tensors: Sequence[Tensor]) -> None:
        """`tensors`: the parameters and buffers, in the order in which others will stand for them."""
        order = {id(tensor): place for place, tensor in enumerate(tensors)}
        self._slots: list[tuple[dict[str, Any], str, int]] = [
            (held, name, order[id(tensor)])
            for module in learner.modules()
            for held in (module._parameters, module._buffers)
            for name, tensor in held.items()
            if tensor is not None
        ]

    @contextmanager
    def filled(self, tensors: Sequence[Tensor]) -> Iterator[None]:
        """Where these stand for the learner's own."""
        own = [held[name] for held, name, _ in self._slots]
        for held, name, place in self._slots:
            held[name] = tensors[place]
        try:
            yield
        finally:
            for (held, name, _), tensor in zip(self._slots, own, strict=True):
                held[name] = tensor


class Stack(Learner):
    """Learners of one kind that train as one. Its parameters are the stacked ones; `losses` are those of the last step,
    one for each learner."""

    def __init__(self, learners: Sequence[Learner]) -> None:
        """Raises Apart where the learners' tensors differ in more than their numbers."""
        super().__init__()
        self._learners = tuple(learners)  # a tuple hides them from nn.Module
        names = [dict(learner.named_parameters()) for learner in learners]
        self._own = [[*found.values()] for found in names]
        self._own_buffers = [[*learner.buffers()] for learner in learners]
        if any([*found] != [*names[0]] for found in names):
            raise Apart("the networks differ from seed to seed")
        self._computing = (learners[0],)  # whose modules compute for all
        self._slots = Slots(learners[0], [*self._own[0], *self._own_buffers[0]])
        self.stacked = nn.ParameterList([
            nn.Parameter(stacked([p.detach() for p in same]), requires_grad=same[0].requires_grad)
            for same in zip(*self._own, strict=True)
        ])  # fmt: skip
        self._buffers_of_all = [stacked(same) for same in zip(*self._own_buffers, strict=True)]
        self._share()

    def parts(self) -> Mapping[str, list[nn.Parameter]]:
        places = {id(p): place for place, p in enumerate(self._own[0])}
        return {
            name: [self.stacked[places[id(p)]] for p in parameters]
            for name, parameters in self._learners[0].parts().items()
        }

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        packed: Packed = batch.inputs

        def total() -> Tensor:
            losses = self.of(packed)
            self.losses = losses.detach()  # a graph that is kept remembers shapes, which `keep` changes
            return losses.sum()

        return optimizers.minimize(total)

    def of(self, packed: Packed) -> Tensor:
        """The loss of each learner on its batch."""
        (learner,) = self._computing

        def one(parameters: list[Tensor], buffers: list[Tensor], tensors: list[Tensor]) -> Tensor:
            with self._slots.filled([*parameters, *buffers]):
                return learner.loss(packed.one(tensors))

        call: Callable[..., Tensor] = torch.vmap(one, in_dims=(0, 0, packed.dims), randomness="different")
        return call([*self.stacked], self._buffers_of_all, packed.tensors)

    def keep(self, places: Sequence[int], optimizers: Sequence[torch.optim.Optimizer]) -> None:
        """Go on with the learners at these places alone, in the state of these optimizers. The others get tensors of
        their own."""
        for place in range(len(self._learners)):
            if place not in places:
                for tensor in (*self._own[place], *self._own_buffers[place]):
                    tensor.data = tensor.data.clone()
        index = torch.tensor(places, device=self.stacked[0].device)
        for optimizer in optimizers:
            for parameter, state in optimizer.state.items():
                for name, value in state.items():
                    if isinstance(value, Tensor) and value.shape == parameter.shape:
                        state[name] = value[index]
        for parameter in self.stacked:
            parameter.grad, parameter.data = None, parameter.data[index]
        self._buffers_of_all = [buffer[index] for buffer in self._buffers_of_all]
        self._learners = tuple(self._learners[place] for place in places)
        self._own = [self._own[place] for place in places]
        self._own_buffers = [self._own_buffers[place] for place in places]
        self._share()

    def _share(self) -> None:
        """Make the learners' tensors views of the stacked ones."""
        for place, (parameters, buffers) in enumerate(zip(self._own, self._own_buffers, strict=True)):
            for tensor, whole in zip((*parameters, *buffers), (*self.stacked, *self._buffers_of_all), strict=True):
                tensor.data = whole.data[place]


def stacked(tensors: Sequence[Tensor]) -> Tensor:
    """Tensors of one shape as one. Raises Apart where they aren't."""
    if any(t.shape != tensors[0].shape or t.dtype != tensors[0].dtype for t in tensors):
        raise Apart("the networks differ from seed to seed")
    return torch.stack([*tensors])


def clip_each(parameters: list[nn.Parameter], limit: float) -> None:
    """Bound the norm of each seed's gradients, as `contract.optimizers.clip` does of one."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    norms = torch.stack([torch.linalg.vector_norm(g.reshape(len(g), -1), dim=1) for g in gradients])
    factor = (limit / (torch.linalg.vector_norm(norms, dim=0) + 1e-6)).clamp(max=1.0)
    for gradient in gradients:
        gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))


def check_optimizers(alone: Sequence[torch.optim.Optimizer], together: Sequence[torch.optim.Optimizer]) -> None:
    """Raises Apart unless the optimizers treat each number by itself, and stacked parameters as single ones."""
    for one, all_of_them in zip(alone, together, strict=True):
        if type(one) not in ELEMENTWISE or type(all_of_them) is not type(one):
            raise Apart(f"{type(one).__name__} may look at more than one number at a time")
        for own, whole in zip(one.param_groups, all_of_them.param_groups, strict=True):
            if [p.shape for p in own["params"]] != [p.shape[1:] for p in whole["params"]] or any(
                own[key] != whole[key] for key in own if key != "params"
            ):
                raise Apart(f"{type(one).__name__} treats stacked parameters otherwise")
