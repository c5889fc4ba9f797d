"""The scores of a pass over examples with one class each."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def class_scores(learner: Any, batches: Any, device: str) -> dict[str, float]:
    """`accuracy` and `cross_entropy` of class logits, summed over the examples of a pass before dividing once."""
    correct = torch.zeros((), dtype=torch.int64, device=device)
    nats, count = torch.zeros((), dtype=torch.float64, device=device), 0
    for batch in batches:
        logits = learner.predict(batch)  # (B, num_classes)
        correct += (logits.argmax(1) == batch.targets).sum()
        nats += functional.cross_entropy(logits.float(), batch.targets, reduction="none").double().sum()
        count += len(batch.targets)
    return {"accuracy": correct.item() / count, "cross_entropy": nats.item() / count}
