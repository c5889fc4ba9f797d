"""AirNet: its size, a first layer that whitens what training shows it, and that this travels with the weights."""

from __future__ import annotations

import copy
import inspect
from pathlib import Path

import pytest
import torch
from imageparts import image_signature
from torch import nn
from torch.nn import functional as F

import dlbench_cnn
from dlbench import Batch, NotApplicable, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_cnn.airnet import SMALL, AirNet, WhitenedPatches
from dlbench_cnn.airnet_learner import SmoothedAirNet

(SPEC,) = (spec for spec in dlbench_cnn.dlbench_models() if spec.name == "airnet")


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def coloured(count: int) -> torch.Tensor:
    """Images whose neighbouring pixels and channels go together, of mean far from zero."""
    rough = torch.randn(count, 3, 8, 8)
    smooth = F.interpolate(rough, size=(16, 16), mode="bilinear")
    return smooth + 0.5 * smooth.mean(1, keepdim=True) + 0.3


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 9, 30), (1, 3, 3)])
@pytest.mark.parametrize("training", [False, True])
def test_outputs_are_logits_of_the_signature(shape: tuple[int, int, int], training: bool) -> None:
    signature = image_signature(*shape, num_classes=7)
    model, images = SPEC.build(signature).train(training), torch.randn(2, *shape)
    logits = model.predict(images)
    assert tuple(logits.shape) == signature.output.shape(images)
    assert logits.isfinite().all()


def test_sizes() -> None:
    def size(**options: int) -> int:
        return sum(p.numel() for p in SPEC.build(image_signature(3, 32, 32), **options).parameters())

    assert size() == 146_432
    assert size(depth=1) < size() < size(depth=3)
    sizes = [size(width=width) for width in (1, 8, 16, 32, 64)]
    assert sizes == sorted(set(sizes))


def test_the_first_images_in_training_are_whitened() -> None:
    stem, images = WhitenedPatches(channels=3), coloured(64)
    stem.train()(images)
    found = F.conv2d(images, stem.filters[:12]).transpose(0, 1).flatten(1).double()  # (12, patches)
    moments = found @ found.T / found.shape[1]
    patches = F.unfold(images, 2).transpose(1, 2).flatten(0, 1).double()
    variances = torch.linalg.eigvalsh(patches.T @ patches / len(patches))
    torch.testing.assert_close(moments, torch.diag(variances / (variances + SMALL)), rtol=0, atol=1e-3)
    assert torch.equal(stem.filters[12:], -stem.filters[:12])


def test_the_filters_are_taken_once_and_only_in_training() -> None:
    stem = WhitenedPatches(channels=3)
    first = stem.filters.clone()
    stem.eval()(coloured(8))
    assert torch.equal(stem.filters, first)
    stem.train()(coloured(8))
    fitted = stem.filters.clone()
    assert not torch.equal(fitted, first)
    stem(coloured(8))
    assert torch.equal(stem.filters, fitted)


def test_images_without_any_variation_do_no_harm() -> None:
    model = SPEC.build(image_signature(1, 8, 8)).train()
    assert model.predict(torch.zeros(4, 1, 8, 8)).isfinite().all()


def test_the_whitening_travels_with_the_weights(tmp_path: Path) -> None:
    model = SPEC.build(image_signature(3, 16, 16)).train()
    model.predict(coloured(16))
    torch.save(model.state_dict(), tmp_path / "weights.pt")
    again = SPEC.build(image_signature(3, 16, 16))
    again.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    images = coloured(4)
    assert torch.equal(again.eval().predict(images), model.eval().predict(images))
    for twin in (again, copy.deepcopy(model)):
        kept = twin.network.stem.filters.clone()
        twin.train().predict(5 * coloured(16))
        assert torch.equal(twin.network.stem.filters, kept)


def test_convolutions_pass_their_input_on_at_first() -> None:
    network = AirNet(channels=3, size=(16, 16), num_classes=5)
    conv, images = network.blocks[1][0], torch.randn(2, 32, 6, 6)
    assert torch.equal(conv(images), images)
    wider, maps = network.blocks[2][0], torch.randn(2, 32, 6, 6)
    assert torch.equal(wider(maps)[:, :32], maps)
    assert wider(maps)[:, 32:].std() > 0.1


def test_gradient_reaches_every_parameter_and_nothing_else_learns() -> None:
    model = SPEC.build(image_signature(1, 12, 12))
    batch = Batch(inputs=torch.randn(8, 1, 12, 12), targets=torch.arange(8) % 10, size=8)
    model.loss(batch).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0] == []
    assert "network.stem.filters" in dict(model.named_buffers())


def test_targets_are_smoothed() -> None:
    model = SPEC.build(image_signature(1, 12, 12), smoothing=0.2).eval()
    images, targets = torch.randn(8, 1, 12, 12), torch.arange(8) % 10
    soft = 0.8 * F.one_hot(targets, 10) + 0.02
    wanted = -(soft * model.predict(images).log_softmax(1)).sum(1).mean()
    torch.testing.assert_close(model.loss(Batch(inputs=images, targets=targets)), wanted)


def test_options_and_their_limits() -> None:
    defaults = {name: p.default for name, p in inspect.signature(AirNet).parameters.items() if p.default is not p.empty}
    defaults["smoothing"] = inspect.signature(SmoothedAirNet).parameters["smoothing"].default
    assert option_defaults(SPEC.build) == defaults
    with pytest.raises(UsageError, match="at least one convolution"):
        SPEC.build(image_signature(3, 32, 32), depth=0)
    with pytest.raises(UsageError, match="smoothing"):
        SPEC.build(image_signature(3, 32, 32), smoothing=1.0)
    with pytest.raises(NotApplicable, match="side of at least 3, not 2x20"):
        SPEC.build(image_signature(3, 2, 20))


def test_maps_are_channels_last() -> None:
    network = AirNet(channels=3, size=(16, 16), num_classes=5)
    seen: list[torch.Tensor] = []
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(lambda _m, _i, maps: seen.append(maps))
    network(torch.randn(4, 3, 16, 16))
    assert len(seen) == 6
    assert all(maps.is_contiguous(memory_format=torch.channels_last) for maps in seen if maps.shape[2] > 1)
