"""What a task may call on a model beside `predict`: `detect`, `sample`, `translate`, and what only some models have."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from dlbench import (
    Batch,
    Boxes,
    ConditionalSample,
    Image,
    ImageBatch,
    Learner,
    OutputKind,
    Sample,
    Signature,
    TokenSequence,
    Translate,
)
from dlbench.contract.learner import Supervised
from dlbench.contract.runtime import Runtime
from dlbench.errors import WrongShape
from dlbench.train.execution import Execution
from dlbench.train.judging import SAMPLE_BATCH, Evaluator

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


def evaluator(learner: Learner, output: OutputKind) -> Evaluator:
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


class Drawer(Learner):
    """Notes how many it is asked for; its examples are noise, or their classes."""

    def __init__(self, missing: int = 0) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.missing = missing

    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        self.asked.append(count)
        noise = torch.randn(count - self.missing, 2, generator=generator, dtype=torch.float64)
        return noise if classes is None else classes[:, None].double()


class Negative(Learner):
    def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
        return 1 - inputs if back else -inputs

    def log_density(self, inputs: Tensor) -> Tensor:
        return inputs.flatten(1).double().sum(1)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_many_examples_are_drawn_in_parts() -> None:
    drawer = Drawer()
    count = 2 * SAMPLE_BATCH + 3
    drawn = evaluator(drawer, Sample()).sample(count, seeded())
    assert drawer.asked == [SAMPLE_BATCH, SAMPLE_BATCH, 3]
    assert (drawn.shape, drawn.dtype) == ((count, 2), torch.float32)
    assert len(drawn.unique(dim=0)) == count  # one stream of noise, not the same part again


def test_each_example_is_of_the_class_that_was_asked_for() -> None:
    classes = torch.arange(SAMPLE_BATCH + 5)
    drawn = evaluator(Drawer(), ConditionalSample(num_classes=10)).sample(len(classes), seeded(), classes)
    assert drawn[:, 0].long().equal(classes)


def test_another_count_of_examples_is_refused() -> None:
    with pytest.raises(WrongShape, match="sample returned 6 examples where 7 were asked for"):
        evaluator(Drawer(missing=1), Sample()).sample(7, seeded())


def test_pictures_are_translated_there_and_back() -> None:
    asked, batch = evaluator(Negative(), Translate()), Batch(torch.ones(2, 3, 8, 8), size=2)
    assert asked.translate(batch).mean() == -1
    assert asked.translate(batch, back=True).mean() == 0
    with pytest.raises(AttributeError, match="may call translate, not sample"):
        asked.sample(1, seeded())


def test_a_translation_of_another_shape_is_refused() -> None:
    class Cropping(Learner):
        def translate(self, inputs: Tensor, back: bool = False) -> Tensor:
            return inputs[..., 1:]

    with pytest.raises(WrongShape, match=r"translate returned \(2, 3, 8, 7\)"):
        evaluator(Cropping(), Translate()).translate(Batch(torch.ones(2, 3, 8, 8), size=2))


def test_a_density_is_one_number_for_each_example() -> None:
    batch = Batch(torch.ones(2, 3, 8, 8), size=2)
    asked = evaluator(Negative(), Sample())
    assert asked.offers("log_density")
    assert not evaluator(Drawer(), Sample()).offers("log_density")
    assert asked.log_density(batch).tolist() == [192.0, 192.0]

    class Total(Learner):
        def log_density(self, inputs: Tensor) -> Tensor:
            return inputs.sum()

    with pytest.raises(WrongShape, match="log_density"):
        evaluator(Total(), Sample()).log_density(batch)
