"""`encoder`, `bert`, `transformer`: answers to every kind, what they see, pre-training, cached decoding, sizes."""

from __future__ import annotations

from dataclasses import asdict
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dlbench_transformer
from dlbench import (
    Batch,
    Classes,
    MaskedTokens,
    NotApplicable,
    Series,
    SeriesBatch,
    Signature,
    TokenBatch,
    Tokens,
    TokenSequence,
    TokenTags,
    Value,
)
from dlbench.contract.choice import option_defaults
from dlbench.decoding import generate
from dlbench.errors import UsageError
from dlbench_transformer.bert import BERT
from dlbench_transformer.bert_learner import PretrainedBERT, mask_tokens
from dlbench_transformer.encoder import Encoder
from dlbench_transformer.mixing import ATTENTIONS, POSITIONS, SCORES
from dlbench_transformer.transformer import Transformer

SPECS = {spec.name: spec for spec in dlbench_transformer.dlbench_models()}
TEXT, SOUND = Tokens(vocab=11, length=9), Series(features=3)
TRANSLATION = Signature(input=TEXT, output=TokenSequence(vocab=7, length=8, start=1, end=2))
LENGTHS = torch.tensor([4, 9, 1])
CLASSES = Signature(input=TEXT, output=Classes(num_classes=5))


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def some(kind: Tokens | Series, previous: int = 0) -> Any:
    before = torch.randint(7, (3, previous)) if previous else None
    if isinstance(kind, Tokens):
        return TokenBatch(torch.randint(11, (3, 9)), LENGTHS, None, before)
    values = torch.randn(3, 9, 3).masked_fill((torch.arange(9) >= LENGTHS[:, None])[..., None], 0.0)
    return SeriesBatch(values, LENGTHS)


@pytest.mark.parametrize(
    ("name", "kind", "output"),
    [
        ("encoder", TEXT, Classes(num_classes=5)),
        ("encoder", TEXT, TokenTags(num_classes=5)),
        ("encoder", TEXT, MaskedTokens(vocab=10)),
        ("encoder", TEXT, Value()),
        ("encoder", SOUND, Classes(num_classes=5)),
        ("encoder", SOUND, TokenTags(num_classes=5)),
        ("encoder", SOUND, Value()),
        ("bert", TEXT, MaskedTokens(vocab=10)),
        ("transformer", TEXT, TRANSLATION.output),
    ],
)
def test_answers_have_the_shape_of_the_kind(name: str, kind: Any, output: Any) -> None:
    assert any(isinstance(kind, a) and isinstance(output, b) for a, b in SPECS[name].accepts)
    model = SPECS[name].build(Signature(input=kind, output=output))
    inputs = some(kind, previous=6)
    answer = model(inputs)
    shape = (3, 9, 5) if isinstance(output, TokenTags) else output.shape(inputs)
    assert tuple(answer.shape) == shape
    answer.square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    ("name", "constructor"), [("encoder", Encoder), ("bert", PretrainedBERT), ("transformer", Transformer)]
)
def test_defaults_are_those_of_the_constructor(name: str, constructor: type) -> None:
    own = option_defaults(constructor) | (option_defaults(BERT) if constructor is PretrainedBERT else {})
    shared = asdict(own.pop("mixing"))
    options = option_defaults(SPECS[name].build)
    assert options.items() <= (own | shared).items()
    assert shared.keys() <= options.keys()


def test_pools_are_what_they_say() -> None:
    def answer(pool: str) -> tuple[Tensor, Encoder]:
        torch.manual_seed(1)
        model = SPECS["encoder"].build(CLASSES, pool=pool, dropout=0.0)
        return model(inputs), model

    inputs = some(TEXT)
    model = answer("mean")[1]
    places = model.stack(model.entry(inputs.ids), inputs.lengths)
    rows = [row[:length] for row, length in zip(places, LENGTHS.tolist(), strict=True)]
    means = {"mean": lambda r: r.mean(0), "max": lambda r: r.amax(0), "first": lambda r: r[0], "last": lambda r: r[-1]}
    for pool, of in means.items():
        expected = model.head(torch.stack([of(row) for row in rows]))
        assert torch.allclose(answer(pool)[0], expected, atol=1e-6)
    with pytest.raises(UsageError, match="no pool 'average'"):
        SPECS["encoder"].build(CLASSES, pool="average")


# --- transformer ------------------------------------------------------------------------------------------


def test_transformer_has_the_published_size() -> None:
    """Of bentrevett's notebook, whose vocabularies had 7,853 and 5,893 entries."""
    signature = Signature(input=Tokens(vocab=7853), output=TokenSequence(vocab=5893, length=50, start=2, end=3))
    model = SPECS["transformer"].build(
        signature, width=256, depth=3, heads=8, feed=512, positions="learned", max_length=100, norm="post"
    )
    assert sum(p.numel() for p in model.parameters()) == 9_038_341
    assert model.entry.scale == 16.0


