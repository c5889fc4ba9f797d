"""GPT: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (GPT-2).

Differs from the paper: far smaller, and no dropout by default.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from .block import Block


class GPT(nn.Module):
    """Tokens -> next-token logits (B, T, vocab), causal; the output shares the embedding's weights.

    `inputs` has `.ids` (B, T) int64. Padding stands at the end, so that no earlier place sees it. Sequences longer than
    `max_length` raise ValueError.
    """

    def __init__(
        self,
        *,
        vocab: int,
        max_length: int = 256,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.max_length = max_length
        self.tokens = nn.Embedding(vocab, width)
        self.positions = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width=width, heads=heads, dropout=dropout, causal=True) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.apply(_init_weights)
        for block in self.blocks:
            for weight in block.residual_weights():  # keeps the residual stream's variance independent of depth
                nn.init.normal_(weight, std=0.02 * (2 * depth) ** -0.5)

    def forward(self, inputs: Any) -> Tensor:
        ids = inputs.ids  # (B, T)
        length = ids.shape[1]
        if length > self.max_length:
            raise ValueError(f"a sequence of {length} tokens is longer than the limit of {self.max_length}")
        x = self.dropout(self.tokens(ids) + self.positions.weight[:length])  # (B, T, width)
        for block in self.blocks:
            x = block(x)
        return F.linear(self.norm(x), self.tokens.weight)  # (B, T, vocab)


def _init_weights(module: nn.Module) -> None:
    """Normal weights of standard deviation 0.02 and zero biases, as in the paper's code."""
    if isinstance(module, (nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
