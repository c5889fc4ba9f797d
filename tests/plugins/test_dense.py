"""Networks that answer at every pixel, and what convolution, pooling and attention know of places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from imageparts import count, image_signature, silent
from torch import Tensor, nn

import dlbench_baseline
import dlbench_cnn
from dlbench import Batch, Image, Mask, NotApplicable, PixelValue, Signature, UsageError
from dlbench_baseline.otsu import Otsu, brighter
from dlbench_cnn.global_cnn import GlobalCNN
from dlbench_cnn.lenet5 import LeNet5
from dlbench_cnn.one_filter import OneFilter
from dlbench_cnn.unet import UNet
from dlbench_transformer import build_vit
from dlbench_transformer.vit import ViT

MODELS = {spec.name: spec for plugin in (dlbench_cnn, dlbench_baseline) for spec in plugin.dlbench_models()}


def dense(channels: int, height: int, width: int, output: Any) -> Signature:
    return Signature(input=Image(channels=channels, height=height, width=width), output=output)


def spot(side: int, at: int, count: int = 3, size: int = 6) -> Tensor:
    """Images (count, 1, side, side) that are empty but for a random square at (at, at)."""
    images = torch.zeros(count, 1, side, side)
    images[:, :, at : at + size, at : at + size] = torch.randn(
        count, 1, size, size, generator=torch.Generator().manual_seed(0)
    )
    return images


def still(network: nn.Module, images: Tensor) -> Tensor:
    with torch.no_grad():
        return network.eval()(images)


# --- an answer at every pixel -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["unet", "one_filter"])
@pytest.mark.parametrize("size", [(16, 16), (8, 13), (19, 10)])
def test_the_answer_has_the_shape_that_is_asked_for_at_any_size(name: str, size: tuple[int, int]) -> None:
    images = torch.randn(2, 3, *size)
    for output in (Mask(num_classes=4), PixelValue()):
        network = MODELS[name].build(dense(3, *size, output))
        assert tuple(network(images).shape) == output.shape(images)


def test_parameters_are_those_of_the_layers() -> None:
    assert count(OneFilter, channels=3, num_outputs=2) == 3 * 2 * 9 + 2
    # the paper's network, but with batch normalisation in place of biases: 31.0 million
    wide = count(UNet, channels=1, num_outputs=2, width=64, depth=4)
    pairs = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    pairs += [(2 * c, c) for c in (512, 256, 128, 64)]
    twice = sum(9 * a * b + 9 * b * b + 4 * b for a, b in pairs)
    enlarging = sum(4 * 2 * c * c + c for c in (512, 256, 128, 64))
    assert wide == twice + enlarging + 64 * 2 + 2 == 31_036_546


def test_every_parameter_of_a_unet_gets_a_gradient() -> None:
    network = nn.Sequential(UNet(channels=3, num_outputs=10, width=4, depth=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert silent(network, (3, 12, 12)) == []


def test_a_unet_sees_far_through_its_coarse_levels_and_near_through_its_fine_ones() -> None:
    torch.manual_seed(0)
    network = UNet(channels=1, num_outputs=1, width=4, depth=3).eval()
    images = torch.randn(1, 1, 64, 64, requires_grad=True)
    network(images)[0, 0, 32, 32].backward()
    reached = images.grad[0, 0].nonzero()
    assert reached.amin().item() <= 16
    assert reached.amax().item() >= 47
    assert images.grad[0, 0, 32, 32] != 0


def test_what_cannot_be_built_is_refused() -> None:
    with pytest.raises(NotApplicable, match="can't halve images of 7x20 3 times"):
        MODELS["unet"].build(dense(1, 7, 20, PixelValue()))
    with pytest.raises(UsageError, match="depth of at least 1"):
        MODELS["unet"].build(dense(1, 8, 8, PixelValue()), depth=0)
    with pytest.raises(UsageError, match="odd kernel, not 4"):
        MODELS["one_filter"].build(dense(1, 8, 8, PixelValue()), kernel=4)
    with pytest.raises(UsageError, match="pool max or mean"):
        MODELS["global_cnn"].build(image_signature(1, 8, 8), pool="median")
    with pytest.raises(NotApplicable, match="two classes, not 3"):
        MODELS["otsu"].build(dense(1, 8, 8, Mask(num_classes=3)))


# --- baselines --------------------------------------------------------------------------------------------


def by_histogram(picture: np.ndarray) -> int:
    """Otsu's threshold of a picture of bytes, as the paper has it: the last value of the darker side."""
    share = np.bincount(picture.ravel(), minlength=256) / picture.size
    values, best, found = np.arange(256), -1.0, 0
    for cut in range(255):
        dark, bright = share[: cut + 1].sum(), share[cut + 1 :].sum()
        if dark and bright:
            means = values[: cut + 1] @ share[: cut + 1] / dark, values[cut + 1 :] @ share[cut + 1 :] / bright
            between = dark * bright * (means[0] - means[1]) ** 2
            if between > best + 1e-9:
                best, found = between, cut
    return found


