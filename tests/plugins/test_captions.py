"""Show, attend and tell: shapes, sums of attention, causality, steps against the whole, and what each view can see."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import Image, ImageBatch, Signature, TokenSequence
from dlbench.contract.choice import option_defaults
from dlbench.decoding import generate, stepwise
from dlbench.errors import UsageError
from dlbench_rnn.declare_captions import models
from dlbench_rnn.show_attend_tell import ShowAttendTell, encoder, lstm

(SPEC,) = models()
OUTPUT = TokenSequence(vocab=9, length=8, start=2, end=3)
SIGNATURE = Signature(input=Image(channels=3, height=24, width=40), output=OUTPUT)
every_view = pytest.mark.parametrize("view", ["attention", "mean", None])


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def build(view: str | None = "attention", **options: Any) -> Any:
    """With norms that have seen some images, so that evaluation is as sharp as training."""
    model = SPEC.build(SIGNATURE, **{"width": 12, "embedding": 6, "dropout": 0.0, "view": view, **options})
    with torch.no_grad():
        for _ in range(20):
            model.train()(images(count=8))
    return model.eval()


def images(*, count: int = 4, places: int = 5) -> ImageBatch:
    return ImageBatch(torch.randn(count, 3, 24, 40), torch.randint(4, 9, (count, places)))


@every_view
def test_logits_have_the_shape_of_the_kind_and_every_parameter_a_gradient(view: str | None) -> None:
    model, inputs = build(view).train(), images()
    logits = model(inputs)
    assert tuple(logits.shape) == OUTPUT.shape(inputs)
    F.cross_entropy(logits.flatten(0, 1), inputs.previous.flatten()).backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_attention_is_a_share_of_each_cell_for_each_word() -> None:
    model, inputs = build(), images()
    looks = model.attend(inputs)
    assert looks.shape == (4, 5, 3, 5)
    torch.testing.assert_close(looks.sum(dim=(2, 3)), torch.ones(4, 5))
    assert (looks > 0).all()
    assert (looks.std(dim=(2, 3)) > 1e-5).all()
    assert not torch.allclose(looks[:, 0], looks[:, 3])  # it moves with the words


def test_attention_and_context_are_those_of_the_paper() -> None:
    """Scores v tanh(W a + U h + b), their mean of the annotation vectors, through the gate, into torch's LSTM."""
    model, inputs = build(), images()
    state = model.start(inputs)
    hidden, memory = state["hidden"], state["memory"]
    cell = nn.LSTMCell(6 + 12, 12)
    with torch.no_grad():
        cell.weight_ih.copy_(model.gates.weight[:, :18])
        cell.weight_hh.copy_(model.gates.weight[:, 18:])
        cell.bias_ih.copy_(model.gates.bias)
        cell.bias_hh.zero_()
    looks, logits = model.attend(inputs).flatten(2), model(inputs)
    for place in range(5):
        scores = torch.stack([
            model.weigh((model.of_place(state["states"][:, spot]) + model.of_query(hidden)).tanh())[:, 0]
            for spot in range(15)
        ], dim=1)  # fmt: skip
        weights = scores.softmax(dim=1)
        torch.testing.assert_close(looks[:, place], weights, atol=1e-6, rtol=0)
        context = (weights[..., None] * state["states"]).sum(dim=1) * model.share(hidden).sigmoid()
        token = model.embedding(inputs.previous[:, place])
        hidden, memory = cell(torch.cat([token, context], dim=1), (hidden, memory))
        expected = model.head(token + model.of_hidden(hidden) + model.of_context(context))
        torch.testing.assert_close(logits[:, place], expected, atol=1e-5, rtol=0)


def test_the_own_cell_is_that_of_torch() -> None:
    cell, x, state = nn.LSTMCell(4, 6), torch.randn(3, 4), (torch.randn(3, 6), torch.randn(3, 6))
    gates = F.linear(x, cell.weight_ih, cell.bias_ih) + F.linear(state[0], cell.weight_hh, cell.bias_hh)
    torch.testing.assert_close(lstm(gates, state[1]), cell(x, state), atol=1e-6, rtol=0)


@every_view
def test_a_place_sees_what_was_written_up_to_it_only(view: str | None) -> None:
    model, inputs = build(view), images()
    logits = model(inputs)
    previous = inputs.previous.clone()
    previous[:, 3] = (previous[:, 3] + 1) % 9
    other = model(inputs._replace(previous=previous))
    assert torch.equal(other[:, :3], logits[:, :3])
    assert ((other[:, 3:] - logits[:, 3:]).abs().amax(dim=(1, 2)) > 1e-6).all()


