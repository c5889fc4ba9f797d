"""Encoder-decoder with attention: Bahdanau, Cho, Bengio 2015, "Neural Machine Translation by Jointly Learning to Align
and Translate"; with `feeding="output"`, Luong, Pham, Manning 2015, "Effective Approaches to Attention-based Neural
Machine Translation", without their input feeding.

Differs from Bahdanau: the decoder's first state comes from both ends of the source, not the backward one alone; a tanh
layer in place of the maxout layer before the output; torch's variant of the GRU's candidate state. Differs from Luong:
a bidirectional GRU of one layer, and the embedded token joins state and context before the tanh layer.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .score import SCORES
from .seq2seq import output_layer
from .seq2seq_encoder import Encoder
from .seq2seq_forcing import partly_forced

FEEDINGS = ("input", "output")
Memory = dict[str, Tensor]


class Seq2SeqAttention(nn.Module):
    """Source tokens and what was written before each place -> logits (B, U, target_vocab).

    `inputs` as in `Seq2Seq`. `score`: `additive` or `dot`. `feeding`: with `input` the context, a mean of the source's
    states weighted by the state before, enters the cell, place by place; with `output` the cell never sees it, so all
    places run at once, and the weights come from the state of the place itself. State, context and embedded token go to
    the output layer, through a tanh layer of width `readout` unless that is 0. Padding gets no weight.
    `teacher_forcing`: as in `Seq2Seq`. Raises ValueError for an unknown score or feeding.
    """

    def __init__(
        self,
        *,
        vocab: int,
        target_vocab: int,
        score: str = "additive",
        feeding: str = "input",
        width: int = 128,
        embedding: int = 128,
        dropout: float = 0.1,
        readout: int = 128,
        teacher_forcing: float = 1.0,
    ) -> None:
        super().__init__()
        if score not in SCORES:
            raise ValueError(f"score is one of {', '.join(SCORES)}, not {score!r}")
        if feeding not in FEEDINGS:
            raise ValueError(f"feeding is one of {', '.join(FEEDINGS)}, not {feeding!r}")
        self.fed, self.teacher_forcing = feeding == "input", teacher_forcing
        self.encoder = Encoder(vocab=vocab, width=width, embedding=embedding, dropout=dropout, bidirectional=True)
        source = self.encoder.size
        self.bridge = nn.Linear(source, width)
        self.score = SCORES[score](query=width, source=source, width=width)
        self.embedding = nn.Embedding(target_vocab, embedding)
        self.dropout = nn.Dropout(dropout)
        self.cells = nn.GRU(embedding + (source if self.fed else 0), width, batch_first=True)
        self.head = output_layer(width + source + embedding, readout, target_vocab, dropout)

    def forward(self, inputs: Any) -> Tensor:
        state = self.start(inputs)
        if self.training and self.teacher_forcing < 1:
            return partly_forced(self.step, state, inputs.previous, self.teacher_forcing)
        return self._decode(inputs.previous, state)[0]

    def start(self, inputs: Any) -> Memory:
        """What the decoder starts from, each with B rows: its `hidden` state (B, width); of the source `states`
        (B, T, 2 * width), `keys`, `values` (with feeding: what each place adds to the cell's gates) and `bias`
        (B, 1, T), which is -inf at padding."""
        states, (last,) = self.encoder(inputs.ids, inputs.lengths, inputs.sizes)
        bias = states.new_zeros(inputs.ids.shape)
        if inputs.lengths is not None:
            places = torch.arange(inputs.ids.shape[1], device=bias.device)
            bias = bias.masked_fill(places >= inputs.lengths[:, None], -torch.inf)
        memory = {"states": states, "keys": self.score.keys(states), "bias": bias[:, None]}
        if self.fed:
            memory["values"] = F.linear(states, self.cells.weight_ih_l0[:, self.embedding.embedding_dim :])
        return {**memory, "hidden": self.bridge(last[-1]).tanh()}

    def step(self, token: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        """One token (B,) further: logits (B, target_vocab) and the state after it."""
        logits, state = self._decode(token[:, None], state)
        return logits[:, 0], state

    def _decode(self, previous: Tensor, state: Memory) -> tuple[Tensor, Memory]:
        """Logits (B, U, target_vocab) after each of these tokens (B, U), and the state after the last."""
        x = self.dropout(self.embedding(previous))  # (B, U, embedding)
        if self.fed:
            hidden, weights = self._recur(x, state)
        else:
            hidden, _ = self.cells(x, state["hidden"][None].contiguous())
            weights = self._attend(hidden, state)
        context = weights @ state["states"]  # (B, U, 2 * width)
        return self.head(torch.cat([hidden, context, x], dim=-1)), {**state, "hidden": hidden[:, -1]}

    def _attend(self, queries: Tensor, memory: Memory) -> Tensor:
        """Queries (B, U, width) -> weights on the source (B, U, T) that add up to 1, none on padding."""
        return (self.score(queries, memory["keys"]) + memory["bias"]).softmax(dim=-1)

    def _recur(self, x: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """The cell with the context in its input, place by place: hidden states (B, U, width), weights (B, U, T).

        The input product is linear, so that of the tokens is taken before the loop, and that of the context is the
        weighted mean of `values`, which spares a product as wide as the source's states at each place.
        """
        cells, hidden = self.cells, memory["hidden"]
        of_token = F.linear(x, cells.weight_ih_l0[:, : x.shape[-1]], cells.bias_ih_l0)  # (B, U, 3 * width)
        states, weights = [], []
        for gates in of_token.unbind(1):
            weight = self._attend(hidden[:, None], memory)  # (B, 1, T)
            from_input = gates + (weight @ memory["values"])[:, 0]
            hidden = gru_cell(from_input, F.linear(hidden, cells.weight_hh_l0, cells.bias_hh_l0), hidden)
            states.append(hidden)
            weights.append(weight)
        return torch.stack(states, dim=1), torch.cat(weights, dim=1)


def gru_cell(from_input: Tensor, from_state: Tensor, state: Tensor) -> Tensor:
    """The next state (B, width) of torch's GRU, from the products of input and state with their weights, biases added,
    both (B, 3 * width) in the order reset, update, candidate."""
    width = state.shape[-1]
    gates_in, candidate_in = from_input.split([2 * width, width], dim=-1)
    gates_state, candidate_state = from_state.split([2 * width, width], dim=-1)
    reset, update = (gates_in + gates_state).sigmoid().chunk(2, dim=-1)
    candidate = (candidate_in + reset * candidate_state).tanh()
    return candidate + update * (state - candidate)
