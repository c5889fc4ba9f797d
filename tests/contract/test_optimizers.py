"""One verb for all optimizers: each part by its own recipe, and in which order a step acts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dlbench import Learner, Progress, Regularizer
from dlbench.contract.optimizers import PartOptimizers, clip
from dlbench.contract.recipe import resolve
from dlbench.errors import NotApplicable
from workshop import catalog


class Two(Learner):
    """Two parts with one weight each, and a loss with a gradient of 1 for both."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.ones(())), nn.Parameter(torch.ones(()))

    def parts(self) -> dict[str, list[nn.Parameter]]:
        return {"one": [self.first], "two": [self.second]}

    def total(self) -> Tensor:
        return self.first + self.second


def optimizers(learner: Learner, settings: dict[str, object], *regularizers: Regularizer) -> PartOptimizers:
    recipe = resolve([("test", {"optimizer": "sgd", "lr": 1.0, **settings})]).recipe
    return PartOptimizers(learner, recipe, catalog(), regularizers)


def test_each_part_follows_its_own_schedule() -> None:
    schedules = {"schedule": "exponential[gamma=0.5]", "two.schedule": "exponential[gamma=0.1]"}
    made = optimizers(Two(), schedules)
    rates = []
    for epoch in (0.0, 1.0, 2.0):
        assert made.advance(Progress(step=int(epoch), epoch=epoch, share=epoch / 3))
        rates.append([part.optimizer.param_groups[0]["lr"] for part in made._all])
    assert rates == [[1.0, 1.0], pytest.approx([0.5, 0.1]), pytest.approx([0.25, 0.01])]


def test_gradients_are_clipped_after_regularizers_have_changed_them() -> None:
    class Louder(Regularizer):
        def on_gradients(self, parameters: list[nn.Parameter]) -> None:
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.grad.mul_(100)

    learner = Two()
    optimizers(learner, {"clip": 0.25, "two.clip": 0.5}, Louder()).minimize(learner.total)
    assert (learner.first.item(), learner.second.item()) == (pytest.approx(0.75), pytest.approx(0.5))


@pytest.mark.parametrize("scale", [1e-3, 0.0999999, 0.1, 1.0, 1e20, float("inf"), float("nan"), 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_clipping_is_torchs_to_the_last_bit(scale: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    ours, theirs = ([nn.Parameter(torch.zeros(shape, dtype=dtype)) for shape in ((3, 4), (7,), ())] for _ in range(2))
    drawn = [torch.randn(p.shape, generator=generator).to(dtype) for p in ours]
    norm = torch.linalg.vector_norm(torch.cat([g.flatten() for g in drawn]))
    for parameters in (ours, theirs):
        for parameter, gradient in zip(parameters, drawn, strict=True):
            parameter.grad = gradient / norm * scale
        parameters.append(nn.Parameter(torch.zeros(2)))  # without a gradient
    clip(ours, 0.1)
    nn.utils.clip_grad_norm_(theirs, 0.1)
    for mine, its in zip(ours[:-1], theirs[:-1], strict=True):
        torch.testing.assert_close(mine.grad, its.grad, rtol=0, atol=0, equal_nan=True)


def test_a_penalty_of_one_part_leaves_the_other_alone() -> None:
    class Quadratic(Regularizer):
        def penalty(self, parameters: list[nn.Parameter]) -> Tensor:
            return sum((p.square().sum() for p in parameters), torch.zeros(()))

    learner = Two()
    made = optimizers(learner, {}, Quadratic())
    made.minimize(learner.total, part="two")
    assert (learner.first.item(), learner.second.item()) == (1.0, 1.0 - (1 + 2))
    made.minimize(learner.total)  # both at once: each is in the penalty once
    assert (learner.first.item(), learner.second.item()) == (1.0 - (1 + 2), -2.0 - (1 - 4))


def test_gradients_of_one_step_are_gone_in_the_next() -> None:
    learner = Two()
    made = optimizers(learner, {})
    for _ in range(3):
        made.minimize(learner.total)
    assert learner.first.item() == 1 - 3


def test_an_optimizer_with_a_closure_refuses_several_parts_at_once() -> None:
    made = optimizers(Two(), {"optimizer": "lbfgs"})
    with pytest.raises(NotApplicable, match="needs one part, not one, two at once"):
        made.minimize(Two().total)
    learner = Two()
    optimizers(learner, {"optimizer": "lbfgs[max_iter=1]"}).minimize(learner.total, part="one")
    assert learner.first.item() != 1.0
    assert learner.second.item() == 1.0
