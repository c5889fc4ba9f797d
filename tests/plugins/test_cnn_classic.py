"""The networks made for ImageNet: published counts, the same answers as torchvision's and timm's, what makes each."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import timm
import torch
import torchvision
from imageparts import CIFAR, IMAGENET, count, hollow, image_signature, same_outputs, silent
from torch import nn
from torch.nn import functional as F

import dlbench_cnn
from dlbench import Batch, Classes, Image, ModelSpec, NotApplicable, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_cnn.alexnet import AlexNet
from dlbench_cnn.cnn_attention import CNNAttention, NonLocal
from dlbench_cnn.densenet import DenseNet, Layer
from dlbench_cnn.googlenet import GoogLeNet, Inception
from dlbench_cnn.imagenet_resnet import ImageNetResNet
from dlbench_cnn.plainnet import PlainNet
from dlbench_cnn.preact_resnet import Block, PreActResNet
from dlbench_cnn.resnet import Block as ResNetBlock
from dlbench_cnn.resnet import ResNet
from dlbench_cnn.vgg import VGG

pytestmark = pytest.mark.numbers

CONSTRUCTORS: dict[str, type[nn.Module]] = {
    "alexnet": AlexNet, "vgg11": VGG, "vgg13": VGG, "vgg16": VGG, "vgg19": VGG, "densenet": DenseNet,
    "plainnet": PlainNet, "preact_resnet": PreActResNet, "resnet18": ImageNetResNet, "resnet34": ImageNetResNet,
    "resnet50": ImageNetResNet, "googlenet": GoogLeNet, "cnn_attention": CNNAttention,
}  # fmt: skip
SPECS = {spec.name: spec for spec in dlbench_cnn.dlbench_models() if spec.name in CONSTRUCTORS}
SMALL: dict[str, Any] = {"channels": 3, "size": (64, 64), "num_classes": 7}
PAPER = {"width": 64, "hidden": 4096}
TOLERANCE = 1e-4  # of the largest logit: the kernels are the same, the order of sums may differ


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def test_names_and_kinds() -> None:
    assert set(SPECS) == set(CONSTRUCTORS)
    for spec in SPECS.values():
        assert isinstance(spec, ModelSpec)
        assert list(spec.accepts) == [(Image, Classes)]
        assert spec.family == "CNN"
        assert spec.paper


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 9, 30), (3, 64, 70)])
def test_outputs_are_logits_of_the_signature(name: str, shape: tuple[int, int, int]) -> None:
    signature = image_signature(*shape, num_classes=7)
    model = SPECS[name].build(signature)
    images = torch.randn(2, *shape)
    logits = model(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


@pytest.mark.parametrize(
    ("network", "options", "published"),
    [
        (AlexNet, PAPER, 61_100_840),
        (VGG, {**PAPER, "depth": 11, "norm": None}, 132_863_336),
        (VGG, {**PAPER, "depth": 11}, 132_868_840),
        (VGG, {**PAPER, "depth": 16, "norm": None}, 138_357_544),
        (VGG, {**PAPER, "depth": 16}, 138_365_992),
        (VGG, {**PAPER, "depth": 19, "norm": None}, 143_667_240),
        (VGG, {**PAPER, "depth": 19}, 143_678_248),
        (GoogLeNet, {"width": 64}, 6_624_904),
        (GoogLeNet, {"width": 64, "auxiliary": True}, 13_004_888),
        (GoogLeNet, {"width": 64, "norm": None}, 6_998_552),
        (GoogLeNet, {"width": 64, "norm": None, "auxiliary": True}, 6_998_552 + 6_379_728),
        (DenseNet, {"depth": 121, "width": 32}, 7_978_856),
        (DenseNet, {"depth": 161, "width": 48}, 28_681_000),
        (DenseNet, {"depth": 169, "width": 32}, 14_149_480),
        (DenseNet, {"depth": 201, "width": 32}, 20_013_928),
        (PreActResNet, {"depth": 50, "width": 64, "form": "imagenet"}, 25_549_352),
        (ImageNetResNet, {"depth": 18, "width": 64}, 11_689_512),
        (ImageNetResNet, {"depth": 34, "width": 64}, 21_797_672),
        (ImageNetResNet, {"depth": 50, "width": 64}, 25_557_032),
        (ImageNetResNet, {"depth": 101, "width": 64}, 44_549_160),
        (ImageNetResNet, {"depth": 152, "width": 64}, 60_192_808),
    ],
)
def test_published_parameter_counts(network: type[nn.Module], options: dict[str, Any], published: int) -> None:
    assert count(network, **IMAGENET, **options) == published


def test_published_parameter_counts_for_cifar() -> None:
    assert count(VGG, **CIFAR, depth=16, width=64) == 14_728_266
    assert count(DenseNet, **CIFAR, depth=100, width=12) == 769_162
    assert count(DenseNet, **CIFAR, depth=40, width=12) == 176_122


@pytest.mark.parametrize("name", ["vgg11", "vgg13", "vgg16", "vgg19", "vgg11_bn"])
def test_vgg_answers_as_torchvision_does(name: str) -> None:
    depth, norm = int(name[3:5]), "batch" if name.endswith("bn") else None
    theirs = hollow(lambda: _narrow_head(torchvision.models.get_model(name, num_classes=7), after=0))
    ours = hollow(lambda: VGG(**SMALL, depth=depth, norm=norm, width=64, hidden=64))
    assert same_outputs(ours, theirs) < TOLERANCE


def test_alexnet_answers_as_torchvision_does() -> None:
    theirs = hollow(lambda: _narrow_head(torchvision.models.alexnet(num_classes=7), after=1))
    assert same_outputs(hollow(lambda: AlexNet(**SMALL, width=64, hidden=64)), theirs) < TOLERANCE


def _narrow_head(network: nn.Module, after: int) -> nn.Module:
    """torchvision's network with 64 units in place of 4096 in its two fully connected layers, which come `after` so
    many others: fewer weights to draw."""
    head = network.classifier
    head[after] = nn.Linear(head[after].in_features, 64)
    head[after + 3] = nn.Linear(64, 64)
    head[-1] = nn.Linear(64, head[-1].out_features)
    return network


def test_densenet_answers_as_torchvision_does() -> None:
    theirs = hollow(lambda: torchvision.models.densenet121(num_classes=7))
    assert same_outputs(hollow(lambda: DenseNet(**SMALL, depth=121, width=32)), theirs) < TOLERANCE


@pytest.mark.parametrize("auxiliary", [False, True])
def test_googlenet_answers_as_torchvision_does(auxiliary: bool) -> None:
    theirs = hollow(lambda: torchvision.models.GoogLeNet(num_classes=7, aux_logits=auxiliary, init_weights=False))
    ours = hollow(lambda: GoogLeNet(**SMALL, width=64, auxiliary=auxiliary))
    assert same_outputs(ours, theirs) < TOLERANCE
    if auxiliary:
        images = torch.randn(2, 3, 64, 64)
        for model in (ours, theirs):
            without_dropout(model.train())
        logits, second, first = theirs(images)
        for got, wanted in zip(ours.all_logits(images), (logits, first, second), strict=True):
            torch.testing.assert_close(got, wanted, rtol=0, atol=TOLERANCE * wanted.abs().max().item())


@pytest.mark.parametrize("depth", [18, 34, 50])
def test_resnet_answers_as_torchvision_does(depth: int) -> None:
    theirs = hollow(lambda: torchvision.models.get_model(f"resnet{depth}", num_classes=7))
    assert same_outputs(hollow(lambda: ImageNetResNet(**SMALL, depth=depth, width=64)), theirs) < TOLERANCE


@pytest.mark.parametrize("depth", [18, 50])
def test_preact_resnet_answers_as_timm_does(depth: int) -> None:
    theirs = hollow(lambda: timm.create_model(f"resnetv2_{depth}", num_classes=7))
    ours = hollow(lambda: PreActResNet(**SMALL, depth=depth, width=64, form="imagenet"))

    def flat(state: dict[str, torch.Tensor]) -> list[torch.Tensor]:
        """timm's classifier is a convolution of 1x1."""
        return [value[:, :, 0, 0] if name == "head.fc.weight" else value for name, value in state.items()]

    assert same_outputs(ours, theirs, rename=flat) < TOLERANCE


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
    assert "width" in options


