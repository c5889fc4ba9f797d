"""Forms of attention: what they see, that they agree where they must, padding, cached decoding."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dlbench_transformer
from dlbench import Classes, NextToken, NotApplicable, Series, SeriesBatch, Signature, TokenBatch, Tokens, TokenTags
from dlbench.errors import UsageError
from dlbench_transformer.attention.full import Full
from dlbench_transformer.attention.heads import SelfAttention
from dlbench_transformer.attention.linear import CHUNK, EluFeatures, Linear
from dlbench_transformer.attention.performer import RandomFeatures, orthogonal_rows
from dlbench_transformer.attention.scores import Additive, Dot
from dlbench_transformer.attention.truncated import Truncated
from dlbench_transformer.gpt import GPT
from dlbench_transformer.mixing import ATTENTIONS, POSITIONS, SCORES, Mixing
from dlbench_transformer.pool import POOLS
from dlbench_transformer.positions.alibi import alibi_slopes

SPECS = {spec.name: spec for spec in dlbench_transformer.dlbench_models()}


def fitting(**fixed: str) -> list[Mixing]:
    """All combinations of words that go together, with a window shorter than the sequences here."""
    words = {"positions": POSITIONS, "attention": ATTENTIONS, "score": SCORES} | {k: (v,) for k, v in fixed.items()}
    every = [Mixing(**dict(zip(words, chosen, strict=True))) for chosen in itertools.product(*words.values())]
    every = [replace(m, window=4) if m.attention == "truncated" else m for m in every]
    return [m for m in every if not (m.kernelised and (m.score == "additive" or m.positions == "alibi"))]


def named(mixing: Mixing) -> str:
    return f"{mixing.positions}-{mixing.attention}-{mixing.score}"


every_form = pytest.mark.parametrize("mixing", fitting(), ids=named)


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def lively(module: nn.Module) -> nn.Module:
    """In evaluation mode, with weights so large that attention is far from even."""
    with torch.no_grad():
        for weight in module.parameters():
            weight.mul_(4 if weight.dim() > 1 else 1)
    return module.double().eval()


def gpt(mixing: Mixing, **options: Any) -> nn.Module:
    return lively(GPT(vocab=11, max_length=40, width=16, depth=2, heads=2, mixing=mixing, **options))


def encoder(mixing: Mixing, kind: Tokens | Series, output: Any, **options: Any) -> nn.Module:
    signature = Signature(input=kind, output=output)
    return lively(SPECS["encoder"].build(signature, width=16, heads=2, **asdict(mixing), **options))


def three(length: int = 21, batch: int = 2, size: int = 8) -> list[Tensor]:
    """Query, key, value."""
    return [torch.randn(batch, 2, length, size, dtype=torch.float64) for _ in range(3)]


@every_form
def test_causal_models_see_nothing_later(mixing: Mixing) -> None:
    model = gpt(mixing)
    ids = torch.randint(11, (2, 37))
    logits = model(TokenBatch(ids))
    for place in (1, 17, 36):
        changed = ids.clone()
        changed[:, place:] = (changed[:, place:] + torch.randint(1, 11, changed[:, place:].shape)) % 11
        other = model(TokenBatch(changed))
        assert (other[:, :place] - logits[:, :place]).abs().max() == 0
        assert (other[:, place] - logits[:, place]).abs().max() > 1e-6


@every_form
def test_encoders_see_what_comes_later(mixing: Mixing) -> None:
    model = encoder(mixing, Tokens(vocab=11, length=12), TokenTags(num_classes=3))
    ids = torch.randint(11, (4, 12))
    changed = ids.clone()
    changed[:, 4] = (changed[:, 4] + 1) % 11
    change = (model(TokenBatch(changed)) - model(TokenBatch(ids))).abs().amax(dim=(0, 2))
    assert change[:5].min() > 1e-6


@every_form
def test_padding_changes_no_answer_of_an_encoder(mixing: Mixing) -> None:
    lengths = torch.tensor([17, 9, 1, 12, 37])
    for kind, output in itertools.product(
        [Tokens(vocab=11, length=37), Series(features=3, length=37)], [Classes(num_classes=3), TokenTags(num_classes=3)]
    ):
        model = encoder(mixing, kind, output)
        valid = torch.arange(37) < lengths[:, None]
        if isinstance(kind, Tokens):
            values, make = torch.randint(11, (5, 37)).masked_fill(~valid, 0), TokenBatch
        else:
            values, make = torch.randn(5, 37, 3).double().masked_fill(~valid[..., None], 0), SeriesBatch
        together = model(make(values, lengths))
        for row, length in enumerate(lengths.tolist()):
            alone = model(make(values[row : row + 1, :length]))[0]
            batched = together[row] if isinstance(output, Classes) else together[row, :length]
            assert (alone - batched).abs().max() < 1e-9


@pytest.mark.parametrize("pool", POOLS)
def test_what_stands_in_padding_changes_no_pooled_answer(pool: str) -> None:
    lengths = torch.tensor([4, 9, 1])
    ids = torch.randint(11, (3, 9))
    filled = torch.where(torch.arange(9) < lengths[:, None], ids, torch.randint(11, (3, 9)))
    for mixing in fitting(score="dot"):
        model = encoder(mixing, Tokens(vocab=11, length=9), Classes(num_classes=3), pool=pool)
        assert torch.equal(model(TokenBatch(ids, lengths)), model(TokenBatch(filled, lengths)))


@every_form
def test_token_by_token_equals_all_at_once(mixing: Mixing) -> None:
    model = gpt(mixing)
    ids = torch.randint(11, (2, 30))
    logits = model(TokenBatch(ids))
    for prompt in (1, 8):
        state = model.start(TokenBatch(ids[:, :prompt]))
        for place in range(prompt - 1, 30):
            found, state = model.step(ids[:, place], state)
            assert (found - logits[:, place]).abs().max() < 1e-9


@pytest.mark.parametrize("mixing", [m for m in fitting(score="dot") if not m.kernelised], ids=named)
def test_fused_equals_plain(mixing: Mixing) -> None:
    ids, lengths = torch.randint(11, (3, 30)), torch.tensor([30, 5, 17])
    kind = Tokens(vocab=11, length=30)
    pairs = []
    for fused in (True, False):
        chosen = Mixing(**(asdict(mixing) | {"fused": fused}))
        torch.manual_seed(3)
        causal = gpt(chosen).float()
        torch.manual_seed(3)
        both_ways = encoder(chosen, kind, Classes(num_classes=3)).float()
        assert causal.stack.blocks[0].attention.form.score.fused is fused
        pairs.append([causal(TokenBatch(ids)), both_ways(TokenBatch(ids)), both_ways(TokenBatch(ids, lengths))])
    for fused_out, plain_out in zip(*pairs, strict=True):
        assert (fused_out - plain_out).abs().max() < 1e-5 * plain_out.abs().max()


# --- truncated --------------------------------------------------------------------------------------------


def band(length: int, window: int, causal: bool) -> Tensor:
    """(T, T), from the definition."""
    places = torch.arange(length)
    distance = places[:, None] - places
    return (distance.abs() <= window) & ((distance >= 0) if causal else torch.ones_like(distance, dtype=torch.bool))


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("score", [Dot(), Dot(fused=False), Additive(heads=2, size=8).double()])
def test_truncated_is_full_attention_under_a_band(score: nn.Module, causal: bool) -> None:
    for length, window in [(21, 0), (21, 3), (64, 16), (65, 20), (50, 48), (33, 32), (17, 40)]:
        query, key, value = three(length)
        form = Truncated(score, window=window, causal=causal)
        mixed = form.blockwise(query, key, value, form.band(length, None, query))
        expected = score(query, key, value, band(length, window, causal))
        assert (mixed - expected).abs().max() < 1e-12
        assert (form(query, key, value, form.prepare(length, None, query)) - expected).abs().max() < 1e-12


@pytest.mark.parametrize("slopes", [None, alibi_slopes(2).double()])
def test_truncated_under_padding_and_alibi(slopes: Tensor | None) -> None:
    query, key, value = three(40, batch=3)
    lengths = torch.tensor([40, 7, 23])
    form = Truncated(Dot(), window=5, slopes=slopes)
    mixed = form(query, key, value, form.prepare(40, lengths, query))
    whole = Full(Dot(), slopes=slopes)
    mask = whole.prepare(40, None, query)
    bias = torch.zeros(1, 2, 40, 40).double() if mask is None else mask
    seen = band(40, 5, False) & (torch.arange(40) < lengths[:, None])[:, None, None]
    expected = Dot()(query, key, value, bias.masked_fill(~(seen | torch.eye(40, dtype=torch.bool)), float("-inf")))
    valid = (torch.arange(40) < lengths[:, None])[:, None, :, None]
    assert ((mixed - expected) * valid).abs().max() < 1e-12
    assert mixed.isfinite().all()


@pytest.mark.parametrize("positions", POSITIONS)
def test_a_window_as_long_as_the_sequence_is_full_attention(positions: str) -> None:
    outputs = []
    for attention in ("full", "truncated"):
        torch.manual_seed(1)
        model = gpt(Mixing(positions=positions, attention=attention, window=20))
        outputs.append(model(TokenBatch(torch.arange(20)[None] % 11)))
    assert torch.equal(*outputs)


def test_truncated_reaches_a_window_per_layer_and_no_further() -> None:
    attention = SelfAttention(width=8, heads=2, mixing=Mixing(attention="truncated", window=3))
    x = torch.randn(1, 60, 8, requires_grad=True)
    places = attention.form.prepare(60, None, x)
    attention.join(attention.form(*attention.split(x, None), places))[0, 30].sum().backward()
    reached = x.grad[0].abs().sum(dim=1).nonzero().flatten().tolist()
    assert reached == list(range(27, 34))


def test_truncated_scores_grow_with_the_length_alone() -> None:
    """All pairs of 1,024 places would be 1,048,576 scores in each head."""
    scores = []

    class Counting(Dot):
        def forward(self, query: Tensor, key: Tensor, *others: Any) -> Tensor:
            scores.append(query.shape[0] * query.shape[2] * key.shape[2])
            return super().forward(query, key, *others)

    form = Truncated(Counting(), window=16)
    for length in (1024, 2048):
        query, key, value = three(length, batch=1)
        form(query, key, value, form.prepare(length, None, query))
    assert scores == [1024 * 48, 2048 * 48]


# --- feature maps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 5])
def test_linear_attention_is_a_recurrence(length: int) -> None:
    query, key, value = (part.float() for part in three(length))
    form = Linear(EluFeatures(), causal=True)
    parallel = form(query, key, value)
    cache, places = form.start(key[:, :, :0], value[:, :, :0]), []
    for place in range(length):
        one = [part[:, :, place : place + 1] for part in (query, key, value)]
        out, cache = form.step(*one, cache)
        places.append(out)
    assert (torch.cat(places, dim=2) - parallel).abs().max() < 1e-4


@pytest.mark.parametrize("causal", [False, True])
def test_linear_attention_against_all_pairs(causal: bool) -> None:
    query, key, value = three(150)
    pairs = (F.elu(query) + 1) @ (F.elu(key) + 1).transpose(-2, -1)
    pairs = pairs.tril() if causal else pairs
    expected = pairs / pairs.sum(dim=-1, keepdim=True) @ value
    assert (Linear(EluFeatures(), causal=causal)(query, key, value) - expected).abs().max() < 1e-12


def test_performer_comes_nearer_to_softmax_with_more_features() -> None:
    query, key, value = three(40)
    query, key = query / 2, key / 2
    exact = Dot()(query, key, value)
    errors = []
    for count in (8, 64, 512, 4096):
        forms = [Linear(RandomFeatures(size=8, num_features=count)).double() for _ in range(8)]
        tries = [form(query, key, value) - exact for form in forms]
        errors.append(torch.stack(tries).square().mean().sqrt().item())
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.1 * errors[0]
    assert torch.stack(tries).mean(dim=0).square().mean().sqrt() < 0.5 * errors[-1]  # right on average: 8 draws


def test_performer_features_are_at_right_angles_and_as_long_as_normal_rows() -> None:
    rows = orthogonal_rows(1000, 8).double()
    blocks = F.normalize(rows, dim=1).view(125, 8, 8)
    assert (blocks @ blocks.transpose(1, 2) - torch.eye(8)).abs().max() < 1e-5
    assert rows.square().sum(dim=1).mean().item() == pytest.approx(8, rel=0.1)


# --- scores -----------------------------------------------------------------------------------------------


def test_additive_score_by_hand() -> None:
    score = Additive(heads=1, size=2).double()
    with torch.no_grad():
        score.vector.copy_(torch.tensor([[2.0, -1.0]]))
    query = torch.tensor([[0.5, 1.0]]).double()[None, None]
    key = torch.tensor([[0.0, 1.0], [-1.0, 0.5]]).double()[None, None]
    value = torch.tensor([[3.0, 0.0], [0.0, 5.0]]).double()[None, None]
    fits = [2 * math.tanh(0.5) - math.tanh(2.0), 2 * math.tanh(-0.5) - math.tanh(1.5)]
    share = math.exp(fits[0]) / (math.exp(fits[0]) + math.exp(fits[1]))
    expected = torch.tensor([3 * share, 5 * (1 - share)]).double()
    assert torch.allclose(score(query, key, value)[0, 0, 0], expected)


def test_attention_dropout_acts_on_weights_in_training_only() -> None:
    query, key, value = three()
    for score in (Dot(dropout=0.5), Dot(dropout=0.5, fused=False), Additive(heads=2, size=8, dropout=0.5).double()):
        assert not torch.equal(score(query, key, value), score(query, key, value))
        score.eval()
        assert torch.equal(score(query, key, value), score(query, key, value))


# --- what doesn't go together -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gpt", "encoder"])
def test_what_does_not_go_together_is_not_applicable(name: str) -> None:
    signature = Signature(input=Tokens(vocab=11), output=Classes(num_classes=3))
    for attention in ("linear", "performer"):
        with pytest.raises(NotApplicable, match=f"for alibi, not {attention}"):
            SPECS[name].build(signature, positions="alibi", attention=attention)
        with pytest.raises(NotApplicable, match=f"for additive scores, not {attention}"):
            SPECS[name].build(signature, score="additive", attention=attention)
    with pytest.raises(NotApplicable, match="heads of an even size for rotary positions, not 3"):
        SPECS[name].build(signature, positions="rotary", width=12, heads=4)


def test_unknown_words_are_named() -> None:
    signature = Signature(input=Tokens(vocab=11), output=NextToken(vocab=11))
    for option, word in {"positions": "rotory", "attention": "ful", "score": "dots"}.items():
        with pytest.raises(UsageError, match=f"no .* {word!r}; did you mean"):
            SPECS["gpt"].build(signature, **{option: word})
    with pytest.raises(UsageError, match="a window of 0 or more"):
        SPECS["gpt"].build(signature, window=-1)


def test_no_positions_are_chosen_as_text_reads_none() -> None:
    model = SPECS["gpt"].build(Signature(input=Tokens(vocab=11), output=NextToken(vocab=11)), positions=None)
    x = torch.randn(2, 5, 64)
    assert torch.equal(model.entry.positions(x), x)
