"""Spectral normalisation: Miyato, Kataoka, Koyama & Yoshida 2018, "Spectral Normalization for Generative Adversarial
Networks".

The weight is that of `torch.nn.utils.parametrizations.spectral_norm`. That one takes its power iteration in every
forward pass of training, so a closure that is evaluated twice gives two losses, and sampling depends on how often the
network was called; and it multiplies in the types of autocast. Here a forward pass changes nothing, and `iterate` is
called once after each step.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

FIRST = 15  # iterations from random vectors, as torch takes them


class SpectralNorm(nn.Module):
    """A weight (rows, ...) -> the same over its largest singular value as a matrix (rows, the rest), which two vectors
    that power iteration keeps up to date estimate."""

    left: Tensor
    right: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.register_buffer("left", F.normalize(torch.randn(rows), dim=0))
        self.register_buffer("right", F.normalize(torch.randn(columns), dim=0))
        self.iterate(weight, FIRST)

    def forward(self, weight: Tensor) -> Tensor:
        with torch.autocast(weight.device.type, enabled=False):
            return weight / torch.dot(self.left, torch.mv(weight.flatten(1), self.right))

    @torch.no_grad()
    def iterate(self, weight: Tensor, count: int = 1) -> None:
        """Bring the estimate nearer to the singular value of a weight."""
        matrix = weight.flatten(1)
        for _ in range(count):
            F.normalize(torch.mv(matrix, self.right), dim=0, out=self.left)
            F.normalize(torch.mv(matrix.T, self.left), dim=0, out=self.right)


def spectral(layer: nn.Module) -> nn.Module:
    """The layer, its weight under spectral normalisation from now on."""
    return parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight.detach()))


def iterate(network: nn.Module) -> None:
    """One power iteration for each weight under spectral normalisation. To be called where a step has moved them."""
    for module in network.modules():
        if isinstance(module, parametrize.ParametrizationList) and isinstance(module[0], SpectralNorm):
            with torch.autocast(module.original.device.type, enabled=False):
                module[0].iterate(module.original)
