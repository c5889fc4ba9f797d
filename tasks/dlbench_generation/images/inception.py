"""The network behind the true FID, from a file of the user's: none of it comes with dlbench."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dlbench import NoData

SHA256 = "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4"
"""Of inception-2015-12-05.pt, the published weights of Heusel et al. 2017 as TorchScript, which StyleGAN and clean-fid
use: https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt"""
AT_ONCE = 50


def read_inception(file: str, sha256: str = SHA256) -> Any:
    """The network, on the CPU. Raises NoData for a missing file, or for another than the published one."""
    try:
        content = Path(file).read_bytes()  # by Python, so that the record notes the file
    except OSError as error:
        raise NoData(f"there is no file of Inception weights {file}: {error.strerror}") from error
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise NoData(f"{Path(file).name} isn't inception-2015-12-05.pt: its sha256 is {found}, not {sha256}")
    return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()  # type: ignore[no-untyped-call]


def inception_features(network: Any, pictures: Tensor) -> Tensor:
    """The 2,048 numbers before the classes, of pictures (N, C, H, W) from -1 to 1, in 256 shades; the network resizes
    them itself."""
    shades = ((pictures + 1) * 127.5).round().to(torch.uint8).expand(-1, 3, -1, -1)
    with torch.no_grad():
        return torch.cat([network(part, return_features=True) for part in shades.split(AT_ONCE)])
