"""The n-gram baseline: Kneser-Ney by hand and on the Penn Treebank, states, tables, what it refuses."""

from __future__ import annotations

import copy
import itertools
import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_baseline
import dlbench_language
from dlbench import Batch, NextToken, NotApplicable, Signature, TokenBatch, Tokens
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.decoding import Recomputed, generate
from dlbench.errors import UsageError
from dlbench.train.execution import Execution
from dlbench.train.judging import judge
from dlbench_baseline.ngram import NGram

pytestmark = pytest.mark.numbers

SPEC = next(spec for spec in dlbench_baseline.dlbench_models() if spec.name == "ngram")
TASKS = {spec.name: spec for spec in dlbench_language.dlbench_tasks()}
VOCAB = 5


def segments(text: Tensor, length: int, *, carried: bool) -> list[Batch]:
    """Texts (B, N + 1) in batches of up to `length` places."""
    batches = []
    for first in range(0, text.shape[1] - 1, length):
        ids = text[:, first : min(first + length, text.shape[1] - 1)]
        targets = text[:, first + 1 : first + 1 + ids.shape[1]]
        batches.append(
            Batch(inputs=TokenBatch(ids), targets=targets, size=ids.numel(), continues=first > 0 if carried else None)
        )
    return batches


def trained(batches: list[Batch], *, vocab: int = VOCAB, **options: Any) -> NGram:
    signature = Signature(input=Tokens(vocab=vocab), output=NextToken(vocab=vocab))
    learner = SPEC.build(signature, **options)
    for batch in batches:
        assert math.isfinite(learner.train_step(batch, None))
    return learner.eval()


