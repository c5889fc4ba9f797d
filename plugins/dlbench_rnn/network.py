"""The network that all recurrent architectures share: an input end, a stack of layers, a head.

Dropout as in Zaremba, Sutskever and Vinyals 2014, "Recurrent Neural Network Regularization": on what enters the layers,
between them and before the head, never on the way from place to place. The locked dropouts, words dropped whole and the
tied output are those of Merity, Keskar and Socher 2018, "Regularizing and Optimizing LSTM Language Models", whose
penalties on activations are not here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor, nn

from .bidirectional import Bidirectional, reversal
from .dropouts import LockedDropout
from .fused import State
from .inputs import Numbers, Words
from .pooling import pool

TIED_INIT = 0.1  # as in the code of Merity et al.: torch's own would start a tied output far too loud


class RecurrentNetwork(nn.Module):
    """Tokens or a series -> logits (B, T, num_classes), (B, num_classes) or numbers (B,): `answers` says which.

    `inputs` has `.ids` (B, T) int64, with `vocab`, or `.values` (B, T, features), with `features`; and `.lengths` (B,)
    int64 of at least 1, or None. Called with a state as second argument (None at a start) it returns `(outputs,
    state)`; that state is the one after the last of the T places, padded or not: a sequence that is to go on fills its
    segment. A state holds for each layer a tuple of tensors (B, ...).

    `layer(features, width)` makes a layer (see `fused`). `width` counts the units of one direction. `embedding`: None
    means as wide as `width`. `characters`: how many there are, 0 where spelling isn't read. `context`: how many words
    on either side each place sees beside its own, in a network that takes no state. `tied`: the head shares the
    embedding's weights, and the last layer is as wide as the embedding. `init`: all weights start uniform in +- init;
    None leaves torch's own. `pool`: last, mean or max, where `answers` isn't "places".
    """

    def __init__(
        self,
        *,
        layer: Callable[[int, int], nn.Module],
        num_classes: int,
        answers: Literal["places", "classes", "value"] = "places",
        vocab: int | None = None,
        features: int | None = None,
        width: int = 128,
        depth: int = 1,
        embedding: int | None = None,
        bidirectional: bool = False,
        dropout: float = 0.0,
        pool: str = "last",
        characters: int = 0,
        context: int = 0,
        tied: bool = False,
        init: float | None = None,
        embedding_dropout: float = 0.0,
        input_dropout: float = 0.0,
        layer_dropout: float = 0.0,
        output_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.answers, self.pool, self.bidirectional = answers, pool, bidirectional
        embedding = embedding or width
        if vocab is not None:
            self.input: nn.Module = Words(
                vocab, embedding, characters=characters, dropout=embedding_dropout, context=context
            )
        else:
            self.input = Numbers(features or 0)
        widths = [width] * (depth - 1) + [embedding if tied else width]
        self.layers = _stack(layer, self.input.width, widths, bidirectional)
        locked = [input_dropout, *[layer_dropout] * (depth - 1), output_dropout]
        self.locked = nn.ModuleList(LockedDropout(share) for share in locked)  # before each layer, and the head
        self.dropout = nn.Dropout(dropout)
        self.head = getattr(self.layers[-1], "output", None) or nn.Linear(widths[-1] * (1 + bidirectional), num_classes)
        if tied:
            self.head.weight = self.input.embedding.weight
        self._initialise(init, tied)

    def _initialise(self, init: float | None, tied: bool) -> None:
        if init is not None:
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -init, init)
        elif tied:
            nn.init.uniform_(self.head.weight, -TIED_INIT, TIED_INIT)
            nn.init.zeros_(self.head.bias)
        for module in self.modules():
            if hasattr(module, "reset_forget_gate"):
                module.reset_forget_gate()
            if isinstance(module, nn.Embedding) and module.padding_idx is not None:
                nn.init.zeros_(module.weight[module.padding_idx])  # a view; padding stays without a trace

    def forward(self, inputs: Any, *state: tuple[State, ...] | None) -> Any:
        x = self.input(inputs)  # (B, T, input width)
        if self.bidirectional:
            return self._answer(self._run_both_ways(x, inputs.lengths), inputs.lengths)
        hidden, end = self._run(x, state[0] if state else None)
        outputs = self._answer(hidden, inputs.lengths)
        return (outputs, end) if state else outputs

    def start(self, inputs: Any) -> tuple[State, ...]:
        """The state before the last token of a prompt, `inputs.ids` (N, P)."""
        ids = inputs.ids[:, :-1]
        if ids.shape[1]:
            return self._run(self.input.embed(ids), None)[1]
        like = self.head.weight
        return tuple(tuple(like.new_zeros(len(ids), size) for size in layer.state_sizes) for layer in self.layers)

    def step(self, token: Tensor, state: tuple[State, ...]) -> tuple[Tensor, tuple[State, ...]]:
        """One more token (N,) -> logits (N, num_classes) for what comes after it, and the state after it."""
        hidden, state = self._run(self.input.embed(token.unsqueeze(1)), state)
        return self._answer(hidden, None)[:, 0], state

    def _run(self, x: Tensor, states: tuple[State, ...] | None) -> tuple[Tensor, tuple[State, ...]]:
        """All layers: (B, T, D) -> (B, T, width), and the state after place T."""
        ends = []
        for index, layer in enumerate(self.layers):
            x, end = layer(self._drop(x, index), states[index] if states else None)
            ends.append(end)
        return x, tuple(ends)

    def _run_both_ways(self, x: Tensor, lengths: Tensor | None) -> Tensor:
        """All layers: (B, T, D) -> (B, T, 2 width)."""
        order = reversal(lengths, x.shape[1])
        for index, layer in enumerate(self.layers):
            x = layer(self._drop(x, index), order)
        return x

    def _drop(self, x: Tensor, index: int) -> Tensor:
        """Dropout before layer `index`; of a series only what `input_dropout` asks for."""
        if index == 0 and isinstance(self.input, Numbers):
            return self.locked[0](x)
        return self.dropout(self.locked[index](x))

    def _answer(self, hidden: Tensor, lengths: Tensor | None) -> Tensor:
        """(B, T, width) -> what is asked for."""
        hidden = self.locked[-1](hidden)
        if self.answers != "places":
            hidden = pool(hidden, lengths, self.pool, bidirectional=self.bidirectional)
            outputs = self.head(self.dropout(hidden))
            return outputs.squeeze(-1) if self.answers == "value" else outputs
        return self.head(self.dropout(hidden))


def _stack(layer: Callable[[int, int], nn.Module], features: int, widths: list[int], both_ways: bool) -> nn.ModuleList:
    """One layer of each width on top of the other."""
    layers = nn.ModuleList()
    for width in widths:
        if both_ways:
            layers.append(Bidirectional(layer(features, width), layer(features, width)))
        else:
            layers.append(layer(features, width))
        features = width * (1 + both_ways)
    return layers