@pytest.mark.parametrize("name", list(SPECS))
def test_small_forms_are_small_and_can_be_resized(name: str) -> None:
    signature = image_signature(3, 32, 32)
    with torch.device("meta"):
        sizes = [sum(p.numel() for p in SPECS[name].build(signature, width=w).parameters()) for w in (1, 8, 16, 32)]
        default = sum(p.numel() for p in SPECS[name].build(signature).parameters())
    assert sizes == sorted(set(sizes))
    assert sizes[0] < 130_000
    assert 1e5 < default < 1e6


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("vgg16", {"norm": "layer"}, "norm"),
        ("plainnet", {"norm": "layer"}, "norm"),
        ("googlenet", {"norm": "layer"}, "norm"),
        ("cnn_attention", {"depth": 4}, "multiple of 3"),
        ("plainnet", {"depth": 21}, "6n"),
        ("densenet", {"depth": 23}, "6n"),
        ("preact_resnet", {"depth": 50, "form": "imagnet"}, "did you mean 'imagenet'"),
        ("preact_resnet", {"depth": 20, "form": "imagenet"}, "18, 34, 50"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, Any], reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        SPECS[name].build(image_signature(3, 32, 32), **options)


def test_a_layer_of_densenet_passes_its_input_on() -> None:
    layer, maps = Layer(channels=3, width=2), torch.randn(2, 3, 4, 4)
    outputs = layer(maps)
    assert outputs.shape == (2, 5, 4, 4)
    assert torch.equal(outputs[:, :3], maps)


