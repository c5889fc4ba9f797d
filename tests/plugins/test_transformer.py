"""dlbench_transformer: `gpt` and `vit_tiny`: shapes, causality, patches, positions, what they refuse, learning."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dlbench_transformer
from dlbench import (
    Classes,
    Image,
    NextToken,
    NotApplicable,
    Series,
    SeriesBatch,
    Signature,
    TokenBatch,
    Tokens,
    TokenTags,
)
from dlbench.contract.choice import option_defaults
from dlbench_transformer.gpt import GPT
from dlbench_transformer.vit import ViT, choose_patch

pytestmark = pytest.mark.numbers

SPECS = {spec.name: spec for spec in dlbench_transformer.dlbench_models() if spec.name in ("vit_tiny", "gpt")}
IMAGES = Signature(input=Image(channels=3, height=8, width=12), output=Classes(num_classes=5))
TEXT = Signature(input=Tokens(vocab=11, length=9), output=NextToken(vocab=11))


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def built(name: str, **options: Any) -> tuple[nn.Module, Any, torch.Tensor, Signature]:
    """A model, inputs, targets and their signature."""
    if name == "vit_tiny":
        return SPECS[name].build(IMAGES, **options), torch.randn(4, 3, 8, 12), torch.arange(4), IMAGES
    ids = torch.randint(11, (4, 9))
    return SPECS[name].build(TEXT, **options), TokenBatch(ids), ids.roll(-1, 1), TEXT


@pytest.mark.parametrize("name", SPECS)
def test_output_has_the_shape_of_the_kind(name: str) -> None:
    model, inputs, _, signature = built(name)
    assert tuple(model(inputs).shape) == signature.output.shape(inputs)


@pytest.mark.parametrize("name", SPECS)
def test_gradient_reaches_every_parameter(name: str) -> None:
    model, inputs, targets, _ = built(name, dropout=0.1)
    F.cross_entropy(model(inputs).flatten(0, -2), targets.flatten()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize(("name", "constructor"), [("vit_tiny", ViT), ("gpt", GPT)])
def test_defaults_are_those_of_the_constructor(name: str, constructor: type) -> None:
    options, own = option_defaults(SPECS[name].build), option_defaults(constructor)
    shared = asdict(own.pop("mixing")) if "mixing" in own else {}
    assert options.items() <= (own | shared).items()
    assert shared.keys() <= options.keys()


@pytest.mark.parametrize("name", SPECS)
def test_dropout_acts_in_training_only(name: str) -> None:
    model, inputs, _, _ = built(name, dropout=0.5)
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_later_tokens_change_no_earlier_logits() -> None:
    model, inputs, _, _ = built("gpt", depth=3)
    model.eval()
    logits = model(inputs)
    for place in range(1, 9):
        changed = inputs.ids.clone()
        changed[:, place:] = (changed[:, place:] + 1 + torch.randint(10, changed[:, place:].shape)) % 11
        other = model(TokenBatch(changed))
        assert (other[:, :place] - logits[:, :place]).abs().max() == 0
        assert (other[:, place] - logits[:, place]).abs().max() > 0


def test_every_earlier_token_counts() -> None:
    model, inputs, _, _ = built("gpt")
    embedded: list[torch.Tensor] = []
    model.entry.embed.register_forward_hook(lambda *args: embedded.append(args[2]) or args[2].retain_grad())
    model(inputs)[:, -1].square().sum().backward()
    assert embedded[0].grad.abs().sum(dim=2).min() > 0


def test_positions_come_from_the_signature_else_from_the_option() -> None:
    assert SPECS["gpt"].build(TEXT, max_length=77).entry.positions.max_length == 9
    endless = Signature(input=Tokens(vocab=11), output=NextToken(vocab=11))
    model = SPECS["gpt"].build(endless, max_length=6)
    assert model(TokenBatch(torch.zeros(1, 6, dtype=torch.int64))).shape == (1, 6, 11)
    with pytest.raises(ValueError, match="a sequence of 7 tokens is longer than the limit of 6"):
        model(TokenBatch(torch.zeros(1, 7, dtype=torch.int64)))


def test_gpt_ties_its_weights_and_starts_near_uniform() -> None:
    model, inputs, targets, _ = built("gpt")
    attention, feed = 4 * 64 * 64 + 4 * 64, 8 * 64 * 64 + 5 * 64
    assert sum(p.numel() for p in model.parameters()) == (11 + 9) * 64 + 2 * (attention + feed + 4 * 64) + 2 * 64
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    assert loss.item() == pytest.approx(torch.tensor(11.0).log().item(), abs=0.2)


def test_nanogpt_on_a_cpu_has_its_published_size() -> None:
    """It prints 802,944 decayed parameters (matrices) and 1,152 others (normalisations without bias)."""
    shakespeare = Signature(input=Tokens(vocab=65, length=64), output=NextToken(vocab=65))
    model = SPECS["gpt"].build(shakespeare, width=128, depth=4, bias=False)
    assert sum(p.numel() for p in model.parameters() if p.dim() == 2) == 802_944
    assert sum(p.numel() for p in model.parameters() if p.dim() == 1) == 1_152
    ids = torch.randint(65, (12, 65))
    loss = F.cross_entropy(model(TokenBatch(ids[:, :-1])).flatten(0, 1), ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(65), abs=0.05)


@pytest.mark.parametrize("kind", [Tokens(vocab=11), Series(features=3)])
def test_gpt_answers_each_place_or_by_the_last_valid_one(kind: Tokens | Series) -> None:
    lengths = torch.tensor([4, 9, 1])
    tokens = isinstance(kind, Tokens)
    inputs = TokenBatch(torch.randint(11, (3, 9)), lengths) if tokens else SeriesBatch(torch.randn(3, 9, 3), lengths)
    torch.manual_seed(1)
    places = SPECS["gpt"].build(Signature(input=kind, output=TokenTags(num_classes=5)))
    torch.manual_seed(1)
    whole = SPECS["gpt"].build(Signature(input=kind, output=Classes(num_classes=5)))
    expected = places(inputs)[torch.arange(3), lengths - 1]
    assert torch.allclose(whole(inputs), expected, atol=1e-6)
    assert tuple(places(inputs).shape) == (3, 9, 5)


def test_gpt_finds_what_stood_some_places_before() -> None:
    signature = Signature(input=Tokens(vocab=5, length=24), output=TokenTags(num_classes=5))
    model = SPECS["gpt"].build(signature, width=32, depth=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(120):
        ids = torch.randint(5, (32, 24))
        optimizer.zero_grad()
        F.cross_entropy(model(TokenBatch(ids))[:, 7:].flatten(0, 1), ids[:, :-7].flatten()).backward()
        optimizer.step()
    ids = torch.randint(5, (100, 24))
    right = model(TokenBatch(ids))[:, 7:].argmax(dim=2) == ids[:, :-7]
    assert right.float().mean() > 0.95  # by guessing: 0.2


def test_gpt_carries_no_state() -> None:
    with pytest.raises(NotApplicable, match="use a task with carry=false"):
        SPECS["gpt"].build(Signature(input=Tokens(vocab=11), output=NextToken(vocab=11, carried=True)))


@pytest.mark.parametrize(
    ("size", "patch"), [((8, 8), 2), ((28, 28), 4), ((32, 32), 4), ((64, 64), 8), ((224, 224), 16), ((7, 7), 1)]
)
def test_patch_follows_the_size(size: tuple[int, int], patch: int) -> None:
    assert choose_patch(size) == patch
    model = ViT(channels=1, size=size, num_classes=2, depth=1)
    assert model.positions.shape[1] == 1 + (size[0] // patch) * (size[1] // patch)


def test_what_does_not_fit_is_not_applicable() -> None:
    with pytest.raises(NotApplicable, match="sides divisible by 3, not 8x12"):
        SPECS["vit_tiny"].build(IMAGES, patch=3)
    for name, signature in [("vit_tiny", IMAGES), ("gpt", TEXT)]:
        with pytest.raises(NotApplicable, match="divisible by its 3 heads"):
            SPECS[name].build(signature, heads=3)
    other = Signature(input=Tokens(vocab=11, length=9), output=NextToken(vocab=12))
    with pytest.raises(NotApplicable, match="one vocabulary"):
        SPECS["gpt"].build(other)


def test_plain_constructor_refuses_too() -> None:
    with pytest.raises(ValueError, match="patches of side 3"):
        ViT(channels=1, size=(8, 8), num_classes=2, patch=3)
    with pytest.raises(ValueError, match="not divisible by 5 heads"):
        GPT(vocab=3, heads=5)


def test_vit_sees_the_order_of_its_patches() -> None:
    model, images, _, _ = built("vit_tiny")
    assert (model(images) - model(images.roll(4, dims=3))).abs().max() > 1e-5


def test_vit_learns_digits() -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 8 - 1
    labels = torch.tensor(digits.target)
    signature = Signature(input=Image(channels=1, height=8, width=8), output=Classes(num_classes=10))
    model = SPECS["vit_tiny"].build(signature, depth=2, width=32)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for _ in range(5):
        for index in torch.randperm(1200).split(64):
            optimizer.zero_grad()
            F.cross_entropy(model(images[index]), labels[index]).backward()
            optimizer.step()
    model.eval()
    accuracy = (model(images[1200:]).argmax(1) == labels[1200:]).float().mean().item()
    assert accuracy > 0.7  # always the same class: 0.10
