"""First weights: variances by fans, orthogonality, what is left alone, and what becomes of a signal in depth."""

from __future__ import annotations

from math import sqrt

import pytest
import torch
from torch import nn

import dlbench_regularize
from dlbench import Batch, Learner, NotApplicable, UsageError
from dlbench.contract.choice import Choice, check_options
from dlbench.contract.learner import Supervised
from dlbench_regularize.layers import weights_of
from workshop import cell

SPECS = {spec.name: spec for spec in dlbench_regularize.dlbench_initializers()}
LAYERS = {
    "linear": (lambda: nn.Linear(300, 200), 300, 200),
    "conv": (lambda: nn.Conv2d(64, 96, 3), 64 * 9, 96 * 9),
    "grouped": (lambda: nn.Conv2d(64, 128, 3, groups=4), 16 * 9, 32 * 9),
    "depthwise": (lambda: nn.Conv2d(512, 512, 5, groups=512), 25, 25),
    "transposed": (lambda: nn.ConvTranspose2d(64, 48, 4, stride=2), 64 * 4, 48 * 16),
    "transposed_grouped": (lambda: nn.ConvTranspose1d(64, 128, 6, groups=2, stride=3), 32 * 2, 64 * 6),
    "recurrent": (lambda: nn.LSTM(150, 120), None, 120),
    "attention": (lambda: nn.MultiheadAttention(96, 4), 96, 96),
}


class Given(Learner):
    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)


def start(text: str, *layers: nn.Module) -> Given:
    choice = Choice.parse(text)
    check_options(choice.name, SPECS[choice.name].build, choice.options)
    learner = Given(*layers)
    torch.manual_seed(5)
    SPECS[choice.name].build(**dict(choice.options))(learner)
    return learner


@pytest.mark.parametrize("text", ["small_normal[sd=0.0]", "orthogonal[gain=0.0]", "he[sd=1.0]"])
def test_a_wrong_option_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        start(text, nn.Linear(2, 2))


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("rule", ["lecun", "glorot", "he", "small_normal", "zeros"])
def test_the_variance_is_that_of_the_fans_and_biases_are_zero(name: str, rule: str) -> None:
    make, fan_in, fan_out = LAYERS[name]
    layer = make()
    start(rule, layer)
    for found in weights_of(layer):
        values = found.parameter
        inputs = fan_in or values.shape[1]
        variance = {"lecun": 1 / inputs, "he": 2 / inputs, "glorot": 2 / (inputs + fan_out), "small_normal": 1e-4,
                    "zeros": 0.0}[rule]  # fmt: skip
        error = 4 * variance * sqrt(2 / values.numel())
        assert abs(values.square().mean().item() - variance) <= error
        assert abs(values.mean().item()) <= 4 * sqrt(variance / values.numel())
    biases = [p for key, p in layer.named_parameters() if "bias" in key]
    assert biases
    assert all(not p.any() for p in biases)


def test_the_weights_are_normal() -> None:
    values = start("he", nn.Linear(400, 300)).layers[0].weight.flatten() * sqrt(400 / 2)
    assert values.pow(4).mean().item() == pytest.approx(3, abs=0.1)


@pytest.mark.parametrize("name", LAYERS)
def test_each_matrix_of_a_layer_has_orthonormal_rows_or_columns(name: str) -> None:
    layer = LAYERS[name][0]()
    start("orthogonal[gain=1.5]", layer)
    counts = {"grouped": 4, "depthwise": 512, "transposed_grouped": 2, "recurrent": 4, "attention": 3}
    first = next(weights_of(layer))
    assert len(first.matrices()) == counts.get(name, 1)
    for matrix in [m for w in weights_of(layer) for m in w.matrices()]:
        flat = matrix.flatten(1)
        small = flat @ flat.T if flat.shape[0] <= flat.shape[1] else flat.T @ flat
        assert torch.allclose(small, 1.5**2 * torch.eye(len(small)), atol=1e-4)


def test_norms_embeddings_and_other_parameters_stay_as_they_were() -> None:
    class Token(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.place = nn.Parameter(torch.full((1, 4, 8), 0.3))

    tied = nn.Linear(8, 9, bias=False)
    kept = [nn.Embedding(9, 8), nn.LayerNorm(8), nn.BatchNorm1d(8), Token()]
    tied.weight = kept[0].weight
    before = [p.clone() for module in kept for p in module.parameters()]
    drawn = nn.Linear(8, 8)
    start("zeros", *kept, tied, drawn)
    assert all(torch.equal(p, q) for p, q in zip(before, [p for m in kept for p in m.parameters()], strict=True))
    assert not drawn.weight.any()
    with pytest.raises(NotApplicable, match="this model has none"):
        start("he", *kept)


def signals(rule: str, depth: int = 20, width: int = 512) -> torch.Tensor:
    """The mean square after each of `depth` rectified layers, of an input with mean square 1."""
    layers = [nn.Linear(width, width) for _ in range(depth)]
    start(rule, *layers)
    x, found = torch.randn(256, width), []
    with torch.no_grad():
        for layer in layers:
            x = layer(x)
            found.append(x.square().mean())
            x = x.relu()
    return torch.stack(found)


def test_he_keeps_the_second_moment_through_twenty_rectified_layers_and_the_others_lose_it() -> None:
    he = signals("he")
    assert he[0].item() == pytest.approx(2, rel=0.05)
    assert 1.2 < he[-1].item() < 3.4
    for rule in ("lecun", "glorot"):  # half is lost in every rectifier
        assert signals(rule)[-1].item() == pytest.approx(he[-1].item() * 2.0**-20, rel=0.02)
    assert signals("small_normal")[-1].item() < 1e-20


def test_orthogonal_keeps_the_norm_of_every_input_exactly_in_a_linear_network() -> None:
    layers = [nn.Linear(64, 64) for _ in range(20)]
    inputs = torch.randn(8, 64)
    outputs = start("orthogonal", *layers).layers(inputs)
    assert torch.allclose(outputs.norm(dim=1), inputs.norm(dim=1), rtol=1e-4)


def test_weights_of_zero_never_learn_but_for_the_last_bias() -> None:
    learner = Supervised(
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)),
        lambda outputs, batch: nn.functional.cross_entropy(outputs, batch.targets),
    )
    SPECS["zeros"].build()(learner)
    optimizer = torch.optim.Adam(learner.parameters(), lr=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        learner.loss(Batch(inputs=torch.randn(16, 4), targets=torch.arange(16) % 3, size=16)).backward()
        optimizer.step()
    moved = [name for name, p in learner.named_parameters() if p.any()]
    assert moved == ["module.2.bias"]


def test_a_cell_starts_from_the_weights_that_its_recipe_asks_for() -> None:
    settings = {"init": "zeros", "budget.epochs": 2, "select": "last"}
    found = cell("mlp[width=16]", "digits", settings)
    assert "at_floor" in found["flags"]
