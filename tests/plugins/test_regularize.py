"""Regularizers of dlbench_regularize: identities, closed forms, and that each acts where it says and nowhere else."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

import dlbench_optim
import dlbench_regularize
from dlbench import Batch, Learner, Progress, Regularizer
from dlbench.contract.choice import Choice, check_options, option_defaults
from dlbench.contract.learner import Supervised, overrides
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.errors import UsageError
from dlbench_regularize.crop_flip import crop_flip
from dlbench_regularize.ema import copy_learner

SPECS = {spec.name: spec for spec in dlbench_regularize.dlbench_regularizers()}
PLACES = {
    "crop_flip": "on_batch",
    "alternating_flip": "on_batch",
    "input_noise": "on_batch",
    "l1": "penalty",
    "l2": "penalty",
    "gradient_noise": "on_gradients",
    "ema": "after_step",
    "dropedge": "on_batch",
    "flip_boxes": "on_batch",
    "proximal_l1": "after_step",
    "weight_noise": "on_batch",
    "activation_noise": "start",
    "max_norm": "after_step",
    "clip_value": "on_gradients",
    "swa": "after_step",
}


def build(text: str) -> Regularizer:
    choice = Choice.parse(text)
    check_options(choice.name, SPECS[choice.name].build, choice.options)
    return SPECS[choice.name].build(**dict(choice.options))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Catalog:
    """dlbench_optim's specs, as the core looks them up."""

    def optimizer(self, name: str):
        return next(spec for spec in dlbench_optim.dlbench_optimizers() if spec.name == name)

    def schedule(self, name: str):
        return next(spec for spec in dlbench_optim.dlbench_schedules() if spec.name == name)


def optimizers_for(learner: Learner, *regularizers: Regularizer, **settings: object) -> PartOptimizers:
    recipe = resolve([("test", {"optimizer": "sgd", "lr": 0.1, **settings})]).recipe
    return PartOptimizers(learner, recipe, Catalog(), regularizers)


@pytest.mark.parametrize("name", SPECS)
def test_each_acts_in_its_place_and_has_its_constructors_defaults(name: str) -> None:
    built = SPECS[name].build()
    assert isinstance(built, Regularizer)
    assert overrides([built], PLACES[name])
    assert option_defaults(SPECS[name].build) == option_defaults(type(built))
    assert SPECS[name].paper


