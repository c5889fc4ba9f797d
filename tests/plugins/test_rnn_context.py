"""Words between their neighbours; options of recurrent networks that meet others, or have nothing to act on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import dlbench_rnn
from dlbench import Classes, NextToken, NotApplicable, Series, SeriesBatch, Signature, TokenBatch, Tokens, TokenTags

SPECS = {spec.name: spec for spec in dlbench_rnn.dlbench_models()}
TAGS = Signature(input=Tokens(vocab=9, length=8), output=TokenTags(num_classes=3))
SPELLED = Signature(input=Tokens(vocab=9, length=8, characters=7), output=TokenTags(num_classes=3))
NEXT = Signature(input=Tokens(vocab=9, length=8), output=NextToken(vocab=9))
SOUNDS = Signature(input=Series(features=4), output=Classes(num_classes=3))
CLASSES = Signature(input=Tokens(vocab=9, length=8), output=Classes(num_classes=3))


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def test_each_word_stands_between_its_neighbours_and_padding_is_none() -> None:
    words = SPECS["jordan"].build(TAGS, width=6, context=2).input
    ids, lengths = torch.randint(9, (2, 5)), torch.tensor([5, 3])
    seen = words(TokenBatch(ids, lengths))  # (2, 5, 5 * 6)
    embedded = words.embedding(ids)
    for row, length in enumerate(lengths.tolist()):
        for place in range(length):
            for shift in range(-2, 3):
                there = place + shift
                expected = embedded[row, there] if 0 <= there < length else torch.zeros(6)
                assert torch.equal(seen[row, place, (shift + 2) * 6 : (shift + 3) * 6], expected)


@pytest.mark.parametrize("model", ["jordan", "elman"])
def test_padding_changes_no_answer_with_a_context(model: str) -> None:
    network = SPECS[model].build(TAGS, width=6, context=3).eval()
    ids, lengths = torch.randint(9, (3, 8)), torch.tensor([8, 2, 5])
    together = network(TokenBatch(ids, lengths))
    for row, length in enumerate(lengths.tolist()):
        alone = network(TokenBatch(ids[row : row + 1, :length]))
        torch.testing.assert_close(together[row : row + 1, :length], alone)


def test_weights_drawn_anew_leave_no_trace_of_padded_spelling() -> None:
    network = SPECS["lstm"].build(SPELLED, width=6, characters=True, init=0.5).eval()
    ids, spelling = torch.randint(9, (2, 5)), torch.randint(1, 7, (2, 5, 4))
    wider = torch.cat([spelling, torch.zeros(2, 5, 3, dtype=torch.int64)], dim=2)
    torch.testing.assert_close(network(TokenBatch(ids, None, spelling)), network(TokenBatch(ids, None, wider)))


def test_a_series_padding_holds_anything() -> None:
    network = SPECS["gru"].build(SOUNDS, width=6, bidirectional=True, pool="mean").eval()
    values, lengths = torch.randn(2, 7, 4), torch.tensor([7, 3])
    junk = values.clone()
    junk[1, 3:] = 1e3
    torch.testing.assert_close(network(SeriesBatch(values, lengths)), network(SeriesBatch(junk, lengths)))


@pytest.mark.parametrize("signature", [SOUNDS, CLASSES])
@pytest.mark.parametrize("option", ["input_dropout", "output_dropout"])
def test_locked_dropouts_act_on_pooled_answers_and_series_too(signature: Signature, option: str) -> None:
    network = SPECS["lstm"].build(signature, width=6, **{option: 0.5}).train()
    given = SeriesBatch(torch.randn(2, 7, 4)) if signature is SOUNDS else TokenBatch(torch.randint(9, (2, 7)))
    assert not torch.equal(network(given), network(given))


@pytest.mark.parametrize(
    ("model", "signature", "options", "why"),
    [
        ("jordan", NEXT, {"context": 1}, "may look ahead for context=1"),
        ("elman", SOUNDS, {"context": 1}, "tokens for context=1"),
        ("lstm", NEXT, {"layer_dropout": 0.1}, "depth of at least 2 for layer_dropout"),
        ("lstm", NEXT, {"tied": True, "width": 20, "embedding": 10}, "depth of at least 2 for tied=true"),
    ],
)
def test_an_option_with_nothing_to_act_on_is_refused(
    model: str, signature: Signature, options: dict[str, Any], why: str
) -> None:
    with pytest.raises(NotApplicable, match=why):
        SPECS[model].build(signature, **options)
