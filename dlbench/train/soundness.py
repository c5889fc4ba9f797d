"""What a built model must be before it can be trained, in sentences where a library would only use its own words."""

from __future__ import annotations

from itertools import chain

import torch
from torch.nn.parameter import is_lazy

from ..contract.guard import tensors_in
from ..contract.learner import Batch, Carry, Learner, Supervised, Task
from ..data.batches import whole_pass
from ..errors import ContractError
from .execution import Execution

FEW = 2


def initialise(learner: Learner, task: Task, execution: Execution) -> Learner:
    """Give lazy modules their sizes by one forward pass, in evaluation mode and on batches of its own, so that no state
    moves but their first weights are drawn. Raises ContractError where some stay without."""
    if not _lazy(learner):
        return learner
    learner.to(execution.device).eval()
    batch = next(whole_pass(task.batches("train", FEW, torch.Generator().manual_seed(0))))
    with torch.no_grad():
        if "predict" in task.signature.output.verbs and callable(getattr(learner, "predict", None)):
            Carry()(learner.predict, batch)  # type: ignore[arg-type]
        else:
            learner.loss(batch)
    if _lazy(learner):
        raise ContractError("the model has lazy modules that no forward pass gives a size: give them theirs in build")
    return learner.train()


def check_trainable(learner: Learner) -> None:
    """Raises ContractError where nothing can be trained, unless the learner brings a step of its own."""
    if type(learner).train_step not in (Learner.train_step, Supervised.train_step):
        return
    parameters = list(learner.parameters())
    if not parameters:
        raise ContractError("the model has no parameters to train; one that needs none is a Learner with a train_step")
    if not any(parameter.requires_grad for parameter in parameters):
        raise ContractError("all parameters of the model are frozen (requires_grad=False): there is nothing to train")


def explain(error: RuntimeError, learner: Learner, batch: Batch) -> None:
    """Raises ContractError in place of an error of the first step whose reason shows."""
    if "dtype" not in str(error):
        return
    usual = torch.get_default_dtype()
    given = {t.dtype for t in tensors_in(batch.inputs) if t.is_floating_point()} - {usual}
    others = {p.dtype for p in learner.parameters() if p.is_floating_point()} - {usual}
    if others:
        raise ContractError(
            f"the model has {_names(others)} parameters, but its inputs are {_names(given or {usual})}: build it in "
            f"{_names({usual})}, or convert in forward"
        ) from error
    if given:
        raise ContractError(
            f"the task's inputs are {_names(given)}, but networks are {_names({usual})}: cast them while loading"
        ) from error


def _lazy(learner: Learner) -> bool:
    return any(is_lazy(tensor) for tensor in chain(learner.parameters(), learner.buffers()))


def _names(dtypes: set[torch.dtype]) -> str:
    return " and ".join(sorted(str(dtype).removeprefix("torch.") for dtype in dtypes))
