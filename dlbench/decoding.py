"""Writing sequences: greedy and beam search over any step-wise generator, and any network as such a generator.

A generator has `start(inputs) -> state` and `step(token, state) -> (logits, state)`: `token` (N,) int64 is what was
written last, `logits` (N, vocab) are for what comes next. A state is any nesting of tuples, lists and dicts of tensors
whose first dimension counts the N sequences. For a `NextToken` kind, `start` reads a prompt but its last token, which
is the first `step`'s; for a `TokenSequence` it reads the source, and the first step's token is the kind's `start`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

from .contract.guard import Guard
from .contract.kinds import NextToken, OutputKind, TokenSequence
from .contract.learner import Learner, Supervised, map_tensors
from .contract.values import TokenBatch
from .errors import UsageError

PADDING, START, END = range(3)
"""The ids of rows that are drawn (`Sample`)."""
EVERY = 16
"""After how many tokens a device is asked whether all sequences have ended, where an answer means waiting for it."""


class Generator(Protocol):
    """What writes token by token."""

    def start(self, inputs: Any) -> Any: ...
    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]: ...


def generate(
    network: Any, inputs: Any, output: OutputKind, *, beam: int = 1, length_penalty: float = 1.0,
    max_length: int | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """What a network writes for each of B inputs: ids (B, L) int64, zeros behind the end, and lengths (B,) int64 from
    0 to L. Neither the start token nor the end token is among them.

    `beam`: how many hypotheses are kept; 1 is greedy. `length_penalty` a: finished hypotheses are compared by their log
    probability divided by their length, the end token included, to the power a (as Wu et al. 2016, "Google's Neural
    Machine Translation System", without its constants); 0 compares plain probabilities. `max_length`: the longest that
    is written; a `TokenSequence` has its own. A `NextToken` kind has no end: exactly `max_length` tokens follow each
    prompt (B, P), all of which must be of one length. Raises UsageError where a size is missing or below 1.
    """
    start, end, limit = _limits(output, max_length)
    if beam < 1:
        raise UsageError(f"a beam needs at least 1 hypothesis, not {beam}")
    generator = stepwise(network, output)
    if start is None:
        if getattr(inputs, "lengths", None) is not None:
            raise UsageError("prompts to continue must be of one length, without padding")
        token = inputs.ids[:, -1]
    else:
        inputs = inputs._replace(previous=None)  # nothing of the targets may be seen
        token = torch.full((inputs.batch_size,), start, dtype=torch.int64, device=inputs[0].device)
    state = generator.start(inputs)
    if beam == 1:
        return _greedy(generator, token, state, end, limit)
    search = BeamSearch(beam=beam, penalty=length_penalty, end=end, limit=limit)
    return search.search(generator, token, state)


def stepwise(network: Any, output: OutputKind) -> Generator:
    """A network or learner itself where it has `start` and `step`, else one that runs it whole for each token."""
    if isinstance(network, Supervised):
        network = network.module
    if callable(getattr(network, "start", None)) and callable(getattr(network, "step", None)):
        return network  # type: ignore[no-any-return]
    return Recomputed(network.predict if isinstance(network, Learner) else network, output)  # type: ignore[arg-type]


class Recomputed:
    """Any network as a generator: each step predicts anew from all that was written so far. It costs more the longer
    the sequence, and is right by construction."""

    def __init__(self, predict: Callable[..., Any], output: OutputKind) -> None:
        self.predict, self.output = predict, output
        self._guard = Guard()  # the same source is shown for every token

    def start(self, inputs: Any) -> Any:
        if isinstance(self.output, TokenSequence):
            empty = torch.zeros(inputs.batch_size, 0, dtype=torch.int64, device=inputs[0].device)
            if hasattr(inputs, "sizes"):
                inputs = inputs._replace(sizes=None)  # a beam chooses among the rows, on the device
            return (inputs, empty)
        return inputs.ids[:, :-1]

    def step(self, token: Tensor, state: Any) -> tuple[Tensor, Any]:
        if isinstance(self.output, TokenSequence):
            inputs, written = state
            written = torch.cat([written, token[:, None]], dim=1)
            return self._guard(self.predict, inputs._replace(previous=written))[:, -1], (inputs, written)
        ids = torch.cat([state, token[:, None]], dim=1)
        if getattr(self.output, "carried", False):
            return self.predict(TokenBatch(ids), None)[0][:, -1], ids
        return self.predict(TokenBatch(ids))[:, -1], ids


def draw(
    step: Callable[[Tensor, Any], tuple[Tensor, Any]], state: Any, *, count: int, length: int,
    generator: torch.Generator, device: torch.device, temperature: float = 1.0,
) -> TokenBatch:  # fmt: skip
    """`count` rows of tokens drawn one by one, as the output kind `Sample` has them: from START to END, filled up with
    PADDING; a row that isn't at its end after `length` tokens stays without. `step(token, state)` gives logits (count,
    vocab), which are divided by `temperature`, and the state that follows; `state` is the first."""
    uniform = torch.rand(count, length - 1, generator=generator).to(device)
    token = torch.full((count,), START, device=device)
    lengths, ended = torch.ones_like(token), torch.zeros_like(token, dtype=torch.bool)
    written = [token]
    for place in range(length - 1):
        logits, state = step(token, state)
        below = (logits.float() / temperature).softmax(dim=1).cumsum(dim=1)
        token = (below < uniform[:, place, None] * below[:, -1:]).sum(dim=1).clamp(max=below.shape[1] - 1)
        token = token.masked_fill(ended, PADDING)
        written.append(token)
        lengths += ~ended
        ended = ended | (token == END)
        if _looks(place, device) and bool(ended.all()):
            break
    return TokenBatch(_cut_off(written, lengths), lengths)


def _looks(place: int, device: torch.device) -> bool:
    """Whether to look, after the token at this place, if all have ended. On a CPU there is nothing to wait for."""
    return device.type == "cpu" or (place + 1) % EVERY == 0


def _cut_off(written: list[Tensor], lengths: Tensor) -> Tensor:
    """The tokens (B, L) up to the end of the longest sequence: those behind it were written before anybody looked."""
    longest = int(lengths.max()) if len(lengths) else len(written)
    return torch.stack(written[:longest], dim=1) if longest else lengths.new_zeros(len(lengths), 0)


def select(state: Any, index: Tensor) -> Any:
    """The sequences of `index` out of a state, in that order."""
    return map_tensors(state, lambda tensor: tensor.index_select(0, index))


def _limits(output: OutputKind, max_length: int | None) -> tuple[int | None, int | None, int]:
    """Start token, end token and the longest to write."""
    if isinstance(output, TokenSequence):
        start, end, limit = output.start, output.end, max_length or output.length
    elif isinstance(output, NextToken):
        start, end, limit = None, None, max_length or 0
    else:
        raise TypeError(f"{output} isn't written token by token")
    if limit < 1:
        raise UsageError("say how many tokens to write: max_length of at least 1")
    return start, end, limit


def _greedy(
    generator: Generator, token: Tensor, state: Any, end: int | None, limit: int
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The likeliest token, again and again."""
    written: list[Tensor] = []
    going = torch.ones_like(token, dtype=torch.bool)
    lengths = torch.zeros_like(token)
    for place in range(limit):
        logits, state = generator.step(token, state)
        token = logits.argmax(dim=-1)
        if end is not None:
            going = going & (token != end)
            if _looks(place, token.device) and not bool(going.any()):
                break
        lengths += going
        written.append(token.masked_fill(~going, 0))
    return _cut_off(written, lengths), lengths


