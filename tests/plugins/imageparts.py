"""What the tests of image networks share: signatures, counts, and weights carried over from another library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import Classes, Image, Signature

IMAGENET: dict[str, Any] = {"channels": 3, "size": (224, 224), "num_classes": 1000}
CIFAR: dict[str, Any] = {"channels": 3, "size": (32, 32), "num_classes": 10}


def image_signature(channels: int, height: int, width: int, num_classes: int = 10) -> Signature:
    image = Image(channels=channels, height=height, width=width)
    return Signature(input=image, output=Classes(num_classes=num_classes))


def count(network: Callable[..., nn.Module], **options: Any) -> int:
    """Parameters of a network that is described, not made."""
    with torch.device("meta"):
        return sum(p.numel() for p in network(**options).parameters())


def silent(model: nn.Module, shape: Iterable[int]) -> list[str]:
    """The parameters that no gradient reaches, in a batch of 8 in training."""
    loss = F.cross_entropy(model(torch.randn(8, *shape)), torch.arange(8) % 10)
    loss.backward()
    return [key for key, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]


def hollow(make: Callable[[], nn.Module]) -> nn.Module:
    """The network without the time that its first weights take; only for networks whose whole state is drawn anew."""
    with torch.device("meta"):
        network = make()
    return network.to_empty(device="cpu")


def same_outputs(
    ours: nn.Module,
    theirs: nn.Module,
    side: int = 64,
    rename: Callable[[dict[str, Tensor]], Iterable[Tensor]] = dict.values,
) -> float:
    """The largest difference of logits in evaluation, as a share of the largest logit, once `ours` has the state of
    `theirs` in its own order, or in that of `rename`; shapes must be the same. Every entry is drawn anew, so that no
    layer is idle and no norm is one of mean zero and variance one."""
    with torch.no_grad():
        for name, value in theirs.state_dict().items():
            if value.is_floating_point():
                _draw(name, value)
        mine, given = ours.state_dict(), list(rename(theirs.state_dict()))
        assert [tuple(value.shape) for value in mine.values()] == [tuple(value.shape) for value in given]
        ours.load_state_dict(dict(zip(mine, given, strict=True)))
        images = torch.randn(2, 3, side, side)
        wanted, got = theirs.eval()(images), ours.eval()(images)
    assert wanted.abs().max() > 0
    return float((got - wanted).abs().max() / wanted.abs().max())


def _draw(name: str, value: Tensor) -> None:
    if value.ndim > 1:
        fan_in = value[0].numel()
        value.uniform_(-1.0, 1.0).mul_((6 / fan_in) ** 0.5)
    elif name.endswith(("weight", "running_var")):
        value.uniform_(0.5, 1.5)
    else:
        value.uniform_(-0.2, 0.2)
