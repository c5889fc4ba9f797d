"""dlbench_rnn: own layers against torch's and against recurrences written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dlbench_rnn.bidirectional import Bidirectional, reversal, reverse
from dlbench_rnn.characters import CharacterCNN
from dlbench_rnn.elman import ElmanLayer
from dlbench_rnn.gru import GRULayer
from dlbench_rnn.jordan import JordanLayer
from dlbench_rnn.lstm import LSTMLayer
from dlbench_rnn.peephole import PeepholeLayer
from dlbench_rnn.pooling import pool

FEATURES, WIDTH = 4, 6
TORCHS = {ElmanLayer: nn.RNN, GRULayer: nn.GRU, LSTMLayer: nn.LSTM}


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def same(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)


@pytest.mark.parametrize("kind", TORCHS, ids=lambda kind: kind.__name__)
def test_layers_equal_torchs(kind: type) -> None:
    layer, torchs = kind(FEATURES, WIDTH), TORCHS[kind](FEATURES, WIDTH, batch_first=True)
    torchs.load_state_dict(layer.cells.state_dict())
    x = torch.randn(3, 5, FEATURES)
    first, state = layer(x[:, :2])
    second, state = layer(x[:, 2:], state)
    places, last = torchs(x)
    same(torch.cat([first, second], 1), places)
    for part, other in zip(state, last if kind is LSTMLayer else (last,), strict=True):
        same(part, other[0])


@pytest.mark.parametrize("kind", [GRULayer, LSTMLayer], ids=lambda kind: kind.__name__)
def test_the_call_that_drops_weights_computes_the_same(kind: type) -> None:
    """With a share so small that nothing is dropped: the order of weights and arguments is right."""
    layer = kind(FEATURES, WIDTH, weight_drop=1e-12)
    x = torch.randn(3, 5, FEATURES)
    trained, state = layer(x)
    evaluated, other = layer.eval()(x)
    same(trained, evaluated)
    same(torch.stack(state), torch.stack(other))


@pytest.mark.parametrize("kind", [GRULayer, LSTMLayer], ids=lambda kind: kind.__name__)
def test_weights_drop_in_training_only(kind: type) -> None:
    layer = kind(FEATURES, WIDTH, weight_drop=0.5)
    x = torch.randn(3, 5, FEATURES)
    before = layer.cells.weight_hh_l0.detach().clone()
    assert not torch.equal(layer(x)[0], layer(x)[0])
    same(layer(x)[0][:, 0], layer(x)[0][:, 0])  # the first place meets no hidden-to-hidden weight but a zero state
    layer(x)[0].sum().backward()
    dropped = (layer.cells.weight_hh_l0.grad == 0).float().mean()
    assert 0.2 < dropped < 0.8
    assert torch.equal(layer.cells.weight_hh_l0, before)
    layer.eval()
    assert torch.equal(layer(x)[0], layer(x)[0])


def peephole_of(lstm: nn.LSTM) -> PeepholeLayer:
    """A peephole layer with an LSTM's weights."""
    layer = PeepholeLayer(FEATURES, WIDTH)
    with torch.no_grad():
        layer.input_weight.copy_(lstm.weight_ih_l0)
        layer.hidden_weight.copy_(lstm.weight_hh_l0)
        layer.bias.copy_(lstm.bias_ih_l0 + lstm.bias_hh_l0)
    return layer


def test_peepholes_of_zero_give_the_lstm() -> None:
    lstm = nn.LSTM(FEATURES, WIDTH, batch_first=True)
    layer = peephole_of(lstm)
    x = torch.randn(3, 20, FEATURES)
    places, (hidden, cell) = lstm(x)
    assert (layer(x)[0] - places).abs().max() > 1e-3  # not yet zero
    nn.init.zeros_(layer.peepholes)
    own, state = layer(x)
    same(own, places)
    same(state[0], hidden[0])
    same(state[1], cell[0])
    _, state = layer(x[:, :7])
    same(layer(x[:, 7:], state)[0], places[:, 7:])


def test_peepholes_show_input_and_forget_gate_the_old_cell_and_the_output_gate_the_new_one() -> None:
    layer = PeepholeLayer(FEATURES, WIDTH)
    x = torch.randn(2, 3, FEATURES)
    hidden = cell = torch.zeros(2, WIDTH)
    for place in range(3):
        i, f, g, o = (layer.input_weight @ x[:, place].T + layer.hidden_weight @ hidden.T).T.add(layer.bias).chunk(4, 1)
        old = cell
        i, f = torch.sigmoid(i + layer.peepholes[0] * old), torch.sigmoid(f + layer.peepholes[1] * old)
        cell = f * old + i * torch.tanh(g)
        hidden = torch.sigmoid(o + layer.peepholes[2] * cell) * torch.tanh(cell)
        same(layer(x)[0][:, place], hidden)


