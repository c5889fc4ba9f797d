"""ViT at its published sizes: the parameters and answers of timm's."""

from __future__ import annotations

import pytest
import timm
import torch
from imageparts import IMAGENET, count, hollow, image_signature, same_outputs
from torch import nn

import dlbench_transformer
from dlbench.train.sizing import fit_width
from dlbench_transformer.vit import ViT

pytestmark = pytest.mark.numbers

(SPEC,) = (spec for spec in dlbench_transformer.dlbench_models() if spec.name == "vit_tiny")


@pytest.mark.parametrize(
    ("width", "heads", "patch", "published"),
    [
        (192, 3, 16, 5_717_416),
        (384, 6, 16, 22_050_664),
        (768, 12, 16, 86_567_656),
        (768, 12, 32, 88_224_232),
    ],
)
def test_published_parameter_counts(width: int, heads: int, patch: int, published: int) -> None:
    found = count(ViT, **IMAGENET, width=width, heads=heads, patch=patch, depth=12)
    assert found == published
    with torch.device("meta"):
        theirs = timm.create_model(f"vit_{ {192: 'tiny', 384: 'small', 768: 'base'}[width] }_patch{patch}_224")
    assert sum(p.numel() for p in theirs.parameters()) == found


def test_it_answers_as_timm_does() -> None:
    """But that timm's norms add 1e-6 to the variances where ours, as torch's, add 1e-5."""
    torch.manual_seed(0)
    options = {"embed_dim": 192, "depth": 4, "num_heads": 3}
    theirs = timm.create_model("vit_tiny_patch16_224", num_classes=7, img_size=64, **options)
    for module in theirs.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-5
    ours = hollow(lambda: ViT(channels=3, size=(64, 64), num_classes=7, patch=16, width=192, depth=4, heads=3))
    assert same_outputs(ours, theirs) < 1e-4


@pytest.mark.parametrize("wanted", [100_000, 200_000, 500_000])
def test_a_budget_of_parameters_finds_a_width(wanted: int) -> None:
    def build(width: int) -> nn.Module:
        with torch.device("meta"):
            return SPEC.build(image_signature(3, 32, 32), width=width)

    found = sum(p.numel() for p in build(fit_width(build, wanted)).parameters())
    assert abs(found - wanted) < 0.05 * wanted
