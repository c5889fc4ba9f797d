"""The Transformer: Vaswani et al. 2017, "Attention Is All You Need".

Differs from the paper by default: far smaller, the normalisation stands before each sublayer and once more at the end
(Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"), source, target and output have weights of
their own, and embeddings begin with Xavier's weights before they are scaled.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .decoder import Decoder
from .encoder import WAVES
from .entry import Entry
from .initial import xavier
from .mixing import Mixing
from .stack import Stack


class Transformer(nn.Module):
    """Source ids (B, S) and what was written before each place (B, U) -> logits (B, U, target_vocab).

    `inputs` has `.ids` (B, S), `.lengths` (B,) or None, and `.previous` (B, U). Place u sees `previous` up to u and the
    whole source but its padding. `depth` blocks on both sides; `feed`: their inner width, None for 4 * width; `norm`:
    before each sublayer ("pre") or after it ("post", as published). Learned positions have the limits `max_length` of
    the source and `target_length` of the target, beyond which a sequence raises ValueError.
    """

    def __init__(
        self,
        *,
        vocab: int,
        target_vocab: int,
        max_length: int = 256,
        target_length: int = 256,
        width: int = 128,
        depth: int = 2,
        heads: int = 4,
        feed: int | None = None,
        dropout: float = 0.1,
        norm: str = "pre",
        mixing: Mixing = WAVES,
    ) -> None:
        super().__init__()
        feed = feed or 4 * width
        shared: dict[str, Any] = {"width": width, "positions": mixing.positions, "dropout": dropout}
        self.entry = _entry(vocab, max_length, **shared)
        self.target_entry = _entry(target_vocab, target_length, **shared)
        options: dict[str, Any] = {"feed": feed, "dropout": dropout, "norm": norm, "activation": "relu"}
        self.encoder = Stack(width=width, depth=depth, heads=heads, mixing=mixing, **options)
        self.decoder = Decoder(width=width, depth=depth, heads=heads, mixing=mixing, **options)
        self.head = nn.Linear(width, target_vocab)
        for part in (self.encoder, self.decoder, self.head):
            xavier(part)

    def forward(self, inputs: Any) -> Tensor:
        source, mask = self.read(inputs)
        return self.head(self.decoder(self.target_entry(inputs.previous), source, mask))

    def start(self, inputs: Any) -> Any:
        """Read the source."""
        source, mask = self.read(inputs)
        nothing = torch.zeros(len(source), 0, dtype=torch.int64, device=source.device)
        positions = self.target_entry.start(nothing)[1]
        place = nothing.new_zeros(len(source))
        return {"place": place, "positions": positions, "decoder": self.decoder.start(source, mask)}

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The next token's logits (N, target_vocab) after one more `token` (N,)."""
        place = state["place"]
        x, positions = self.target_entry.step(token, place, state["positions"])
        x, decoder = self.decoder.step(x, place, state["decoder"])
        return self.head(x[:, 0]), {"place": place + 1, "positions": positions, "decoder": decoder}

    def read(self, inputs: Any) -> tuple[Tensor, Tensor | None]:
        """The source's vectors (B, S, width), and which of them are no padding (B, 1, 1, S), None for all."""
        source = self.encoder(self.entry(inputs.ids), inputs.lengths)
        if inputs.lengths is None:
            return source, None
        places = torch.arange(source.shape[1], device=source.device)
        return source, (places < inputs.lengths[:, None])[:, None, None]


def _entry(vocab: int, max_length: int, *, width: int, **options: Any) -> Entry:
    """Embeddings with Xavier's weights, times the root of the width."""
    std = (2 * width / (vocab + width)) ** 0.5
    entry = Entry(vocab=vocab, width=width, max_length=max_length, std=std, scale=width**0.5, **options)
    nn.init.xavier_uniform_(entry.embed.weight)
    return entry
