"""dlbench_rnn: what the five recurrent networks share: shapes, padding, causality, carried state, decoding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import (
    Batch,
    Classes,
    MaskedTokens,
    NextToken,
    NotApplicable,
    Series,
    SeriesBatch,
    Signature,
    TokenBatch,
    Tokens,
    TokenTags,
    Value,
)
from dlbench.contract.learner import Carry
from dlbench.errors import UsageError
from dlbench_rnn import declare

SPECS = {spec.name: spec for spec in declare.models()}
TOKENS, SPELLED, STEPS = Tokens(vocab=7), Tokens(vocab=7, characters=5), Series(features=3)
NEXT = Signature(input=TOKENS, output=NextToken(vocab=7))
MASKED = Signature(input=Tokens(vocab=8), output=MaskedTokens(vocab=7))
TAGS, WHOLE = (Signature(input=TOKENS, output=kind(num_classes=3)) for kind in (TokenTags, Classes))
NUMBER = Signature(input=TOKENS, output=Value())
SERIES_TAGS, SERIES_WHOLE = (Signature(input=STEPS, output=kind(num_classes=3)) for kind in (TokenTags, Classes))
SERIES_NUMBER = Signature(input=STEPS, output=Value())
ALL = (NEXT, MASKED, TAGS, WHOLE, NUMBER, SERIES_TAGS, SERIES_WHOLE, SERIES_NUMBER)
LENGTHS = torch.tensor([6, 1, 3, 2, 5])

every_model = pytest.mark.parametrize("name", SPECS)


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(name: str, signature: Signature, **options: Any) -> nn.Module:
    return SPECS[name].build(signature, **{"width": 16, **options}).eval()


def tokens(count: int = 5, length: int = 6, *, lengths: Tensor | None = None, spelled: bool = False) -> TokenBatch:
    spelling = torch.randint(1, 5, (count, length, 4)) if spelled else None
    return TokenBatch(torch.randint(7, (count, length)), lengths, spelling)


def example(signature: Signature, lengths: Tensor | None = LENGTHS) -> Any:
    if isinstance(signature.input, Tokens):
        return tokens(lengths=lengths, spelled=signature.input.characters > 0)
    within = torch.ones(5, 6) if lengths is None else (torch.arange(6) < lengths[:, None]).float()
    return SeriesBatch(torch.randn(5, 6, 3) * within[..., None], lengths)


@every_model
@pytest.mark.parametrize("signature", ALL, ids=str)
@pytest.mark.parametrize("lengths", [LENGTHS, None], ids=["ragged", "full"])
def test_output_has_the_shape_of_the_kind(name: str, signature: Signature, lengths: Tensor | None) -> None:
    inputs = example(signature, lengths)
    for both in (False,) if signature is NEXT else (False, True):
        outputs = build(name, signature, depth=2, bidirectional=both)(inputs)
        assert tuple(outputs.shape) == signature.output.shape(inputs)


@every_model
@pytest.mark.parametrize("signature", ALL, ids=str)
def test_gradient_reaches_every_parameter(name: str, signature: Signature) -> None:
    model = build(name, signature, depth=2, dropout=0.1, bidirectional=signature is not NEXT).train()
    model(example(signature)).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def _garbled(inputs: Any, lengths: Tensor) -> Any:
    """The same batch with other padding, and more of it."""
    if isinstance(inputs, SeriesBatch):
        return inputs._replace(values=F.pad(inputs.values, (0, 0, 0, 3)))
    ids, spelling = F.pad(inputs.ids, (0, 3)), inputs.characters
    padding = torch.arange(ids.shape[1]) >= lengths[:, None]
    ids = torch.where(padding, (ids + 1) % 7, ids)
    if spelling is not None:  # words of the padding are spelled, all words have more room
        spelling = F.pad(spelling, (0, 2, 0, 3))
        spelling[..., 0] = torch.where(padding, 2, spelling[..., 0])
    return inputs._replace(ids=ids, characters=spelling)


def _valid(outputs: Tensor, lengths: Tensor) -> Tensor:
    return outputs[torch.arange(outputs.shape[1]) < lengths[:, None]] if outputs.dim() == 3 else outputs


def _row(inputs: Any, row: int, length: int) -> Any:
    """One sequence by itself, without padding."""
    parts = inputs._replace(lengths=None)
    return type(inputs)(*(None if part is None else part[row : row + 1, :length] for part in parts))


SPELLED_TAGS = Signature(input=SPELLED, output=TokenTags(num_classes=3))
PADDED = [(signature, "last") for signature in (*ALL, SPELLED_TAGS)]
PADDED += [(signature, how) for signature in (WHOLE, SERIES_WHOLE, NUMBER) for how in ("mean", "max")]


@every_model
@pytest.mark.parametrize(("signature", "pool"), PADDED, ids=str)
def test_padding_changes_no_answer(name: str, signature: Signature, pool: str) -> None:
    places = not isinstance(signature.output, (Classes, Value))
    inputs = example(signature)
    for both in (False,) if signature is NEXT else (False, True):
        model = build(name, signature, depth=2, bidirectional=both, pool=pool, characters=signature is SPELLED_TAGS)
        padded = model(inputs)
        other = model(_garbled(inputs, LENGTHS))
        torch.testing.assert_close(_valid(padded, LENGTHS), _valid(other, LENGTHS), atol=1e-6, rtol=0)
        for row, length in enumerate(LENGTHS.tolist()):
            expected = padded[row : row + 1, :length] if places else padded[row : row + 1]
            torch.testing.assert_close(model(_row(inputs, row, length)), expected, atol=1e-6, rtol=0)


@every_model
@pytest.mark.parametrize("signature", [NEXT, TAGS], ids=str)
def test_later_tokens_change_no_earlier_logits(name: str, signature: Signature) -> None:
    model, inputs = build(name, signature, depth=2), tokens()
    logits = model(inputs)
    for place in range(1, 6):
        changed = inputs.ids.clone()
        changed[:, place:] = (changed[:, place:] + 1) % 7
        other = model(TokenBatch(changed))
        assert (other[:, :place] - logits[:, :place]).abs().max() == 0
        assert (other[:, place] - logits[:, place]).abs().max() > 0


@every_model
def test_a_bidirectional_network_sees_later_tokens(name: str) -> None:
    """In double precision: what a Jordan network passes on fades by a factor of some fifty a place."""
    model, inputs = build(name, TAGS, bidirectional=True).double(), tokens()
    changed = inputs.ids.clone()
    changed[:, -1] = (changed[:, -1] + 1) % 7
    moved = (model(TokenBatch(changed)) - model(inputs)).abs().amax(-1)
    assert (moved > 0).all()


@every_model
def test_segments_with_carried_state_equal_the_whole(name: str) -> None:
    model, inputs = build(name, NEXT, depth=2), tokens(length=12)
    whole = model(inputs)
    carry, pieces = Carry(), []
    for start in (0, 4, 8):
        segment = TokenBatch(inputs.ids[:, start : start + 4])
        pieces.append(carry(model, Batch(inputs=segment, continues=start > 0)))
        carry.commit()
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-6, rtol=0)
    assert not carry._state[0][0].requires_grad
    fresh = carry(model, Batch(inputs=TokenBatch(inputs.ids[:, :4]), continues=False))
    torch.testing.assert_close(fresh, whole[:, :4], atol=1e-6, rtol=0)


@every_model
@pytest.mark.parametrize("prompt", [1, 4])
def test_start_and_step_equal_forward(name: str, prompt: int) -> None:
    model, inputs = build(name, NEXT, depth=2), tokens()
    whole = model(inputs)
    state = model.start(TokenBatch(inputs.ids[:, :prompt]))
    for place in range(prompt - 1, 6):
        assert all(part.shape[0] == 5 for layer in state for part in layer)
        logits, state = model.step(inputs.ids[:, place], state)
        torch.testing.assert_close(logits, whole[:, place], atol=1e-6, rtol=0)


@every_model
def test_sequences_of_a_state_can_be_reordered(name: str) -> None:
    model, inputs = build(name, NEXT, depth=2), tokens()
    order = torch.tensor([3, 3, 0])
    state = model.start(inputs)
    picked = tuple(tuple(part.index_select(0, order) for part in layer) for layer in state)
    logits, _ = model.step(inputs.ids[order, -1], picked)
    torch.testing.assert_close(logits, model(inputs)[order, -1], atol=1e-6, rtol=0)


@every_model
def test_spelling_changes_the_answer_and_unread_letters_do_not(name: str) -> None:
    inputs = tokens(lengths=LENGTHS, spelled=True)
    other = inputs._replace(characters=inputs.characters.flip(0))
    with_spelling = build(name, SPELLED_TAGS, characters=True)
    assert not torch.allclose(with_spelling(inputs), with_spelling(other))
    without = build(name, SPELLED_TAGS)
    assert torch.equal(without(inputs), without(other))


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "lstm_peephole"])
def test_learns_to_name_the_token_before_the_last(name: str) -> None:
    model = build(name, NEXT, width=32).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        inputs = tokens(count=32)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs)[:, 1:].flatten(0, 1), inputs.ids[:, :-1].flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.2  # without memory: ln 7 = 1.95


@every_model
@pytest.mark.parametrize(
    ("signature", "options", "sentence"),
    [
        (NEXT, {"bidirectional": True}, "look ahead"),
        (TAGS, {"pool": "mean"}, "one answer per sequence"),
        (TAGS, {"characters": True}, "spelling"),
        (SERIES_TAGS, {"characters": True}, "spelling"),
        (SERIES_TAGS, {"embedding": 8}, "needs tokens"),
        (Signature(input=SPELLED, output=NextToken(vocab=7)), {"characters": True}, "known ahead"),
    ],
)  # fmt: skip
def test_options_without_anything_to_act_on(name: str, signature: Signature, options: dict, sentence: str) -> None:
    with pytest.raises(NotApplicable, match=sentence):
        build(name, signature, **options)


@every_model
def test_an_unknown_pool_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="pool=sum is none of last, mean, max"):
        build(name, WHOLE, pool="sum")


def test_jordan_refuses_a_vocabulary_too_large_to_feed_back() -> None:
    words = Signature(input=Tokens(vocab=2001), output=NextToken(vocab=2001))
    with pytest.raises(NotApplicable, match="at most 2000 classes"):
        build("jordan", words)
