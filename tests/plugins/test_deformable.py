"""Deformable convolution in both its forms, and the network that has it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest
import torch
from imageparts import image_signature, silent
from torch import Tensor
from torch.nn import functional as F
from torchvision.ops import deform_conv2d

import dlbench_cnn
from dlbench import NotApplicable, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_cnn import deformable_conv
from dlbench_cnn.deformable_cnn import DeformableCNN
from dlbench_cnn.deformable_conv import DeformableConv2d, deformable_conv2d

pytestmark = pytest.mark.numbers

(SPEC,) = (spec for spec in dlbench_cnn.dlbench_models() if spec.name == "deformable_cnn")


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def layer(kernel: int = 3, size: tuple[int, int] = (7, 9), **kind: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Maps, offsets that also lead beyond the border, and weights."""
    maps = torch.randn(2, 4, *size, **kind)
    return maps, 2.5 * torch.randn(2, 2 * kernel**2, *size, **kind), torch.randn(3, 4, kernel, kernel, **kind) / kernel


@pytest.mark.parametrize("kernel", [1, 3, 5])
@pytest.mark.parametrize("size", [(7, 9), (1, 4), (2, 2)])
def test_both_forms_compute_the_same(kernel: int, size: tuple[int, int]) -> None:
    maps, offsets, weight = layer(kernel, size, dtype=torch.float64)
    wanted = deform_conv2d(maps, offsets, weight, padding=kernel // 2)
    torch.testing.assert_close(deformable_conv2d(maps, offsets, weight), wanted, rtol=0, atol=1e-12)


def test_both_forms_and_their_gradients_agree_in_single_precision() -> None:
    """To 5e-7 of the values' size, gradients to 5e-6: sums are rounded in another order, and places are."""
    maps, offsets, weight = (tensor.requires_grad_() for tensor in layer())
    found = []
    for form in (lambda *given: deform_conv2d(*given, padding=1), deformable_conv2d):
        outputs = form(maps, offsets, weight)
        gradients = torch.autograd.grad(outputs.square().sum(), (maps, offsets, weight))
        found.append((outputs, *gradients))
    for index, (theirs, ours) in enumerate(zip(*found, strict=True)):
        difference, size = (theirs - ours).detach().square().mean().sqrt(), theirs.detach().square().mean().sqrt()
        assert float(difference / size) < (5e-6 if index else 5e-7)


def test_the_gradient_is_that_of_the_function() -> None:
    given = tuple(tensor.requires_grad_() for tensor in layer(size=(3, 4), dtype=torch.float64))
    assert torch.autograd.gradcheck(deformable_conv2d, given)


@pytest.mark.parametrize("channels", [1, 4])
def test_without_offsets_it_is_a_convolution(channels: int) -> None:
    conv, maps = DeformableConv2d(channels, 8), torch.randn(2, channels, 10, 12)
    wanted = F.conv2d(maps, conv.weight, padding=1)
    torch.testing.assert_close(conv(maps), wanted, rtol=0, atol=1e-6)
    torch.nn.init.normal_(conv.offsets.bias)
    assert (conv(maps) - wanted).abs().max() > 0.1


def test_whole_offsets_move_the_picture() -> None:
    maps, weight = torch.randn(1, 2, 8, 8), torch.randn(1, 2, 1, 1)
    offsets = torch.zeros(1, 2, 8, 8)
    offsets[:, 0], offsets[:, 1] = 2, -1  # two rows below, one column to the left
    moved = F.pad(maps, (1, 0, 0, 2))[:, :, 2:, :8]
    wanted = F.conv2d(moved, weight)
    torch.testing.assert_close(deformable_conv2d(maps, offsets, weight), wanted, rtol=0, atol=1e-5)


def test_on_cuda_torchvisions_operator_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[str] = []

    def noted(name: str, form: Callable[..., Tensor]) -> Callable[..., Tensor]:
        return lambda *given, **more: taken.append(name) or form(*given, **more)

    monkeypatch.setattr(deformable_conv, "deform_conv2d", noted("operator", deform_conv2d))
    monkeypatch.setattr(deformable_conv, "deformable_conv2d", noted("sampling", deformable_conv2d))

    class OnCuda(torch.Tensor):
        @property
        def is_cuda(self) -> bool:
            return True

    conv, maps = DeformableConv2d(2, 3), torch.randn(1, 2, 5, 5)
    here, there = conv(maps), conv(maps.as_subclass(OnCuda)).as_subclass(torch.Tensor)
    assert taken == ["sampling", "operator"]
    torch.testing.assert_close(here, there)


def test_places_stay_exact_where_maps_are_half() -> None:
    maps, offsets, weight = layer(size=(6, 40))
    wanted = deformable_conv2d(maps, offsets, weight)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = deformable_conv2d(maps, offsets, weight)
    torch.testing.assert_close(got.float(), wanted, rtol=0.02, atol=0.05)


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 30), (1, 2, 2)])
@pytest.mark.parametrize("deformable", [True, False])
def test_outputs_are_logits_of_the_signature(shape: tuple[int, int, int], deformable: bool) -> None:
    signature = image_signature(*shape, num_classes=7)
    images = torch.randn(2, *shape)
    logits = SPEC.build(signature, deformable=deformable)(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


@pytest.mark.parametrize("deformable", [True, False])
def test_gradient_reaches_every_parameter(deformable: bool) -> None:
    assert silent(SPEC.build(image_signature(1, 12, 12), deformable=deformable), (1, 12, 12)) == []


def test_the_plain_network_is_the_deformable_one_before_it_learns_where_to_look() -> None:
    deformable = DeformableCNN(channels=1, size=(28, 28), num_classes=5).eval()
    plain = DeformableCNN(channels=1, size=(28, 28), num_classes=5, deformable=False).eval()
    state = {name: value for name, value in deformable.state_dict().items() if "offsets" not in name}
    assert [tuple(v.shape) for v in state.values()] == [tuple(v.shape) for v in plain.state_dict().values()]
    plain.load_state_dict(state)
    images = torch.randn(2, 1, 28, 28)
    torch.testing.assert_close(plain(images), deformable(images), rtol=0, atol=1e-5)


def test_options_sizes_and_limits() -> None:
    parameters = inspect.signature(DeformableCNN).parameters
    options = option_defaults(SPEC.build)
    assert options == {key: parameters[key].default for key in options}
    sizes = [sum(p.numel() for p in SPEC.build(image_signature(3, 32, 32), width=w).parameters()) for w in (4, 8, 24)]
    assert sizes == sorted(sizes)
    assert 1.5e5 < sizes[-1] < 5e5
    with pytest.raises(UsageError, match="multiple of 3"):
        SPEC.build(image_signature(3, 32, 32), depth=4)
    with pytest.raises(NotApplicable, match="side of at least 2, not 1x20"):
        SPEC.build(image_signature(1, 1, 20))