@every_view
def test_steps_write_what_the_whole_writes(view: str | None) -> None:
    """Step by step, and recomputed from all that was written, greedily and with a beam."""
    model, inputs = build(view), images()
    whole = stepwise(lambda given: model(given), OUTPUT)
    own, again = model.start(inputs._replace(previous=None)), whole.start(inputs)
    for place in range(5):
        first, own = model.step(inputs.previous[:, place], own)
        second, again = whole.step(inputs.previous[:, place], again)
        torch.testing.assert_close(first, second, atol=1e-5, rtol=0)
        torch.testing.assert_close(first, model(inputs)[:, place], atol=1e-5, rtol=0)
    for beam in (1, 3):
        found, expected = (generate(network, inputs, OUTPUT, beam=beam) for network in (model, lambda x: model(x)))
        assert all(map(torch.equal, found, expected))


def test_each_view_sees_what_it_should() -> None:
    inputs = images()
    other = images()._replace(previous=inputs.previous)
    for view, blind in [("attention", False), ("mean", False), (None, True)]:
        model = build(view)
        assert torch.equal(model(inputs), model(other)) is blind
        assert callable(getattr(model, "attend", None)) is (view == "attention")
    assert not any(isinstance(module, nn.Conv2d) for module in build(None).modules())


def test_the_mean_is_all_that_is_kept_of_the_image() -> None:
    model, inputs = build("mean"), images()
    state = model.start(inputs)
    assert state.keys() == {"hidden", "memory", "context"}
    mean = model.encoder(inputs.values).mean(dim=(2, 3)) + model.places.mean(dim=0)
    torch.testing.assert_close(state["context"], mean)


def test_an_image_is_cut_into_cells_of_eight_pixels() -> None:
    network = encoder(channels=1, width=8).eval()
    for side, cells in [(48, 6), (32, 4), (33, 5), (8, 1), (1, 1)]:
        assert network(torch.zeros(2, 1, side, side)).shape == (2, 8, cells, cells)


def test_a_cell_sees_no_further_than_its_surroundings() -> None:
    """So that what stands where has to be looked up."""
    network, image = encoder(channels=1, width=8).eval(), torch.randn(1, 1, 48, 48, requires_grad=True)
    network(image)[0, :, 3, 3].square().sum().backward()
    rows, columns = image.grad[0, 0].nonzero().unbind(1)
    assert rows.min() == columns.min() >= 27 - 10  # 28 is the middle of the fourth cell
    assert rows.max() == columns.max() <= 27 + 11


def test_sizes() -> None:
    signature = Signature(
        input=Image(channels=3, height=48, width=48), output=TokenSequence(vocab=20, length=9, start=2, end=3)
    )
    counts = {view: sum(p.numel() for p in SPEC.build(signature, view=view).parameters()) for view in
              ("attention", "mean", None)}  # fmt: skip
    assert counts["attention"] - counts["mean"] == 2 * 96 * 96 + 96 + 96
    assert counts["attention"] == 179_653


def test_defaults_are_those_of_the_constructor_and_views_are_checked() -> None:
    assert option_defaults(SPEC.build) == option_defaults(ShowAttendTell)
    with pytest.raises(UsageError, match="no view 'meen'; did you mean 'mean'"):
        build("meen")
    with pytest.raises(ValueError, match="view is attention, mean or None"):
        ShowAttendTell(channels=3, size=(8, 8), vocab=5, view="all")


def test_learns_to_say_what_is_where() -> None:
    """Which of two tokens is on the left, then which on the right: bright and dark halves."""
    model = SPEC.build(SIGNATURE, width=24, embedding=12, dropout=0.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)

    def batch(count: int) -> tuple[ImageBatch, Tensor]:
        targets = torch.randint(4, 6, (count, 2))
        values = (targets - 4.5)[:, None, None].repeat_interleave(20, dim=3).expand(count, 3, 24, 40)
        ends = torch.full((count, 1), OUTPUT.end)
        starts = torch.full((count, 1), OUTPUT.start)
        previous = torch.cat([starts, targets], dim=1)
        return ImageBatch(values + 0.1 * torch.randn(count, 3, 24, 40), previous), torch.cat([targets, ends], dim=1)

    for _ in range(60):
        inputs, targets = batch(32)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
    inputs, targets = batch(64)
    ids, lengths = generate(model.eval(), inputs, OUTPUT)
    assert lengths.tolist() == [2] * 64
    assert (ids[:, :2] == targets[:, :2]).float().mean() > 0.95  # chance is a half
