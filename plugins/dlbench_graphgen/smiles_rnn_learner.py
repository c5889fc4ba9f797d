"""`smiles_rnn` learns by the next token, and writes token by token from its own distribution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dlbench import Batch, Learner, TokenBatch

PADDING, START, END = range(3)
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
        device = next(self.parameters()).device
        uniform = torch.rand(count, self.length - 1, generator=generator).to(device)
        token = torch.full((count,), START, device=device)
        lengths, ended = torch.ones_like(token), torch.zeros_like(token, dtype=torch.bool)
        written, state = [token], None
        for place in range(self.length - 1):
            logits, state = self.network(token[:, None], state)
            below = (logits[:, 0].float() / self.temperature).softmax(dim=1).cumsum(dim=1)  # (B, vocab)
            token = (below < uniform[:, place, None]).sum(dim=1).clamp(max=below.shape[1] - 1)
            token = token.masked_fill(ended, PADDING)
            written.append(token)
            lengths += ~ended
            ended = ended | (token == END)
            if bool(ended.all()):
                break
        return TokenBatch(torch.stack(written, dim=1), lengths)

    def _next(self, inputs: TokenBatch) -> tuple[Tensor, Tensor]:
        """Logits (B, T - 1, vocab) in float32 and the tokens that follow (B, T - 1), IGNORED beyond a row's end."""
        logits, _ = self.network(inputs.ids[:, :-1])
        targets = inputs.ids[:, 1:]
        if inputs.lengths is not None:
            places = torch.arange(1, inputs.ids.shape[1], device=targets.device)
            targets = targets.masked_fill(places >= inputs.lengths[:, None], IGNORED)
        return logits.float(), targets