def words() -> list[dict[str, str]]:
    """Options that go together: all positions, all forms, both scores."""
    chosen = [{"positions": name} for name in POSITIONS]
    chosen += [{"attention": name, "positions": p} for name in ATTENTIONS[1:] for p in ("sinusoidal", "rotary")]
    return [
        *chosen,
        *({"score": name, "norm": "post"} for name in SCORES),
        {"attention": "truncated", "score": SCORES[1]},
    ]


def translator(options: dict[str, Any]) -> nn.Module:
    window = {"window": 2} if options.get("attention") == "truncated" else {}
    model = SPECS["transformer"].build(TRANSLATION, width=16, depth=2, heads=2, **window, **options)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(2 if weight.dim() > 1 else 1)
    return model.double().eval()


@pytest.mark.parametrize("options", words(), ids=str)
def test_each_place_sees_the_source_and_what_was_written(options: dict[str, str]) -> None:
    model, inputs = translator(options), some(TEXT, previous=6)
    logits = model(inputs)
    later = inputs.previous.clone()
    later[:, 3:] = (later[:, 3:] + 1) % 7
    change = (model(inputs._replace(previous=later)) - logits).abs()
    assert change[:, :3].max() == 0
    assert change[:, 3].max() > 1e-6
    source = inputs.ids.clone()
    source[1, 8] = (source[1, 8] + 1) % 11
    change = (model(inputs._replace(ids=source)) - logits).abs().amax(dim=2)
    assert change[1].min() > 1e-9
    assert change[[0, 2]].max() == 0


@pytest.mark.parametrize("options", words(), ids=str)
def test_padding_of_the_source_changes_nothing(options: dict[str, str]) -> None:
    model, inputs = translator(options), some(TEXT, previous=6)
    together = model(inputs)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = TokenBatch(inputs.ids[row : row + 1, :length], None, None, inputs.previous[row : row + 1])
        assert (model(alone)[0] - together[row]).abs().max() < 1e-9


@pytest.mark.parametrize("options", words(), ids=str)
def test_cached_decoding_equals_teacher_forcing(options: dict[str, str]) -> None:
    model, inputs = translator(options), some(TEXT, previous=8)
    logits, state = model(inputs), model.start(inputs._replace(previous=None))
    for place in range(8):
        found, state = model.step(inputs.previous[:, place], state)
        assert (found - logits[:, place]).abs().max() < 1e-9


@pytest.mark.parametrize("beam", [1, 3])
def test_generating_with_and_without_the_cache_is_the_same(beam: int) -> None:
    for options in ({"positions": "rnn"}, {"attention": "linear", "positions": "floater"}, {"positions": "alibi"}):
        model, inputs = translator(options), some(TEXT)

        class Whole(nn.Module):
            forward = model.forward

        cached = generate(model, inputs, TRANSLATION.output, beam=beam)
        whole = generate(Whole(), inputs, TRANSLATION.output, beam=beam)
        assert all(map(torch.equal, cached, whole))


def test_source_and_target_have_limits_of_their_own() -> None:
    model = SPECS["transformer"].build(TRANSLATION, positions="learned", max_length=4)
    assert (model.entry.positions.max_length, model.target_entry.positions.max_length) == (9, 9)
    with pytest.raises(ValueError, match="a sequence of 10 tokens is longer than the limit of 9"):
        model(some(TEXT, previous=10))


