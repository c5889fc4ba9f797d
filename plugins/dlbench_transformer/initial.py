"""How weights begin."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

from .attention.cross import CrossAttention
from .attention.heads import SelfAttention

SMALL, SPREAD = 0.02, 0.5  # how large embeddings and positions begin: GPT-2's, and those of `spread`


def small_normal(*modules: nn.Module, std: float = SMALL) -> None:
    """As in GPT-2's code: normal weights in linear layers and embeddings, zero biases."""
    for part in (part for module in modules for part in module.modules()):
        if isinstance(part, (nn.Linear, nn.Embedding)):
            nn.init.normal_(part.weight, std=std)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


def shrink_residuals(weights: Iterable[Tensor], *, depth: int, std: float = SMALL) -> None:
    """As in GPT-2: what is written into the residual stream is as small as `depth` blocks are many."""
    for weight in weights:
        nn.init.normal_(weight, std=std * (2 * depth) ** -0.5)


def spread(embed: nn.Module, stack: nn.Module, *, std: float = SPREAD) -> None:
    """For narrow networks that are trained on one task from scratch: Xavier's weights, so that attention tells places
    apart from the first step on, and tokens as large as `std` (a series keeps torch's own weights, for its columns)."""
    xavier(stack)
    if isinstance(embed, nn.Embedding):
        nn.init.normal_(embed.weight, std=std)


def xavier(module: nn.Module) -> None:
    """Uniform weights after Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural
    networks", in linear layers; zero biases. Matrices that are kept as one count on their own."""
    for part in module.modules():
        if isinstance(part, nn.Linear):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
    for part in module.modules():
        stacked = []
        if isinstance(part, SelfAttention):
            stacked = list(part.qkv.weight.chunk(3))
        elif isinstance(part, CrossAttention):
            stacked = list(part.key_value.weight.chunk(2))
        for matrix in stacked:
            nn.init.xavier_uniform_(matrix)
