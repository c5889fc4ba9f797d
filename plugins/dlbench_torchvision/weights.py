"""Weights from a file into a network of another number of classes, channels or places."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.models.vision_transformer import interpolate_embeddings

from dlbench import NoData, UsageError

HEADS = re.compile(r"(?:aux1|aux2|AuxLogits)\.")  # of googlenet and inception_v3, which are left out
POSITIONS = "encoder.pos_embedding"
OLD_DENSENET = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def load_weights(model: nn.Module, file: str, *, member: str, head: Collection[str]) -> None:
    """Put the weights of a file into the model. `head`: names of what follows the number of classes: where the file has
    another, it keeps its fresh values. A first convolution for other channels gets the mean over the file's three, for
    each as much as keeps the maps' size; positions of a grid of another size are interpolated.

    Raises NoData for a missing or damaged file, UsageError for the weights of another network."""
    given, own = read_weights(file), model.state_dict()
    if POSITIONS in own and POSITIONS in given and given[POSITIONS].shape != own[POSITIONS].shape:
        given = _other_grid(model, given)
    first = next(name for name, value in own.items() if value.ndim == 4)
    absent = [name for name in own if name not in given and not name.endswith("num_batches_tracked")]
    if absent or (strange := [name for name in given if name not in own]):
        what = f"has no {absent[0]}" if absent else f"has {strange[0]}"
        raise UsageError(f"{Path(file).name} holds the weights of another network than {member}: it {what}")
    taken = {}
    for name, value in given.items():
        if value.shape != own[name].shape and name == first and value.shape[1] == 3:
            value = _other_channels(value, own[name].shape[1])
        if value.shape == own[name].shape:
            taken[name] = value
        elif name not in head or value.shape[1:] != own[name].shape[1:]:
            shapes = f"{tuple(value.shape)}, not {tuple(own[name].shape)}"
            raise UsageError(
                f"{Path(file).name} holds the weights of another network than {member}: its {name} is {shapes}"
            )
    if any(name not in taken for name in head):
        taken = {name: value for name, value in taken.items() if name not in head}
    model.load_state_dict(taken, strict=False)


def read_weights(file: str) -> dict[str, Tensor]:
    """The tensors of a file that torch wrote; no code in it is run. Raises NoData for any other content."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise NoData(f"there is no file of weights {file}")
    try:
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly anything
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise NoData(f"{path.name} can't be read as weights: {text[0][:200]}") from error
    for key in ("state_dict", "model"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise NoData(f"{path.name} doesn't hold a state_dict, which names tensors")
    named = {str(name).removeprefix("module."): value for name, value in content.items()}
    named = {OLD_DENSENET.sub(r"\1\2", name): value for name, value in named.items()}
    return {name: value for name, value in named.items() if not HEADS.match(name)}


def _other_channels(weight: Tensor, channels: int) -> Tensor:
    """A filter for three channels (out, 3, K, K) as one for others, which answers the same to a grey picture."""
    return weight.sum(dim=1, keepdim=True).expand(-1, channels, -1, -1) / channels


def _other_grid(model: Any, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """With a Vision Transformer's positions interpolated to the model's grid."""
    return dict(interpolate_embeddings(model.image_size, model.patch_size, given))  # type: ignore[arg-type]
