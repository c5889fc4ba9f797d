"""ConvNeXt, MLP-Mixer and Swin: published counts, the same answers as torchvision's and timm's, what makes each."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from typing import Any

import pytest
import torch
import torchvision
from imageparts import IMAGENET, count, hollow, image_signature, same_outputs, silent
from timm.models.mlp_mixer import MlpMixer
from torch import Tensor, nn
from torchvision.models.convnext import CNBlockConfig

import dlbench_cnn
import dlbench_mlp
import dlbench_transformer
from dlbench import Classes, Image, NotApplicable, UsageError
from dlbench.contract.choice import option_defaults
from dlbench.train.sizing import fit_width
from dlbench_cnn.convnext import Block, ConvNeXt
from dlbench_mlp.mlp_mixer import MLPMixer
from dlbench_transformer.swin import Swin, WindowAttention, choose_heads

pytestmark = pytest.mark.numbers

CONSTRUCTORS: dict[str, type[nn.Module]] = {"convnext": ConvNeXt, "mlp_mixer": MLPMixer, "swin": Swin}
FAMILIES = {"convnext": "CNN", "mlp_mixer": "MLP", "swin": "Transformer"}
SPECS = {
    spec.name: spec
    for plugin in (dlbench_cnn, dlbench_mlp, dlbench_transformer)
    for spec in plugin.dlbench_models()
    if spec.name in CONSTRUCTORS
}
SMALL: dict[str, Any] = {"channels": 3, "size": (64, 64), "num_classes": 7}
TOLERANCE = 1e-4  # of the largest logit: the kernels are the same, the order of sums may differ


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def test_kinds_and_families() -> None:
    assert {name: spec.family for name, spec in SPECS.items()} == FAMILIES
    assert all(list(spec.accepts) == [(Image, Classes)] and spec.paper for spec in SPECS.values())


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 30), (3, 64, 70)])
def test_outputs_are_logits_of_the_signature(name: str, shape: tuple[int, int, int]) -> None:
    signature = image_signature(*shape, num_classes=7)
    images = torch.randn(2, *shape)
    logits = SPECS[name].build(signature)(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("network", "options", "published"),
    [
        (ConvNeXt, {"depth": 18, "width": 96}, 28_589_128),
        (ConvNeXt, {"depth": 12, "width": 40}, 3_695_520),
        (ConvNeXt, {"depth": 36, "width": 96}, 50_223_688),
        (MLPMixer, {"depth": 8, "width": 512}, 18_528_264),
        (MLPMixer, {"depth": 12, "width": 768}, 59_880_472),
        (Swin, {"depth": 12, "width": 96}, 28_288_354),
    ],
)
def test_published_parameter_counts(network: type[nn.Module], options: dict[str, Any], published: int) -> None:
    assert count(network, **IMAGENET, **options) == published


def test_convnext_answers_as_torchvision_does() -> None:
    stages = [CNBlockConfig(32, 64, 2), CNBlockConfig(64, 128, 2), CNBlockConfig(128, 256, 6)]
    theirs = hollow(
        lambda: torchvision.models.ConvNeXt([*stages, CNBlockConfig(256, None, 2)], num_classes=7, layer_scale=0.5)
    )
    assert same_outputs(hollow(lambda: ConvNeXt(**SMALL, depth=12, width=32)), theirs) < TOLERANCE


def test_mlp_mixer_answers_as_timm_does() -> None:
    theirs = hollow(lambda: MlpMixer(num_classes=7, img_size=64, patch_size=8, num_blocks=4, embed_dim=96))
    assert same_outputs(hollow(lambda: MLPMixer(**SMALL, patch=8, width=96)), theirs) < TOLERANCE


@pytest.mark.parametrize("side", [64, 96, 112])
def test_swin_answers_as_torchvision_does(side: int) -> None:
    """With windows that fit (112: 28, 14, 7, 4 of 7) and such that need padding, and maps of one window alone."""
    theirs = torchvision.models.SwinTransformer(
        patch_size=[4, 4], embed_dim=24, depths=[2, 2, 4, 2], num_heads=[3, 6, 12, 24], window_size=[7, 7],
        num_classes=7,
    )  # fmt: skip
    ours = Swin(**{**SMALL, "size": (side, side)}, width=24, depth=10, heads=3)

    def learnt(state: dict[str, Tensor]) -> Iterable[Tensor]:
        """torchvision keeps which bias belongs to which two places."""
        return [value for name, value in state.items() if not name.endswith("relative_position_index")]

    assert same_outputs(ours, theirs, side=side, rename=learnt) < TOLERANCE


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("side", [8, 32])
def test_gradient_reaches_every_parameter(name: str, side: int) -> None:
    assert silent(SPECS[name].build(image_signature(1, side, side)), (1, side, side)) == []


@pytest.mark.parametrize(("name", "smallest"), [("convnext", 8), ("swin", 4)])
def test_a_too_small_side_is_not_applicable(name: str, smallest: int) -> None:
    SPECS[name].build(image_signature(1, smallest, smallest))(torch.randn(1, 1, smallest, smallest))
    with pytest.raises(NotApplicable, match=f"side of at least {smallest}, not {smallest - 1}x20"):
        SPECS[name].build(image_signature(1, smallest - 1, 20))


@pytest.mark.parametrize("name", list(SPECS))
def test_option_defaults_are_the_constructors(name: str) -> None:
    parameters = inspect.signature(CONSTRUCTORS[name]).parameters
    options = option_defaults(SPECS[name].build)
    assert options == {key: parameters[key].default for key in options}
    assert {"width", "depth"} <= set(options)


@pytest.mark.parametrize("name", list(SPECS))
def test_a_budget_of_parameters_finds_a_width(name: str) -> None:
    def build(width: int) -> nn.Module:
        with torch.device("meta"):
            return SPECS[name].build(image_signature(3, 32, 32), width=width)

    found = sum(p.numel() for p in build(fit_width(build, 200_000)).parameters())
    assert abs(found - 200_000) < 10_000
    assert 1e5 < sum(p.numel() for p in SPECS[name].build(image_signature(3, 32, 32)).parameters()) < 1e6


@pytest.mark.parametrize(
    ("name", "options", "error", "reason"),
    [
        ("convnext", {"depth": 7}, UsageError, "6, 12, 18"),
        ("mlp_mixer", {"patch": 3}, NotApplicable, "divisible by 3"),
        ("swin", {"depth": 7}, UsageError, "even depth"),
        ("swin", {"window": -1}, UsageError, "at least 1"),
        ("swin", {"heads": 5}, NotApplicable, "5 heads"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        SPECS[name].build(image_signature(3, 32, 32), **options)


def test_a_block_of_convnext_is_nearly_the_identity_at_first_and_sees_seven_by_seven() -> None:
    maps = torch.randn(1, 4, 15, 15)
    torch.testing.assert_close(Block(width=4, scale=1e-6)(maps), maps, rtol=0, atol=1e-4)
    block = Block(width=4, scale=1.0)
    seen = _reach(lambda x: block(x)[0, :, 7, 7].sum(), maps)
    assert seen == {(row, column) for row in range(4, 11) for column in range(4, 11)}


def test_the_mixer_tells_a_permuted_image_where_its_mean_over_patches_cannot() -> None:
    mixer = MLPMixer(channels=3, size=(8, 8), num_classes=5, width=16, depth=2).eval()
    images = torch.randn(2, 3, 8, 8)
    turned = images.flip(3).unflatten(3, (4, 2)).flip(4).flatten(3)  # whole patches of 2x2, in another order
    assert not torch.allclose(mixer(turned), mixer(images), atol=1e-3)
    for block in mixer.blocks:
        nn.init.zeros_(block.over_patches[3].weight)
    torch.testing.assert_close(mixer(turned), mixer(images))


def test_attention_stays_in_its_window_unless_it_is_shifted() -> None:
    maps = torch.randn(1, 8, 8, 4)
    for shift, rows in [(0, range(4)), (2, range(2, 6))]:
        attention = WindowAttention(width=4, heads=2, grid=(8, 8), window=4, shift=shift)
        seen = _reach(lambda x, part=attention: part(x)[0, 3, 3].sum(), maps, last=True)
        assert seen == {(row, column) for row in rows for column in rows}


def test_places_that_a_shift_brings_together_around_the_border_do_not_see_each_other() -> None:
    attention = WindowAttention(width=4, heads=2, grid=(8, 8), window=4, shift=2)
    seen = _reach(lambda x: attention(x)[0, 7, 3].sum(), torch.randn(1, 8, 8, 4), last=True)
    assert seen == {(row, column) for row in (6, 7) for column in range(2, 6)}


def test_heads_follow_the_width() -> None:
    assert [choose_heads(width) for width in (1, 16, 24, 96, 97, 128)] == [1, 1, 1, 3, 1, 4]


def _reach(pick: Any, maps: Tensor, *, last: bool = False) -> set[tuple[int, int]]:
    """The places whose values what is picked depends on; `last`: channels come last."""
    maps = maps.clone().requires_grad_()
    pick(maps).backward()
    touched = maps.grad[0].abs().sum(dim=-1 if last else 0)
    return {(int(row), int(column)) for row, column in touched.nonzero()}
