"""dlbench_rnn: `textcnn`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import dlbench_rnn
from dlbench import Classes, Signature, TokenBatch, Tokens
from dlbench.contract.choice import option_defaults
from dlbench_rnn.textcnn import KERNELS, TextCNN

SIGNATURE = Signature(input=Tokens(vocab=9), output=Classes(num_classes=3))
SPEC = next(spec for spec in dlbench_rnn.dlbench_models() if spec.name == "textcnn")
LENGTHS = torch.tensor([6, 1, 2, 4])


@pytest.fixture(autouse=True)
def _one_thread_one_seed() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def build(**options: Any) -> nn.Module:
    return SPEC.build(SIGNATURE, **{"width": 8, "embedding": 12, **options}).eval()


def batch(lengths: Tensor | None = LENGTHS) -> TokenBatch:
    return TokenBatch(torch.randint(9, (4, 6)), lengths)


def test_defaults_are_those_of_the_constructor() -> None:
    assert option_defaults(SPEC.build) == {
        key: value for key, value in option_defaults(TextCNN).items() if key not in ("vocab", "num_classes")
    }
    assert SPEC.build(SIGNATURE)(batch()).shape == SIGNATURE.output.shape(batch())


def test_padding_changes_no_answer_also_in_rows_shorter_than_a_kernel() -> None:
    model, inputs = build(), batch()
    answers = model(inputs)
    longer = F.pad(inputs.ids, (0, 5))
    changed = torch.where(torch.arange(11) < LENGTHS[:, None], longer, (longer + 4) % 9)
    torch.testing.assert_close(model(TokenBatch(changed, LENGTHS)), answers, atol=1e-6, rtol=0)
    for row, length in enumerate(LENGTHS.tolist()):
        alone = model(TokenBatch(inputs.ids[row : row + 1, :length]))
        torch.testing.assert_close(alone, answers[row : row + 1], atol=1e-6, rtol=0)


def test_equals_windows_written_out() -> None:
    model, ids = build(max_norm=None), torch.randint(9, (1, 5))
    features = []
    for convolution, size in zip(model.convolutions, KERNELS, strict=True):
        margin = torch.zeros(size - 1, 12)
        x = torch.cat([margin, model.embedding(ids[0]), margin])
        windows = [
            torch.einsum("mdk,kd->m", convolution.weight, x[start : start + size]) + convolution.bias
            for start in range(len(x) - size + 1)
        ]
        features.append(torch.stack(windows).relu().amax(0))
    expected = model.head(torch.cat(features))
    torch.testing.assert_close(model(TokenBatch(ids))[0], expected, atol=1e-5, rtol=0)


def test_rows_of_the_head_are_no_longer_than_the_limit() -> None:
    model = build()
    with torch.no_grad():
        model.head.weight[0] *= 100
        model.head.weight[1] *= 3.0 / model.head.weight[1].norm() * 0.5
    used = model._head_weight()
    assert used[0].norm().item() == pytest.approx(3.0, rel=1e-5)
    assert torch.equal(used[1], model.head.weight[1])
    torch.testing.assert_close(F.normalize(used[0], dim=0), F.normalize(model.head.weight[0], dim=0))
    free = build(max_norm=None)
    with torch.no_grad():
        free.head.weight[0] *= 100
    assert torch.equal(free._head_weight(), free.head.weight)


def test_gradient_reaches_every_parameter() -> None:
    model = build().train()
    model(batch()).square().sum().backward()
    assert [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []
