"""Positional encodings: each tells orders apart, none cannot; waves, slopes, rotations, the ODE; limits."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dlbench import TokenBatch
from dlbench_transformer.encoder import Encoder
from dlbench_transformer.gpt import GPT
from dlbench_transformer.mixing import ATTENTIONS, POSITIONS, Mixing
from dlbench_transformer.positions.alibi import alibi_bias, alibi_slopes
from dlbench_transformer.positions.floater import INTERVAL, Floater
from dlbench_transformer.positions.learned import Learned
from dlbench_transformer.positions.recurrent import Recurrent
from dlbench_transformer.positions.rotary import rotate, turn_at
from dlbench_transformer.positions.sinusoidal import waves


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def pooled(mixing: Mixing, pool: str = "mean") -> Encoder:
    model = Encoder(vocab=11, num_classes=3, max_length=12, width=16, depth=2, heads=2, pool=pool, mixing=mixing)
    return model.double().eval()


@pytest.mark.parametrize("attention", ["full", "linear", "performer"])
def test_without_positions_a_pooled_encoder_sees_a_set(attention: str) -> None:
    ids = torch.randint(11, (4, 12))
    shuffled = ids[:, torch.randperm(12)]
    for pool in ("mean", "max"):
        model = pooled(Mixing(positions="none", attention=attention), pool)
        assert (model(TokenBatch(ids)) - model(TokenBatch(shuffled))).abs().max() < 1e-12


@pytest.mark.parametrize("positions", [name for name in POSITIONS if name != "none"])
def test_with_positions_it_sees_an_order(positions: str) -> None:
    ids = torch.arange(12)[None] % 11
    shuffled = ids[:, torch.randperm(12)]
    for attention in ATTENTIONS:
        if positions == "alibi" and attention in ("linear", "performer"):
            continue
        model = pooled(Mixing(positions=positions, attention=attention))
        assert (model(TokenBatch(ids)) - model(TokenBatch(shuffled))).abs().max() > 1e-5


def test_alibi_that_counts_both_sides_alike_cannot_see_which_end_is_first() -> None:
    """So a mirrored text has the same mean; what stands at the first place differs."""
    ids = torch.randint(11, (4, 12))
    texts, mirrored = TokenBatch(ids), TokenBatch(ids.flip(1))
    alibi = Mixing(positions="alibi")
    model = pooled(alibi)
    assert (model(texts) - model(mirrored)).abs().max() < 1e-12
    model = pooled(alibi, "first")
    assert (model(texts) - model(mirrored)).abs().max() > 1e-5


@pytest.mark.parametrize("positions", ["sinusoidal", "learned", "rotary", "rnn", "floater"])
def test_all_others_tell_a_text_from_its_mirror_image(positions: str) -> None:
    ids = torch.randint(11, (4, 12))
    model = pooled(Mixing(positions=positions))
    assert (model(TokenBatch(ids)) - model(TokenBatch(ids.flip(1)))).abs().max() > 1e-5


def test_waves_by_hand() -> None:
    found = waves(torch.tensor([0, 3]), 4)
    angles = torch.tensor([3.0, 3.0 / 100])
    assert torch.allclose(found[0], torch.tensor([0.0, 0.0, 1.0, 1.0]))
    assert torch.allclose(found[1], torch.cat([angles.sin(), angles.cos()]))
    assert waves(torch.arange(5), 7).shape == (5, 7)


def test_slopes_are_those_of_the_paper() -> None:
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(16).tolist() == pytest.approx([2 ** (-i / 2) for i in range(1, 17)])
    assert alibi_slopes(12).tolist() == pytest.approx(
        [2.0**-i for i in range(1, 9)] + [2 ** (-i / 2) for i in (1, 3, 5, 7)]
    )
    places = torch.arange(3)
    bias = alibi_bias(alibi_slopes(2), places[:, None] - places)
    assert torch.equal(bias[0] * 16, -torch.tensor([[0.0, 1, 2], [1, 0, 1], [2, 1, 0]]))
    assert torch.equal(bias[1] * 256, bias[0] * 16)


def test_rotary_products_depend_on_distances_only() -> None:
    query, key = torch.randn(1, 1, 1, 8).double(), torch.randn(1, 1, 1, 8).double()

    def products(first: int, second: int) -> Tensor:
        turned = [rotate(x, turn_at(torch.tensor([at]), 8)) for x, at in ((query, first), (key, second))]
        return (turned[0] * turned[1]).sum()

    for shift in (1, 7, 100):
        assert torch.allclose(products(5 + shift, 2 + shift), products(5, 2), atol=1e-4)
    assert (products(5, 2) - products(6, 2)).abs() > 1e-3
    assert torch.allclose(products(4, 4), (query * key).sum())


def test_rotary_gpt_sees_no_absolute_place() -> None:
    """With a window of one place, what comes out of one layer after the same two tokens is the same anywhere."""
    mixing = Mixing(positions="rotary", attention="truncated", window=1)
    model = GPT(vocab=11, width=16, depth=1, heads=2, mixing=mixing).double().eval()
    logits = model(TokenBatch(torch.tensor([[3, 7] * 20])))
    assert (logits[0, 1] - logits[0, 39]).abs().max() < 1e-6


def test_floater_follows_its_ode() -> None:
    """Against an adaptive solver, and the error falls as a method of fourth order makes it fall."""
    from scipy.integrate import solve_ivp

    floater = Floater(width=6).double()
    found = floater.vectors(40).detach()

    @torch.no_grad()
    def rate(time: float, point: list[float]) -> list[float]:
        return floater.rate(torch.tensor([[time]]).double(), torch.tensor(point).double()[None])[0].tolist()

    times = [INTERVAL * place for place in range(40)]
    solved = solve_ivp(rate, (0.0, times[-1] + 0.01), floater.origin[0].tolist(), t_eval=times, rtol=1e-10, atol=1e-10)
    assert (found - torch.tensor(solved.y.T)).abs().max() < 1e-5
    assert (found[1:] - found[:-1]).norm(dim=1).min() > 1e-2


def test_floater_learns_through_its_steps() -> None:
    floater = Floater(width=6).double()
    floater.vectors(9)[8, 0].backward()
    step = 1e-5
    for weight in (floater.origin, floater.inner.weight, floater.inner.bias, floater.outer.weight, floater.outer.bias):
        value = []
        for sign in (1, -1):
            with torch.no_grad():
                weight.view(-1)[0] += sign * step
                value.append(floater.vectors(9)[8, 0].item())
                weight.view(-1)[0] -= sign * step
        assert weight.grad.view(-1)[0].item() == pytest.approx((value[0] - value[1]) / (2 * step), abs=1e-7)


def test_recurrent_positions_scale_with_the_embeddings() -> None:
    torch.manual_seed(2)
    small = Recurrent(width=4, scale=0.02)
    torch.manual_seed(2)
    large = Recurrent(width=4, scale=1.0)
    x = torch.randn(2, 5, 4)
    assert torch.allclose(small(0.02 * x), 0.02 * large(x), atol=1e-6)


def test_learned_positions_have_a_limit() -> None:
    table = Learned(width=4, max_length=6)
    assert torch.equal(table(torch.zeros(1, 6, 4))[0], table.table)
    with pytest.raises(ValueError, match="a sequence of 7 tokens is longer than the limit of 6"):
        table(torch.zeros(1, 7, 4))
    with pytest.raises(ValueError, match="a sequence of 7 tokens is longer than the limit of 6"):
        table.step(torch.zeros(2, 1, 4), torch.tensor([6, 6]), ())


@pytest.mark.parametrize("positions", [name for name in POSITIONS if name != "learned"])
def test_others_go_beyond_the_training_length(positions: str) -> None:
    model = GPT(vocab=5, max_length=4, width=8, depth=1, heads=2, mixing=replace(Mixing(), positions=positions))
    assert model(TokenBatch(torch.zeros(1, 50, dtype=torch.int64))).shape == (1, 50, 5)


@pytest.mark.parametrize("positions", POSITIONS)
def test_gradient_reaches_every_parameter(positions: str) -> None:
    model = Encoder(
        vocab=11, num_classes=3, max_length=12, width=8, depth=1, heads=2, mixing=Mixing(positions=positions)
    )
    batch = TokenBatch(torch.randint(11, (4, 12)), torch.tensor([12, 3, 5, 1]))
    F.cross_entropy(model(batch), torch.tensor([0, 1, 2, 0])).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
