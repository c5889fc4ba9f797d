"""What regularization comes to where that can be computed: dropout, early stopping and batch norm."""

from __future__ import annotations

import pytest
import torch
from regularizeparts import halved, linear, stepper, weight
from torch import Tensor, nn

from dlbench import Batch
from dlbench_mlp.mlp import MLP, drop


def problem(rows: int = 40) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(7)
    scales = torch.tensor([2.0, 1.0, 0.5, 0.2], dtype=torch.float64)
    inputs = torch.randn(rows, 4, generator=generator, dtype=torch.float64) * scales
    return inputs, inputs @ torch.tensor([1.0, -2.0, 3.0, 0.5], dtype=torch.float64) + 0.1


@pytest.mark.parametrize("rate", [0.2, 0.5])
def test_dropout_on_the_inputs_of_a_linear_model_is_ridge_weighted_by_the_inputs(rate: float) -> None:
    """In expectation it adds rate / (1 - rate) times the sum of (X'X)_jj w_j^2 to the squared error."""
    inputs, targets = problem()
    weights = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
    torch.manual_seed(0)
    losses = torch.stack([(drop(inputs, rate, True) @ weights - targets).square().sum() for _ in range(4000)])
    penalty = rate / (1 - rate) * (inputs.square().sum(0) * weights.square()).sum()
    expected = (inputs @ weights - targets).square().sum() + penalty
    assert abs(losses.mean() - expected) < 3 * losses.std() / len(losses) ** 0.5
    assert penalty > 10 * losses.std() / len(losses) ** 0.5


def test_gradient_descent_under_dropout_goes_where_that_ridge_is() -> None:
    inputs, targets = problem()
    learner = linear(halved).double()
    step = stepper(learner, lr=2e-3)
    torch.manual_seed(1)
    seen = []
    for i in range(6000):
        step(Batch(inputs=drop(inputs, 0.5, True), targets=targets, size=len(targets)))
        if i >= 1000:
            seen.append(weight(learner).clone())
    design = inputs.T @ inputs
    ridge = torch.linalg.solve(design + torch.diag(design.diagonal()), inputs.T @ targets)
    plain = torch.linalg.solve(design, inputs.T @ targets)
    parts = torch.stack(seen).view(20, -1, 4).mean(1)  # means of stretches long enough to be independent
    error = parts.std(0) / len(parts) ** 0.5
    assert ((parts.mean(0) - ridge).abs() < 4 * error).all()
    assert ((parts.mean(0) - plain).abs() > 4 * error).any()


def test_early_stopping_shrinks_each_direction_by_what_is_not_yet_learnt() -> None:
    """After t steps from 0, the weight along an eigenvector of X'X of eigenvalue l is 1 - (1 - lr l)^t of the best."""
    inputs, targets = problem()
    values, vectors = torch.linalg.eigh(inputs.T @ inputs)
    best = vectors.T @ torch.linalg.solve(inputs.T @ inputs, inputs.T @ targets)
    lr = 1 / values.max().item()
    learner = linear(halved).double()
    step = stepper(learner, lr=lr)
    for t in range(1, 31):
        step(Batch(inputs=inputs, targets=targets, size=len(targets)))
        expected = (1 - (1 - lr * values) ** t) * best
        assert torch.allclose(vectors.T @ weight(learner), expected, atol=1e-10)
    shares = (vectors.T @ weight(learner)) / best  # of the small directions hardly anything is learnt, as under ridge
    assert (shares.diff() > 0).all()
    assert shares[0] < 0.5 < 0.999 < shares[-1]


def test_l2_is_ridge_for_any_rate() -> None:
    inputs, targets = problem()
    for rate in (0.1, 3.0):
        learner = linear(halved).double()
        step = stepper(
            learner, f"l2[rate={rate}]", lr=1 / (torch.linalg.eigvalsh(inputs.T @ inputs).max().item() + rate)
        )
        for _ in range(3000):
            step(Batch(inputs=inputs, targets=targets, size=len(targets)))
        exact = torch.linalg.solve(inputs.T @ inputs + rate * torch.eye(4, dtype=torch.float64), inputs.T @ targets)
        assert torch.allclose(weight(learner), exact, atol=1e-9)


def normed() -> MLP:
    torch.manual_seed(3)
    network = MLP(features=4, num_classes=3, width=8, depth=1, norm="batch").double()
    with torch.no_grad():
        network.hidden[1].weight.uniform_(0.5, 2)
        network.hidden[1].bias.normal_()
    return network


def test_batch_norm_gives_its_own_mean_and_variance_to_every_training_batch() -> None:
    network = normed()
    inputs = 3 * torch.randn(50, 4, dtype=torch.float64) + 1
    before = network.hidden[0](inputs)
    after, norm = network.hidden[:2](inputs), network.hidden[1]
    variance = before.var(0, unbiased=False)
    assert torch.allclose(after.mean(0), norm.bias, atol=1e-12)
    assert torch.allclose(after.var(0, unbiased=False), norm.weight.square() * variance / (variance + norm.eps))


def test_with_batch_norm_the_scale_of_the_weights_before_it_says_nothing() -> None:
    network = normed()
    inputs = torch.randn(50, 4, dtype=torch.float64)
    with torch.no_grad():
        first = network(inputs)
        for factor in (100.0, 10.0):
            network.hidden[0].weight.mul_(factor)
            network.hidden[0].bias.mul_(factor)
            assert torch.allclose(network(inputs), first, atol=1e-4)
    assert not torch.allclose(nn.Sequential(network.hidden[0], network.output)(inputs), first, atol=1)


def test_in_evaluation_batch_norm_gives_every_example_the_same_answer_in_any_company() -> None:
    network = normed()
    inputs = torch.randn(50, 4, dtype=torch.float64)
    network(inputs)
    assert not torch.allclose(network(inputs)[:5], network(inputs[:5]))
    network.eval()
    assert torch.allclose(network(inputs)[:1], network(inputs[:1]), atol=1e-12)