def test_otsu_is_the_threshold_of_the_paper_however_images_are_scaled() -> None:
    random = np.random.default_rng(0)
    for number in range(5):
        middles = np.where(random.random((20, 30)) < 0.2 + 0.1 * number, 160, 70)
        picture = np.clip(random.normal(middles, 25), 0, 255).astype(np.uint8)
        expected = picture > by_histogram(picture)
        images = torch.from_numpy(picture)[None, None].float()
        for scaled in (images, images / 37.3 - 4, images.expand(1, 3, 20, 30)):
            assert np.array_equal(brighter(scaled)[0].bool().numpy(), expected)
    assert brighter(torch.full((1, 1, 4, 4), 3.0)).sum() == 0


@pytest.mark.parametrize("dark", [False, True])
def test_otsu_counts_which_side_is_looked_for_and_how_often_that_is_right(dark: bool) -> None:
    images = torch.zeros(2, 1, 10, 10)
    images[:, :, :5, :4] = 9
    targets = ((images[:, 0] > 0) ^ dark).long()
    targets[0, 9, 9] = 1 - targets[0, 9, 9]  # one pixel of 200 is otherwise
    model = Otsu()
    loss = model.train_step(Batch(inputs=images, targets=targets, size=2), None)  # type: ignore[arg-type]
    logits = model.predict(images)
    assert tuple(logits.shape) == (2, 2, 10, 10)
    assert (logits.argmax(1) != targets).sum() == 1
    assert logits.softmax(1)[0, 1, 0, 0].item() == pytest.approx(1 - (199.5 if dark else 1.5) / 201)
    assert loss.item() == pytest.approx(-(199 * np.log(199.5 / 201) + np.log(1.5 / 201)) / 200, rel=1e-4)


def test_the_constant_model_counts_the_pixels_that_count() -> None:
    images, mask = torch.randn(2, 1, 3, 4), torch.ones(2, 3, 4, dtype=torch.bool)
    mask[:, 0] = False
    classes = torch.zeros(2, 3, 4, dtype=torch.int64)
    classes[:, 0], classes[:, 1] = 2, 1
    model = MODELS["constant"].build(dense(1, 3, 4, Mask(num_classes=3)))
    model.train_step(Batch(inputs=images, targets=classes, mask=mask, size=2), None)
    logits = model.predict(images)
    assert tuple(logits.shape) == (2, 3, 3, 4)
    shares = logits.softmax(1)
    assert shares[0, 0, 2, 1] == pytest.approx(shares[0, 1, 2, 1].item())
    assert shares[1, 2].max() < 0.05
    values = classes.float()
    model = MODELS["constant"].build(dense(1, 3, 4, PixelValue()))
    model.train_step(Batch(inputs=images, targets=values, mask=mask, size=2), None)
    assert model.predict(images).flatten().tolist() == [0.5] * 24


# --- places -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [1, 3])
def test_a_convolution_moves_with_its_image(shift: int) -> None:
    network = OneFilter(channels=1, num_outputs=4, kernel=5)
    before, after = still(network, spot(24, 8)), still(network, spot(24, 8 + shift))
    torch.testing.assert_close(after[:, :, shift:, shift:], before[:, :, :-shift, :-shift])
    assert not torch.allclose(after, before, atol=1e-3)