@pytest.mark.parametrize(
    "text", ["crop_flip[pad=-1]", "input_noise[sd=-1.0]", "l1[rate=-1.0]", "l2[rate=-1.0]", "ema[decay=1.0]",
             "gradient_noise[sd=-1.0]", "l2[rates=1.0]"]
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        build(text)


# --- crop_flip --------------------------------------------------------------------------------------------


def whole(count: int, value: int) -> Tensor:
    return torch.full((count,), value)


@pytest.mark.parametrize("pad", [0, 2])
def test_every_window_is_the_one_of_a_loop(pad: int) -> None:
    count, height, width = 60, 5, 7
    images = torch.randn(count, 3, height, width)
    top, left = torch.randint(0, 2 * pad + 1, (2, count), generator=seeded())
    mirrored = torch.randint(0, 2, (count,), generator=seeded(1))
    got = crop_flip(images, pad, top, left, mirrored)
    padded = torch.zeros(count, 3, height + 2 * pad, width + 2 * pad)
    padded[:, :, pad : pad + height, pad : pad + width] = images
    for i in range(count):
        window = padded[i, :, top[i] : top[i] + height, left[i] : left[i] + width]
        assert torch.equal(got[i], window.flip(-1) if mirrored[i] else window)


def test_flip_twice_is_the_identity() -> None:
    images, zero, one = torch.randn(4, 3, 5, 6), whole(4, 0), whole(4, 1)
    once = crop_flip(images, 0, zero, zero, one)
    assert torch.equal(once, images.flip(-1))
    assert torch.equal(crop_flip(once, 0, zero, zero, one), images)


def test_no_pad_and_no_flip_is_the_identity() -> None:
    images = torch.randn(4, 3, 5, 6)
    assert build("crop_flip[pad=0,flip=false]").on_batch(Batch(images), seeded()).inputs is images
    assert torch.equal(crop_flip(images, 3, whole(4, 3), whole(4, 3), whole(4, 0)), images)


def test_all_offsets_and_both_sides_are_equally_likely() -> None:
    """Each pixel holds its own number, so the pixel that lands in the middle tells the offset."""
    count, pad, side = 8100, 4, 17
    plan = torch.arange(1.0, side * side + 1).view(1, 1, side, side).expand(count, 1, side, side)
    moved = build("crop_flip[pad=4]").on_batch(Batch(plan), seeded()).inputs
    middle = moved[:, 0, side // 2, side // 2].long() - 1
    row, column = middle // side - side // 2 + pad, middle % side - side // 2 + pad
    assert set(row.tolist()) == set(column.tolist()) == set(range(9))
    assert chisquare(torch.bincount(row * 9 + column, minlength=81).numpy()).pvalue > 0.01
    mirrored = moved[:, 0, side // 2, side // 2 + 1] < moved[:, 0, side // 2, side // 2]
    assert chisquare([int(mirrored.sum()), int((~mirrored).sum())]).pvalue > 0.01
    unmirrored = build("crop_flip[flip=false]").on_batch(Batch(plan), seeded()).inputs
    assert bool((unmirrored[:, 0, 8, 9] > unmirrored[:, 0, 8, 8]).all())


def test_channels_last_stays_channels_last() -> None:
    images = torch.randn(4, 3, 6, 6)
    plain = build("crop_flip").on_batch(Batch(images), seeded()).inputs
    other = build("crop_flip").on_batch(Batch(images.contiguous(memory_format=torch.channels_last)), seeded()).inputs
    assert torch.equal(plain, other)
    assert plain.is_contiguous()
    assert other.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", ["crop_flip", "input_noise"])
def test_augmentations_touch_the_inputs_only_and_follow_the_generator(name: str) -> None:
    batch = Batch(torch.randn(8, 3, 6, 6), torch.arange(8), torch.ones(8, dtype=torch.bool), 8, True)
    kept = batch.inputs.clone()
    first, again, other = (build(name).on_batch(batch, seeded(seed)) for seed in (0, 0, 1))
    assert torch.equal(batch.inputs, kept)
    assert first.inputs.shape == kept.shape
    assert first.inputs.dtype == kept.dtype
    assert torch.equal(first.inputs, again.inputs)
    assert not torch.equal(first.inputs, other.inputs)
    assert all(getattr(first, f.name) is getattr(batch, f.name) for f in fields(batch) if f.name != "inputs")


@pytest.mark.parametrize("name", ["crop_flip", "input_noise"])
def test_augmentations_refuse_what_they_cannot_change(name: str) -> None:
    with pytest.raises(UsageError, match=name):
        build(name).on_batch(Batch(torch.ones(3, 4, dtype=torch.int64)), seeded())


class CountedOperations(TorchDispatchMode):
    """Counts the tensor operations inside."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += 1
        return func(*args, **(kwargs or {}))


def test_a_large_batch_takes_no_more_operations_than_a_small_one() -> None:
    counts = []
    for count in (2, 256):
        batch = Batch(torch.randn(count, 3, 8, 8))
        with CountedOperations() as operations:
            build("crop_flip").on_batch(batch, seeded())
        counts.append(operations.count)
    assert counts[0] == counts[1] < 50


# --- noise ------------------------------------------------------------------------------------------------


def test_input_noise_has_the_right_spread() -> None:
    inputs = torch.full((1000, 200), 3.0)
    noise = build("input_noise[sd=0.2]").on_batch(Batch(inputs), seeded()).inputs - inputs
    n = noise.numel()
    assert noise.mean().item() == pytest.approx(0.0, abs=4 * 0.2 / n**0.5)
    assert noise.std().item() == pytest.approx(0.2, abs=4 * 0.2 / (2 * n) ** 0.5)


def test_input_noise_adds_the_squared_norm_of_linear_weights_to_the_loss() -> None:
    """Bishop (1995): E (w (x + e) - y)^2 = (w x - y)^2 + sd^2 |w|^2."""
    w, x, sd = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.3, 0.1, -0.7]), 0.3
    repeated = x.expand(200_000, 3)
    losses = (build(f"input_noise[sd={sd}]").on_batch(Batch(repeated), seeded()).inputs @ w - 1.0).square()
    expected = (x @ w - 1.0).square() + sd**2 * w.square().sum()
    assert losses.mean().item() == pytest.approx(expected.item(), abs=4 * (losses.std() / len(losses) ** 0.5).item())


def test_gradient_noise_has_the_papers_variance_in_every_part() -> None:
    noise = build("gradient_noise[sd=0.5,decay=0.55]")
    parts = [[nn.Parameter(torch.zeros(100_000)), nn.Parameter(torch.zeros(3))] for _ in range(2)]
    torch.manual_seed(0)
    for t in range(5):
        for first, unused in parts:
            first.grad = torch.full_like(first, 2.0)
            noise.on_gradients([first, unused])
            expected = 0.5 * (1 + t) ** (-0.55 / 2)
            assert first.grad.std().item() == pytest.approx(expected, rel=4 / (2 * 100_000) ** 0.5)
            assert first.grad.mean().item() == pytest.approx(2.0, abs=4 * expected / 100_000**0.5)
            assert unused.grad is None


# --- penalties --------------------------------------------------------------------------------------------


class Linear(Learner):
    """Squared error of a linear model: |X w - y|^2 / (2 n)."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.zeros(x.shape[1], dtype=x.dtype))
        self.x, self.y = x, y

    def loss(self, batch: Batch) -> Tensor:
        return 0.5 * (self.x @ self.w - self.y).square().mean()


def test_penalties_are_their_formulas() -> None:
    parameters = [nn.Parameter(torch.tensor([[1.0, -2.0]])), nn.Parameter(torch.tensor(3.0))]
    assert build("l1[rate=0.1]").penalty(parameters).item() == pytest.approx(0.6)
    assert build("l2[rate=0.1]").penalty(parameters).item() == pytest.approx(0.7)


def test_l2_is_ridge_and_equals_the_weight_decay_of_sgd() -> None:
    torch.manual_seed(0)
    x, y, rate = torch.randn(30, 4, dtype=torch.float64), torch.randn(30, dtype=torch.float64), 0.3
    penalised, decayed = Linear(x, y), Linear(x, y)
    runs = [
        (penalised, optimizers_for(penalised, build(f"l2[rate={rate}]"), lr=0.5)),
        (decayed, optimizers_for(decayed, weight_decay=rate, lr=0.5)),
    ]
    for step in range(150):
        for learner, optimizers in runs:
            learner.train_step(Batch(None), optimizers)
        if step < 5:
            torch.testing.assert_close(penalised.w, decayed.w, rtol=1e-12, atol=1e-14)
    ridge = torch.linalg.solve(x.T @ x / 30 + rate * torch.eye(4, dtype=torch.float64), x.T @ y / 30)
    torch.testing.assert_close(penalised.w.detach(), ridge, rtol=1e-9, atol=1e-12)


def test_l1_is_the_soft_threshold_on_an_orthonormal_design() -> None:
    """A subgradient circles around an exact zero with the step size, so the schedule shrinks it."""
    b = torch.tensor([2.0, 0.5, 0.1, -0.05, -0.3, -1.0], dtype=torch.float64)
    x = torch.eye(6, dtype=torch.float64) * 6**0.5  # X'X / n = 1
    learner, rate, steps = Linear(x, x @ b), 0.2, 1000
    optimizers = optimizers_for(learner, build(f"l1[rate={rate}]"), lr=1.0, schedule="inverse_time[k=1.0,per=step]")
    for t in range(steps):
        optimizers.advance(Progress(step=t))
        learner.train_step(Batch(None), optimizers)
    threshold = b.sign() * (b.abs() - rate).clamp(min=0)
    torch.testing.assert_close(learner.w.detach(), threshold, rtol=0, atol=2 / steps)


# --- weight averaging -------------------------------------------------------------------------------------


class Data:
    """A task as far as a learner sees it: it lends its loss and holds the data."""

    def __init__(self) -> None:
        self.images = torch.randn(16, 3)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        return (outputs - batch.targets).square().mean()


def supervised() -> tuple[Supervised, Batch, Data]:
    torch.manual_seed(0)
    data = Data()
    learner = Supervised(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1)), data.loss)
    return learner, Batch(data.images, data.images.sum(1, keepdim=True)), data


def test_ema_is_the_closed_form_average_and_leaves_the_trained_learner_alone() -> None:
    decay, steps = 0.8, 7
    learner, batch, _ = supervised()
    twin, _, _ = supervised()
    ema = build(f"ema[decay={decay}]")
    path: list[list[Tensor]] = []
    pairs = [(learner, optimizers_for(learner, ema)), (twin, optimizers_for(twin))]
    for _ in range(steps):
        for each, optimizers in pairs:
            each.train_step(batch, optimizers)
        ema.after_step(learner)
        path.append([p.detach().clone() for p in learner.parameters()])
    share = [decay ** (steps - 1)] + [(1 - decay) * decay ** (steps - 1 - t) for t in range(1, steps)]
    assert sum(share) == pytest.approx(1.0)
    averaged = ema.eval_learner(learner)
    for i, got in enumerate(averaged.parameters()):
        expected = torch.stack([c * state[i] for c, state in zip(share, path, strict=True)]).sum(0)
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-7)
    assert all(torch.equal(a, b) for a, b in zip(averaged.buffers(), learner.buffers(), strict=True))
    assert all(torch.equal(a, b) for a, b in zip(learner.parameters(), twin.parameters(), strict=True))
    assert not torch.equal(averaged.module[3].weight, learner.module[3].weight)


