"""Where noise is drawn."""

from __future__ import annotations

import torch


def generator_on(device: torch.device, generator: torch.Generator) -> torch.Generator:
    """The CPU generator itself or, elsewhere, one on the device that is seeded from it: so that no noise is moved."""
    if device.type == "cpu":
        return generator
    seed = int(torch.randint(0, 2**62, (), generator=generator))
    return torch.Generator(device).manual_seed(seed)