@pytest.mark.parametrize("num_classes", [1, 3])
def test_jordan_feeds_back_its_output(num_classes: int) -> None:
    layer = JordanLayer(FEATURES, WIDTH, num_classes=num_classes)
    x = torch.randn(2, 4, FEATURES)
    places, (last,) = layer(x)
    y = torch.zeros(2, num_classes)
    for place in range(4):
        hidden = torch.tanh(
            x[:, place] @ layer.input.weight.T + layer.input.bias + y @ layer.feedback.weight.T
        )  # fmt: skip
        same(places[:, place], hidden)
        y = hidden @ layer.output.weight.T + layer.output.bias
        y = y.exp() / y.exp().sum(1, keepdim=True) if num_classes > 1 else y
    same(last, y)


@pytest.mark.parametrize("kind", TORCHS, ids=lambda kind: kind.__name__)
def test_bidirectional_equals_torchs_on_packed_rows(kind: type) -> None:
    ahead, back = kind(FEATURES, WIDTH), kind(FEATURES, WIDTH)
    torchs = TORCHS[kind](FEATURES, WIDTH, batch_first=True, bidirectional=True)
    reversed_weights = {f"{name}_reverse": weight for name, weight in back.cells.state_dict().items()}
    torchs.load_state_dict(ahead.cells.state_dict() | reversed_weights)
    x, lengths = torch.randn(4, 7, FEATURES), torch.tensor([3, 7, 1, 5])
    packed = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    places, _ = pad_packed_sequence(torchs(packed)[0], batch_first=True)
    valid = torch.arange(7) < lengths[:, None]
    same(Bidirectional(ahead, back)(x, reversal(lengths, 7))[valid], places[valid])
    same(Bidirectional(ahead, back)(x, None), torchs(x)[0])


def test_rows_are_turned_round_within_their_lengths() -> None:
    x = torch.tensor([[1, 2, 3, 9], [4, 9, 9, 9], [5, 6, 7, 8]])[..., None]
    order = reversal(torch.tensor([3, 1, 4]), 4)
    assert reverse(x, order)[..., 0].tolist() == [[3, 2, 1, 9], [4, 9, 9, 9], [8, 7, 6, 5]]
    assert torch.equal(reverse(reverse(x, order), order), x)
    assert reverse(x, None)[2, :, 0].tolist() == [8, 7, 6, 5]


def test_pools() -> None:
    hidden = torch.tensor([[[1.0, -5], [3, -6], [99, 99]], [[-2, 4], [99, 99], [99, 99]]])  # (2, 3, 2)
    lengths = torch.tensor([2, 1])
    assert pool(hidden, lengths, "last").tolist() == [[3, -6], [-2, 4]]
    assert pool(hidden, lengths, "last", bidirectional=True).tolist() == [[3, -5], [-2, 4]]
    assert pool(hidden, lengths, "mean").tolist() == [[2, -5.5], [-2, 4]]
    assert pool(hidden, lengths, "max").tolist() == [[3, -5], [-2, 4]]
    full = hidden[:1, :2]
    for how in ("last", "mean", "max"):
        assert torch.equal(pool(full, None, how), pool(hidden, lengths, how)[:1])


def test_characters_of_a_word_are_read_whatever_room_the_batch_gives_it() -> None:
    reader = CharacterCNN(characters=9, maps=5)
    tight = reader(torch.tensor([[[3, 4]]]))
    roomy = torch.zeros(1, 2, 8, dtype=torch.int64)
    roomy[0, 0, :2] = torch.tensor([3, 4])
    roomy[0, 1, :8] = 5
    same(reader(roomy)[:, :1], tight)
    assert reader(torch.zeros(1, 1, 8, dtype=torch.int64)).isfinite().all()  # the padding has no spelling
    assert not torch.allclose(reader(torch.tensor([[[4, 3]]])), tight)


@pytest.mark.parametrize("bias", [1.0, 0.0, -2.0])
def test_forget_gates_start_with_the_bias_once(bias: float) -> None:
    forget = slice(WIDTH, 2 * WIDTH)
    cells = LSTMLayer(FEATURES, WIDTH, forget_bias=bias).cells
    assert (cells.bias_ih_l0[forget] + cells.bias_hh_l0[forget] == bias).all()
    assert (cells.bias_hh_l0[forget] == 0).all()
    assert (cells.bias_ih_l0[:WIDTH] != 0).all()
    assert (PeepholeLayer(FEATURES, WIDTH, forget_bias=bias).bias[forget] == bias).all()


def test_forget_gates_keep_what_was_drawn() -> None:
    torch.manual_seed(1)
    torchs = nn.LSTM(FEATURES, WIDTH)
    torch.manual_seed(1)
    own = LSTMLayer(FEATURES, WIDTH, forget_bias=None).cells
    assert torch.equal(own.bias_ih_l0, torchs.bias_ih_l0)
