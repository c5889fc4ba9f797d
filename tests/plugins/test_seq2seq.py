"""Recurrent encoder-decoders: published sizes, padding, steps against the whole, forcing, attention, own cell."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dlbench import Signature, TokenBatch, Tokens, TokenSequence
from dlbench.contract.choice import option_defaults
from dlbench.decoding import generate
from dlbench.errors import UsageError
from dlbench_rnn.declare_seq2seq import models
from dlbench_rnn.score import SCORES
from dlbench_rnn.seq2seq import Seq2Seq
from dlbench_rnn.seq2seq_attention import Seq2SeqAttention, gru_cell
from dlbench_rnn.seq2seq_encoder import Encoder, recurrence
from dlbench_rnn.seq2seq_forcing import partly_forced

SPECS = {spec.name: spec for spec in models()}
OUTPUT = TokenSequence(vocab=9, length=8, start=2, end=3)
SIGNATURE = Signature(input=Tokens(vocab=11), output=OUTPUT)
SMALL = {"width": 12, "embedding": 6, "dropout": 0.0}
FORMS = [
    ("seq2seq", {}),
    ("seq2seq", {"cell": "lstm", "depth": 2}),
    ("seq2seq", {"context": True, "depth": 2}),
    ("seq2seq", {"context": True, "cell": "lstm", "bidirectional": True, "readout": 5}),
    ("seq2seq", {"bidirectional": True, "depth": 2}),
    ("seq2seq_attention", {}),
    ("seq2seq_attention", {"readout": 0, "score": "dot"}),
    ("seq2seq_attention", {"feeding": "output"}),
    ("seq2seq_attention", {"feeding": "output", "score": "dot"}),
]
every_form = pytest.mark.parametrize(("name", "options"), FORMS, ids=[f"{n}-{o}" for n, o in FORMS])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(name: str, **options: Any) -> nn.Module:
    return SPECS[name].build(SIGNATURE, **{**SMALL, **options})


def source(*, count: int = 4, length: int = 6, places: int = 5, lengths: list[int] | None = None) -> TokenBatch:
    known = None if lengths is None else torch.tensor(lengths)
    return TokenBatch(torch.randint(4, 11, (count, length)), known, previous=torch.randint(9, (count, places)))


@every_form
def test_logits_have_the_shape_of_the_kind_and_every_parameter_a_gradient(name: str, options: dict[str, Any]) -> None:
    model, inputs = build(name, **options), source(lengths=[6, 1, 3, 5])
    logits = model(inputs)
    assert tuple(logits.shape) == OUTPUT.shape(inputs)
    F.cross_entropy(logits.flatten(0, 1), inputs.previous.flatten()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


@every_form
def test_padding_of_the_source_changes_nothing(name: str, options: dict[str, Any]) -> None:
    model, lengths = build(name, **options), [6, 1, 3, 5]
    inputs = source(lengths=lengths)
    logits = model(inputs)
    padding = torch.arange(6) >= inputs.lengths[:, None]
    assert torch.equal(model(inputs._replace(ids=torch.where(padding, 10, inputs.ids))), logits)
    wider = model(inputs._replace(ids=F.pad(inputs.ids, (0, 4), value=7)))
    torch.testing.assert_close(wider, logits, atol=1e-6, rtol=0)
    for row, length in enumerate(lengths):
        alone = TokenBatch(inputs.ids[row : row + 1, :length], previous=inputs.previous[row : row + 1])
        torch.testing.assert_close(model(alone), logits[row : row + 1], atol=1e-6, rtol=0)
    changed = inputs.ids.clone()
    changed[:, 0] = changed[:, 0] % 7 + 4  # another word within 4 .. 10
    assert ((model(inputs._replace(ids=changed)) - logits).abs().amax(dim=(1, 2)) > 1e-6).all()


@every_form
def test_a_place_sees_what_was_written_up_to_it_only(name: str, options: dict[str, Any]) -> None:
    model, inputs = build(name, **options), source()
    logits = model(inputs)
    previous = inputs.previous.clone()
    previous[:, 3] = (previous[:, 3] + 1) % 9
    other = model(inputs._replace(previous=previous))
    assert torch.equal(other[:, :3], logits[:, :3])
    assert ((other[:, 3:] - logits[:, 3:]).abs().amax(dim=(1, 2)) > 1e-6).all()


@every_form
def test_steps_give_the_logits_of_the_whole(name: str, options: dict[str, Any]) -> None:
    model, inputs = build(name, **options).eval(), source(lengths=[6, 1, 3, 5])
    state, found = model.start(inputs._replace(previous=None)), []
    for place in range(5):
        logits, state = model.step(inputs.previous[:, place], state)
        found.append(logits)
    torch.testing.assert_close(torch.stack(found, dim=1), model(inputs), atol=1e-6, rtol=0)


@every_form
def test_a_state_can_be_reordered(name: str, options: dict[str, Any]) -> None:
    """Beam search takes rows of the state; so do the steps after it."""
    model, inputs = build(name, **options).eval(), source(lengths=[6, 1, 3, 5])
    for beam in (1, 3):
        ids, lengths = generate(model, inputs, OUTPUT, beam=beam)
        whole = generate(_without_steps(model), inputs, OUTPUT, beam=beam)
        assert torch.equal(ids, whole[0])
        assert torch.equal(lengths, whole[1])


def _without_steps(model: nn.Module) -> Any:
    """The same network, but only its `forward` is known."""
    return lambda inputs: model(inputs)


def test_greedy_search_takes_the_likeliest_token() -> None:
    model, inputs = build("seq2seq_attention").eval(), source(lengths=[6, 1, 3, 5])
    *_, head = (module for module in model.head.modules() if isinstance(module, nn.Linear))
    with torch.no_grad():
        head.bias[OUTPUT.end] -= 5  # whatever the first weights, it writes
    ids, lengths = generate(model, inputs, OUTPUT)
    token, state = torch.full((4,), OUTPUT.start), model.start(inputs)
    for place in range(int(lengths.max())):
        logits, state = model.step(token, state)
        token = logits.argmax(dim=1)
        going = place < lengths
        assert torch.equal(token[going], ids[going, place])
    assert lengths.max() > 0


PUBLISHED = Signature(input=Tokens(vocab=7853), output=TokenSequence(vocab=5893, length=50, start=2, end=3))


@pytest.mark.parametrize(
    ("name", "options", "count"),
    [
        ("seq2seq", {"cell": "lstm", "depth": 2}, 13_898_501),
        ("seq2seq", {"context": True}, 14_219_781),
        ("seq2seq_attention", {"readout": 0}, 20_518_405),
    ],
)
def test_published_sizes(name: str, options: dict[str, Any], count: int) -> None:
    """Notebooks 1 to 3 of bentrevett/pytorch-seq2seq, with their vocabularies."""
    model = SPECS[name].build(PUBLISHED, width=512, embedding=256, dropout=0.5, **options)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize(("name", "network"), [("seq2seq", Seq2Seq), ("seq2seq_attention", Seq2SeqAttention)])
def test_defaults_are_those_of_the_constructor(name: str, network: type[nn.Module]) -> None:
    assert option_defaults(SPECS[name].build) == option_defaults(network)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("seq2seq", {"cell": "gruu"}, "no cell 'gruu'; did you mean 'gru'"),
        ("seq2seq_attention", {"score": "additiv"}, "no score 'additiv'; did you mean 'additive'"),
        ("seq2seq_attention", {"feeding": "both"}, "no feeding 'both'"),
        ("seq2seq", {"teacher_forcing": 1.5}, "a share from 0 to 1, not 1.5"),
        ("seq2seq_attention", {"teacher_forcing": -1}, "a share from 0 to 1, not -1"),
    ],
)
def test_wrong_options_are_refused(name: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(name, **options)


def test_plain_modules_refuse_them_too() -> None:
    with pytest.raises(ValueError, match="cell is one of gru, lstm"):
        recurrence("rnn", 3, 3)
    with pytest.raises(ValueError, match="score is one of additive, dot"):
        Seq2SeqAttention(vocab=5, target_vocab=5, score="cosine")
    with pytest.raises(ValueError, match="feeding is one of input, output"):
        Seq2SeqAttention(vocab=5, target_vocab=5, feeding="none")


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_the_encoder_reads_each_sequence_as_torch_reads_it_alone(cell: str) -> None:
    encoder = Encoder(vocab=11, width=5, embedding=4, cell=cell, depth=2, bidirectional=True)
    inputs = source(lengths=[6, 1, 3, 5])
    states, last = encoder(inputs.ids, inputs.lengths)
    for row, length in enumerate(inputs.lengths.tolist()):
        alone, end = encoder.cells(encoder.embedding(inputs.ids[row : row + 1, :length]))
        torch.testing.assert_close(states[row, :length], alone[0])
        assert not states[row, length:].any()
        for part, own in zip(last, end if cell == "lstm" else (end,), strict=True):
            torch.testing.assert_close(part[:, row, :5], own[0::2, 0])  # forward halves of both layers
            torch.testing.assert_close(part[:, row, 5:], own[1::2, 0])


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_lengths_as_numbers_change_nothing(cell: str) -> None:
    encoder = Encoder(vocab=11, width=5, embedding=4, cell=cell, depth=2)
    inputs = source(lengths=[3, 6, 3, 5])
    asked, told = encoder(inputs.ids, inputs.lengths), encoder(inputs.ids, inputs.lengths, [3, 6, 3, 5])
    assert all(map(torch.equal, (asked[0], *asked[1]), (told[0], *told[1])))
    packed = pack_padded_sequence(encoder.embedding(inputs.ids), inputs.lengths, True, enforce_sorted=False)
    out, _ = encoder.eval().cells(packed)
    states = pad_packed_sequence(out, True, total_length=6)[0]
    assert torch.equal(encoder(inputs.ids, inputs.lengths)[0], states)


def test_a_network_without_steps_writes_the_same_when_told_the_lengths() -> None:
    """A beam chooses among the rows of the source, and so their lengths as numbers are no longer true."""
    model, inputs = build("seq2seq").eval(), source(lengths=[6, 1, 3, 5])

    class Bare(nn.Module):
        def forward(self, given: Any) -> Tensor:
            return model(given)

    sizes = (None, inputs.lengths.tolist())
    plain, told = (generate(Bare(), inputs._replace(sizes=known), OUTPUT, beam=3) for known in sizes)
    assert all(map(torch.equal, plain, told))


def test_the_own_cell_is_that_of_torch() -> None:
    cell, x, state = nn.GRUCell(4, 6), torch.randn(3, 4), torch.randn(3, 6)
    own = gru_cell(F.linear(x, cell.weight_ih, cell.bias_ih), F.linear(state, cell.weight_hh, cell.bias_hh), state)
    torch.testing.assert_close(own, cell(x, state), atol=1e-6, rtol=0)


@pytest.mark.parametrize("score", SCORES)
def test_the_fast_decoder_is_the_plain_one(score: str) -> None:
    """Weights from the state before, their mean of the source's states beside the token into torch's GRU."""
    model, inputs = build("seq2seq_attention", score=score).eval(), source(lengths=[6, 1, 3, 5])
    memory = model.start(inputs)
    hidden, states = memory["hidden"], memory["states"]
    for place in range(5):
        x = model.embedding(inputs.previous[:, place])
        context = torch.stack([_context(model, hidden, states, row, n) for row, n in enumerate([6, 1, 3, 5])])
        hidden = model.cells(torch.cat([x, context], dim=-1)[:, None], hidden[None])[0][:, 0]
        logits = model.head(torch.cat([hidden, context, x], dim=-1))
        torch.testing.assert_close(model(inputs)[:, place], logits, atol=1e-6, rtol=0)


def _context(model: Any, hidden: Tensor, states: Tensor, row: int, length: int) -> Tensor:
    """The mean of one row's states, weighted place by place."""
    score, scores = model.score, []
    for state in states[row, :length]:
        if isinstance(score, SCORES["additive"]):
            mixed = score.of_query(hidden[row]) + score.of_source(state)
            scores.append(score.weigh(mixed.tanh())[0])
        else:
            scores.append(hidden[row] @ score.of_source(state))
    return torch.stack(scores).softmax(dim=0) @ states[row, :length]