def texts(count: int = 4, length: int = 61, seed: int = 0) -> Tensor:
    """Texts in which a token depends on the two before it."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.rand(VOCAB, VOCAB, VOCAB, generator=torch.Generator().manual_seed(42)) ** 4
    found = [torch.randint(VOCAB, (count,), generator=generator) for _ in range(2)]
    while len(found) < length:
        found.append(torch.multinomial(rows[found[-2], found[-1]], 1, generator=generator)[:, 0])
    return torch.stack(found, dim=1)


def by_hand(grams: Counter[tuple[int, ...]], order: int, discount: float) -> Any:
    """Interpolated Kneser-Ney from counts of n-grams, in plain Python: p(word, context)."""
    tables = [grams]
    while len(tables) < order:  # of one order less: in how many different places each occurs
        tables.append(Counter(gram[1:] for gram in tables[-1]))

    def p(word: int, context: tuple[int, ...]) -> float:
        table = tables[order - 1 - len(context)]
        lower = p(word, context[1:]) if context else 1 / VOCAB
        seen = {gram: count for gram, count in table.items() if gram[:-1] == context}
        total = sum(seen.values())
        if not total:
            return lower
        return (max(seen.get((*context, word), 0) - discount, 0) + discount * len(seen) * lower) / total

    return p


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_it_is_interpolated_kneser_ney(order: int) -> None:
    text = texts()
    learner = trained(segments(text, 20, carried=True), order=order)
    start = [VOCAB] * max(order - 2, 0)
    grams: Counter[tuple[int, ...]] = Counter()
    for row in text.tolist():
        padded = [*start, *row]
        grams.update(tuple(padded[i - order + 1 : i + 1]) for i in range(len(start) + 1, len(padded)))
    p = by_hand(grams, order, 0.75)
    other = texts(count=2, length=12, seed=1)
    rows = learner.predict(TokenBatch(other[:, :-1])).exp()
    assert rows.sum(dim=-1) == pytest.approx(torch.ones(rows.shape[:2]), abs=1e-5)
    for row, place, word in itertools.product(range(2), range(11), range(VOCAB)):
        context = (
            tuple([*start, *other[row, : place + 1].tolist()][len(start) + place + 2 - order :]) if order > 1 else ()
        )
        assert rows[row, place, word].item() == pytest.approx(p(word, context), rel=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_of_tokens_are_those_of_whole_rows(order: int) -> None:
    learner = trained(segments(texts(), 20, carried=True), order=order)
    other = texts(seed=1)
    context, targets = learner.contexts(TokenBatch(other[:, :-1])).flatten(), other[:, 1:].flatten()
    rows = learner.rows(context)
    assert rows.shape == (240, VOCAB)
    single = rows.gather(1, targets[:, None])[:, 0].double()
    assert learner.probability(context, targets) == pytest.approx(single, rel=1e-5)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("length", [1, 2, 7, 60])
def test_segments_join_in_counting_and_in_predicting(order: int, length: int) -> None:
    text, other = texts(), texts(seed=1)[:, :-1]
    whole = trained(segments(text, 60, carried=True), order=order)
    parts = trained(segments(text, length, carried=True), order=order)
    parts.merge()
    whole.merge()
    assert torch.equal(whole.grams, parts.grams)
    assert torch.equal(whole.counts, parts.counts)
    assert whole.counts.sum() == 240
    carried, state = [], None
    for ids in other.split(length, dim=1):
        logits, state = parts.predict(TokenBatch(ids), state)
        carried.append(logits)
    assert torch.allclose(torch.cat(carried, dim=1), whole.predict(TokenBatch(other)), atol=1e-6)


def test_a_pass_starts_anew() -> None:
    batches = segments(texts(), 20, carried=True)
    learner = trained([*batches, *batches], order=3)
    learner.merge()
    once = trained(batches, order=3)
    once.merge()
    assert torch.equal(learner.grams, once.grams)
    assert torch.equal(learner.counts, 2 * once.counts)


def test_masked_places_and_padding_do_not_count() -> None:
    text = texts(count=2, length=9)
    mask = torch.ones(2, 8, dtype=torch.bool)
    mask[:, 3] = False
    lengths = torch.tensor([8, 5])
    batch = Batch(inputs=TokenBatch(text[:, :-1], lengths), targets=text[:, 1:], mask=mask, size=11)
    learner = trained([batch])
    learner.merge()
    assert learner.counts.sum() == 11


def test_later_tokens_change_nothing() -> None:
    learner = trained(segments(texts(), 20, carried=False), order=3)
    ids = texts(seed=1)[:, :10]
    changed = ids.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % VOCAB
    first, second = learner.predict(TokenBatch(ids)), learner.predict(TokenBatch(changed))
    assert torch.equal(first[:, :6], second[:, :6])
    assert not torch.equal(first[:, 6:], second[:, 6:])


def test_the_loss_comes_down_as_it_counts() -> None:
    signature = Signature(input=Tokens(vocab=VOCAB), output=NextToken(vocab=VOCAB))
    learner = SPEC.build(signature, order=3)
    losses = [float(learner.train_step(b, None)) for b in segments(texts(count=20, length=601), 20, carried=True)]
    assert losses[0] == pytest.approx(math.log(VOCAB))
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]


def test_a_state_dict_and_a_copy_hold_what_was_counted() -> None:
    learner = trained(segments(texts(), 20, carried=True), order=3)
    inputs = TokenBatch(texts(seed=1)[:, :-1])
    other = SPEC.build(Signature(input=Tokens(vocab=VOCAB), output=NextToken(vocab=VOCAB)), order=3)
    other.load_state_dict(learner.state_dict())
    expected = learner.predict(inputs)
    assert torch.equal(other.predict(inputs), expected)
    assert torch.equal(copy.deepcopy(learner).predict(inputs), expected)
    assert not list(learner.parameters())


def test_writing_step_by_step_is_writing_anew() -> None:
    learner = trained(segments(texts(), 20, carried=False), order=3)
    prompt, kind = TokenBatch(texts(seed=1)[:, :3]), NextToken(vocab=VOCAB)
    fast = generate(learner, prompt, kind, max_length=12)[0]
    slow = generate(Recomputed(learner.predict, kind), prompt, kind, max_length=12)[0]
    assert torch.equal(fast, slow)


def test_an_untrained_model_is_uniform() -> None:
    learner = trained([], order=3)
    assert torch.allclose(learner.predict(TokenBatch(texts())).exp(), torch.tensor(1 / VOCAB))


def test_markov_chain_unigrams_are_the_floor_and_bigrams_near_the_bound() -> None:
    spec = TASKS["markov_chars"]
    task = spec.load(Data(root=Path("no-data"), cache=Path("no-cache")))
    scores = []
    for order in (1, 2, 3):
        learner = SPEC.build(task.signature, order=order)
        for batch in task.batches("train", 32, torch.Generator().manual_seed(0)):
            learner.train_step(batch, None)
        scores.append(judge(learner, task, "test", Execution(Runtime())))
    assert scores[0]["cross_entropy"] == pytest.approx(spec.floor, rel=1e-6)
    assert 0 < scores[1]["excess"] < 0.003
    assert scores[1]["excess"] < scores[2]["excess"] < 0.05  # more to learn from the same text


def test_the_penn_treebank_gets_the_known_perplexities(data_root: Path) -> None:
    """Interpolated Kneser-Ney with a discount of 0.75: 201.0 on validation and 186.5 on test."""
    spec = TASKS["ptb_word"]
    if state(spec.data, data_root, None).status == "missing":
        pytest.skip("the data root lacks ptb")
    task = spec.load(Data(root=data_root, cache=Path("no-cache")))
    learner = SPEC.build(task.signature)
    for batch in task.batches("train", 20, torch.Generator().manual_seed(0)):
        learner.train_step(batch, None)
    learner.merge()
    for split, perplexity in {"val": 201.0, "test": 186.5}.items():
        text = task.texts[split]
        nats = -learner.probability(text[:-1], text[1:]).log().mean().item()
        assert math.exp(nats) == pytest.approx(perplexity, abs=0.06)
    (batch, *_) = task.batches("val", 2, None)
    logits = learner.predict(batch.inputs)
    assert logits.shape == (2, 20, 10_000)
    assert logits.logsumexp(dim=-1) == pytest.approx(torch.zeros(2, 20), abs=1e-4)


def test_sizes_that_do_not_fit_are_refused() -> None:
    large = Signature(input=Tokens(vocab=33_278), output=NextToken(vocab=33_278))
    assert SPEC.build(large, order=4) is not None
    with pytest.raises(NotApplicable, match="needs a smaller vocabulary"):
        SPEC.build(large, order=5)
    for options in ({"order": 0}, {"discount": 0.0}, {"discount": 1.0}):
        with pytest.raises(UsageError, match="ngram needs"):
            SPEC.build(large, **options)
        with pytest.raises(ValueError, match="n-gram model needs"):
            NGram(vocab=5, **options)
