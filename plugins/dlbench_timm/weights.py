"""A timm classifier that starts from the weights of a file, fitted by timm itself.

A first convolution for other channels is made of the file's, positions of another grid are interpolated, and a head for
other classes starts afresh.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
from timm.models import load_state_dict
from torch import Tensor, nn

from dlbench import NoData, UsageError


def weighted(member: str, file: str, keywords: Mapping[str, Any]) -> nn.Module:
    """`keywords` are those of `timm.create_model`. Raises NoData for a missing or damaged file, UsageError for the
    weights of another network."""
    given = read_weights(file)
    config = timm.get_pretrained_cfg(member)
    head = f"{config.classifier}.weight" if config is not None and isinstance(config.classifier, str) else ""
    classes = len(given[head]) if head in given else keywords["num_classes"]
    overlay = {"state_dict": given, "num_classes": classes}  # with equal classes timm loads strictly
    try:
        model = timm.create_model(
            member, pretrained=True, pretrained_cfg_overlay=overlay, **{**keywords, "num_classes": classes}
        )
    except (RuntimeError, KeyError, AttributeError) as error:
        text = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
        raise UsageError(
            f"{Path(file).name} holds the weights of another network than {member}: {text[:200]}"
        ) from error
    if classes != keywords["num_classes"]:
        model.reset_classifier(keywords["num_classes"])
    return model


def read_weights(file: str) -> dict[str, Tensor]:
    """The tensors of a file of torch or safetensors; no code in it is run. Raises NoData for any other content."""
    path = Path(file).expanduser()
    if not path.is_file():
        raise NoData(f"there is no file of weights {file}")
    try:
        content = load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:  # a damaged file can raise nearly anything
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise NoData(f"{path.name} can't be read as weights: {text[0][:200]}") from error
    if not isinstance(content, Mapping) or not all(isinstance(value, Tensor) for value in content.values()):
        raise NoData(f"{path.name} doesn't hold a state_dict, which names tensors")
    return dict(content)