def test_a_plain_network_is_the_residual_one_without_shortcuts(monkeypatch: pytest.MonkeyPatch) -> None:
    residual = ResNet(channels=3, num_classes=10, depth=14, width=4).eval()
    plain = PlainNet(channels=3, num_classes=10, depth=14, width=4).eval()
    plain.load_state_dict(dict(zip(plain.state_dict(), residual.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 12, 12)
    assert not torch.allclose(plain(images), residual(images), atol=1e-3)
    monkeypatch.setattr(ResNetBlock, "_shortcut", lambda self, maps: torch.zeros(()))
    torch.testing.assert_close(plain(images), residual(images))
    assert count(PlainNet, channels=3, num_classes=10) == 269_722


def test_plain_networks_without_norm_have_biases() -> None:
    plain = PlainNet(channels=3, num_classes=10, norm=None)
    assert not [m for m in plain.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(m.bias is not None for m in plain.modules() if isinstance(m, nn.Conv2d))


def test_the_shortcut_of_a_preactivated_block_is_the_identity() -> None:
    """Negative values pass too: nothing rectifies the sum, as it does in the first residual networks."""
    block, maps = Block(channels=4, width=4, factor=1, stride=1), torch.randn(2, 4, 5, 5)
    nn.init.zeros_(block.residual[-1].weight)
    assert torch.equal(block(maps), maps)


def test_the_paper_has_filters_of_five_by_five_where_torchvision_has_three() -> None:
    for norm, reach in [(None, 5), ("batch", 3)]:
        part = Inception(channels=3, plan=[1, 1, 1, 1, 1, 1], norm=norm)
        assert [layer[0].kernel_size for layer in part.five] == [(1, 1), (reach, reach)]
        assert (part.five[1][0].bias is None) == (norm == "batch")


def test_auxiliary_heads_train_and_have_no_say() -> None:
    learner = SPECS["googlenet"].build(image_signature(3, 32, 32), auxiliary=True)
    without_dropout(learner)
    batch = Batch(inputs=torch.randn(8, 3, 32, 32), targets=torch.arange(8) % 10, size=8)
    loss = learner.loss(batch)
    own, first, second = (F.cross_entropy(logits, batch.targets) for logits in learner.network.all_logits(batch.inputs))
    torch.testing.assert_close(loss, own + 0.3 * first + 0.3 * second)
    loss.backward()
    assert [key for key, p in learner.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    learner.eval()
    before = learner.predict(batch.inputs)
    for p in learner.network.heads.parameters():
        nn.init.zeros_(p)
    assert torch.equal(learner.predict(batch.inputs), before)


def without_dropout(model: nn.Module) -> None:
    for part in model.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0


def test_a_non_local_block_sees_every_place_and_no_order_of_them() -> None:
    block, maps = NonLocal(width=4).eval(), torch.randn(1, 4, 5, 6)
    nn.init.ones_(block.norm.weight)
    seen = torch.autograd.functional.jacobian(lambda x: block(x)[0, :, 0, 0].sum(), maps)
    assert bool((seen.abs().sum(dim=1) > 0).all())
    order = torch.randperm(30)
    permuted = maps.flatten(2)[:, :, order].unflatten(2, (5, 6))
    torch.testing.assert_close(block(permuted).flatten(2), block(maps).flatten(2)[:, :, order])


def test_a_non_local_block_is_attention_with_one_head() -> None:
    block, maps = NonLocal(width=6).eval(), torch.randn(2, 6, 3, 4)
    query, key, value = (part(maps).flatten(2).transpose(1, 2) for part in (block.query, block.key, block.value))
    mixed = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).unflatten(2, (3, 4))
    torch.testing.assert_close(block(maps), maps + block.norm(block.out(mixed)))
