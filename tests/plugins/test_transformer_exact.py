"""Transformers beside torch's own layers, in half precision, and with options that have nothing to act on."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import dlbench_transformer
from dlbench import (
    Classes,
    MaskedTokens,
    NextToken,
    NotApplicable,
    Signature,
    TokenBatch,
    Tokens,
    TokenSequence,
    TokenTags,
)
from dlbench_transformer.attention.heads import Places
from dlbench_transformer.attention.linear import EluFeatures, Linear
from dlbench_transformer.attention.performer import RandomFeatures
from dlbench_transformer.block import Block
from dlbench_transformer.decoder import DecoderBlock

SPECS = {spec.name: spec for spec in dlbench_transformer.dlbench_models()}
WIDTH, HEADS, FEED = 16, 2, 64
TEXT = Signature(input=Tokens(vocab=11, length=20), output=NextToken(vocab=11))
TAGS = Signature(input=Tokens(vocab=11, length=20), output=TokenTags(num_classes=3))


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def lively(module: nn.Module) -> nn.Module:
    """In evaluation mode, with weights and norms that are all different."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)
    return module.double().eval()


def same(pairs: list[tuple[nn.Module, nn.Module]]) -> None:
    """Give the first of each pair the second's weights."""
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_block_equals_torchs_encoder_layer(norm: str) -> None:
    ours = lively(Block(width=WIDTH, heads=HEADS, norm=norm, activation="relu"))
    theirs = nn.TransformerEncoderLayer(WIDTH, HEADS, FEED, 0.0, batch_first=True, norm_first=norm == "pre")
    theirs = theirs.double().eval()
    same([
        (theirs.self_attn.out_proj, ours.attention.out), (theirs.linear1, ours.feed[0]), (theirs.linear2, ours.feed[2]),
        (theirs.norm1, ours.attention_norm), (theirs.norm2, ours.feed_norm),
    ])  # fmt: skip
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.attention.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.qkv.bias)
    x = torch.randn(2, 7, WIDTH, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_decoder_block_equals_torchs_decoder_layer(norm: str) -> None:
    ours = lively(DecoderBlock(width=WIDTH, heads=HEADS, feed=FEED, norm=norm))
    theirs = nn.TransformerDecoderLayer(WIDTH, HEADS, FEED, 0.0, batch_first=True, norm_first=norm == "pre")
    theirs = theirs.double().eval()
    same([
        (theirs.self_attn.out_proj, ours.attention.out), (theirs.multihead_attn.out_proj, ours.cross.out),
        (theirs.linear1, ours.feed[0]), (theirs.linear2, ours.feed[2]),
        (theirs.norm1, ours.norms[0]), (theirs.norm2, ours.norms[1]), (theirs.norm3, ours.norms[2]),
    ])  # fmt: skip
    cross = [ours.cross.query, ours.cross.key_value]
    with torch.no_grad():
        theirs.self_attn.in_proj_weight.copy_(ours.attention.qkv.weight)
        theirs.self_attn.in_proj_bias.copy_(ours.attention.qkv.bias)
        theirs.multihead_attn.in_proj_weight.copy_(torch.cat([part.weight for part in cross]))
        theirs.multihead_attn.in_proj_bias.copy_(torch.cat([part.bias for part in cross]))
    x, source = torch.randn(2, 7, WIDTH).double(), torch.randn(2, 5, WIDTH).double()
    padding = torch.arange(5) >= torch.tensor([[5], [3]])
    later = torch.ones(7, 7, dtype=torch.bool).triu(1)
    expected = theirs(x, source, tgt_mask=later, memory_key_padding_mask=padding)
    torch.testing.assert_close(ours(x, Places(), ours.cross.remember(source), ~padding[:, None, None]), expected)


def test_fused_equals_plain_between_source_and_target() -> None:
    signature = Signature(input=Tokens(vocab=11), output=TokenSequence(vocab=9, length=8, start=1, end=2))
    inputs = TokenBatch(torch.randint(11, (3, 6)), torch.tensor([6, 2, 4]), previous=torch.randint(9, (3, 5)))
    outputs = []
    for fused in (True, False):
        torch.manual_seed(1)
        outputs.append(lively(SPECS["transformer"].build(signature, width=WIDTH, heads=HEADS, fused=fused))(inputs))
    torch.testing.assert_close(*outputs)


def by_steps(form: Linear, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """(B, heads, T, size), one place after the other."""
    cache, found = form.start(key[:, :, :0], value[:, :, :0]), []
    for place in range(query.shape[2]):
        here = [part[:, :, place : place + 1] for part in (query, key, value)]
        mixed, cache = form.step(*here, cache)
        found.append(mixed)
    return torch.cat(found, dim=2)


@pytest.mark.parametrize("features", [EluFeatures(), RandomFeatures(size=8, num_features=32)])
def test_a_long_recurrence_keeps_its_sums_in_half_precision_too(features: nn.Module) -> None:
    form = Linear(features, causal=True)
    query, key, value = (torch.randn(1, 2, 1000, 8) for _ in range(3))
    exact = form(query, key, value)
    with torch.autocast("cpu", torch.bfloat16):
        half = [part.bfloat16() for part in (query, key, value)]
        steps, whole = by_steps(form, *half), form(*half)
    assert steps.dtype == whole.dtype == torch.bfloat16
    scale = exact.std()
    assert (by_steps(form, query, key, value) - exact).abs().max() < 1e-4
    assert (steps.float() - whole.float()).abs().max() < 0.05 * scale
    assert (steps.float() - exact).abs().max() < 0.2 * scale


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_long_keys_neither_overflow_nor_vanish(dtype: torch.dtype) -> None:
    form = Linear(RandomFeatures(size=32, num_features=64))
    query, key = torch.randn(2, 2, 9, 32), 12 * torch.randn(2, 2, 9, 32)
    value = 5 + torch.randn(2, 2, 9, 32)
    mask = form.prepare(9, torch.tensor([9, 4]), value)
    found = form(query.to(dtype), key.to(dtype), value.to(dtype), mask).float()
    assert found.isfinite().all()
    assert 3 < found.mean() < 7


def test_bert_sees_what_comes_later() -> None:
    signature = Signature(input=Tokens(vocab=12, length=9), output=MaskedTokens(vocab=11))
    model = SPECS["bert"].build(signature).eval()
    ids = torch.randint(11, (2, 9))
    changed = ids.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 11
    assert (model(TokenBatch(ids)) - model(TokenBatch(changed)))[:, 0].abs().max() > 0


@pytest.mark.parametrize(
    ("model", "signature", "options", "why"),
    [
        ("gpt", TEXT, {"window": 3}, "attention=truncated for window=3"),
        ("gpt", TEXT, {"num_features": 7}, "attention=performer for num_features=7"),
        ("encoder", TAGS, {"attention": "linear", "fused": False}, "dot products of pairs for fused=false"),
        ("encoder", TAGS, {"pool": "max"}, "one answer per sequence for pool=max"),
        (
            "bert", Signature(input=Tokens(vocab=12), output=MaskedTokens(vocab=11)), {"pretrain_fraction": 0.1},
            "classes to train after pretrain_fraction=0.1",
        ),
    ],
)  # fmt: skip
def test_an_option_with_nothing_to_act_on_is_refused(
    model: str, signature: Signature, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotApplicable, match=why):
        SPECS[model].build(signature, **options)


def test_the_same_options_are_taken_where_they_act() -> None:
    classes = Signature(input=Tokens(vocab=11, length=20), output=Classes(num_classes=3))
    SPECS["gpt"].build(TEXT, attention="truncated", window=3)
    SPECS["encoder"].build(classes, pool="max", attention="performer", num_features=7)
    SPECS["bert"].build(classes, pretrain_fraction=0.1)