def test_ema_gives_a_learner_with_the_verbs_in_the_mode_of_the_trained_one() -> None:
    learner, batch, data = supervised()
    ema = build("ema[decay=0.5]")
    assert ema.eval_learner(learner) is learner
    optimizers = optimizers_for(learner, ema)
    for _ in range(3):
        learner.train_step(batch, optimizers)
        ema.after_step(learner)
    averaged = ema.eval_learner(learner.eval())
    assert averaged is not learner
    assert not averaged.training
    trained, judged = learner.predict(batch.inputs), averaged.predict(batch.inputs)
    assert judged.shape == trained.shape
    assert not torch.equal(judged, trained)
    assert ema.eval_learner(learner.train()).training
    assert not any(p.requires_grad for p in averaged.parameters())
    assert all(p.requires_grad for p in learner.parameters())
    assert data is averaged._task_loss.__self__


def test_a_state_loaded_into_the_average_is_judged_as_it_is() -> None:
    """As training does that judges the best state and not the last."""
    learner, batch, _ = supervised()
    ema = build("ema[decay=0.5]")
    optimizers = optimizers_for(learner, ema)
    states = []
    for _ in range(3):
        learner.train_step(batch, optimizers)
        ema.after_step(learner)
        states.append({k: v.clone() for k, v in ema.eval_learner(learner).state_dict().items()})
    ema.eval_learner(learner).load_state_dict(states[0])
    judged = ema.eval_learner(learner).state_dict()
    assert all(torch.equal(judged[key], value) for key, value in states[0].items())
    assert not torch.equal(judged["module.1.running_mean"], states[2]["module.1.running_mean"])


def test_a_copied_learner_shares_the_task_and_nothing_else() -> None:
    learner, batch, data = supervised()
    copied = copy_learner(learner)
    assert copied._task_loss.__self__ is data
    storages = {p.data_ptr() for p in learner.state_dict().values()}
    assert not storages & {p.data_ptr() for p in copied.state_dict().values()}
    lstm = Supervised(nn.LSTM(3, 4), data.loss)
    copied = copy_learner(lstm)
    with torch.no_grad():
        for p in copied.parameters():
            p.zero_()
    assert copied.predict(batch.inputs)[0].abs().sum() == 0
    assert lstm.predict(batch.inputs)[0].abs().sum() > 0
