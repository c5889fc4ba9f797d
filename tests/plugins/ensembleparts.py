"""What tests of ensembles share."""

from __future__ import annotations

import torch
from torch import nn

from dlbench.contract.learner import Supervised
from workshop import Blobs


def members(count: int = 3) -> list[Supervised]:
    torch.manual_seed(0)
    return [Supervised(nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2)), Blobs().loss) for _ in range(count)]
