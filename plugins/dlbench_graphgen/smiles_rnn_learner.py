"""`smiles_rnn` learns by the next token, and writes token by token from its own distribution."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, TokenBatch
from dlbench.decoding import draw

IGNORED = -100


class SmilesLearner(Learner):
    """Rows run from START to END. `length`: the longest row that is written, both included. `temperature`: what the
    logits are divided by when it writes and when it is asked for a likelihood, never in training."""

    def __init__(self, network: nn.Module, *, length: int, temperature: float = 1.0) -> None:
        super().__init__()
        self.network, self.length, self.temperature = network, length, temperature

    def loss(self, batch: Batch) -> Tensor:
        """Nats per token, the end included."""
        logits, targets = self._next(batch.inputs)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED)

    def log_density(self, inputs: TokenBatch) -> Tensor:
        """Nats of each row (B,): the logarithms of the probabilities of its tokens, summed."""
        logits, targets = self._next(inputs)
        logits = (logits / self.temperature).transpose(1, 2)
        return -F.cross_entropy(logits, targets, ignore_index=IGNORED, reduction="none").sum(dim=1)

    def sample(self, count: int, generator: torch.Generator) -> TokenBatch:
        """`count` rows; one that isn't at its end after `length` tokens stays without."""

        def step(token: Tensor, state: Any) -> tuple[Tensor, Any]:
            logits, state = self.network(token[:, None], state)
            return logits[:, 0], state

        return draw(
            step, None, count=count, length=self.length, generator=generator,
            device=next(self.parameters()).device, temperature=self.temperature,
        )  # fmt: skip

    def _next(self, inputs: TokenBatch) -> tuple[Tensor, Tensor]:
        """Logits (B, T - 1, vocab) in float32 and the tokens that follow (B, T - 1), IGNORED beyond a row's end."""
        logits, _ = self.network(inputs.ids[:, :-1])
        targets = inputs.ids[:, 1:]
        if inputs.lengths is not None:
            places = torch.arange(1, inputs.ids.shape[1], device=targets.device)
            targets = targets.masked_fill(places >= inputs.lengths[:, None], IGNORED)
        return logits.float(), targets
