"""cnn1d: what padding does (nothing), what depth and kernel see, and batch norm over valid steps only."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dlbench_cnn
from dlbench import Classes, Series, SeriesBatch, Signature
from dlbench.contract.choice import option_defaults
from dlbench.errors import UsageError
from dlbench_cnn.cnn1d import CNN1d

pytestmark = pytest.mark.numbers

(SPEC,) = [spec for spec in dlbench_cnn.dlbench_models() if spec.name == "cnn1d"]
SIGNATURE = Signature(input=Series(features=4), output=Classes(num_classes=3))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def network(**options: int) -> CNN1d:
    """In evaluation mode, with batch statistics that aren't those of a fresh layer."""
    built = SPEC.build(SIGNATURE, **{"width": 6, **options})
    for norm in built.norms:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return built.eval()


def batch(*lengths: int, longest: int = 0, junk: float = 0.0) -> SeriesBatch:
    """Series of these lengths, the same for the same length; `junk` in the padding."""
    longest = longest or max(lengths)
    values = torch.full((len(lengths), longest, 4), junk)
    for row, length in zip(values, lengths, strict=True):
        row[:length] = torch.randn(length, 4, generator=torch.Generator().manual_seed(length))
    return SeriesBatch(values, torch.tensor(lengths))


def test_padding_changes_no_answer() -> None:
    model = network()
    found = model(batch(9, 5, 1, 12))
    assert found.shape == (4, 3)
    for row, length in zip(found, (9, 5, 1, 12), strict=True):
        alone = batch(length)
        torch.testing.assert_close(model(alone)[0], row)
        torch.testing.assert_close(model(SeriesBatch(alone.values))[0], row)
    torch.testing.assert_close(model(batch(9, 5, 1, 12, longest=40)), found)
    torch.testing.assert_close(model(batch(9, 5, 1, 12, longest=40, junk=100.0)), found)


def test_padding_changes_nothing_in_training() -> None:
    def trained(inputs: SeriesBatch) -> list[Tensor]:
        torch.manual_seed(1)
        model = SPEC.build(SIGNATURE, width=6).train()
        model(inputs).square().sum().backward()
        return [p.grad for p in model.parameters()] + [b for b in model.buffers() if b.is_floating_point()]

    for a, b in zip(trained(batch(9, 5, 2)), trained(batch(9, 5, 2, longest=30, junk=50.0)), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_masked_and_plain_are_one_network() -> None:
    """Where nothing is padded, also with the statistics of the batch."""
    full = batch(7, 7, 7)
    for model in (network(), network().train()):
        torch.testing.assert_close(model(full), model(SeriesBatch(full.values)))


@pytest.mark.parametrize(("depth", "kernel", "reach"), [(1, 1, 0), (1, 5, 2), (2, 3, 2), (3, 5, 6)])
def test_depth_and_kernel_set_how_far_a_step_is_seen(depth: int, kernel: int, reach: int) -> None:
    model = network(depth=depth, kernel=kernel)
    seen = {}
    model.head = torch.nn.Identity()
    weight = torch.zeros(1, 31, 4, requires_grad=True)
    x = weight.transpose(1, 2)
    for convolution, norm in zip(model.convolutions, model.norms, strict=True):
        x = norm(convolution(x))  # without the ReLU, which would hide some
    x[0, :, 15].square().sum().backward()
    seen = weight.grad[0].abs().sum(dim=1).nonzero().squeeze(1)
    assert (seen.min().item(), seen.max().item()) == (15 - reach, 15 + reach)


def test_it_sees_the_order_of_steps() -> None:
    model = network()
    inputs = batch(9)
    assert not torch.allclose(model(inputs), model(SeriesBatch(inputs.values.flip(1), inputs.lengths)))


def test_it_learns_which_way_a_ramp_goes() -> None:
    lengths = torch.arange(40) % 9 + 4
    up = torch.arange(40) % 2
    steps = torch.linspace(-1, 1, 12)[None, :, None] * (2 * up - 1)[:, None, None] + 0.1 * torch.randn(40, 12, 4)
    inputs = SeriesBatch(steps.masked_fill(torch.arange(12)[None, :, None] >= lengths[:, None, None], 0), lengths)
    model = SPEC.build(SIGNATURE, width=8)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(inputs), up).backward()
        optimizer.step()
    assert (model.eval()(inputs).argmax(1) == up).float().mean() >= 0.95


def test_options_and_bad_ones() -> None:
    assert option_defaults(SPEC.build) == {"width": 64, "depth": 3, "kernel": 5, "dropout": 0.0}
    ours = CNN1d(features=4, num_classes=3)
    assert {k: v.shape for k, v in ours.state_dict().items()} == {
        k: v.shape for k, v in SPEC.build(SIGNATURE).state_dict().items()
    }
    assert sum(p.numel() for p in network(width=8, depth=2, kernel=3).parameters()) == 4 * 24 + 8 * 24 + 2 * 16 + 27
    for options in ({"kernel": 4}, {"kernel": -1}, {"depth": 0}):
        with pytest.raises(UsageError, match="odd kernel and a depth of at least 1"):
            SPEC.build(SIGNATURE, **options)
    with pytest.raises(ValueError, match="kernel must be odd"):
        CNN1d(features=4, num_classes=3, kernel=2)
