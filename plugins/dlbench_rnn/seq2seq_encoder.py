"""The reading half of an encoder-decoder: tokens -> a state per place, and the states at each sequence's true end."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS: dict[str, type[nn.GRU] | type[nn.LSTM]] = {"gru": nn.GRU, "lstm": nn.LSTM}


def recurrence(
    cell: str, inputs: int, width: int, depth: int = 1, dropout: float = 0.0, *, both: bool = False
) -> nn.RNNBase:
    """torch's fused recurrence over (B, T, inputs), with dropout between its layers; `both` reads both ways. Raises
    ValueError for another cell than `gru` and `lstm`."""
    if cell not in CELLS:
        raise ValueError(f"cell is one of {', '.join(CELLS)}, not {cell!r}")
    between = dropout if depth > 1 else 0.0
    return CELLS[cell](inputs, width, depth, batch_first=True, dropout=between, bidirectional=both)


class Encoder(nn.Module):
    """Tokens (B, T) -> states of the top layer (B, T, D), zeros at padding, and the states of all layers at the last
    place that is no padding, (depth, B, D): one tensor for a GRU, two, state and cell, for an LSTM. D is the width, or
    twice the width where it reads both ways: then the backward half starts at the true end, too."""

    def __init__(
        self,
        *,
        vocab: int,
        width: int,
        embedding: int,
        cell: str = "gru",
        depth: int = 1,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__()
        self.depth, self.bidirectional = depth, bidirectional
        self.size = 2 * width if bidirectional else width
        self.embedding = nn.Embedding(vocab, embedding)
        self.dropout = nn.Dropout(dropout)
        self.cells = recurrence(cell, embedding, width, depth, dropout, both=bidirectional)

    def forward(
        self, ids: Tensor, lengths: Tensor | None, sizes: list[int] | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """`sizes`: the lengths as numbers, or None; then a GPU has to be waited for."""
        x = self.dropout(self.embedding(ids))  # (B, T, embedding)
        if lengths is None:
            states, last = self.cells(x)
            found = last if isinstance(last, tuple) else (last,)
        else:
            states, found = self._packed(x, lengths, lengths.tolist() if sizes is None else sizes)
        return states, tuple(self._side_by_side(part) for part in found)

    def _packed(self, x: Tensor, lengths: Tensor, sizes: list[int]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What the cells make of sequences that end before place T. The rows are put in order here, and back: torch's
        own packing would carry the order between the CPU and the device."""
        order = lengths.sort(descending=True).indices
        back = torch.empty_like(order).scatter_(0, order, torch.arange(len(order), device=order.device))
        packed = pack_padded_sequence(x.index_select(0, order), sorted(sizes, reverse=True), batch_first=True)
        out, last = self.cells(packed)
        states, _ = pad_packed_sequence(out, batch_first=True, total_length=x.shape[1])
        found = last if isinstance(last, tuple) else (last,)
        return states.index_select(0, back), tuple(part.index_select(1, back) for part in found)

    def _side_by_side(self, last: Tensor) -> Tensor:
        """(depth * directions, B, width) -> (depth, B, D)."""
        if not self.bidirectional:
            return last
        forward, backward = last.unflatten(0, (self.depth, 2)).unbind(1)
        return torch.cat([forward, backward], dim=-1)
