"""Points at mean 0 and variance 1, as far as the first training batch tells."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Unit(nn.Module):
    """Each of the `features` minus its mean, over its sd. Both are buffers, measured once on the first examples seen
    in training; a state that is loaded brings its own. Until then nothing is scaled."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("sd", torch.ones(features))
        self.register_buffer("measured", torch.zeros((), dtype=torch.bool))
        self._fresh = True

    @torch.no_grad()
    def measure(self, examples: Tensor) -> None:
        """Take mean and sd of `examples` (B, features), the first time only. A feature that doesn't vary keeps its
        scale."""
        if not self._fresh:
            return
        self._fresh = False
        sd, mean = torch.std_mean(examples, dim=0, correction=0)
        sd = torch.where(sd > 0, sd, torch.ones_like(sd))
        # asked of the device, not of the host, so that no step waits
        self.mean.copy_(torch.where(self.measured, self.mean, mean))
        self.sd.copy_(torch.where(self.measured, self.sd, sd))
        self.measured.fill_(True)

    def forward(self, examples: Tensor) -> Tensor:
        return (examples - self.mean) / self.sd

    def back(self, examples: Tensor) -> Tensor:
        return examples * self.sd + self.mean
