"""Products of a sparse matrix with a dense one, whose gradient doesn't sort the matrix anew in each step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def tally(index: Tensor, count: int) -> Tensor:
    """How often each number from 0 to count - 1 stands in `index` (E,): (count,) int64. `torch.bincount` lets the host
    wait for a GPU."""
    return index.new_zeros(count).scatter_add_(0, index, torch.ones_like(index))


class Transposed:
    """Where each stored value of a CSR matrix (M, N) lies in its transpose; found once for all matrices with the same
    places."""

    def __init__(self, matrix: Tensor) -> None:
        self.shape = (matrix.shape[1], matrix.shape[0])
        columns, sizes = matrix.col_indices(), matrix.crow_indices().diff()
        rows = torch.arange(matrix.shape[0], device=columns.device)
        rows = torch.repeat_interleave(rows, sizes, output_size=len(columns))
        self.order = columns.argsort(stable=True)
        self.rows = rows[self.order]
        counts = tally(columns, matrix.shape[1])
        self.pointers = torch.cat([counts.new_zeros(1), counts.cumsum(0)])

    def of(self, matrix: Tensor) -> Tensor:
        """The transpose of a matrix with these places, as CSR (N, M)."""
        values = matrix.values()[self.order]
        return torch.sparse_csr_tensor(self.pointers, self.rows, values, self.shape, check_invariants=False)


def multiply(matrix: Tensor, x: Tensor, transposed: Transposed) -> Tensor:
    """CSR (M, N) times dense (N, D) -> (M, D), differentiable in x."""
    return _Multiply.apply(x, matrix, transposed)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, matrix: Tensor, transposed: Transposed) -> Tensor:
        ctx.matrix, ctx.transposed = matrix, transposed
        return matrix @ x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        return ctx.transposed.of(ctx.matrix) @ gradients[0], None, None
