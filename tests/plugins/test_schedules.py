"""Schedules of dlbench_optim against closed forms and against torch's own."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch.optim import lr_scheduler

import dlbench_optim
from dlbench import Progress, Stop
from dlbench.contract.choice import Choice, check_options
from dlbench.errors import UsageError

SPECS = {spec.name: spec for spec in dlbench_optim.dlbench_schedules()}
PER_EPOCH, EPOCHS = 10, 20


def factor(text: str):
    choice = Choice.parse(text)
    check_options(choice.name, SPECS[choice.name].build, choice.options)
    return SPECS[choice.name].build(**dict(choice.options))


def steps(epochs: int = EPOCHS) -> Iterator[Progress]:
    """The progress before every step of a training with ten steps an epoch."""
    for t in range(epochs * PER_EPOCH):
        yield Progress(step=t, epoch=t / PER_EPOCH, share=t / (epochs * PER_EPOCH))


@pytest.mark.parametrize("name", SPECS)
def test_every_schedule_builds_and_gives_a_factor_of_0_to_1(name: str) -> None:
    f = SPECS[name].build()
    assert all(0 <= f(p) <= 1 for p in steps())


def test_constant_is_one() -> None:
    assert {factor("constant")(p) for p in steps()} == {1.0}


def test_step_every() -> None:
    f = factor("step[every=3,gamma=0.5]")
    assert [f(p) for p in steps()] == [0.5 ** (t // 30) for t in range(200)]


def test_step_after_keeps_the_rate_first() -> None:
    f = factor("step[every=1,gamma=0.5,after=4]")
    assert [f(Progress(epoch=e)) for e in (0, 3.99, 4 - 1e-12, 4.99, 5, 12.5)] == [1, 1, 0.5, 0.5, 0.25, 0.5**9]
    with pytest.raises(UsageError, match="only with every"):
        factor("step[after=4]")


def test_step_milestones_are_those_of_torch() -> None:
    f = factor("step[milestones=5-12,gamma=0.1]")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = lr_scheduler.MultiStepLR(optimizer, [5, 12], gamma=0.1)
    for epoch in range(EPOCHS):
        assert f(Progress(epoch=epoch + 0.9)) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()


def test_step_takes_one_milestone_and_epochs_that_miss_a_whole_number_by_rounding() -> None:
    f = factor("step[milestones=3]")
    assert f(Progress(epoch=2.9)) == 1.0
    assert f(Progress(epoch=3 - 1e-12)) == pytest.approx(0.1)
    assert factor("step[every=3]")(Progress(epoch=3 - 1e-12)) == pytest.approx(0.1)


def test_step_without_options_decays_at_a_half_and_three_quarters_of_the_budget() -> None:
    f = factor("step")
    assert [f(Progress(share=s)) for s in (0.0, 0.49, 0.5, 0.74, 0.75, 1.0)] == pytest.approx(
        [1, 1, 0.1, 0.1, 0.01, 0.01]
    )


def test_exponential() -> None:
    f, g = factor("exponential[gamma=0.9]"), factor("exponential[k=0.3]")
    for p in steps():
        assert f(p) == pytest.approx(0.9**p.epoch)
        assert g(p) == pytest.approx(math.exp(-0.3 * p.epoch))


def test_inverse_time() -> None:
    f, g = factor("inverse_time[k=0.5]"), factor("inverse_time[k=0.01,per=step]")
    for p in steps():
        assert f(p) == 1 / (1 + 0.5 * p.epoch)
        assert g(p) == 1 / (1 + 0.01 * p.step)


def test_cosine_is_that_of_torch() -> None:
    f = factor("cosine[end=0.1]")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    scheduler = lr_scheduler.CosineAnnealingLR(optimizer, T_max=EPOCHS * PER_EPOCH, eta_min=0.1)
    for p in steps():
        assert f(p) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_linear_and_polynomial() -> None:
    straight, square = factor("linear[end=0.2]"), factor("polynomial[power=2.0,end=0.2]")
    for p in steps():
        assert straight(p) == pytest.approx(0.2 + 0.8 * (1 - p.share))
        assert square(p) == pytest.approx(0.2 + 0.8 * (1 - p.share) ** 2)


def test_one_cycle() -> None:
    f = factor("one_cycle[peak=0.25,start=0.1,end=0.01]")
    values = [f(Progress(share=s)) for s in (0.0, 0.125, 0.25, 0.625, 1.0)]
    assert values == pytest.approx([0.1, 0.55, 1.0, 0.505, 0.01])


def test_inverse_sqrt_peaks_at_the_end_of_its_warm_up() -> None:
    f = factor("inverse_sqrt[warmup_steps=50]")
    for p in steps():
        n = p.step + 1
        assert f(p) == pytest.approx(min(n / 50, math.sqrt(50 / n)))
    assert f(Progress(step=49)) == 1.0


@pytest.mark.parametrize("warmup", ["warmup_steps=50", "warmup_epochs=5.0", "warmup_share=0.25"])
@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_a_warm_up_comes_first_and_the_curve_fills_the_rest(name: str, warmup: str) -> None:
    f = factor(f"{name}[{warmup}]")
    for p in steps():
        if p.step < 50:
            expected = (p.step + ("steps" in warmup)) / 50
        else:
            rest = (p.step - 50) / 150
            expected = 1 - rest if name == "linear" else 0.5 * (1 + math.cos(math.pi * rest))
        assert f(p) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("name", ["constant", "step", "exponential", "inverse_time"])
def test_a_warm_up_multiplies_the_schedules_that_have_a_clock_of_their_own(name: str) -> None:
    plain, warm = factor(name), factor(f"{name}[warmup_steps=20]")
    for p in steps():
        assert warm(p) == pytest.approx(plain(p) * min(1.0, (p.step + 1) / 20))


@pytest.mark.parametrize(
    "text",
    [
        "constant[warmup_steps=5,warmup_epochs=1.0]",
        "cosine[warmup_share=1.0]",
        "step[every=3,milestones=5]",
        "step[milestones=9-5]",
        "step[milestones=soon]",
        "step[every=0]",
        "exponential[gamma=1.5]",
        "inverse_time[per=minute]",
        "one_cycle[peak=1.0]",
        "inverse_sqrt[warmup_steps=0]",
        "plateau[factor=1.0]",
        "plateau[stop=true,min_factor=0.0]",
        "threshold[change=0.0]",
        "threshold[factor=1.0]",
        "threshold[min_factor=1.0]",
        "cosine[ends=0.1]",
    ],
)
def test_a_wrong_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        factor(text)


# --- plateau ----------------------------------------------------------------------------------------------


def answers(text: str, scores: list[float]) -> list[object]:
    """The factor after each evaluation, asked several times in between as training does."""
    f = factor(text)
    out = []
    for n in range(len(scores) + 1):
        history = tuple(scores[:n])
        seen = [f(Progress(step=10 * n + i, history=history)) for i in range(3)]
        assert len(set(seen)) == 1
        out.append(seen[0])
    return out


@pytest.mark.parametrize("patience", [0, 1, 5])
def test_plateau_halves_only_after_patience_plus_1_evaluations_without_a_better_one(patience: int) -> None:
    got = answers(f"plateau[patience={patience}]", [0.5] + [0.4] * (2 * patience + 2))
    wait = patience + 1
    assert got == [1.0, 1.0] + [1.0] * patience + [0.5] * wait + [0.25]
    assert len(got) == 2 * wait + 2


def test_plateau_starts_to_wait_again_after_a_better_score() -> None:
    assert answers("plateau[patience=1]", [0.1, 0.1, 0.2, 0.2, 0.3, 0.3, 0.3]) == [1.0] * 7 + [0.5]


@pytest.mark.parametrize("sign", [1, -1])
def test_plateau_is_that_of_torch(sign: int) -> None:
    """Torch sees a loss to be lowered, dlbench its negative: both must lower the rate at the same evaluations."""
    generator = torch.Generator().manual_seed(3)
    scores = (1.0 + 0.3 * torch.rand(300, generator=generator) + torch.linspace(0, 0.05, 300)).tolist()
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=1.0)
    mode = "max" if sign > 0 else "min"
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.7, patience=4, threshold=0.01, min_lr=0.001
    )
    expected = [1.0]
    for score in scores:
        scheduler.step(score)
        expected.append(optimizer.param_groups[0]["lr"])
    got = answers("plateau[factor=0.7,patience=4,threshold=0.01,min_factor=0.001]", [sign * s for s in scores])
    assert got == pytest.approx(expected)
    assert len(set(expected)) > 4


def test_plateau_stops_at_the_smallest_factor_or_stays_there() -> None:
    flat = [1.0] * 20
    staying = answers("plateau[patience=0,min_factor=0.2]", flat)
    assert staying[:5] == [1.0, 1.0, 0.5, 0.25, 0.2]
    assert set(staying[4:]) == {0.2}
    stopping = answers("plateau[patience=0,min_factor=0.2,stop=true]", flat)
    assert stopping[:4] == staying[:4]
    assert all(answer is Stop for answer in stopping[4:])


def test_plateau_takes_nan_for_no_better_score() -> None:
    assert answers("plateau[patience=1]", [0.5, math.nan, math.nan])[-1] == 0.5


def test_plateau_depends_on_the_history_alone_and_walks_it_once() -> None:
    walks = 0

    class Counted(tuple):
        def __iter__(self):
            nonlocal walks
            walks += 1
            return super().__iter__()

    f = factor("plateau[patience=0]")
    long, short = Counted([1.0, 0.5, 0.5]), Counted([1.0, 0.5])
    assert [f(Progress(step=t, history=long)) for t in range(100)] == [0.25] * 100
    assert walks == 1
    assert f(Progress(history=short)) == 0.5
    assert f(Progress(history=tuple(long))) == 0.25


# --- threshold --------------------------------------------------------------------------------------------


def test_threshold_anneals_after_each_change_that_is_small_for_its_size() -> None:
    scores = [100.0, 90.0, 89.2, 89.2, 95.0, 94.1]  # changes of 10, 0.9, 0, 6.5 and 0.95 %
    assert answers("threshold[change=0.0092]", scores) == [1.0, 1.0, 1.0, 0.5, 0.25, 0.25, 0.25]
    assert answers("threshold[change=0.0096,factor=0.1]", scores)[-1] == pytest.approx(1e-2)


def test_threshold_sees_losses_and_accuracies_alike_and_absolute_changes_too() -> None:
    scores = [0.5, 0.56, 0.57, 0.571]
    assert answers("threshold[change=0.05,relative=false]", scores) == [1.0, 1.0, 1.0, 0.5, 0.25]
    assert answers("threshold[change=0.05,relative=false]", [-s for s in scores]) == [1.0, 1.0, 1.0, 0.5, 0.25]


def test_threshold_stays_at_the_smallest_factor_and_takes_nan_for_no_small_change() -> None:
    assert answers("threshold[min_factor=0.2]", [1.0] * 6) == [1.0, 1.0, 0.5, 0.25, 0.2, 0.2, 0.2]
    assert answers("threshold", [1.0, math.nan, math.nan])[-1] == 1.0
    assert answers("threshold", [0.0, 0.0])[-1] == 1.0  # nothing is small for the size of 0
