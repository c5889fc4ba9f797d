"""dlbench_timm: any member, fitted to the signature; wrong names and unfit sizes."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from torch.nn import functional as F
from torch.testing import assert_close

import dlbench_timm
from dlbench import Classes, Image, NoData, NotApplicable, Signature, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_timm.create import create

(SPEC,) = dlbench_timm.dlbench_models()


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def image_signature(channels: int, height: int, width: int, num_classes: int = 10) -> Signature:
    image = Image(channels=channels, height=height, width=width)
    return Signature(input=image, output=Classes(num_classes=num_classes))


def num_parameters(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


def test_spec_is_an_open_family() -> None:
    assert SPEC.name == "timm:*"
    assert list(SPEC.accepts) == [(Image, Classes)]
    assert SPEC.family == "timm"
    assert SPEC.preload == ("timm",)


@pytest.mark.parametrize("member", ["test_resnet", "test_vit", "test_convnext", "test_efficientnet"])
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 32, 64), (3, 64, 64)])
def test_outputs_are_logits_of_the_signature(member: str, shape: tuple[int, int, int]) -> None:
    signature = image_signature(*shape, num_classes=7)
    model = SPEC.build(signature, member=member)
    images = torch.randn(2, *shape)
    assert tuple(model(images).shape) == signature.output.shape(images)


def test_resnet18_has_the_published_parameters() -> None:
    assert num_parameters(SPEC.build(image_signature(3, 224, 224, 1000), member="resnet18")) == 11_689_512


def test_a_vision_transformer_is_resized_to_the_image() -> None:
    model = SPEC.build(image_signature(3, 64, 32), member="vit_tiny_patch16_224")
    assert model.patch_embed.grid_size == (4, 2)
    assert model.pos_embed.shape[1] == 4 * 2 + 1


def test_the_seed_gives_the_weights_that_timm_alone_would_give() -> None:
    torch.manual_seed(5)
    ours = SPEC.build(image_signature(3, 160, 160), member="test_vit").state_dict()
    torch.manual_seed(5)
    theirs = timm.create_model("test_vit", num_classes=10).state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)


def test_the_rehearsal_leaves_no_trace_in_the_model() -> None:
    model = SPEC.build(image_signature(3, 32, 32), member="levit_128s")
    assert model.training
    tensors = [*model.parameters(), *model.buffers()]
    caches = [m.attention_bias_cache for m in model.modules() if hasattr(m, "attention_bias_cache")]
    assert {t.device.type for t in tensors} == {"cpu"}
    assert caches
    assert not any(caches)


def test_a_model_that_the_meta_device_cannot_run_is_tried_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    class ReadsValues(torch.nn.Module):
        def __init__(self, num_classes: int, in_chans: int) -> None:
            super().__init__()
            self.scale = torch.linspace(0, 1, 3)[-1].item()
            self.output = torch.nn.Linear(in_chans, num_classes)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.output(images.mean(dim=(2, 3)) * self.scale)

    def entry(pretrained: bool = False, **options: int) -> torch.nn.Module:
        return ReadsValues(**{k: v for k, v in options.items() if k in ("num_classes", "in_chans")})

    monkeypatch.setattr(timm, "is_model", lambda name: name == "reads_values")
    monkeypatch.setattr(timm, "create_model", lambda name, **options: entry(**options))
    with torch.device("meta"), pytest.raises(RuntimeError, match="meta"):
        ReadsValues(4, 1)
    model = SPEC.build(image_signature(1, 8, 8, 4), member="reads_values")
    assert model(torch.zeros(2, 1, 8, 8)).shape == (2, 4)


def test_rates_reach_the_model() -> None:
    signature = image_signature(3, 32, 32)
    model = SPEC.build(signature, member="test_vit", drop_rate=0.3, drop_path_rate=0.2)
    assert model.head_drop.p == 0.3
    assert max(getattr(m, "drop_prob", 0) or 0 for m in model.modules()) == pytest.approx(0.2)


def test_a_rate_that_the_model_does_not_have_is_refused() -> None:
    signature = image_signature(3, 32, 32)
    assert SPEC.build(signature, member="lcnet_035", drop_rate=0.1).drop_rate == 0.1
    with pytest.raises(ValueError, match="vgg11 has no drop_path_rate"):
        SPEC.build(signature, member="vgg11", drop_path_rate=0.1)


def test_a_rate_that_is_no_probability_is_an_error() -> None:
    with pytest.raises(ValueError, match="probability"):
        SPEC.build(image_signature(3, 32, 32), member="test_vit", drop_rate=1.5)


def test_gradient_reaches_every_parameter() -> None:
    model = SPEC.build(image_signature(1, 32, 32), member="test_vit")
    F.cross_entropy(model(torch.randn(10, 1, 32, 32)), torch.arange(10)).backward()
    silent = [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert silent == []


def test_learns_a_tiny_batch_by_heart() -> None:
    model = SPEC.build(image_signature(1, 16, 16), member="test_resnet")
    images, targets = torch.randn(10, 1, 16, 16), torch.arange(10)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        F.cross_entropy(model(images), targets).backward()
        optimizer.step()
    assert (model(images).argmax(dim=1) == targets).all()


@pytest.mark.parametrize("name", ["resnet81", "resnet18x", "vit_tiny_patch16_225"])
def test_a_wrong_name_gets_the_nearest_right_one(name: str) -> None:
    with pytest.raises(ValueError, match=f"timm has no model '{name}'; did you mean '(.*)'") as caught:
        SPEC.build(image_signature(3, 32, 32), member=name)
    suggested = str(caught.value).rsplit("'", 2)[1]
    assert timm.is_model(suggested)


@pytest.mark.parametrize("name", ["", "hf-hub:timm/resnet18.a1_in1k", "?"])
def test_what_is_no_name_of_timm_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="timm has no model"):
        SPEC.build(image_signature(3, 32, 32), member=name)


@pytest.mark.parametrize("member", ["vit_tiny_patch16_224", "densenet121", "convnext_atto"])
def test_a_too_small_image_is_not_applicable(member: str) -> None:
    with pytest.raises(NotApplicable, match=f"^{member} can't take 1x8x8 images, made for 3x"):
        SPEC.build(image_signature(1, 8, 8), member=member)


def test_a_model_that_is_broken_at_any_size_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(name: str, **options: object) -> torch.nn.Module:
        raise RuntimeError("a bug of its own")

    monkeypatch.setattr(timm, "create_model", broken)
    with pytest.raises(RuntimeError, match="a bug of its own"):
        SPEC.build(image_signature(3, 32, 32), member="resnet18")


def test_option_defaults_are_the_constructors() -> None:
    parameters = inspect.signature(create).parameters
    options = option_defaults(SPEC.build)
    assert options == {"drop_rate": 0.0, "drop_path_rate": 0.0, "weights": None}
    assert options == {key: p.default for key, p in parameters.items() if p.default is not p.empty}


def test_describing_the_family_does_not_import_torch() -> None:
    code = "import sys, dlbench_timm; list(dlbench_timm.dlbench_models()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_image_of_which_nothing_is_left_is_a_misfit_whatever_torch_lets_pass() -> None:
    from dlbench_timm.create import MISFITS, _something_left

    with pytest.raises(MISFITS, match="nothing is left of the image after Conv2d"):
        _something_left(torch.nn.Conv2d(1, 4, 16), None, torch.empty(2, 4, 0, 0))
    _something_left(torch.nn.Conv2d(1, 4, 16), None, torch.empty(2, 4, 1, 1))


# --- weights from a file ----------------------------------------------------------------------------------


def kept(tmp_path: Path, state: Any) -> str:
    torch.save(state, tmp_path / "weights.pth")
    return str(tmp_path / "weights.pth")


def test_weights_come_from_the_file(tmp_path: Path) -> None:
    donor = timm.create_model("test_resnet", num_classes=7)
    file = kept(tmp_path, {"state_dict": donor.state_dict()})
    ours = SPEC.build(image_signature(3, 32, 32, 7), member="test_resnet", weights=file)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(ours.eval()(images), donor.eval()(images))


def test_a_head_for_other_classes_starts_afresh_and_the_rest_is_kept(tmp_path: Path) -> None:
    donor = timm.create_model("test_resnet", num_classes=7)
    ours = SPEC.build(
        image_signature(3, 32, 32, 4), member="test_resnet", weights=kept(tmp_path, donor.state_dict())
    ).state_dict()
    differing = {name for name, value in donor.state_dict().items() if not torch.equal(value, ours[name])}
    assert differing == {"fc.weight", "fc.bias"}


def test_a_grey_picture_gets_the_sum_of_the_filters(tmp_path: Path) -> None:
    donor = timm.create_model("test_resnet", num_classes=7)
    ours = SPEC.build(image_signature(1, 32, 32, 7), member="test_resnet", weights=kept(tmp_path, donor.state_dict()))
    grey = torch.randn(2, 1, 32, 32)
    assert_close(ours.eval()(grey), donor.eval()(grey.expand(-1, 3, -1, -1)), atol=1e-5, rtol=1e-5)


def test_weights_that_are_none_or_of_another_network_are_refused(tmp_path: Path) -> None:
    signature = image_signature(3, 32, 32, 7)
    with pytest.raises(NoData, match=r"there is no file of weights nowhere\.pth"):
        SPEC.build(signature, member="test_resnet", weights="nowhere.pth")
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"not weights")
    with pytest.raises(NoData, match=r"broken\.pth can't be read as weights"):
        SPEC.build(signature, member="test_resnet", weights=str(broken))
    with pytest.raises(NoData, match="doesn't hold a state_dict"):
        SPEC.build(signature, member="test_resnet", weights=kept(tmp_path, {"epoch": 3}))
    other = timm.create_model("test_vit", num_classes=7).state_dict()
    with pytest.raises(UsageError, match="the weights of another network than test_resnet"):
        SPEC.build(signature, member="test_resnet", weights=kept(tmp_path, other))
