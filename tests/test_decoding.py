"""Greedy and beam search, against searches that try everything, and against networks run whole for each token."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import NextToken, TokenBatch, TokenSequence, decoding
from dlbench.decoding import BeamSearch, Recomputed, draw, generate, select, stepwise
from dlbench.errors import UsageError

VOCAB, START, END, LIMIT = 5, 0, 1, 4
OUTPUT = TokenSequence(vocab=VOCAB, length=LIMIT, start=START, end=END)


class Chain:
    """The next token depends on the last one and on the source's first id. The state counts its steps."""

    def __init__(self, seed: int, sharpness: float = 1.5) -> None:
        table = torch.randn(VOCAB, VOCAB, VOCAB, generator=torch.Generator().manual_seed(seed)) * sharpness
        self.table = table.log_softmax(-1)

    def start(self, inputs: TokenBatch) -> dict[str, Tensor]:
        assert inputs.previous is None
        return {"source": inputs.ids[:, 0], "steps": torch.zeros(len(inputs.ids), dtype=torch.int64)}

    def step(self, token: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        logits = self.table[state["source"], token]
        return logits, {"source": state["source"], "steps": state["steps"] + 1}

    def best(self, source: int, penalty: float) -> list[int]:
        """The best sequence of all that are possible: those that end, and those that fill the limit."""
        scored = []
        others = [t for t in range(VOCAB) if t != END]
        for length in range(LIMIT + 1):
            for words in itertools.product(others, repeat=length):
                path = [START, *words, *([END] if length < LIMIT else [])]
                log_probability = sum(float(self.table[source, a, b]) for a, b in itertools.pairwise(path))
                scored.append((log_probability / (len(path) - 1) ** penalty, list(words)))
        return max(scored)[1]


def sources(*ids: int) -> TokenBatch:
    return TokenBatch(torch.tensor(ids)[:, None], previous=torch.zeros(len(ids), 3, dtype=torch.int64))


def rows(ids: Tensor, lengths: Tensor) -> list[list[int]]:
    return [row[:n] for row, n in zip(ids.tolist(), lengths.tolist(), strict=True)]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all_sequences(seed: int, penalty: float) -> None:
    chain = Chain(seed)
    found = rows(*generate(chain, sources(2, 3, 4), OUTPUT, beam=VOCAB**LIMIT, length_penalty=penalty))
    assert found == [chain.best(source, penalty) for source in (2, 3, 4)]


@pytest.mark.parametrize("seed", range(20))
def test_a_beam_of_one_is_greedy(seed: int) -> None:
    chain, inputs = Chain(seed, sharpness=0.8), sources(0, 1, 2, 3, 4)
    ids, lengths = generate(chain, inputs, OUTPUT, beam=1)
    search = BeamSearch(beam=1, penalty=1.0, end=END, limit=LIMIT)
    token = torch.full((5,), START)
    assert rows(ids, lengths) == rows(*search.search(chain, token, chain.start(inputs._replace(previous=None))))


def test_wider_beams_find_better_sequences_and_some_differ_from_greedy() -> None:
    def score(chain: Chain, source: int, words: list[int]) -> float:
        path = [START, *words, *([END] if len(words) < LIMIT else [])]
        return sum(float(chain.table[source, a, b]) for a, b in itertools.pairwise(path))

    differs, totals = 0, {1: 0.0, 4: 0.0}
    for seed in range(20):
        chain = Chain(seed)
        for beam in totals:
            found = rows(*generate(chain, sources(2, 3), OUTPUT, beam=beam, length_penalty=0.0))
            totals[beam] += sum(score(chain, s, w) for s, w in zip((2, 3), found, strict=True))
            differs += beam == 4 and found != rows(*generate(chain, sources(2, 3), OUTPUT))
    assert totals[4] > totals[1]
    assert differs > 0


def test_an_input_is_decoded_the_same_whatever_its_company() -> None:
    chain = Chain(3)
    for beam in (1, 3):
        together = rows(*generate(chain, sources(0, 1, 2, 3, 4), OUTPUT, beam=beam))
        assert together == [rows(*generate(chain, sources(s), OUTPUT, beam=beam))[0] for s in range(5)]


class Ending(Chain):
    """It may end at any place, sooner or later."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, sharpness=1.0)
        self.ends = torch.randn(VOCAB, 50, generator=torch.Generator().manual_seed(seed)) * 2 - seed % 4

    def step(self, token: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        logits, state = super().step(token, state)
        logits = logits.clone()
        logits[:, END] += self.ends[state["source"], state["steps"] - 1]
        return logits, state


@pytest.mark.parametrize("every", [1, 3, 16])
@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("penalty", [0.0, 1.0, -1.0])
def test_looking_seldom_whether_all_have_ended_changes_no_bit(
    every: int, beam: int, penalty: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    output, shapes, longest = TokenSequence(vocab=VOCAB, length=40, start=START, end=END), set(), set()
    for seed in range(12):
        chain, inputs = Ending(seed), sources(0, 1, 2, 3, 4)
        monkeypatch.undo()
        ids, lengths = generate(chain, inputs, output, beam=beam, length_penalty=penalty)
        monkeypatch.setattr(decoding, "_looks", lambda place, device: (place + 1) % every == 0)
        ids_too, lengths_too = generate(chain, inputs, output, beam=beam, length_penalty=penalty)
        assert torch.equal(ids, ids_too)
        assert torch.equal(lengths, lengths_too)
        shapes.add(ids.shape[1])
        longest.add(int(lengths.max()))
    assert len(longest) > 4
    assert shapes == ({40} if beam > 1 else longest)


def test_nothing_written_is_nothing_however_seldom_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    def step(token: Tensor, state: int) -> tuple[Tensor, int]:
        return torch.tensor([0.0, 0.0, 9.0, 0.0, 0.0]).expand(len(token), -1), state

    ended = Chain(0)
    ended.table = torch.zeros(VOCAB, VOCAB, VOCAB)
    ended.table[..., END] = 9.0
    for looks in (decoding._looks, lambda place, device: False):
        monkeypatch.setattr(decoding, "_looks", looks)
        ids, lengths = generate(ended, sources(2, 3), OUTPUT)
        assert (ids.shape, lengths.tolist()) == ((2, 0), [0, 0])
        drawn = draw(
            step, 0, count=2, length=9, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"),
            temperature=0.1,
        )  # fmt: skip
        assert drawn.ids.tolist() == [[1, 2], [1, 2]]
        assert drawn.lengths.tolist() == [2, 2]


@pytest.mark.parametrize("every", [1, 5, 16])
def test_rows_are_drawn_the_same_however_seldom_one_looks(every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = torch.tensor([0.0, 0.0, 0.2, 0.5, 0.3])

    def drawn(seed: int) -> TokenBatch:
        generator = torch.Generator().manual_seed(seed)
        return draw(
            lambda token, seen: (chances.log().expand(len(token), -1), seen), 0, count=3, length=30,
            generator=generator, device=torch.device("cpu"),
        )  # fmt: skip

    expected = [drawn(seed) for seed in range(10)]
    monkeypatch.setattr(decoding, "_looks", lambda place, device: (place + 1) % every == 0)
    for seed, other in enumerate(expected):
        found = drawn(seed)
        assert torch.equal(found.ids, other.ids)
        assert torch.equal(found.lengths, other.lengths)
    assert len({other.ids.shape[1] for other in expected}) > 4


class Summing(nn.Module):
    """A network without `start` and `step`: place t sees the sum of what stands up to t, and the source's."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.head = nn.Embedding(VOCAB, 8), nn.Linear(8, VOCAB)

    def forward(self, inputs: TokenBatch, *state: Any) -> Any:
        if inputs.previous is None:
            logits = self.head(self.embedding(inputs.ids).cumsum(1))
            return (logits, None) if state else logits
        source = self.embedding(inputs.ids).sum(1, keepdim=True)
        return self.head(torch.tanh(source + self.embedding(inputs.previous).cumsum(1)))


class Stepping(Summing):
    """The same, step by step."""

    def start(self, inputs: TokenBatch) -> tuple[Tensor]:
        return (self.embedding(inputs.ids).sum(1),)

    def step(self, token: Tensor, state: tuple[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
        total = state[0] + self.embedding(token)
        return self.head(torch.tanh(total)), (total,)


def test_a_network_without_steps_is_run_whole_for_each_token_and_writes_the_same() -> None:
    torch.manual_seed(0)
    plain, fast = Summing(), Stepping()
    fast.load_state_dict(plain.state_dict())
    assert isinstance(stepwise(plain, OUTPUT), Recomputed)
    assert stepwise(fast, OUTPUT) is fast
    inputs = TokenBatch(torch.randint(VOCAB, (7, 6)))
    for beam in (1, 3):
        assert rows(*generate(plain, inputs, OUTPUT, beam=beam)) == rows(*generate(fast, inputs, OUTPUT, beam=beam))


@pytest.mark.parametrize("carried", [False, True])
def test_a_language_model_continues_its_prompts(carried: bool) -> None:
    torch.manual_seed(1)
    network, prompts = Summing(), torch.randint(VOCAB, (3, 4))
    ids, lengths = generate(network, TokenBatch(prompts), NextToken(vocab=VOCAB, carried=carried), max_length=5)
    assert ids.shape == (3, 5)
    assert lengths.tolist() == [5, 5, 5]
    written = prompts
    for place in range(5):
        following = network(TokenBatch(written))[:, -1].argmax(-1)
        assert torch.equal(following, ids[:, place])
        written = torch.cat([written, following[:, None]], dim=1)


def test_selecting_reorders_every_tensor_of_a_state() -> None:
    state = {"a": (torch.arange(3), [torch.arange(6).view(3, 2)]), "b": None}
    chosen = select(state, torch.tensor([2, 0, 0]))
    assert chosen["a"][0].tolist() == [2, 0, 0]
    assert chosen["a"][1][0].tolist() == [[4, 5], [0, 1], [0, 1]]
    assert chosen["b"] is None


def test_wrong_sizes_are_one_sentence() -> None:
    chain = Chain(0)
    with pytest.raises(UsageError, match="at least 1 hypothesis, not 0"):
        generate(chain, sources(1), OUTPUT, beam=0)
    with pytest.raises(UsageError, match="max_length of at least 1"):
        generate(Summing(), TokenBatch(torch.zeros(1, 2, dtype=torch.int64)), NextToken(vocab=VOCAB))
    padded = TokenBatch(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([1]))
    with pytest.raises(UsageError, match="without padding"):
        generate(Summing(), padded, NextToken(vocab=VOCAB), max_length=3)


def test_rows_are_drawn_from_the_logits_up_to_their_end() -> None:
    chances = torch.tensor([0.0, 0.0, 0.2, 0.5, 0.3])  # of padding, start, end and two tokens

    def step(token: torch.Tensor, seen: int) -> tuple[torch.Tensor, int]:
        return chances.log().expand(len(token), -1), seen + 1

    device = torch.device("cpu")
    drawn = draw(step, 0, count=4000, length=40, generator=torch.Generator().manual_seed(0), device=device)
    assert bool((drawn.ids[:, 0] == 1).all())
    first = torch.bincount(drawn.ids[:, 1], minlength=5) / 4000
    assert torch.allclose(first, chances, atol=0.03)  # four standard errors
    places = torch.arange(drawn.ids.shape[1])
    assert bool((drawn.ids[places >= drawn.lengths[:, None]] == 0).all())
    ends = drawn.ids.gather(1, drawn.lengths[:, None] - 1)[:, 0] == 2
    assert ends.float().mean() > 0.99  # 0.8 ** 39 never end
    cold = draw(
        step, 0, count=500, length=3, generator=torch.Generator().manual_seed(0), device=device, temperature=0.01
    )
    assert bool((cold.ids[:, 1:] == 3).all())
    assert cold.lengths.tolist() == [3] * 500
