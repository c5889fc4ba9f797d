"""dlbench_torchvision: any classifier, fitted to the signature; weights from a file, and what is refused."""

from __future__ import annotations

import hashlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from torch import nn

import dlbench_torchvision
from dlbench import Classes, Image, NoData, NotApplicable, Signature, UsageError
from dlbench.contract.choice import option_defaults
from dlbench_torchvision.create import create, names

CONSOLE = [sys.executable, "-c", "import sys; from dlbench.cli import main; sys.argv[0] = 'dlbench'; main()"]
(SPEC,) = dlbench_torchvision.dlbench_models()


@pytest.fixture(autouse=True)
def _one_seed() -> None:
    torch.manual_seed(0)


def build(member: str, shape: tuple[int, int, int] = (3, 32, 32), num_classes: int = 7, **options: Any) -> nn.Module:
    image = Image(channels=shape[0], height=shape[1], width=shape[2])
    signature = Signature(input=image, output=Classes(num_classes=num_classes))
    return SPEC.build(signature, member=member, **options)


def saved(tmp_path: Path, state: Any, name: str = "weights.pth") -> str:
    torch.save(state, tmp_path / name)
    return str(tmp_path / name)


@pytest.fixture(scope="module")
def small() -> dict[str, torch.Tensor]:
    """Weights of a network for 1000 classes."""
    return torchvision.models.squeezenet1_1(weights=None).state_dict()


def test_spec_is_an_open_family() -> None:
    assert (SPEC.name, SPEC.family, list(SPEC.accepts)) == ("torchvision:*", "torchvision", [(Image, Classes)])
    assert SPEC.preload == ("torchvision",)


def test_members_are_the_image_classifiers() -> None:
    known = set(names())
    assert {"resnet18", "vit_b_16", "swin_t", "regnet_y_400mf"} <= known
    assert not {"fasterrcnn_resnet50_fpn", "deeplabv3_resnet50", "r3d_18", "quantized_resnet18"} & known


@pytest.mark.parametrize(
    "member", ["resnet18", "mobilenet_v3_small", "shufflenet_v2_x0_5", "squeezenet1_1", "regnet_y_400mf"]
)
@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 40, 64)])
def test_outputs_are_logits_of_the_signature(member: str, shape: tuple[int, int, int]) -> None:
    model = build(member, shape)
    assert model.training
    assert tuple(model(torch.randn(2, *shape)).shape) == (2, 7)
    assert {p.device.type for p in model.parameters()} == {"cpu"}


def test_resnet18_has_the_published_parameters_and_the_weights_of_its_seed() -> None:
    torch.manual_seed(5)
    ours = build("resnet18", (3, 224, 224), 1000).state_dict()
    torch.manual_seed(5)
    theirs = torchvision.models.resnet18(weights=None)
    assert sum(p.numel() for p in theirs.parameters()) == 11_689_512
    assert all(torch.equal(ours[name], value) for name, value in theirs.state_dict().items())


@pytest.mark.parametrize(
    ("member", "shape", "reason"),
    [
        ("alexnet", (3, 32, 32), "alexnet can't take 3x32x32 images, made for 3x224x224"),
        ("vgg11", (1, 8, 8), "vgg11 can't take 1x8x8 images, made for 3x224x224"),
        ("vit_b_16", (3, 40, 40), "vit_b_16 can't take 3x40x40 images"),
        ("vit_b_16", (3, 32, 64), "vit_b_16 needs square images, not 32x64"),
        ("inception_v3", (3, 64, 64), "made for 3x299x299"),
    ],
)
def test_an_image_that_does_not_fit_is_not_applicable(member: str, shape: tuple[int, int, int], reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        build(member, shape)


@pytest.mark.parametrize("member", ["resnet81", "", "fasterrcnn_resnet50_fpn"])
def test_what_is_no_classifier_is_refused(member: str) -> None:
    with pytest.raises(UsageError, match=f"torchvision has no image classifier '{member}'"):
        build(member)
    with pytest.raises(UsageError, match="did you mean 'resnet18'"):
        build("resnet1")


def test_weights_for_the_same_classes_are_taken_whole(tmp_path: Path, small: dict[str, torch.Tensor]) -> None:
    state = build("squeezenet1_1", weights=saved(tmp_path, small), num_classes=1000).state_dict()
    assert all(torch.equal(state[name], value) for name, value in small.items())


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_head_is_fresh_where_the_classes_are_others(
    tmp_path: Path, small: dict[str, torch.Tensor], wrapped: bool
) -> None:
    content = {"state_dict": {f"module.{name}": value for name, value in small.items()}} if wrapped else small
    torch.manual_seed(3)
    fresh = build("squeezenet1_1").state_dict()
    torch.manual_seed(3)
    state = build("squeezenet1_1", weights=saved(tmp_path, content)).state_dict()
    head = {"classifier.1.weight", "classifier.1.bias"}
    assert all(torch.equal(state[name], fresh[name] if name in head else small[name]) for name in small)


@pytest.mark.parametrize("channels", [1, 4])
def test_a_grey_picture_gets_the_same_answer_in_any_number_of_channels(
    tmp_path: Path, small: dict[str, torch.Tensor], channels: int
) -> None:
    file, grey = saved(tmp_path, small), torch.randn(2, 1, 40, 40)
    three = build("squeezenet1_1", (3, 40, 40), 1000, weights=file).eval()
    other = build("squeezenet1_1", (channels, 40, 40), 1000, weights=file).eval()
    wanted, got = three(grey.expand(-1, 3, -1, -1)), other(grey.expand(-1, channels, -1, -1))
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-5)


