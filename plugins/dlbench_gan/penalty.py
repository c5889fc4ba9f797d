"""The gradient penalty of Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, "Improved Training of Wasserstein
GANs"."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, share: Tensor) -> Tensor:
    """The mean of (|g| - 1)^2, where g is the gradient of a critic's (B, features) -> (B,) at points between real and
    generated examples: `share` (B, 1), from 0 to 1, of each real one and the rest of the generated one.

    In float32 whatever autocast says, since a gradient of a gradient is small.
    """
    with torch.autocast(real.device.type, enabled=False), torch.enable_grad():
        between = (share * real.float() + (1 - share) * fake.float()).detach().requires_grad_()
        # the critic gets a copy: torch's counter of FLOPs can't follow gradients to a leaf that a module was given
        (slope,) = torch.autograd.grad(critic(between.clone()).sum(), between, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()
