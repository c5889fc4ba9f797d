"""Make a timm classifier for a given image size and number of classes.

Ross Wightman, 2019, "PyTorch Image Models" (https://github.com/huggingface/pytorch-image-models). The architectures are
timm's own; what differs from a plain `timm.create_model` is only that the size, the channels and the classes come from
the task, that weights come from a file which the user names and never from the network, and that a model which can't
take the images says so before it is trained.
"""

from __future__ import annotations

import difflib
import re
from typing import Any

import timm
import torch
from torch import nn

from dlbench import NotApplicable

from .weights import weighted

# What timm's models raise where an image doesn't fit: from a convolution, an assertion, a division of the grid.
# OSError, MemoryError and ImportError are left out: those are never the image's fault.
MISFITS = (ArithmeticError, AssertionError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
NOT_ALL_TAKE = ("img_size", "drop_rate", "drop_path_rate")


def create(
    *,
    member: str,
    channels: int,
    size: tuple[int, int],
    num_classes: int,
    drop_rate: float = 0.0,
    drop_path_rate: float = 0.0,
    weights: str | None = None,
) -> nn.Module:
    """A classifier from images (B, channels, *size) to logits (B, num_classes).

    `member` is timm's name; `drop_rate` and `drop_path_rate` are probabilities; `weights` is the path of a file, None
    for fresh ones. Raises ValueError for a name that timm doesn't know or a nonzero rate that the model doesn't have,
    UsageError for weights that don't fit, NoData for a file that can't be read, and NotApplicable where it can't take
    such images.
    """
    if not timm.is_model(member):
        raise ValueError(f"timm has no model {member!r}{_nearest(member)}")
    rates = {"drop_rate": drop_rate, "drop_path_rate": drop_path_rate}
    wanted = {"num_classes": num_classes, "in_chans": channels, "img_size": size, **rates}
    try:
        accepted = _rehearse(member, wanted, (channels, *size))
    except MISFITS as error:
        own = _own_shape(member)
        if not _works(member, {"num_classes": num_classes, **rates}, own):
            raise
        shapes = ["x".join(map(str, shape)) for shape in ((channels, *size), own)]
        raise NotApplicable(
            f"{member} can't take {shapes[0]} images, made for {shapes[1]} ({_brief(error)})"
        ) from error
    for name, rate in rates.items():
        if rate and name not in accepted:
            raise ValueError(f"{member} has no {name}; leave the option out")
    if weights is not None:
        return weighted(member, weights, accepted)
    return timm.create_model(member, pretrained=False, **accepted)


def _rehearse(member: str, wanted: dict[str, Any], shape: tuple[int, int, int]) -> dict[str, Any]:
    """Which of the wanted keywords the model takes, known by building it and running it once on two images of this
    shape. Raises what the model raises."""
    with torch.random.fork_rng(devices=[]):
        try:
            return _try_on("meta", member, wanted, shape)  # shapes without values: quick, and no memory
        except MISFITS as error:
            if not _meta_is_to_blame(error):
                raise
            return _try_on("cpu", member, wanted, shape)


def _meta_is_to_blame(error: Exception) -> bool:
    """Some models read values while they build or run, which the meta device hasn't got; torch says so by name."""
    return isinstance(error, NotImplementedError) or "meta" in str(error).lower()


def _try_on(device: str, member: str, wanted: dict[str, Any], shape: tuple[int, int, int]) -> dict[str, Any]:
    with torch.device(device), torch.no_grad():
        model, accepted = _construct(member, wanted)
        for module in model.modules():
            module.register_forward_hook(_something_left)
        outputs = model.eval()(torch.zeros(2, *shape))
    right = (2, wanted["num_classes"])
    if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != right:
        raise ValueError(f"its outputs are not logits of shape {right}")
    return accepted


def _something_left(module: nn.Module, inputs: Any, outputs: Any) -> None:
    """Some versions of torch let a kernel larger than its image pass on the meta device, with empty outputs."""
    if isinstance(outputs, torch.Tensor) and not outputs.numel():
        raise ValueError(f"nothing is left of the image after {type(module).__name__}")


def _construct(member: str, wanted: dict[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The model, and the keywords left after leaving out those that its constructor doesn't know."""
    accepted = dict(wanted)
    while True:
        try:
            return timm.create_model(member, pretrained=False, **accepted), accepted
        except TypeError as error:
            rejected = re.search(r"unexpected keyword argument.*'(\w+)'", str(error))
            if rejected is None or rejected[1] not in NOT_ALL_TAKE or rejected[1] not in accepted:
                raise
            del accepted[rejected[1]]


def _own_shape(member: str) -> tuple[int, int, int]:
    """The (channels, height, width) that the model was made for."""
    config = timm.get_pretrained_cfg(member)
    return config.input_size if config is not None else (3, 224, 224)


def _works(member: str, wanted: dict[str, Any], shape: tuple[int, int, int]) -> bool:
    try:
        _rehearse(member, wanted, shape)
    except MISFITS:
        return False
    return True


def _nearest(member: str) -> str:
    near = difflib.get_close_matches(member, timm.list_models(), n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else ""


def _brief(error: Exception) -> str:
    """An error's first line, without its end mark."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__
