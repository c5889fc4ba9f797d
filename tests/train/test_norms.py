"""Batch norm over processes, asked of one alone, is torch's: values, gradients, and gradients of gradients."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from dlbench.train.norms import Norm, shared_norm

TEAM: Any = SimpleNamespace(rank=0, size=1, idle=False, sum=lambda value: None, live=lambda value: value)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 5, 5), (6, 3, 4)])
def test_it_is_torchs(shape: tuple[int, ...], affine: bool) -> None:
    torch.manual_seed(0)
    x = (torch.randn(shape, dtype=torch.float64) + 3).requires_grad_()
    scale = [torch.randn(3, dtype=torch.float64, requires_grad=True) for _ in range(2)] if affine else [None, None]
    kept = [[torch.zeros(3, dtype=torch.float64), torch.ones(3, dtype=torch.float64)] for _ in range(2)]
    ours = shared_norm(TEAM, Norm(x, *kept[0], *scale, training=True))  # type: ignore[arg-type]
    theirs = F.batch_norm(x, *kept[1], *scale, training=True)  # type: ignore[misc]
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(kept[0], kept[1])
    inputs = [x, *(tensor for tensor in scale if tensor is not None)]
    given = torch.randn(shape, dtype=torch.float64)
    once = [torch.autograd.grad(out, inputs, given, retain_graph=True) for out in (ours, theirs)]
    torch.testing.assert_close(once[0], once[1])
    slopes = [torch.autograd.grad(out, x, given, create_graph=True)[0] for out in (ours, theirs)]
    twice = [torch.autograd.grad(slope.square().sum(), inputs[:2]) for slope in slopes]
    torch.testing.assert_close(twice[0], twice[1])


def test_half_precision_comes_back_in_half_precision() -> None:
    x = torch.randn(8, 3).bfloat16()
    out = shared_norm(TEAM, Norm(x, training=True))
    assert out.dtype is torch.bfloat16
    torch.testing.assert_close(out.float(), F.batch_norm(x.float(), None, None, training=True), atol=0.02, rtol=0.02)


def test_one_value_of_each_channel_in_all_is_refused_in_torchs_words() -> None:
    with pytest.raises(ValueError, match="Expected more than 1 value per channel when training"):
        shared_norm(TEAM, Norm(torch.randn(1, 3), training=True))
