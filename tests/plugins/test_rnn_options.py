"""dlbench_rnn: options of the builders, their defaults, and the pieces for language models."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dlbench import Classes, MaskedTokens, NextToken, NotApplicable, Signature, TokenBatch, Tokens
from dlbench.contract.choice import option_defaults
from dlbench_rnn import declare
from dlbench_rnn.dropouts import LockedDropout, WordDropout
from dlbench_rnn.elman import ElmanLayer
from dlbench_rnn.gru import GRULayer
from dlbench_rnn.jordan import JordanLayer
from dlbench_rnn.lstm import LSTMLayer
from dlbench_rnn.network import RecurrentNetwork
from dlbench_rnn.peephole import PeepholeLayer

SPECS = {spec.name: spec for spec in declare.models()}
LAYERS = {
    "elman": ElmanLayer,
    "jordan": JordanLayer,
    "gru": GRULayer,
    "lstm": LSTMLayer,
    "lstm_peephole": PeepholeLayer,
}
NEXT = Signature(input=Tokens(vocab=50), output=NextToken(vocab=50))
AWD = {
    "depth": 3, "width": 20, "embedding": 12, "tied": True, "weight_drop": 0.5, "embedding_dropout": 0.1,
    "input_dropout": 0.4, "layer_dropout": 0.25, "output_dropout": 0.4,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(name: str, signature: Signature = NEXT, **options: Any) -> nn.Module:
    return SPECS[name].build(signature, **options)


def tokens(count: int = 4, length: int = 6) -> TokenBatch:
    return TokenBatch(torch.randint(50, (count, length)))


@pytest.mark.parametrize("name", SPECS)
def test_defaults_are_those_of_the_constructors(name: str) -> None:
    own = option_defaults(SPECS[name].build)
    constructors = option_defaults(RecurrentNetwork) | option_defaults(LAYERS[name])
    assert {key: constructors[key] for key in own} == own
    assert option_defaults(LAYERS[name]).keys() - {"num_classes"} <= own.keys()
    assert {key: own[key] for key in ("width", "depth", "dropout")} == {"width": 128, "depth": 1, "dropout": 0.0}
    model = build(name)
    assert model.input.embedding.weight.shape == (50, 128)
    assert model.head.weight.shape == (50, 128)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "lstm_peephole"])
def test_a_tied_head_shares_the_storage_of_the_embedding(name: str) -> None:
    model = build(name, tied=True, width=16, depth=2, embedding=10)
    assert model.head.weight is model.input.embedding.weight
    assert model.head.weight.data_ptr() == model.input.embedding.weight.data_ptr()
    assert model(tokens()).shape == (4, 6, 50)
    loose = build(name, width=16, depth=2, embedding=10)
    assert loose.head.weight.shape == (50, 16)
    other = build(name, tied=True, width=16, depth=2, embedding=10)
    other.load_state_dict(model.state_dict())
    assert other.head.weight is other.input.embedding.weight


def test_tied_needs_next_tokens_of_one_vocabulary() -> None:
    for output in (NextToken(vocab=49), MaskedTokens(vocab=50), Classes(num_classes=50)):
        with pytest.raises(NotApplicable, match="tied"):
            build("lstm", Signature(input=Tokens(vocab=50), output=output), tied=True)


def test_awd_drops_in_training_only_and_all_parameters_learn() -> None:
    model, inputs = build("lstm", **AWD), tokens()
    assert [layer.cells.hidden_size for layer in model.layers] == [20, 20, 12]
    assert not torch.equal(model(inputs), model(inputs))
    model(inputs).square().mean().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
    model.eval()
    assert torch.equal(model(inputs), model(inputs))
    plain = build("lstm", depth=3, width=20, embedding=12, tied=True).eval()
    plain.load_state_dict(model.state_dict())
    assert torch.equal(plain(inputs), model(inputs))


@pytest.mark.parametrize(
    "option", ["dropout", "weight_drop", "embedding_dropout", "input_dropout", "layer_dropout", "output_dropout"]
)
def test_each_dropout_alone_acts_in_training_and_only_there(option: str) -> None:
    model, inputs = build("lstm", width=16, depth=2, **{option: 0.5}), tokens()
    assert not torch.equal(model(inputs), model(inputs))
    model.eval()
    assert torch.equal(model(inputs), model(inputs))


def test_locked_dropout_drops_the_same_units_at_all_places() -> None:
    locked = LockedDropout(0.5)
    out = locked(torch.ones(3, 7, 40))
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(out[0], out[1])
    assert torch.equal(locked.eval()(out), out)


def test_a_dropped_word_is_dropped_wherever_it_stands() -> None:
    drop, ids = WordDropout(0.5, vocab=30), torch.randint(30, (4, 50))
    out = drop(torch.ones(4, 50, 3), ids)
    assert set(out.unique().tolist()) == {0.0, 2.0}
    for word in range(30):
        assert len(out[ids == word].unique()) <= 1
    assert torch.equal(drop.eval()(out, ids), out)


@pytest.mark.parametrize("name", SPECS)
def test_init_is_uniform_and_the_forget_bias_stays(name: str) -> None:
    model = build(name, init=0.05, width=16, depth=2)
    largest = {n: p.detach().abs().max().item() for n, p in model.named_parameters()}
    has_forget_gate = "forget_bias" in option_defaults(SPECS[name].build)
    assert {value > 0.05 for n, value in largest.items() if "bias" not in n} == {False}
    assert max(largest.values()) == (1.0 if has_forget_gate else pytest.approx(0.05, abs=1e-3))
    spread = [p.detach().std().item() for p in model.parameters() if p.dim() > 1]
    assert spread == pytest.approx([0.05 / 3**0.5] * len(spread), rel=0.2)
    if has_forget_gate:
        model = build(name, init=0.05, width=16, forget_bias=None)
        assert all(p.abs().max() <= 0.05 for p in model.parameters())


def test_dropout_leaves_the_recurrence_alone() -> None:
    """The state of one layer depends on what was dropped before it, and on nothing dropped behind."""
    model, inputs = build("lstm", width=16, dropout=0.5), tokens()
    model.input.eval()
    x = model.input(inputs)
    torch.manual_seed(1)
    hidden, _ = model._run(x, None)
    torch.manual_seed(1)
    expected, _ = model.layers[0].eval()(nn.functional.dropout(x, 0.5))
    torch.testing.assert_close(hidden, expected, atol=1e-6, rtol=0)


def test_jordan_heads_with_what_it_feeds_back() -> None:
    model = build("jordan", Signature(input=Tokens(vocab=50), output=Classes(num_classes=4)), depth=2)
    assert model.head is model.layers[-1].output
    assert model.layers[0].output is not model.head
    both = build("jordan", Signature(input=Tokens(vocab=50), output=Classes(num_classes=4)), bidirectional=True)
    assert both.head.weight.shape == (4, 256)
