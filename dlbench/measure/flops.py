"""FLOPs of matrix products and convolutions, one multiply-add being two, counted operator by operator."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode, flop_registry

_TRANSPARENT = frozenset({"aten", "prim", "prims", "profiler", "c10d", "_c10d_functional"})
_ATTENTION = ("flash_attention_for_cpu", "flash_attention", "efficient_attention", "cudnn_attention",
              "fused_attention_overrideable")  # fmt: skip


def count_flops(function: Callable[[], object]) -> int | None:
    """The FLOPs of what `function()` executes, forward and backward: dense, sparse (by their non-zeros) and batched
    products, convolutions, attention, recurrent layers. Elementwise work, norms, scatters and gathers add nothing, and
    neither does what a fused kernel computes a second time to save memory, as in the published counts: the figure is
    the same whichever kernel torch picks. None where operators took part that nobody can look into."""
    formulas = _formulas()
    watch = _Watch({*flop_registry, *formulas})
    with ExitStack() as stack:
        stack.enter_context(_open_kernels())
        stack.enter_context(watch)
        counter = stack.enter_context(FlopCounterMode(display=False, custom_mapping=formulas))
        function()
    return None if watch.opaque else int(counter.get_total_flops())


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the operators that come from outside torch, and torch's own kinds of attention without a formula."""

    def __init__(self, counted: set[Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counted, self.opaque = counted, set[str]()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        unknown = "attention" in func.name() and func.overloadpacket not in self.counted
        if func.namespace not in _TRANSPARENT or unknown:
            self.opaque.add(str(func))
        return func(*args, **(kwargs or {}))


@contextmanager
def _open_kernels() -> Iterator[None]:
    """The transformer encoder's fast path and compiled graphs hide their products: run what they stand for instead."""
    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    compiled = "torch._dynamo" in sys.modules  # else nothing is, and its import takes seconds
    try:
        with torch.compiler.set_stance("force_eager") if compiled else nullcontext():
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)


def _formulas() -> dict[Any, Callable[..., int]]:
    """Formulas for products that torch counts as if every zero of a sparse matrix were multiplied, or not at all."""
    aten = torch.ops.aten
    formulas: dict[Any, Callable[..., int]] = {
        aten.mm: _product,
        aten.mv: _product,
        aten.dot: _product,
        aten.addmm: _added_product,
        aten.addmv: _added_product,
        aten._sparse_addmm: _added_product,
        aten.sparse_sampled_addmm: _sampled_product,
        aten._sparse_mm_reduce_impl: _product,
        aten._sparse_mm_reduce_impl_backward: _reduce_backward,
        aten.mkldnn_rnn_layer: _recurrent_layer,
        aten.mkldnn_rnn_layer_backward: _twice(_recurrent_layer),
        aten._cudnn_rnn: _recurrent_network,
        aten._cudnn_rnn_backward: _twice(_recurrent_network),
    }
    for kernel in _ATTENTION:
        formulas[getattr(aten, f"_scaled_dot_product_{kernel}")] = _attention
        formulas[getattr(aten, f"_scaled_dot_product_{kernel}_backward")] = _attention_backward
    for formula in set(formulas.values()):
        formula._get_raw = True  # type: ignore[attr-defined]
    return formulas


def _product(a: Tensor, b: Tensor, *_: Any, **__: Any) -> int:
    """(M, K) by (K, N), or (M, K) by (K,), or (K,) by (K,)."""
    if b.layout != torch.strided:
        return 2 * b._nnz() * (a.shape[0] if a.dim() > 1 else 1)
    multiplied = a.numel() if a.layout == torch.strided else a._nnz()
    return 2 * multiplied * (b.shape[1] if b.dim() > 1 else 1)


def _added_product(_: Tensor, a: Tensor, b: Tensor, *__: Any, **___: Any) -> int:
    return _product(a, b)


def _sampled_product(places: Tensor, a: Tensor, *_: Any, **__: Any) -> int:
    """(M, K) by (K, N), at the places alone."""
    return 2 * places._nnz() * a.shape[1]


def _reduce_backward(a: Tensor, gradient: Tensor, *rest: Any, **_: Any) -> int:
    """The gradients that are asked for (`output_mask`, last) cost one product each."""
    mask = rest[-1] if rest and isinstance(rest[-1], (list, tuple)) else (True, True)
    return sum(bool(wanted) for wanted in mask) * _product(a, gradient)


def _recurrent_layer(inputs: Tensor, to_gates: Tensor, from_state: Tensor, *_: Any, **__: Any) -> int:
    """One layer in one direction, in oneDNN: at each of the places, both weights are used once."""
    return 2 * inputs.numel() // inputs.shape[-1] * (to_gates.numel() + from_state.numel())


def _recurrent_network(inputs: Tensor, weights: Sequence[Tensor], *_: Any, **__: Any) -> int:
    """All layers and directions, in cuDNN; biases are vectors, and don't count."""
    used = sum(weight.numel() for weight in weights if weight.dim() > 1)
    return 2 * inputs.numel() // inputs.shape[-1] * used


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """(B, H, L, E), (B, H, S, E), (B, H, S, V): the scores of all S places, then their mean of values."""
    places = key.shape[-2]
    return 2 * query.numel() * places + 2 * query.numel() // query.shape[-1] * places * value.shape[-1]


def _attention_backward(_: Tensor, query: Tensor, key: Tensor, value: Tensor, *__: Any, **___: Any) -> int:
    return 2 * _attention(query, key, value)


def _twice(formula: Callable[..., int]) -> Callable[..., int]:
    """Backward: the gradients of inputs and of weights cost a forward each."""

    def doubled(*args: Any, **kwargs: Any) -> int:
        return 2 * formula(*args, **kwargs)

    return doubled