def test_the_published_names_of_densenet_and_heads_that_are_left_out(tmp_path: Path) -> None:
    from dlbench_torchvision.weights import read_weights

    published = {
        "features.denseblock1.denselayer2.norm.1.weight": torch.ones(1), "aux1.fc1.bias": torch.ones(1),
        "AuxLogits.fc.bias": torch.ones(1), "features.norm5.weight": torch.ones(1),
    }  # fmt: skip
    assert set(read_weights(saved(tmp_path, published))) == {
        "features.denseblock1.denselayer2.norm1.weight", "features.norm5.weight",
    }  # fmt: skip


def test_bad_weights_end_in_a_sentence_with_the_files_name(tmp_path: Path, small: dict[str, torch.Tensor]) -> None:
    whole = Path(saved(tmp_path, small, "whole.pth")).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.pth").write_text("not weights")
    saved(tmp_path, {"conv": 3}, "numbers.pth")
    saved(tmp_path, nn.Linear(2, 2), "object.pth")
    saved(tmp_path, torchvision.models.shufflenet_v2_x0_5(weights=None).state_dict(), "shuffle.pth")
    saved(tmp_path, {**small, "features.3.squeeze.weight": torch.ones(16, 64, 3, 3)}, "shape.pth")
    for name, error, reason in [
        ("absent.pth", NoData, "there is no file of weights .*absent.pth"),
        ("cut.pth", NoData, "cut.pth can't be read as weights"),
        ("text.pth", NoData, "text.pth can't be read as weights"),
        ("numbers.pth", NoData, "numbers.pth doesn't hold a state_dict"),
        ("object.pth", NoData, "object.pth can't be read as weights"),
        ("shuffle.pth", UsageError, "shuffle.pth holds the weights of another network than squeezenet1_1: it has no "),
        ("shape.pth", UsageError, r"another network than squeezenet1_1: its features.3.squeeze.weight is \(16, 64"),
    ]:
        with pytest.raises(error, match=reason) as caught:
            build("squeezenet1_1", weights=str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_a_record_keeps_the_checksum_of_the_weights(tmp_path: Path) -> None:
    """And is stale once the file is another."""
    member = "shufflenet_v2_x0_5"
    file = Path(saved(tmp_path, torchvision.models.get_model(member, weights=None).state_dict()))
    command = [
        *CONSOLE, "run", "-p", "dlbench_torchvision", "-t", "digits", "--seeds", "1",
        "-m", f"torchvision:{member}[weights={file}]", "--no-profile", "--set", "budget.steps=1",
        "--results", str(tmp_path / "runs"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = (tmp_path / "runs" / "records").glob("*.json")
    record = json.loads(path.read_text())
    assert record["status"] == "ok"
    assert hashlib.sha256(file.read_bytes()).hexdigest() in record["inputs"]["files"].values()
    again = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    saved(tmp_path, torchvision.models.get_model(member, weights=None).state_dict())
    changed = subprocess.run([*command, "--dry-run"], capture_output=True, text=True, check=False, cwd=tmp_path).stdout
    assert again != changed
    assert "weights.pth" in changed


def test_option_defaults_are_the_constructors() -> None:
    assert option_defaults(SPEC.build) == {"weights": None}
    assert inspect.signature(create).parameters["weights"].default is None


def test_describing_the_family_does_not_import_torch() -> None:
    code = "import sys, dlbench_torchvision as t; list(t.dlbench_models()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
