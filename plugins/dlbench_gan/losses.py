"""Losses of two players, from the discriminator's logits of real and of fake examples, each (B,). In float32 under
autocast too, where they are differences of small numbers.

Each is a pair: what the discriminator minimizes, and what the generator minimizes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor


class Losses(NamedTuple):
    """`discriminator(real, fake)` and `generator(fake)`, both scalars."""

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """-log D(x) - log(1 - D(G(z))), in nats: 2 ln 2 where the two can't be told apart."""
    return F.softplus(-real.float()).mean() + F.softplus(fake.float()).mean()


def logistic_generator(fake: Tensor) -> Tensor:
    """-log D(G(z)), in nats: the form that doesn't saturate."""
    return F.softplus(-fake.float()).mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """max(0, 1 - D(x)) + max(0, 1 + D(G(z))): 2 where all logits are 0, 0 where all lie beyond the margin of 1."""
    return F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """-D(G(z)): what the hinge leaves a generator."""
    return -fake.float().mean()


LOGISTIC = Losses(logistic_discriminator, logistic_generator)
"""Goodfellow et al. 2014, "Generative Adversarial Nets"."""
HINGE = Losses(hinge_discriminator, hinge_generator)
"""Lim & Ye 2017, "Geometric GAN"; Zhang et al. 2019, "Self-Attention Generative Adversarial Networks"."""