def test_transformer_learns_to_reverse() -> None:
    signature = Signature(input=Tokens(vocab=9), output=TokenSequence(vocab=9, length=6, start=1, end=2))
    model = SPECS["transformer"].build(signature, width=32, depth=1, heads=2, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(250):
        ids = torch.randint(3, 9, (64, 5))
        previous = F.pad(ids.flip(1), (1, 0), value=1)
        targets = F.pad(ids.flip(1), (0, 1), value=2)
        loss = F.cross_entropy(model(TokenBatch(ids, previous=previous)).flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    ids = torch.randint(3, 9, (100, 5))
    with torch.no_grad():
        written, lengths = generate(model.eval(), TokenBatch(ids), signature.output)
    right = (lengths == 5) & (written[:, :5] == ids.flip(1)).all(dim=1)
    assert right.float().mean() > 0.9


# --- bert -------------------------------------------------------------------------------------------------


def test_masking_is_that_of_the_paper() -> None:
    lengths = torch.randint(1, 200, (300,))
    ids = torch.randint(50, (300, 200))
    shown, picked = mask_tokens(TokenBatch(ids, lengths), vocab=50, mask_token=51)
    valid = torch.arange(200) < lengths[:, None]
    assert not (picked & ~valid).any()
    assert torch.equal(shown[~picked], ids[~picked])
    count = picked.sum()
    assert (count / valid.sum()).item() == pytest.approx(0.15, abs=0.01)
    assert ((shown == 51).sum() / count).item() == pytest.approx(0.8, abs=0.02)
    assert ((shown[picked] == ids[picked]).sum() / count).item() == pytest.approx(0.1 + 0.1 / 50, abs=0.015)
    assert not (shown == 50).any()  # [CLS]
    again = mask_tokens(TokenBatch(ids, lengths), vocab=50, mask_token=51)[1]
    assert not torch.equal(again, picked)
    torch.manual_seed(4)
    first = mask_tokens(TokenBatch(ids, lengths), vocab=50, mask_token=51)
    torch.manual_seed(4)
    assert all(map(torch.equal, first, mask_tokens(TokenBatch(ids, lengths), vocab=50, mask_token=51)))


def test_some_place_is_always_picked() -> None:
    for _ in range(30):
        one = TokenBatch(torch.tensor([[3, 0]]), torch.tensor([1]))
        assert mask_tokens(one, vocab=5, mask_token=6)[1].tolist() == [[True, False]]


class Steps:
    """One optimizer and how much of the budget is spent."""

    def __init__(self, model: nn.Module, lr: float = 1e-3) -> None:
        self.optimizer = torch.optim.Adam(model.parameters(), lr=lr)
        self.progress = SimpleNamespace(share=0.0)

    def minimize(self, loss: Any) -> Tensor:
        self.optimizer.zero_grad()
        value = loss()
        value.backward()
        self.optimizer.step()
        return value.detach()


def test_bert_pretrains_without_classes_and_then_learns_them() -> None:
    model = SPECS["bert"].build(CLASSES, width=16, heads=2, pretrain_fraction=0.3)
    steps = Steps(model)

    def touched(share: float, targets: Tensor | None) -> set[str]:
        steps.progress.share = share
        model.train_step(Batch(inputs=some(TEXT), targets=targets), steps)  # type: ignore[arg-type]
        return {name.split(".")[0] for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}

    assert touched(0.29, None) == {"bert", "token_head"}
    assert touched(0.3, torch.tensor([0, 1, 2])) == {"bert", "class_head"}
    assert model.predict(some(TEXT)).shape == (3, 5)


def test_pretraining_finds_what_masked_tokens_were() -> None:
    """Every token stands twice in a row: a masked one is known by its neighbour, but for pairs that are masked."""
    model = SPECS["bert"].build(CLASSES, width=32, depth=1, heads=2, dropout=0.0)
    steps = Steps(model, lr=3e-3)

    def texts(count: int) -> Batch:
        return Batch(inputs=TokenBatch(torch.randint(11, (count, 4)).repeat_interleave(2, dim=1)))

    first = model.train_step(texts(64), steps)  # type: ignore[arg-type]
    losses = [model.train_step(texts(64), steps) for _ in range(300)]  # type: ignore[arg-type]
    assert first.item() == pytest.approx(torch.tensor(11.0).log().item(), abs=0.2)
    assert torch.stack(losses[-20:]).mean() < 0.5 * first


def test_bert_may_read_more_tokens_than_it_is_asked_for_but_not_fewer() -> None:
    with pytest.raises(NotApplicable, match="needs every token that it may be asked for"):
        SPECS["bert"].build(Signature(input=TEXT, output=MaskedTokens(vocab=12)))
    with pytest.raises(UsageError, match=r"pretrain_fraction must be at least 0 and below 1, not 1\.0"):
        SPECS["bert"].build(CLASSES, pretrain_fraction=1.0)
    with pytest.raises(UsageError, match="no place of the normalisation 'after'"):
        SPECS["transformer"].build(TRANSLATION, norm="after")


def test_bert_takes_texts_as_long_as_the_task_has_them() -> None:
    model = SPECS["bert"].build(CLASSES).eval()
    assert model.predict(some(TEXT)).isfinite().all()  # nine places and [CLS]
    assert model.bert.entry.embed.num_embeddings == 13


@pytest.mark.parametrize("positions", [None, *POSITIONS])
def test_padding_changes_no_answer_of_bert(positions: str | None) -> None:
    for attention in ATTENTIONS:
        if positions == "alibi" and attention in ("linear", "performer"):
            continue
        window = {"window": 2} if attention == "truncated" else {}
        model = SPECS["bert"].build(CLASSES, positions=positions, attention=attention, **window).double().eval()
        inputs = some(TEXT)
        together = model.predict(inputs)
        for row, length in enumerate(LENGTHS.tolist()):
            alone = model.predict(TokenBatch(inputs.ids[row : row + 1, :length]))
            assert (alone[0] - together[row]).abs().max() < 1e-9