def test_a_unet_moves_with_its_image_by_what_its_halvings_divide() -> None:
    torch.manual_seed(0)
    network = UNet(channels=1, num_outputs=2, width=4, depth=1)  # sees 11 pixels far, so the border is out of sight
    at = still(network, spot(40, 12))
    moved = {shift: still(network, spot(40, 12 + shift)) for shift in (1, 2, 4)}
    inner = slice(12, 26)
    for shift in (2, 4):
        there = slice(inner.start + shift, inner.stop + shift)
        torch.testing.assert_close(moved[shift][:, :, there, there], at[:, :, inner, inner])
    there = slice(inner.start + 1, inner.stop + 1)
    assert not torch.allclose(moved[1][:, :, there, there], at[:, :, inner, inner], atol=1e-3)


@pytest.mark.parametrize("pool", ["max", "mean"])
def test_global_pooling_forgets_the_place_and_a_fully_connected_layer_does_not(pool: str) -> None:
    torch.manual_seed(0)
    network = GlobalCNN(channels=1, num_classes=10, width=4, pool=pool)
    at = still(network, spot(80, 36))  # what it sees at once is 18 pixels wide, so never the square and the border
    for shift in (4, 8, -4):  # multiples of its two halvings
        torch.testing.assert_close(still(network, spot(80, 36 + shift)), at)
    assert not torch.allclose(still(network, spot(80, 37)), at, rtol=1e-4, atol=1e-5)
    lenet = LeNet5(channels=1, size=(48, 48), num_classes=10)
    assert not torch.allclose(still(lenet, spot(48, 20)), still(lenet, spot(48, 16)), atol=1e-4)


def permuted(images: Tensor, patch: int) -> Tensor:
    """The same patches in another order."""
    size = images.shape[2:]
    patches = nn.functional.unfold(images, patch, stride=patch)  # (B, C * patch * patch, patches)
    order = torch.randperm(patches.shape[2], generator=torch.Generator().manual_seed(1))
    return nn.functional.fold(patches[:, :, order], size, patch, stride=patch)


def test_a_vit_without_positions_cannot_tell_a_permuted_image() -> None:
    torch.manual_seed(0)
    images = torch.randn(4, 3, 16, 16)
    other = permuted(images, 4)
    assert not torch.equal(other, images)
    signature = image_signature(3, 16, 16)
    blind, seeing = (build_vit(signature, patch=4, positions=positions) for positions in (None, "learned"))
    torch.testing.assert_close(still(blind, other), still(blind, images), rtol=1e-5, atol=1e-5)
    assert (still(seeing, other) - still(seeing, images)).abs().max() > 0.05
    within = permuted(images, 2)  # what lies inside a patch changes too
    assert (still(blind, within) - still(blind, images)).abs().max() > 0.05
    missing = set(seeing.state_dict()) - set(blind.state_dict())
    assert missing == {"positions"}


def test_other_positions_are_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'learned'"):
        build_vit(image_signature(3, 16, 16), positions="learnt")
    with pytest.raises(ValueError, match="learned or None"):
        ViT(channels=3, size=(16, 16), num_classes=2, positions="sine")


def test_global_cnn_takes_any_size_and_all_of_it() -> None:
    for size in ((1, 1), (8, 8), (7, 13)):
        network = MODELS["global_cnn"].build(image_signature(2, *size))
        assert tuple(network(torch.randn(3, 2, *size)).shape) == (3, 10)
    assert count(GlobalCNN, channels=1, num_classes=10) == 160 + (16 * 9 + 1) * 32 + (32 * 9 + 1) * 64 + 650
    network = GlobalCNN(channels=1, num_classes=2, width=4)
    images = torch.zeros(1, 1, 9, 9)
    images[0, 0, 8, 8] = 50  # in the last row and column, which two halvings don't divide
    assert not torch.allclose(network(images), network(torch.zeros(1, 1, 9, 9)))
    assert silent(GlobalCNN(channels=1, num_classes=10, width=4), (1, 8, 8)) == []
