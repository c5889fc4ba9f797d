"""What torch's C++ asks a driver for before it reaches an operator, for pretend tensors: recurrent layers, attention,
and the construction of sparse matrices. Functions of torch are replaced for these.

Recurrent layers are computed by torch's CPU layers, under the rules of cuDNN: which types it takes, and that autocast
gives it float16, whatever it gives to others. With dropout between layers the backward pass takes another draw.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from pretend import MixedDevices, Pretend
from torch import Tensor


def install() -> None:
    """Put all of it in place."""
    torch.backends.cudnn.enabled = False  # else modules ask it to lay their weights out side by side
    functions = sys.modules["torch._VF"]
    for name in ("lstm", "gru", "rnn_tanh", "rnn_relu"):
        function = recurrence(name, getattr(torch._C._VariableFunctions, name))
        for place in (functions, torch):
            setattr(place, name, function)
    functions.gru_cell = cell(functions.gru_cell)  # type: ignore[attr-defined]
    F.scaled_dot_product_attention = attention(F.scaled_dot_product_attention)  # type: ignore[assignment]
    torch.sparse_csr_tensor = sparse(torch.sparse_csr_tensor)  # type: ignore[assignment]


class Call(NamedTuple):
    """A call of one of torch's recurrent layers. `form`: biases, layers, dropout, train, both directions, batch first
    (not for packed ones)."""

    function: Any
    sizes: Tensor | None
    form: tuple[Any, ...]
    num_weights: int

    def run(self, tensors: list[Tensor]) -> tuple[Tensor, ...]:
        """The layer on CPU tensors: input, weights, states -> outputs and last states."""
        x, weights, states = tensors[0], tensors[1 : 1 + self.num_weights], tensors[1 + self.num_weights :]
        given = (tuple(states) if len(states) == 2 else states[0], weights)
        sizes = () if self.sizes is None else (self.sizes,)
        return self.function(x, *sizes, *given, *self.form)  # type: ignore[no-any-return]


class Recurrence(torch.autograd.Function):
    """The call of a layer as one operator."""

    @staticmethod
    def forward(ctx: Any, call: Call, *tensors: Tensor) -> Any:
        ctx.call, ctx.inner = call, [tensor.inner.detach().float() for tensor in tensors]  # type: ignore[attr-defined]
        with torch.no_grad():
            return tuple(Pretend(out.to(tensors[0].dtype)) for out in call.run(ctx.inner))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> Any:
        inner = [tensor.clone().requires_grad_() for tensor in ctx.inner]
        with torch.enable_grad():
            made = ctx.call.run(inner)
        pairs = [(out, d.inner.to(out.dtype)) for out, d in zip(made, gradients, strict=True) if d is not None]
        found = torch.autograd.grad([out for out, _ in pairs], inner, [d for _, d in pairs], allow_unused=True)
        dtype = next(d.dtype for d in gradients if d is not None)
        return None, *(None if d is None else Pretend(d.to(dtype)) for d in found)


def recurrence(name: str, real: Any) -> Any:
    """`torch.lstm` and its like: (input, states, weights, ...), or (input, sizes, states, weights, ...) if packed."""

    def call(x: Tensor, *rest: Any) -> Any:
        if not isinstance(x, Pretend):
            return real(x, *rest)
        packed = isinstance(rest[1], Tensor if name != "lstm" else tuple)
        sizes, (states, weights, *form) = (rest[0], rest[1:]) if packed else (None, rest)
        states = list(states) if name == "lstm" else [states]
        tensors = [x, *weights, *states]
        if not all(isinstance(tensor, Pretend) for tensor in tensors) or isinstance(sizes, Pretend):
            raise MixedDevices(f"{name}: input, weights and states belong on the GPU, sizes on the CPU")
        if not all(state.is_contiguous() for state in states):
            raise RuntimeError("rnn: hx is not contiguous")
        if torch.is_autocast_enabled("cuda"):
            tensors = [tensor.to(torch.float16) for tensor in tensors]
        if len({tensor.dtype for tensor in tensors}) > 1:
            raise RuntimeError(f"{name}: input, weights and states have different types")
        return Recurrence.apply(Call(real, sizes, tuple(form), len(weights)), *tensors)

    return call


def cell(real: Any) -> Any:
    """`torch.gru_cell`."""

    def call(x: Tensor, state: Tensor, of_input: Tensor, of_state: Tensor, *biases: Any) -> Tensor:
        if not isinstance(x, Pretend):
            return real(x, state, of_input, of_state, *biases)  # type: ignore[no-any-return]
        from_input = F.linear(x, of_input, *biases[:1]).chunk(3, 1)
        from_state = F.linear(state, of_state, *biases[1:]).chunk(3, 1)
        reset, keep = ((a + b).sigmoid() for a, b in zip(from_input[:2], from_state[:2], strict=True))
        new = (from_input[2] + reset * from_state[2]).tanh()
        return new + keep * (state.to(new.dtype) - new)

    return call


def attention(real: Any) -> Any:
    """`F.scaled_dot_product_attention`."""

    def call(query: Tensor, *rest: Any, **options: Any) -> Any:
        return (attend if isinstance(query, Pretend) else real)(query, *rest, **options)

    return call


def attend(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """Attention by its formula, under the rules of CUDA's autocast, which takes it as one operator."""
    if torch.is_autocast_enabled("cuda"):
        low = torch.get_autocast_dtype("cuda")
        query, key, value = query.to(low), key.to(low), value.to(low)
        if attn_mask is not None and attn_mask.dtype != torch.bool:
            attn_mask = attn_mask.to(low)
    if len({query.dtype, key.dtype, value.dtype}) > 1:
        raise RuntimeError("Expected query, key, and value to have the same dtype")
    if attn_mask is not None and attn_mask.dtype not in (torch.bool, query.dtype):
        raise RuntimeError("Expected attn_mask dtype to be bool or to match query dtype")
    with torch.autocast("cuda", enabled=False):
        return torch.ops.aten._scaled_dot_product_attention_math(
            query, key, value, attn_mask, dropout_p, is_causal, scale=scale
        )[0]


def sparse(real: Any) -> Any:
    """`torch.sparse_csr_tensor`."""

    def call(*parts: Any, **options: Any) -> Tensor:
        pretend = [isinstance(part, Pretend) for part in parts if isinstance(part, Tensor)]
        if not any(pretend):
            return real(*parts, **options)  # type: ignore[no-any-return]
        if not all(pretend):
            raise MixedDevices("sparse_csr_tensor: its parts lie on different devices")
        inner = (part.inner.detach() if isinstance(part, Pretend) else part for part in parts)
        return Pretend(real(*inner, **options))

    return call