class BeamSearch:
    """Beam search for B inputs at once: N = B * beam hypotheses, those of one input side by side.

    Of the likeliest continuations of all its hypotheses, an input keeps as many as the beam is wide. One that ends is
    finished if it is among those; an input is done when it has finished as many, or when nothing that goes on can
    become better. So a beam of 1 is greedy search.
    """

    def __init__(self, *, beam: int, penalty: float, end: int | None, limit: int) -> None:
        self.beam, self.penalty, self.end, self.limit = beam, penalty, end, limit

    def search(self, generator: Generator, token: Tensor, state: Any) -> tuple[Tensor, Tensor]:
        """Ids (B, limit) and lengths (B,) of the best hypothesis of each input, from first tokens (B,) and a state."""
        count, device = len(token), token.device
        every = torch.arange(count, device=device).repeat_interleave(self.beam)
        self.first = torch.arange(count, device=device)[:, None] * self.beam  # (B, 1)
        self.best = torch.full((count,), -torch.inf, device=device)
        self.finished = torch.zeros(count, dtype=torch.int64, device=device)
        self.over = torch.zeros((), dtype=torch.bool, device=device)  # from here on nothing changes
        self.found, self.lengths = token.new_zeros(count, self.limit), token.new_zeros(count)
        token, state = token[every], select(state, every)
        scores = torch.full((count, self.beam), -torch.inf, device=device)
        scores[:, 0] = 0.0  # at first all hypotheses of an input are the same: only one may branch
        ids = token.new_zeros(len(token), 0)
        for place in range(self.limit):
            logits, state = generator.step(token, state)
            total = scores[..., None] + logits.float().log_softmax(dim=-1).view(count, self.beam, -1)
            values, parents, tokens = self._likeliest(total)
            if self.end is not None:
                ends = tokens == self.end
                self._finish(values, parents, ends, ids, place)
                values = values.masked_fill(ends, -torch.inf)
            scores, kept = values.topk(self.beam, dim=1)  # (B, beam)
            parent, token = parents.gather(1, kept).flatten(), tokens.gather(1, kept).flatten()
            ids = torch.cat([ids[parent], token[:, None]], dim=1)
            state = select(state, parent)
            if self.end is not None:
                self.over = self.over | self._done(scores).all()
                if _looks(place, device) and bool(self.over):
                    return self.found, self.lengths
        self._cut(scores, ids)
        return self.found, self.lengths

    def _likeliest(self, total: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of log probabilities (B, beam, vocab), twice as many as the beam: values, parents (rows of N), tokens. So
        many always hold enough that go on, as each hypothesis ends in one way only."""
        values, flat = total.flatten(1).topk(min(2 * self.beam, total[0].numel()), dim=1)
        return values, self.first + flat // total.shape[-1], flat % total.shape[-1]

    def _finish(self, values: Tensor, parents: Tensor, ends: Tensor, ids: Tensor, place: int) -> None:
        """Note the best of the hypotheses that end here."""
        ranked = torch.arange(values.shape[1], device=values.device) < self.beam
        ending = ends & ranked & (self.finished < self.beam)[:, None] & (values > -torch.inf) & ~self.over
        value, which = (values / (place + 1) ** self.penalty).masked_fill(~ending, -torch.inf).max(dim=1)
        better = value > self.best
        self.best = torch.where(better, value, self.best)
        self._write(better, ids[parents.gather(1, which[:, None])[:, 0]])
        self.finished += ending.sum(dim=1)

    def _done(self, scores: Tensor) -> Tensor:
        """Which inputs need no more steps. Log probabilities only fall, and no length divides them by more than the
        limit does."""
        hopeless: Tensor = scores[:, 0] / self.limit**self.penalty <= self.best
        return (self.finished >= self.beam) | hopeless

    def _cut(self, scores: Tensor, ids: Tensor) -> None:
        """What didn't end within the limit counts by what it is worth so far, unless enough have ended."""
        value = scores[:, 0] / self.limit**self.penalty
        cut = (value > self.best) & (self.finished < self.beam) & ~self.over
        self._write(cut, ids.view(len(cut), self.beam, -1)[:, 0])

    def _write(self, which: Tensor, ids: Tensor) -> None:
        """Let `ids` (B, length) be what is found for those inputs. Without an index, which the host would wait for."""
        filled = torch.nn.functional.pad(ids, (0, self.limit - ids.shape[1]))
        self.found = torch.where(which[:, None], filled, self.found)
        self.lengths = self.lengths.masked_fill(which, ids.shape[1])
