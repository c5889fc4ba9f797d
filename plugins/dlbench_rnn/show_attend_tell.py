"""Captions with visual attention: Xu, Ba, Kiros, Cho, Courville, Salakhutdinov, Zemel, Bengio 2015, "Show, Attend and
Tell: Neural Image Caption Generation with Visual Attention", the deterministic ("soft") form with its gate.

Differs: a small convolutional network with batch norm, trained along, in place of VGG, whose vectors see little of the
image and carry a learned vector for their place; one layer makes the first state and memory; no penalty asks that all
places be looked at equally often ("doubly stochastic" attention). The output layer is theirs.

Two forms show what attention is worth: one sees the mean of the annotation vectors at every word, one sees nothing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

VIEWS = ("attention", "mean", None)
STRIDE = 8
PLACE_SCALE = 0.5
State = dict[str, Tensor]


class ShowAttendTell(nn.Module):
    """Images and what was written before each word -> logits (B, U, vocab).

    `inputs` has `.values` (B, channels, *size), `.previous` (B, U) int64, and `.batch_size`. `size`: height and width.
    `width`: of the annotation vectors, the attention and the recurrence. `view`: `attention`; `mean`, the mean of all
    annotation vectors for every word; None, no image at all. `attend` is there with attention only. Raises ValueError
    for another view.
    """

    def __init__(
        self,
        *,
        channels: int,
        size: tuple[int, int],
        vocab: int,
        width: int = 96,
        embedding: int = 48,
        dropout: float = 0.1,
        view: str | None = "attention",
    ) -> None:
        super().__init__()
        if view not in VIEWS:
            raise ValueError(f"view is attention, mean or None, not {view!r}")
        self.view, self.width = view, width
        self.rows, self.columns = (-(-side // STRIDE) for side in size)
        self.embedding = nn.Embedding(vocab, embedding)
        self.dropout = nn.Dropout(dropout)
        seen = 0 if view is None else width
        self.gates = nn.Linear(embedding + seen + width, 4 * width)
        self.of_hidden = nn.Linear(width, embedding)
        self.head = nn.Linear(embedding, vocab)
        with torch.no_grad():
            self.gates.bias[width : 2 * width] = 1.0  # remember, at first
        if seen:
            self.encoder = encoder(channels=channels, width=width)
            self.places = nn.Parameter(torch.randn(self.rows * self.columns, width) * PLACE_SCALE)
            self.first = nn.Linear(width, 2 * width)
            self.share = nn.Linear(width, 1)
            self.of_context = nn.Linear(width, embedding, bias=False)
        if view == "attention":
            self.of_place = nn.Linear(width, width)
            self.of_query = nn.Linear(width, width, bias=False)
            self.weigh = nn.Linear(width, 1, bias=False)
        else:
            self.attend = None  # it has nothing to say there

    def forward(self, inputs: Any) -> Tensor:
        return self._decode(inputs.previous, self.start(inputs))[0]

    def attend(self, inputs: Any) -> Tensor:
        """How much each word looks at each cell of a grid over the image, a cell every 8 pixels: (B, U, rows, columns),
        of sum 1."""
        weights = self._decode(inputs.previous, self.start(inputs))[1]  # (B, U, P)
        return weights.unflatten(2, (self.rows, self.columns))

    def start(self, inputs: Any) -> State:
        """What the decoder starts from, each with B rows: `hidden` and `memory` (B, width); with attention the
        annotation vectors `states` (B, P, width) and their `keys`, else their mean, `context` (B, width), if any."""
        if self.view is None:
            nothing = self.gates.weight.new_zeros(inputs.batch_size, self.width)
            return {"hidden": nothing, "memory": nothing}
        states = self.encoder(inputs.values).flatten(2).transpose(1, 2) + self.places  # (B, P, width)
        mean = states.mean(dim=1)
        hidden, memory = self.first(mean).tanh().chunk(2, dim=1)
        seen = {"context": mean} if self.view == "mean" else {"states": states, "keys": self.of_place(states)}
        return {"hidden": hidden, "memory": memory, **seen}

    def step(self, token: Tensor, state: State) -> tuple[Tensor, State]:
        """One token (B,) further: logits (B, vocab) and the state after it."""
        logits, _, state = self._decode(token[:, None], state)
        return logits[:, 0], state

    def _decode(self, previous: Tensor, state: State) -> tuple[Tensor, Tensor | None, State]:
        """Logits (B, U, vocab) after each of these tokens (B, U), the attention (B, U, P) if any, the state after the
        last."""
        x = self.dropout(self.embedding(previous))  # (B, U, embedding)
        hidden, memory = state["hidden"], state["memory"]
        outputs, weights = [], []
        for token in x.unbind(1):
            context, weight = self._look(hidden, state)
            seen = [] if context is None else [context]
            hidden, memory = lstm(self.gates(torch.cat([token, *seen, hidden], dim=1)), memory)
            spoken = token + self.of_hidden(hidden)
            outputs.append(spoken if context is None else spoken + self.of_context(context))
            weights.append(weight)
        logits = self.head(self.dropout(torch.stack(outputs, dim=1)))
        looked = torch.stack(weights, dim=1) if self.view == "attention" else None
        return logits, looked, {**state, "hidden": hidden, "memory": memory}

    def _look(self, hidden: Tensor, state: State) -> tuple[Tensor | None, Tensor | None]:
        """What a hidden state (B, width) makes the network see, (B, width), and its attention (B, P)."""
        if self.view is None:
            return None, None
        weight = None
        context = state.get("context")
        if context is None:
            scores = self.weigh((state["keys"] + self.of_query(hidden)[:, None]).tanh())  # (B, P, 1)
            weight = scores[..., 0].softmax(dim=1)
            context = (weight[:, None] @ state["states"])[:, 0]
        return self.share(hidden).sigmoid() * context, weight


def lstm(gates: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
    """The next state and memory of torch's LSTM (B, width) from the sum of its products (B, 4 * width), in the order
    input, forget, candidate, output."""
    enter, keep, candidate, out = gates.chunk(4, dim=1)
    memory = keep.sigmoid() * memory + enter.sigmoid() * candidate.tanh()
    return out.sigmoid() * memory.tanh(), memory


def encoder(*, channels: int, width: int) -> nn.Sequential:
    """(B, channels, H, W) -> maps (B, width, ceil(H / 8), ceil(W / 8)). A cell of them sees 21 x 21 pixels."""
    narrow, middle = max(1, width // 3), max(1, 2 * width // 3)
    return nn.Sequential(
        *convolution(channels, narrow, stride=2),
        *convolution(narrow, narrow),
        nn.MaxPool2d(2, ceil_mode=True),
        *convolution(narrow, middle),
        nn.MaxPool2d(2, ceil_mode=True),
        *convolution(middle, width, kernel=1),
    )


def convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1) -> list[nn.Module]:
    """With batch norm and rectifier."""
    layer = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    return [layer, nn.BatchNorm2d(after), nn.ReLU()]
