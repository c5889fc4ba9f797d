"""A score of rare classes: how well the outputs order the examples."""

from __future__ import annotations

import torch
from torch import Tensor


def roc_auc(outputs: list[Tensor], targets: list[Tensor]) -> float:
    """The area under the receiver operating characteristic of two classes, 0 to 1, from logits (n, 2) or one number per
    row; ties count half. Lists with one tensor per batch. Raises ValueError where a class is missing."""
    from sklearn.metrics import roc_auc_score

    values = torch.cat(outputs).double().cpu()
    margins = values if values.dim() == 1 else values[:, 1] - values[:, 0]
    return float(roc_auc_score(torch.cat(targets).cpu().numpy(), margins.numpy()))
