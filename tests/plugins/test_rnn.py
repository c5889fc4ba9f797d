"""dlbench_rnn: shapes, padding, causality, carried state."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dlbench_rnn
from dlbench import Batch, Classes, NextToken, Signature, TokenBatch, Tokens
from dlbench.choice import option_defaults
from dlbench.learner import Carry
from dlbench_rnn.gru import GRU

SPEC = next(iter(dlbench_rnn.dlbench_models()))
NEXT = Signature(input=Tokens(vocab=7), output=NextToken(vocab=7))
WHOLE = Signature(input=Tokens(vocab=7), output=Classes(num_classes=3))


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def tokens(count: int = 5, length: int = 6, **fields: Any) -> TokenBatch:
    return TokenBatch(torch.randint(7, (count, length)), **fields)


def build(signature: Signature, **options: Any) -> nn.Module:
    return SPEC.build(signature, **{"width": 16, **options})


@pytest.mark.parametrize("signature", [NEXT, WHOLE], ids=str)
@pytest.mark.parametrize("depth", [1, 2])
def test_output_has_the_shape_of_the_kind(signature: Signature, depth: int) -> None:
    inputs = tokens(lengths=torch.tensor([6, 1, 3, 2, 5]))
    assert tuple(build(signature, depth=depth)(inputs).shape) == signature.output.shape(inputs)


@pytest.mark.parametrize("signature", [NEXT, WHOLE], ids=str)
def test_gradient_reaches_every_parameter(signature: Signature) -> None:
    model, inputs = build(signature, depth=2, dropout=0.1), tokens()
    outputs = model(inputs)
    targets = inputs.ids if signature is NEXT else torch.arange(5) % 3
    F.cross_entropy(outputs.flatten(0, -2), targets.flatten()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_defaults_are_those_of_the_constructor() -> None:
    own = option_defaults(GRU)
    assert own.pop("per_sequence") is False
    assert option_defaults(SPEC.build) == own
    assert SPEC.build(NEXT).embedding.weight.shape == (7, own["width"])


def test_padding_does_not_change_the_class() -> None:
    model = build(WHOLE, depth=2)
    lengths = torch.tensor([6, 1, 3, 2, 5])
    padded = tokens(lengths=lengths)
    changed = torch.where(torch.arange(6) < lengths[:, None], padded.ids, (padded.ids + 1) % 7)
    assert torch.equal(model(padded), model(TokenBatch(changed, lengths)))
    for row, length in enumerate(lengths.tolist()):
        alone = model(TokenBatch(padded.ids[row : row + 1, :length]))
        torch.testing.assert_close(model(padded)[row : row + 1], alone)


def test_later_tokens_change_no_earlier_logits() -> None:
    model, inputs = build(NEXT, depth=2), tokens()
    logits = model(inputs)
    for place in range(1, 6):
        changed = inputs.ids.clone()
        changed[:, place:] = (changed[:, place:] + 1) % 7
        other = model(TokenBatch(changed))
        assert (other[:, :place] - logits[:, :place]).abs().max() == 0
        assert (other[:, place] - logits[:, place]).abs().max() > 0


def test_state_is_returned_where_a_second_argument_is_given() -> None:
    model, inputs = build(NEXT, depth=2), tokens()
    alone = model(inputs)
    outputs, state = model(inputs, None)
    assert torch.equal(alone, outputs)
    assert state.shape == (2, 5, 16)


def test_segments_with_carried_state_equal_the_whole() -> None:
    model, inputs = build(NEXT, depth=2), tokens(length=12)
    whole = model(inputs)
    carry, pieces = Carry(), []
    for start in (0, 4, 8):
        segment = TokenBatch(inputs.ids[:, start : start + 4])
        pieces.append(carry(model, Batch(inputs=segment, continues=start > 0)))
        carry.commit()
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-6, rtol=0)
    assert not carry._state.requires_grad
    fresh = carry(model, Batch(inputs=TokenBatch(inputs.ids[:, :4]), continues=False))
    torch.testing.assert_close(fresh, whole[:, :4], atol=1e-6, rtol=0)


def test_learns_to_name_the_token_before_the_last() -> None:
    model = build(NEXT, width=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        inputs = tokens(count=32)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs)[:, 1:].flatten(0, 1), inputs.ids[:, :-1].flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # without memory: ln 7 = 1.95
