"""Recurrent network that writes molecules: Segler, Kogej, Tyrchan & Waller 2018, "Generating Focused Molecule Libraries
for Drug Discovery with Recurrent Neural Networks".

Differs from the paper: one layer of 256 gated recurrent units (`cell="lstm"`, `depth=3`, `width=1024` and `dropout=0.2`
are its own), tokens from a learnt embedding, and atoms in brackets as one token where the task has them so.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class SmilesRNN(nn.Module):
    """Tokens (B, T) and a state (None at the start) -> logits (B, T, vocab) of the token after each place, and the
    state."""

    def __init__(
        self, *, vocab: int, width: int = 256, depth: int = 1, embedding: int = 64, cell: str = "gru",
        dropout: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.embed = nn.Embedding(vocab, embedding)
        between = dropout if depth > 1 else 0.0  # torch warns where there is nothing to drop
        self.cells = CELLS[cell](embedding, width, depth, batch_first=True, dropout=between)
        self.drop = nn.Dropout(dropout)
        self.out = nn.Linear(width, vocab)

    def forward(self, ids: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        hidden, state = self.cells(self.embed(ids), state)
        return self.out(self.drop(hidden)), state
