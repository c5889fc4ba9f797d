"""What a task may call on a model of images: `detect`, and `attend` where the model offers it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dlbench import Batch, Boxes, Image, ImageBatch, Learner, Signature, TokenSequence
from dlbench.contract.learner import Supervised
from dlbench.contract.runtime import Runtime
from dlbench.errors import WrongShape
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator

IMAGE = Image(channels=3, height=8, width=8)
TEXT = TokenSequence(vocab=5, length=4, start=1, end=2)


class Finder(Learner):
    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.found = torch.zeros(shape, dtype=torch.float64)

    def detect(self, inputs: Tensor) -> Tensor:
        return self.found


class Looker(nn.Module):
    def attend(self, inputs: ImageBatch) -> Tensor:
        return torch.full((inputs.batch_size, 4, 2, 2), 0.25)


def evaluator(learner: Learner, output: Boxes | TokenSequence) -> Evaluator:
    return Evaluator(learner, Signature(input=IMAGE, output=output), Execution(Runtime()))


def test_what_a_model_detects_is_checked_and_counted() -> None:
    asked = evaluator(Finder(2, 7, 6), Boxes(num_classes=3, limit=4))
    assert asked.detect(Batch(torch.zeros(2, 3, 8, 8), size=2)).dtype == torch.float32
    assert asked.judged == 2


@pytest.mark.parametrize("shape", [(2, 7, 5), (3, 7, 6), (2, 6)])
def test_findings_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(WrongShape, match=r"needs \(2, K, 6\)"):
        evaluator(Finder(*shape), Boxes(num_classes=3, limit=4)).detect(Batch(torch.zeros(2, 3, 8, 8), size=2))


def test_a_task_asks_whether_a_model_says_where_it_looks() -> None:
    plain, looking = (Supervised(network, lambda outputs, batch: outputs) for network in (nn.Linear(1, 1), Looker()))
    assert not evaluator(plain, TEXT).offers("attend")
    asked = evaluator(looking, TEXT)
    assert asked.offers("attend")
    assert asked.attend(Batch(ImageBatch(torch.zeros(2, 3, 8, 8)), size=2)).shape == (2, 4, 2, 2)
    with pytest.raises(AttributeError, match="not detect"):
        asked.offers("detect")
