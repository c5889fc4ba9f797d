"""Make a torchvision classifier for a given image size and number of classes.

TorchVision maintainers and contributors, 2016, "TorchVision: PyTorch's Computer Vision library"
(https://github.com/pytorch/vision). The architectures are torchvision's own; what differs from a plain
`torchvision.models.get_model` is only that the size, the channels and the classes come from the task, that auxiliary
heads are left out, that weights come from a file which the user names and never from the network, and that a model
which can't take the images says so before it is trained.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

import torch
import torchvision
from torch import nn

from dlbench import NotApplicable, UsageError

from .weights import load_weights

# What the models raise where an image doesn't fit: from a convolution, an assertion, a division of the grid.
MISFITS = (ArithmeticError, AssertionError, LookupError, RuntimeError, TypeError, ValueError)
WITH_HEADS = ("googlenet", "inception_v3")
MADE_FOR = {"inception_v3": 299}


def create(
    *, member: str, channels: int, size: tuple[int, int], num_classes: int, weights: str | None = None
) -> nn.Module:
    """A classifier from images (B, channels, *size) to logits (B, num_classes). `member` is torchvision's name,
    `weights` the path of a file, None for fresh ones.

    Raises UsageError for a name that torchvision doesn't know or weights that don't fit, NoData for a file that can't
    be read, NotApplicable where the network can't take such images.
    """
    if member not in (known := names()):
        near = difflib.get_close_matches(member, known, n=1, cutoff=0.5)
        guess = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"torchvision has no image classifier {member!r}{guess}")
    if member.startswith("vit_") and size[0] != size[1]:
        raise NotApplicable(f"{member} needs square images, not {size[0]}x{size[1]}")
    try:
        rehearse(member, channels, size, num_classes)
    except MISFITS as error:
        side = MADE_FOR.get(member, 224)
        rehearse(member, 3, (side, side), num_classes)  # what is broken at any size is an error of its own
        shapes = f"{channels}x{size[0]}x{size[1]} images, made for 3x{side}x{side}"
        raise NotApplicable(f"{member} can't take {shapes} ({_brief(error)})") from error
    model = construct(member, channels, size, num_classes)
    if weights is not None:
        load_weights(model, weights, member=member, head=head_of(member, channels, size))
    return model


def names() -> list[str]:
    """The image classifiers, without those for video, detection, segmentation or quantised tensors."""
    return torchvision.models.list_models(module=torchvision.models)


def construct(member: str, channels: int, size: tuple[int, int], num_classes: int) -> nn.Module:
    """The untrained network, its first convolution for this number of channels."""
    options: dict[str, Any] = {"num_classes": num_classes}
    if member in WITH_HEADS:
        options |= {"aux_logits": False, "init_weights": True}
    if member.startswith("vit_"):
        options["image_size"] = size[0]
    if member.startswith("maxvit"):
        options["input_size"] = size
    model = torchvision.models.get_model(member, weights=None, **options)
    if channels != 3:
        _take(model, channels)
    return model


def head_of(member: str, channels: int, size: tuple[int, int]) -> frozenset[str]:
    """The names of the parameters whose shapes follow the number of classes."""
    one, two = (_without_values(lambda n=n: construct(member, channels, size, n).state_dict()) for n in (2, 3))
    return frozenset(name for name in one if one[name].shape != two[name].shape)


def rehearse(member: str, channels: int, size: tuple[int, int], num_classes: int) -> None:
    """Build the network, without values where it can be, and run it once on two images. Raises what it raises."""

    def run() -> torch.Size:
        model = construct(member, channels, size, num_classes)
        for module in model.modules():
            module.register_forward_hook(_something_left)
        with torch.no_grad():
            return model.eval()(torch.zeros(2, channels, *size)).shape  # type: ignore[no-any-return]

    if tuple(_without_values(run)) != (2, num_classes):
        raise ValueError(f"its outputs are not logits of shape {(2, num_classes)}")


def _without_values(make: Callable[[], Any]) -> Any:
    """What `make` gives on the meta device, which is quick and needs no memory; on the CPU for networks that read
    values while they are built, as torchvision's RegNets do. No random number is used up."""
    with torch.random.fork_rng(devices=[]):
        try:
            with torch.device("meta"):
                return make()
        except NotImplementedError:
            with torch.device("cpu"):
                return make()


def _take(model: nn.Module, channels: int) -> None:
    """Put a fresh first convolution for so many channels in place of the one for three."""
    name, old = next((name, part) for name, part in model.named_modules() if isinstance(part, nn.Conv2d))
    if old.in_channels != 3:
        raise ValueError(f"its first convolution takes {old.in_channels} channels, not 3")
    fresh = nn.Conv2d(
        channels, old.out_channels, old.kernel_size, stride=old.stride, padding=old.padding,  # type: ignore[arg-type]
        dilation=old.dilation, bias=old.bias is not None,  # type: ignore[arg-type]
    )  # fmt: skip
    nn.init.kaiming_normal_(fresh.weight, mode="fan_out", nonlinearity="relu")
    if fresh.bias is not None:
        nn.init.zeros_(fresh.bias)
    owner, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(owner), leaf, fresh)


def _something_left(module: nn.Module, inputs: Any, outputs: Any) -> None:
    """Some versions of torch let a kernel larger than its image pass on the meta device, with empty outputs."""
    if isinstance(outputs, torch.Tensor) and not outputs.numel():
        raise ValueError(f"nothing is left of the image after {type(module).__name__}")


def _brief(error: Exception) -> str:
    """An error's first line, without its end mark."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__
