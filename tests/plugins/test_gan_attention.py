"""The parts of `sagan`: spectral normalisation, self-attention, conditional batch norm, the projection."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from dlbench_gan.sagan import AttentionDiscriminator, AttentionGenerator, Norm, SelfAttention
from dlbench_gan.spectral import SpectralNorm, iterate, spectral

pytestmark = pytest.mark.numbers


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def players(num_classes: int = 0) -> dict[str, Any]:
    sizes: dict[str, Any] = {"channels": 1, "size": (8, 8), "width": 8, "num_classes": num_classes}
    return {"generator": AttentionGenerator(**sizes, noise=6), "discriminator": AttentionDiscriminator(**sizes)}


def weights(network: nn.Module) -> list[Tensor]:
    """All weights under spectral normalisation, as matrices."""
    return [m.weight.flatten(1) for m in network.modules() if hasattr(m, "parametrizations")]  # type: ignore[operator]


def largest(weight: Tensor) -> float:
    return float(torch.linalg.matrix_norm(weight.double(), 2))


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_every_layer_keeps_to_a_singular_value_of_one(player: str) -> None:
    network = players(num_classes=3)[player].requires_grad_(False)
    for p in network.parameters():
        p += 0.3 * torch.randn(p.shape)  # as a long step would move them
    for _ in range(200):
        iterate(network)
    found = weights(network)
    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert len(found) == len(layers) + (player == "discriminator")  # and the projection's embedding
    assert [largest(weight) for weight in found] == pytest.approx([1.0] * len(found), abs=1e-3)


def test_the_weight_is_that_of_torch() -> None:
    layer = nn.Conv2d(3, 5, 3)
    theirs = parametrizations.spectral_norm(copy.deepcopy(layer))
    mine = spectral(layer)
    inner, outer = mine.parametrizations.weight[0], theirs.parametrizations.weight[0]
    inner.left.copy_(outer._u)
    inner.right.copy_(outer._v)
    assert torch.allclose(mine.weight, theirs.eval().weight, atol=1e-6)
    iterate(mine)
    assert torch.allclose(mine.weight, theirs.train().weight, atol=1e-6)  # it iterates as it is read


def test_a_gradient_takes_the_singular_value_along() -> None:
    """The derivative of W / (u' W v) at fixed u and v, as the paper has it."""
    layer = spectral(nn.Linear(4, 3, bias=False))
    norm, original = layer.parametrizations.weight[0], layer.parametrizations.weight.original
    sent = torch.randn(3, 4)
    (layer.weight * sent).sum().backward()
    sigma = norm.left @ original @ norm.right
    expected = (sent - (sent * original / sigma).sum() * torch.outer(norm.left, norm.right)) / sigma
    assert torch.allclose(original.grad, expected.detach(), atol=1e-5)


def test_a_forward_pass_changes_no_vector() -> None:
    network = players()["discriminator"].train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    assert any("left" in name for name in before)
    network(torch.randn(4, 1, 8, 8))
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    iterate(network)
    assert any(not torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())


def test_the_vectors_keep_their_length_in_lowered_precision() -> None:
    layer = spectral(nn.Linear(20, 30))
    with torch.autocast("cpu", torch.bfloat16):
        weight = layer.weight
        iterate(layer)
    assert weight.dtype == torch.float32
    norm = layer.parametrizations.weight[0]
    assert isinstance(norm, SpectralNorm)
    assert [norm.left.norm().item(), norm.right.norm().item()] == pytest.approx([1.0, 1.0], abs=1e-5)


@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_with_gamma_zero_a_player_is_its_convolutional_part(player: str) -> None:
    network = players()[player].eval()
    assert network.attention.gamma.item() == 0  # as it begins
    inputs = torch.randn(5, 6) if player == "generator" else torch.randn(5, 1, 8, 8)
    without = copy.deepcopy(network)
    without.attention = nn.Identity()
    with torch.no_grad():
        assert torch.equal(network(inputs), without(inputs))
        network.attention.gamma.fill_(0.5)
        assert not torch.allclose(network(inputs), without(inputs), atol=1e-4)


def test_attention_gathers_by_likeness_of_query_and_key() -> None:
    layer = SelfAttention(16)
    nn.init.constant_(layer.gamma, 0.7)
    maps = torch.randn(2, 16, 3, 2)
    query, key, value = layer.query(maps), layer.key(maps), layer.value(maps)  # (2, 2, 3, 2)
    places = [(y, x) for y in range(3) for x in range(2)]
    gathered = torch.zeros_like(query)
    for b in range(2):
        for at in places:
            likeness = torch.stack([query[b, :, *at] @ key[b, :, *other] for other in places]).softmax(0)
            gathered[b, :, *at] = sum(s * value[b, :, *other] for s, other in zip(likeness, places, strict=True))
    assert torch.allclose(layer(maps), maps + 0.7 * layer.output(gathered), atol=1e-5)


def test_attention_sees_the_other_end_of_a_picture() -> None:
    layer = SelfAttention(8).requires_grad_(False)
    layer.gamma.fill_(1.0)
    maps = torch.randn(1, 8, 6, 6)
    changed = maps.clone()
    changed[..., 5, 5] += 3
    assert not torch.allclose(layer(maps)[..., 0, 0], layer(changed)[..., 0, 0], atol=1e-6)


def test_a_norm_of_classes_begins_as_batch_norm() -> None:
    maps, classes = torch.randn(6, 4, 3, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    norm = Norm(4, num_classes=3)
    assert torch.allclose(norm(maps, classes), nn.BatchNorm2d(4)(maps), atol=1e-6)
    with torch.no_grad():
        norm.scale.weight[1] = 3.0
        norm.shift.weight[2] = -1.0
    plain, found = nn.BatchNorm2d(4)(maps), norm(maps, classes)
    for i, (scale, shift) in enumerate([(1, 0), (3, 0), (1, -1), (1, 0), (3, 0), (1, -1)]):
        assert torch.allclose(found[i], scale * plain[i] + shift, atol=1e-5)


def test_the_projection_adds_what_a_class_has_in_common_with_the_features() -> None:
    network = players(num_classes=3)["discriminator"].eval()
    pictures = torch.randn(5, 1, 8, 8)
    plain = copy.deepcopy(network)
    plain.projection = None
    seen: list[Tensor] = []
    network.last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    with torch.no_grad():
        logits = network(pictures, torch.tensor([0, 1, 2, 1, 0]))
        vectors = network.projection.weight[[0, 1, 2, 1, 0]]
        assert torch.allclose(logits, plain(pictures) + (vectors * seen[0]).sum(1), atol=1e-4)


def test_at_32_pixels_the_discriminator_has_four_blocks_of_which_two_halve() -> None:
    network = AttentionDiscriminator(channels=3, size=(32, 32), width=4)
    assert [block.halves for block in network.blocks] == [True, True, False, False]
    assert [block.halves for block in players()["discriminator"].blocks] == [True, False, False]
