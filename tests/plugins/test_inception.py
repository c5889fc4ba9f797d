"""Inception v2, v3 and v4: published counts, the same answers as torchvision's and timm's, what makes each."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import timm
import torch
import torchvision
from imageparts import IMAGENET, count, hollow, image_signature, same_outputs, silent
from torch import nn
from torch.nn import functional as F
from torchvision.models.inception import InceptionAux

import dlbench_cnn
from dlbench import Batch, NotApplicable, UsageError
from dlbench.contract.choice import option_defaults
from dlbench.train.sizing import fit_width
from dlbench_cnn.inception_parts import split
from dlbench_cnn.inception_v2 import STAGES, InceptionV2
from dlbench_cnn.inception_v3 import InceptionV3
from dlbench_cnn.inception_v4 import InceptionV4

pytestmark = pytest.mark.numbers

CONSTRUCTORS: dict[str, type[nn.Module]] = {
    "inception_v2": InceptionV2, "inception_v3": InceptionV3, "inception_v4": InceptionV4,
}  # fmt: skip
SPECS = {spec.name: spec for spec in dlbench_cnn.dlbench_models() if spec.name in CONSTRUCTORS}
MIDDLE: dict[str, Any] = {"channels": 3, "size": (80, 80), "num_classes": 7}
V3, V4 = {"width": 192, "depth": 9}, {"width": 384, "depth": 14}
TOLERANCE = 1e-4  # of the largest logit: the kernels are the same, the order of sums may differ


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 30), (3, 76, 80)])
def test_outputs_are_logits_of_the_signature(name: str, shape: tuple[int, int, int]) -> None:
    signature = image_signature(*shape, num_classes=7)
    images = torch.randn(2, *shape)
    logits = SPECS[name].build(signature)(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


@pytest.mark.parametrize("size", [(224, 224), (299, 299)])
@pytest.mark.parametrize(
    ("network", "options", "published"),
    [
        (InceptionV3, V3, 23_834_568),
        (InceptionV3, {**V3, "auxiliary": True}, 27_161_264),
        (InceptionV4, V4, 42_679_816),
    ],
)
def test_published_parameter_counts(
    network: type[nn.Module], options: dict[str, Any], published: int, size: tuple[int, int]
) -> None:
    assert count(network, **{**IMAGENET, "size": size}, **options) == published


def test_the_second_has_the_parameters_and_maps_of_its_table() -> None:
    """No library has it: the sum is done by hand, from the table."""
    have, total = 192, 0

    def layer(channels: int, out: int, places: int) -> int:
        return channels * out * places + 2 * out

    total += layer(3, 64, 49) + layer(64, 64, 1) + layer(64, 192, 9)
    maps = []
    for one, reduce3, three, reduce33, double, after in (module for stage in STAGES for module in stage):
        total += (layer(have, one, 1) if one else 0) + layer(have, reduce3, 1) + layer(reduce3, three, 9)
        total += layer(have, reduce33, 1) + layer(reduce33, double, 9) + layer(double, double, 9)
        total += layer(have, after, 1) if after else 0
        have = one + three + double + (after or have)
        maps.append(have)
    assert maps == [256, 320, 576, 576, 576, 576, 576, 1024, 1024, 1024]
    assert count(InceptionV2, **IMAGENET, width=64) == total + 1024 * 1000 + 1000 == 11_194_984


def test_the_third_answers_as_torchvision_does() -> None:
    theirs = hollow(lambda: torchvision.models.Inception3(num_classes=7, aux_logits=False, init_weights=False))
    assert same_outputs(hollow(lambda: InceptionV3(**MIDDLE, **V3)), theirs, side=80) < TOLERANCE


def test_the_head_of_the_third_answers_as_torchvisions_does() -> None:
    theirs = InceptionAux(768, 7).eval()
    ours = hollow(lambda: InceptionV3(**MIDDLE, **V3, auxiliary=True)).head.eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    maps = torch.randn(2, 768, 17, 17)
    torch.testing.assert_close(ours(maps), theirs(maps))


def test_the_fourth_answers_as_timm_does() -> None:
    theirs = hollow(lambda: timm.create_model("inception_v4", num_classes=7))
    assert same_outputs(hollow(lambda: InceptionV4(**MIDDLE, **V4)), theirs, side=80) < TOLERANCE


@pytest.mark.parametrize("name", list(SPECS))
def test_gradient_reaches_every_parameter(name: str) -> None:
    assert silent(SPECS[name].build(image_signature(1, 12, 12)), (1, 12, 12)) == []


@pytest.mark.parametrize("name", list(SPECS))
def test_the_smallest_side_trains_in_a_batch_of_one_and_a_smaller_is_not_applicable(name: str) -> None:
    smallest = CONSTRUCTORS[name].smallest_side
    SPECS[name].build(image_signature(1, smallest, smallest))(torch.randn(1, 1, smallest, smallest))
    with pytest.raises(NotApplicable, match=f"side of at least {smallest}, not {smallest - 1}x20"):
        SPECS[name].build(image_signature(1, smallest - 1, 20))


@pytest.mark.parametrize("name", list(SPECS))
def test_option_defaults_are_the_constructors(name: str) -> None:
    parameters = inspect.signature(CONSTRUCTORS[name]).parameters
    options = option_defaults(SPECS[name].build)
    assert options == {key: parameters[key].default for key in options}


@pytest.mark.parametrize("name", list(SPECS))
def test_small_forms_are_small_and_a_budget_of_parameters_finds_a_width(name: str) -> None:
    def build(**options: int) -> nn.Module:
        with torch.device("meta"):
            return SPECS[name].build(image_signature(3, 32, 32), **options)

    assert 1.5e5 < sum(p.numel() for p in build().parameters()) < 5e5
    found = sum(p.numel() for p in build(width=fit_width(lambda width: build(width=width), 200_000)).parameters())
    assert abs(found - 200_000) < 10_000


def test_modules_are_split_as_in_the_papers() -> None:
    assert (split(9, (3, 4, 2)), split(14, (4, 7, 3)), split(3, (4, 7, 3))) == ((3, 4, 2), (4, 7, 3), (1, 1, 1))
    assert all(sum(split(n, p)) == n and min(split(n, p)) > 0 for n in range(3, 40) for p in ((3, 4, 2), (4, 7, 3)))
    with pytest.raises(UsageError, match="at least 3 modules"):
        SPECS["inception_v4"].build(image_signature(3, 32, 32), depth=2)


def test_the_auxiliary_head_trains_and_has_no_say() -> None:
    learner = SPECS["inception_v3"].build(image_signature(3, 32, 32), auxiliary=True, dropout=0.0)
    batch = Batch(inputs=torch.randn(8, 3, 32, 32), targets=torch.arange(8) % 10, size=8)
    loss = learner.loss(batch)
    own, extra = (F.cross_entropy(logits, batch.targets) for logits in learner.network.all_logits(batch.inputs))
    torch.testing.assert_close(loss, own + 0.4 * extra)
    loss.backward()
    assert [key for key, p in learner.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    learner.eval()
    before = learner.predict(batch.inputs)
    for p in learner.network.head.parameters():
        nn.init.zeros_(p)
    assert torch.equal(learner.predict(batch.inputs), before)
