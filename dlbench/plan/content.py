"""A digest of a task's examples as they are, for data that is generated and so has no published checksum."""

from __future__ import annotations

import hashlib
from itertools import islice

import torch
from torch import Tensor

from ..contract.learner import Task, map_tensors

TRAINING_BATCHES = 8


def content_digest(task: Task, batch_size: int) -> str | None:
    """16 hex digits over all validation and test batches and the first training batches, in order; None where a task
    has no such batches, as one that only samples. It tells apart what another version of a library, or a generator
    that isn't deterministic, made under the same name."""
    found = hashlib.sha256()

    def add(tensor: Tensor) -> Tensor:
        dense = tensor.detach() if tensor.layout is torch.strided else tensor.detach().to_dense()
        found.update(str(dense.dtype).encode() + str(tuple(dense.shape)).encode())
        found.update(dense.cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
        return tensor

    try:
        for split, most in (("val", None), ("test", None), ("train", TRAINING_BATCHES)):
            for batch in islice(task.batches(split, batch_size, None), most):
                map_tensors((batch.inputs, batch.targets, batch.mask), add)
    except Exception:  # judging will say what is wrong, if anything is
        return None
    return found.hexdigest()[:16]
