"""dlbench_cnn: sizes, parameter counts by hand, gradients, learning, refusals."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest
import torch
from torch.nn import functional as F

import dlbench_cnn
from dlbench import Classes, Image, ModelSpec, NotApplicable, Signature
from dlbench.contract.choice import option_defaults
from dlbench_cnn.lenet5 import LeNet5
from dlbench_cnn.resnet import Block, ResNet

pytestmark = pytest.mark.numbers

CONSTRUCTORS = {"lenet5": LeNet5, "resnet20": ResNet, "resnet32": ResNet, "resnet56": ResNet}
SPECS = {spec.name: spec for spec in dlbench_cnn.dlbench_models() if spec.name in CONSTRUCTORS}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def image_signature(channels: int, height: int, width: int, num_classes: int = 10) -> Signature:
    image = Image(channels=channels, height=height, width=width)
    return Signature(input=image, output=Classes(num_classes=num_classes))


def num_parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_names_and_kinds() -> None:
    assert list(SPECS) == ["lenet5", "resnet20", "resnet32", "resnet56"]
    for spec in SPECS.values():
        assert isinstance(spec, ModelSpec)
        assert list(spec.accepts) == [(Image, Classes)]
        assert spec.family == "CNN"
        assert spec.paper


@pytest.mark.parametrize("name", list(SPECS))
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 30), (2, 5, 5)])
def test_outputs_are_logits_of_the_signature(name: str, shape: tuple[int, int, int]) -> None:
    signature = image_signature(*shape, num_classes=7)
    model = SPECS[name].build(signature)
    images = torch.randn(3, *shape)
    logits = model(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


@pytest.mark.parametrize(("name", "depth"), [("resnet20", 20), ("resnet32", 32), ("resnet56", 56)])
@pytest.mark.parametrize("width", [16, 6])
def test_resnet_has_the_parameters_counted_by_hand(name: str, depth: int, width: int) -> None:
    blocks = (depth - 2) // 6

    def convolution(before: int, after: int) -> int:
        return 9 * before * after + 2 * after  # weights without bias, then scale and shift

    count = convolution(3, width)
    for stage in range(3):
        here = width * 2**stage
        before = here if stage == 0 else here // 2
        count += convolution(before, here) + (2 * blocks - 1) * convolution(here, here)
    count += 4 * width * 10 + 10
    assert num_parameters(SPECS[name].build(image_signature(3, 32, 32), width=width)) == count


@pytest.mark.parametrize(
    ("name", "shape", "count"),
    [
        ("lenet5", (1, 28, 28), 61_706),
        ("lenet5", (3, 32, 32), 62_006),  # 61,706 and 2 * 6 * 25 weights for the two further channels
        ("lenet5", (1, 8, 8), 21_386),  # 16 maps of 2x2 are left, not of 5x5: 61,706 - 120 * (400 - 64)
        ("resnet20", (3, 32, 32), 269_722),
        ("resnet32", (3, 32, 32), 464_154),
        ("resnet56", (3, 32, 32), 853_018),
    ],
)
def test_published_parameter_counts(name: str, shape: tuple[int, int, int], count: int) -> None:
    assert num_parameters(SPECS[name].build(image_signature(*shape))) == count


def test_lenet5_padding_follows_the_size() -> None:
    def paddings(side: int) -> list[int]:
        network = LeNet5(channels=1, size=(side, side), num_classes=10)
        return [m.padding[0] for m in network.modules() if isinstance(m, torch.nn.Conv2d)]

    assert {side: paddings(side) for side in (8, 27, 28, 31, 32)} == {
        8: [2, 2], 27: [2, 2], 28: [2, 0], 31: [2, 0], 32: [0, 0],
    }  # fmt: skip


def test_resnet_shortcut_subsamples_and_appends_zero_channels() -> None:
    block = Block(channels=2, width=4, stride=2).eval()
    torch.nn.init.zeros_(block.residual[-1].weight)  # the residual branch is silent, the shortcut is left
    maps = torch.rand(1, 2, 5, 5)
    outputs = block(maps)
    assert torch.equal(outputs[:, :2], maps[:, :, ::2, ::2])
    assert torch.equal(outputs[:, 2:], torch.zeros(1, 2, 3, 3))


@pytest.mark.parametrize("name", list(SPECS))
def test_gradient_reaches_every_parameter(name: str) -> None:
    model = SPECS[name].build(image_signature(1, 12, 12))
    F.cross_entropy(model(torch.randn(16, 1, 12, 12)), torch.arange(16) % 10).backward()
    silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


@pytest.mark.parametrize(("name", "options"), [("lenet5", {}), ("resnet20", {"width": 8})])
def test_learns_a_tiny_batch_by_heart(name: str, options: dict[str, int]) -> None:
    model = SPECS[name].build(image_signature(1, 8, 8), **options)
    images, targets = torch.randn(20, 1, 8, 8), torch.arange(20) % 10
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    before = F.cross_entropy(model(images), targets).item()
    for _ in range(100):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
    assert (model(images).argmax(dim=1) == targets).all()
    assert loss.item() < 0.1 * before


@pytest.mark.parametrize("name", list(SPECS))
def test_a_too_small_side_is_not_applicable(name: str) -> None:
    smallest = CONSTRUCTORS[name].smallest_side
    SPECS[name].build(image_signature(1, smallest, smallest))(torch.randn(1, 1, smallest, smallest))
    with pytest.raises(NotApplicable, match=f"side of at least {smallest}, not {smallest - 1}x20"):
        SPECS[name].build(image_signature(1, smallest - 1, 20))


def test_constructors_refuse_what_they_cannot_be() -> None:
    with pytest.raises(ValueError, match="at least 4, not 3x28"):
        LeNet5(channels=1, size=(3, 28), num_classes=10)
    for depth in (2, 18, 21):
        with pytest.raises(ValueError, match="6n"):
            ResNet(channels=3, num_classes=10, depth=depth)


@pytest.mark.parametrize("name", list(SPECS))
def test_option_defaults_are_the_constructors(name: str) -> None:
    parameters = inspect.signature(CONSTRUCTORS[name]).parameters
    options = option_defaults(SPECS[name].build)
    assert options == {key: parameters[key].default for key in options}
    assert list(options) == ([] if name == "lenet5" else ["width"])


def test_describing_the_models_does_not_import_torch() -> None:
    code = "import sys, dlbench_cnn; list(dlbench_cnn.dlbench_models()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
