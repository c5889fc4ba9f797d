"""Encoder-decoder without attention: Sutskever, Vinyals, Le 2014, "Sequence to Sequence Learning with Neural Networks";
with `context`, Cho et al. 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
Translation".

Differs from Sutskever: the source isn't reversed, the cell is a GRU unless `cell` says `lstm`. Differs from Cho: the
decoder's first state is the encoder's last one itself, not a layer of it; torch's variant of the GRU's candidate state;
one linear layer, or a tanh layer and a linear one with `readout`, in place of the maxout layer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from .seq2seq_encoder import Encoder, recurrence
from .seq2seq_forcing import partly_forced


class Seq2Seq(nn.Module):
    """Source tokens and what was written before each place -> logits (B, U, target_vocab).

    `inputs` has `.ids` (B, T) int64, `.lengths` (B,) int64 of at least 1, or None, and `.previous` (B, U) int64.
    `context`: the top layer's last state of the encoder is fed to every step of the decoder and to the output layer,
    together with the embedded token. `bidirectional`: the encoder reads both ways, and a tanh layer makes the decoder's
    first states of both ends. `readout`: width of a tanh layer before the output layer; 0 for none.
    `teacher_forcing`: the share of places that see the true token before them in training. At 1 the decoder runs over
    all places at once; below it, place by place, and it then also sees its own choices. Evaluation always sees the true
    ones.
    """

    def __init__(
        self,
        *,
        vocab: int,
        target_vocab: int,
        cell: str = "gru",
        width: int = 256,
        embedding: int = 128,
        depth: int = 1,
        dropout: float = 0.1,
        context: bool = False,
        bidirectional: bool = False,
        readout: int = 0,
        teacher_forcing: float = 1.0,
    ) -> None:
        super().__init__()
        self.context, self.teacher_forcing = context, teacher_forcing
        self.encoder = Encoder(
            vocab=vocab, width=width, embedding=embedding, cell=cell, depth=depth, dropout=dropout,
            bidirectional=bidirectional,
        )  # fmt: skip
        parts = 2 if cell == "lstm" else 1
        bridges = [nn.Linear(2 * width, width) for _ in range(parts)] if bidirectional else []
        self.bridges = nn.ModuleList(bridges)
        self.embedding = nn.Embedding(target_vocab, embedding)
        self.dropout = nn.Dropout(dropout)
        fed = width if context else 0
        self.cells = recurrence(cell, embedding + fed, width, depth, dropout)
        self.head = output_layer(width + fed + (embedding if context else 0), readout, target_vocab, dropout)

    def forward(self, inputs: Any) -> Tensor:
        state = self.start(inputs)
        if self.training and self.teacher_forcing < 1:
            return partly_forced(self.step, state, inputs.previous, self.teacher_forcing)
        return self._decode(inputs.previous, state)[0]

    def start(self, inputs: Any) -> tuple[Tensor, ...]:
        """The decoder's first state: (B, depth, width), twice for an LSTM, then the context (B, width) if it is fed."""
        _, last = self.encoder(inputs.ids, inputs.lengths, inputs.sizes)
        if self.bridges:
            last = tuple(bridge(part).tanh() for bridge, part in zip(self.bridges, last, strict=True))
        context = (last[0][-1],) if self.context else ()
        return (*(part.transpose(0, 1) for part in last), *context)

    def step(self, token: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """One token (B,) further: logits (B, target_vocab) and the state after it."""
        logits, state = self._decode(token[:, None], state)
        return logits[:, 0], state

    def _decode(self, previous: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Logits (B, U, target_vocab) after each of these tokens (B, U), and the state after the last."""
        x = self.dropout(self.embedding(previous))  # (B, U, embedding)
        first, context = (state[:-1], state[-1]) if self.context else (state, None)
        extra = [] if context is None else [context[:, None].expand(-1, previous.shape[1], -1)]  # (B, U, width)
        before = tuple(part.transpose(0, 1).contiguous() for part in first)  # (depth, B, width)
        hidden, last = self.cells(torch.cat([x, *extra], dim=-1), before if len(before) > 1 else before[0])
        after = last if isinstance(last, tuple) else (last,)
        seen = torch.cat([hidden, *extra, x], dim=-1) if extra else hidden
        kept = () if context is None else (context,)
        return self.head(seen), (*(part.transpose(0, 1) for part in after), *kept)


def output_layer(inputs: int, readout: int, vocab: int, dropout: float) -> nn.Module:
    """Logits of `vocab` tokens, through a tanh layer of width `readout` unless that is 0."""
    if not readout:
        return nn.Linear(inputs, vocab)
    return nn.Sequential(nn.Linear(inputs, readout), nn.Tanh(), nn.Dropout(dropout), nn.Linear(readout, vocab))