@every_form
def test_forcing_every_place_step_by_step_gives_the_fused_logits(name: str, options: dict[str, Any]) -> None:
    model, inputs = build(name, **options).train(), source(lengths=[6, 1, 3, 5])
    stepped = partly_forced(model.step, model.start(inputs), inputs.previous, 1.0)
    torch.testing.assert_close(stepped, model(inputs), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", SPECS)
def test_unforced_training_sees_its_own_choices(name: str) -> None:
    free = build(name, teacher_forcing=0.0).train()
    inputs = source(lengths=[6, 1, 3, 5])
    logits = free(inputs)
    own = torch.cat([inputs.previous[:, :1], logits.argmax(dim=-1)[:, :-1]], dim=1)
    torch.testing.assert_close(free.eval()(inputs._replace(previous=own)), logits, atol=1e-6, rtol=0)
    other = inputs._replace(previous=torch.cat([inputs.previous[:, :1], (inputs.previous[:, 1:] + 1) % 9], dim=1))
    assert torch.equal(free.train()(other), logits)  # only the first place comes from outside
    assert not torch.allclose(free.eval()(other), logits)  # judging always sees what it is given


def test_the_share_of_forced_places_is_drawn_from_the_global_generator() -> None:
    seen: list[Tensor] = []

    def step(token: Tensor, state: None) -> tuple[Tensor, None]:
        seen.append(token)
        return torch.tensor([[0.0, 1.0]]), None  # would always write 1

    truth = torch.zeros(1, 2000, dtype=torch.int64)
    drawn = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        seen.clear()
        assert partly_forced(step, None, truth, 0.7).shape == (1, 2000, 2)
        drawn.append(torch.cat(seen))
    assert drawn[0][0] == 0
    assert abs(float((drawn[0] == 0).float().mean()) - 0.7) < 0.05  # 5 standard errors
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])


@pytest.mark.parametrize(("name", "options"), [FORMS[2], FORMS[5]])
def test_learns_to_write_a_word_backwards(name: str, options: dict[str, Any]) -> None:
    model = build(name, **{**options, "width": 24, "embedding": 12})
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(120):
        ids, lengths = torch.randint(4, 9, (32, 3)), torch.randint(2, 4, (32,))
        index = lengths[:, None] - 1 - torch.arange(4)
        targets = torch.where(index >= 0, ids.gather(1, index.clamp(min=0)), OUTPUT.end)
        previous = torch.cat([torch.full((32, 1), OUTPUT.start), targets[:, :-1]], dim=1)
        optimizer.zero_grad()
        logits = model(TokenBatch(ids, lengths, previous=previous))
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3  # without the source: about ln 5 = 1.6 at most places
    written, count = generate(
        model.eval(), TokenBatch(torch.tensor([[4, 6, 8], [7, 5, 0]]), torch.tensor([3, 2])), OUTPUT
    )
    assert [row[:n].tolist() for row, n in zip(written, count, strict=True)] == [[8, 6, 4], [5, 7]]
