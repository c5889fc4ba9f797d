"""Regularizers that act on weights and activations: closed forms, exact restoring, and what they refuse."""

from __future__ import annotations

import copy

import pytest
import torch
from regularizeparts import halved, linear, number, regularizer, squared, stepper, weight
from torch import nn

from dlbench import Batch, Learner, NotApplicable, UsageError
from dlbench.contract.learner import Supervised
from dlbench_regularize.layers import weights_of


def rows(count: int = 32, seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = torch.randn(count, 4, generator=generator), torch.randn(count, generator=generator)
    return Batch(inputs=inputs, targets=targets, size=count)


def network(*, inplace: bool = False, norm: bool = False) -> Supervised:
    torch.manual_seed(1)
    layers = [nn.Linear(4, 16), *([nn.BatchNorm1d(16)] if norm else []), nn.ReLU(inplace), nn.Linear(16, 1)]
    return Supervised(number(nn.Sequential(*layers)), squared)


@pytest.mark.parametrize(
    "text", ["proximal_l1[rate=-1.0]", "weight_noise[sd=-1.0]", "activation_noise[sd=-1.0]", "max_norm[limit=0.0]",
             "clip_value[limit=0.0]", "swa[share=1.0]", "swa[shares=0.5]"]
)  # fmt: skip
def test_a_wrong_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        regularizer(text)


def test_the_proximal_step_is_lassos_soft_threshold_with_exact_zeros_which_the_subgradient_never_has() -> None:
    design, _ = torch.linalg.qr(torch.randn(16, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(3)))
    best = torch.tensor([2.0, -0.05, 0.3, -1.0], dtype=torch.float64)
    batch = Batch(inputs=design, targets=design @ best, size=16)
    found = {}
    for name in ("proximal_l1", "l1"):
        learner = linear(halved).double()
        step = stepper(learner, f"{name}[rate=0.1]")
        for _ in range(400):
            step(batch)
        found[name] = weight(learner)
    soft = best.sign() * (best.abs() - 0.1).clamp_min(0)
    assert torch.allclose(found["proximal_l1"], soft, atol=1e-12)
    assert found["proximal_l1"][1].item() == 0.0
    assert (found["l1"] != 0).all()
    assert torch.allclose(found["l1"], soft, atol=0.02)


def test_the_proximal_threshold_follows_the_rate_of_each_step() -> None:
    learner = linear(lambda outputs, batch: 0.0 * outputs.sum())
    nn.init.ones_(learner.module[0].weight)
    step = stepper(learner, "proximal_l1[rate=0.5]", schedule="linear", lr=0.4)
    for share in (0.0, 0.5):
        step.optimizers.progress.share = share
        step.optimizers.advance(step.optimizers.progress)
        step(rows())
    assert torch.allclose(weight(learner), torch.full((4,), 1 - 0.5 * (0.4 + 0.2)))


def test_weight_noise_is_on_in_the_loss_and_gone_before_the_step_bit_for_bit() -> None:
    learner, seen = network(), []
    clean = copy.deepcopy(learner.state_dict())
    learner.module.register_forward_hook(lambda m, i, o: seen.append(copy.deepcopy(learner.state_dict())))
    step = stepper(learner, "weight_noise[sd=0.5]", lr=1e-30)  # float32 weights don't move by as little
    step(rows())
    assert all(torch.equal(clean[name], value) for name, value in learner.state_dict().items())
    for name, value in seen[0].items():
        assert torch.equal(clean[name], value) == name.endswith("bias")
    noise = (seen[0]["module.0.0.weight"] - clean["module.0.0.weight"]).flatten()
    assert noise.std().item() == pytest.approx(0.5 * clean["module.0.0.weight"].square().mean().sqrt(), rel=0.25)


def test_a_step_with_weight_noise_is_the_gradient_at_noisy_weights_from_the_clean_ones() -> None:
    learner, noisy = network(), []
    start = {name: p.detach().clone() for name, p in learner.named_parameters()}
    learner.module.register_forward_hook(
        lambda m, i, o: noisy.append({k: p.detach().clone() for k, p in learner.named_parameters()})
    )
    stepper(learner, "weight_noise[sd=0.5]")(rows())
    other = network()
    with torch.no_grad():
        for name, p in other.named_parameters():
            p.copy_(noisy[0][name])
    other.loss(rows()).backward()
    for (name, p), q in zip(learner.named_parameters(), other.parameters(), strict=True):
        assert torch.allclose(p, start[name] - 0.1 * q.grad, rtol=1e-6, atol=1e-8), name


class TwoParts(Learner):
    """Minimizes one part after the other, and a third in no step."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.idle = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 4)
        self.seen = []

    def parts(self):
        return {name: getattr(self, name).parameters() for name in ("first", "second", "idle")}

    def train_step(self, batch, optimizers):
        for part in ("first", "second"):
            self.seen.append(copy.deepcopy(self.state_dict()))
            loss = optimizers.minimize(lambda: self.second(self.first(batch.inputs)).square().mean(), part=part)
        self.seen.append(copy.deepcopy(self.state_dict()))
        return loss


def test_each_part_is_put_back_before_its_own_step_and_the_rest_after_all() -> None:
    learner = TwoParts()
    clean = copy.deepcopy(learner.state_dict())
    step = stepper(learner, "weight_noise[sd=0.5]", lr=1e-30)
    step(rows())

    def noisy(state):
        return [n for n in ("first", "second", "idle") if not torch.equal(state[f"{n}.weight"], clean[f"{n}.weight"])]

    assert [noisy(state) for state in learner.seen] == [["first", "second", "idle"], ["second", "idle"], ["idle"]]
    assert noisy(learner.state_dict()) == []
    step(rows())
    assert noisy(learner.seen[3]) == ["first", "second", "idle"]


def test_absolute_weight_noise_adds_the_squared_norm_of_the_input_to_a_linear_models_loss() -> None:
    learner, batch = linear(), rows()
    with torch.no_grad():
        learner.module[0].weight.copy_(torch.randn(1, 4))
    step = stepper(learner, "weight_noise[sd=0.3,relative=false]", lr=1e-30)
    clean = learner.loss(batch).item()
    losses = torch.stack([step(batch) for _ in range(4000)])
    expected = clean + 0.3**2 * batch.inputs.square().sum(1).mean().item()
    assert abs(losses.mean().item() - expected) < 3 * losses.std().item() / len(losses) ** 0.5


def test_weight_noise_refuses_an_optimizer_with_a_closure_and_a_model_without_matrices() -> None:
    with pytest.raises(NotApplicable, match="evaluates its loss once a step"):
        stepper(network(), "weight_noise", optimizer="lbfgs")

    class Point(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.zeros(4))

        def forward(self, inputs):
            return inputs @ self.place

    with pytest.raises(NotApplicable, match="two or more dimensions"):
        stepper(Supervised(Point(), squared), "weight_noise")


@pytest.mark.parametrize("inplace", [False, True])
def test_activation_noise_is_on_after_activations_in_training_only_and_copies_share_its_hooks(inplace: bool) -> None:
    learner = network(inplace=inplace)
    inputs = torch.randn(2000, 4)
    clean = learner.module[0][:2](inputs.clone())
    stepper(learner, "activation_noise[sd=0.5]")
    noisy = learner.module[0][:2](inputs.clone())
    noise = (noisy - clean).detach()
    assert noise.mean().abs() < 3 * 0.5 / noise.numel() ** 0.5
    assert noise.std().item() == pytest.approx(0.5, rel=0.02)
    for other in (learner.eval(), copy.deepcopy(learner)):
        assert torch.equal(other.module[0][:2](inputs.clone()), clean)
    (copy.deepcopy(learner).train().loss(rows())).backward()


def test_activation_noise_says_where_there_are_no_modules_to_add_it_to() -> None:
    with pytest.raises(NotApplicable, match="this model has none"):
        stepper(linear(), "activation_noise")


@pytest.mark.parametrize(
    ("layer", "incoming"), [(nn.Linear(6, 5), (1,)), (nn.Conv2d(4, 6, 3, groups=2), (1, 2, 3)),
                        (nn.ConvTranspose2d(4, 6, 3), (0, 2, 3)), (nn.Conv1d(2, 3, 3), (1, 2))]
)  # fmt: skip
def test_max_norm_bounds_what_comes_into_each_unit_and_leaves_the_rest_alone(layer: nn.Module, incoming) -> None:
    with torch.no_grad():
        layer.weight.normal_()
        layer.weight.transpose(0, 1 if isinstance(layer, nn.ConvTranspose2d) else 0)[0].mul_(1e-3)
    before, bias = layer.weight.detach().clone(), layer.bias.detach().clone()

    class Idle(Learner):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def train_step(self, batch, optimizers):
            return torch.zeros(())

    stepper(Idle(), "max_norm[limit=0.7]")(rows())
    norms = before.square().sum(incoming, keepdim=True).sqrt()
    assert (norms > 0.7).any()
    assert (norms < 0.7).any()
    assert torch.allclose(layer.weight, torch.where(norms > 0.7, before * 0.7 / norms, before))
    assert torch.equal(layer.bias, bias)


def test_max_norm_bounds_recurrent_layers_and_no_embeddings() -> None:
    class Words(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.cells = nn.Embedding(9, 4), nn.GRU(4, 3)

    assert [tuple(w.parameter.shape) for w in weights_of(Words())] == [(9, 4), (9, 3)]
    assert [w.groups for w in weights_of(Words())] == [3, 3]
    with pytest.raises(NotApplicable, match="this model has none"):
        stepper(Supervised(nn.BatchNorm1d(4), squared), "max_norm")


def test_clip_value_bounds_each_entry_and_the_norm_after_it() -> None:
    learner = linear(lambda outputs, batch: outputs.sum())
    batch = Batch(inputs=torch.tensor([[3.0, -0.2, -7.0, 0.5]]), targets=torch.zeros(1), size=1)
    stepper(learner, "clip_value[limit=0.5]", lr=1.0)(batch)
    assert torch.equal(weight(learner), -torch.tensor([0.5, -0.2, -0.5, 0.5]))
    learner = linear(lambda outputs, batch: outputs.sum())
    stepper(learner, "clip_value[limit=0.5]", lr=1.0, clip=0.1)(batch)
    assert weight(learner).norm().item() == pytest.approx(0.1, rel=1e-4)


def test_swa_is_the_mean_of_the_weights_and_statistics_after_each_step_of_its_share() -> None:
    learner = network(norm=True)
    step, seen = stepper(learner, "swa[share=0.5]"), []
    averaging = step._after_step[0].__self__
    for i in range(10):
        step.optimizers.progress.share = i / 10
        if i < 5:
            assert averaging.eval_learner(learner) is learner
        step(rows(seed=i))
        if i >= 5:
            seen.append({name: value.clone() for name, value in learner.state_dict().items()})
    found = averaging.eval_learner(learner).state_dict()
    for name, value in found.items():
        expected = torch.stack([state[name] for state in seen]).double().mean(0)
        newest = name.endswith("num_batches_tracked")
        assert torch.equal(value, seen[-1][name]) if newest else torch.allclose(value.double(), expected, atol=1e-6)
    found["module.0.1.num_batches_tracked"].zero_()  # as a state that is loaded to be judged
    assert averaging.eval_learner(learner).state_dict()["module.0.1.num_batches_tracked"] == 0
    assert all(p.grad is None for p in averaging.eval_learner(learner).parameters())
