"""GPT: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners" (GPT-2).

Differs from the paper: far smaller, and no dropout by default; with an output of its own it begins with larger weights,
as at a small width it would take long to tell one place from another. `bias=False` leaves out the biases of linear
layers and normalisations, as nanoGPT does.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .entry import Entry, values_of
from .initial import SMALL, SPREAD, shrink_residuals, small_normal, spread
from .mixing import PLAIN, Mixing
from .pool import pool
from .stack import Stack


class GPT(nn.Module):
    """Tokens -> next-token logits (B, T, vocab), causal; the output shares the embedding's weights. With `num_classes`
    it has an output of its own: (B, T, num_classes), or (B, num_classes) of the last valid place with `per_sequence`.

    `inputs` has `.ids` (B, T) int64, or `.values` (B, T, features) where `features` is given in place of `vocab`; and
    `.lengths` (B,) or None. Padding stands at the end, so that no earlier place sees it. With learned positions
    sequences longer than `max_length` raise ValueError.
    """

    def __init__(
        self,
        *,
        vocab: int | None = None,
        features: int | None = None,
        num_classes: int | None = None,
        per_sequence: bool = False,
        max_length: int = 256,
        width: int = 64,
        depth: int = 2,
        heads: int = 4,
        dropout: float = 0.0,
        bias: bool = True,
        mixing: Mixing = PLAIN,
    ) -> None:
        super().__init__()
        if vocab is None and num_classes is None:
            raise ValueError("a series has no embedding to share: give num_classes")
        self.per_sequence = per_sequence
        self.entry = Entry(
            vocab=vocab, features=features, width=width, positions=mixing.positions, max_length=max_length,
            std=SMALL if num_classes is None else SPREAD, dropout=dropout,
        )  # fmt: skip
        self.stack = Stack(
            width=width, depth=depth, heads=heads, dropout=dropout, causal=True, bias=bias, mixing=mixing
        )
        self.head = None if num_classes is None else nn.Linear(width, num_classes)
        if self.head is None:
            small_normal(self.entry.embed, self.stack)
            shrink_residuals(self.stack.residual_weights(), depth=depth)
        else:
            spread(self.entry.embed, self.stack)

    def forward(self, inputs: Any) -> Tensor:
        x = self.stack(self.entry(values_of(inputs)))  # (B, T, width)
        return self.logits(pool(x, inputs.lengths, "last") if self.per_sequence else x)

    def start(self, inputs: Any) -> Any:
        """Read a prompt (N, P) but its last token."""
        ids = inputs.ids[:, :-1]
        x, positions = self.entry.start(ids)
        place = torch.full((len(ids),), ids.shape[1], device=ids.device)
        return {"place": place, "positions": positions, "blocks": self.stack.start(x)[1]}

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next token's logits (N, vocab) after one more `token` (N,)."""
        x, positions = self.entry.step(token, state["place"], state["positions"])
        x, blocks = self.stack.step(x, state["place"], state["blocks"])
        return self.logits(x[:, 0]), {"place": state["place"] + 1, "positions": positions, "blocks": blocks}

    def logits(self, x: Tensor) -> Tensor:
        return F.linear(x, self.entry.embed.weight) if self.head is None else self.head(x)
