"""Captions: one true sentence for each generated picture, where attention points, and what is shown of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor, nn

from dlbench import ImageBatch
from dlbench.contract.choice import Choice, option_defaults
from dlbench.contract.learner import Supervised
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.errors import UsageError
from dlbench.testing import check_task, report
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator, judge, samples
from dlbench_vision.captioning import specs
from dlbench_vision.captioning.bleu import corpus_bleu
from dlbench_vision.captioning.drawing import SIDE, draw, inside, lay_out
from dlbench_vision.captioning.grammar import COLOURS, NUM_CAPTIONS, WORDS, words
from dlbench_vision.captioning.shapes import owners
from dlbench_vision.captioning.suites import suites
from dlbench_vision.captioning.task import pointed
from dlbench_vision.captioning.vocabulary import END, START
from workshop import catalog

SPECS = {spec.name: spec for spec in specs()}
DATA = Data(root=Path("no-data"), cache=Path("no-cache"))
FEW = {"num_train": 60, "num_val": 20, "num_test": 80}


def shapes(**options: Any) -> Any:
    return SPECS["shapes_captions"].load(DATA, **{**FEW, **options})


def evaluator(network: nn.Module, task: Any) -> Evaluator:
    return Evaluator(Supervised(network, task.loss).eval(), task.signature, Execution(Runtime()))


class Reciter(nn.Module):
    """Knows the captions of a split by heart, in the order in which it is judged, or by its pictures."""

    def __init__(self, task: Any, splits: tuple[str, ...] = ("val", "test")) -> None:
        super().__init__()
        self.vocab, self.known = task.signature.output.vocab, {}
        for split in splits:
            for batch in task.batches(split, 1, None):
                self.known[batch.inputs.values.numpy().tobytes()] = batch.targets[0].tolist()

    def forward(self, inputs: ImageBatch) -> Tensor:
        length = inputs.previous.shape[1]
        rows = [(self.known[image.numpy().tobytes()] + [END] * length)[:length] for image in inputs.values]
        return 100.0 * nn.functional.one_hot(torch.tensor(rows), self.vocab).float()


class Looking(Reciter):
    """Also says where it looks: at each word in the cell of a grid of 12 x 12 that `cells` (images, 2) name for the
    first shape and the second."""

    def __init__(self, task: Any, cells: dict[bytes, list[tuple[int, int]]]) -> None:
        super().__init__(task)
        self.cells = cells

    def attend(self, inputs: ImageBatch) -> Tensor:
        found = torch.zeros(*inputs.previous.shape, 12, 12)
        for image, rows in zip(inputs.values, found, strict=True):
            target = self.known[image.numpy().tobytes()]
            for (row, column), place in zip(self.cells[image.numpy().tobytes()], (2, len(target) - 2), strict=True):
                rows[place, row, column] = 1.0
        return found


# --- the grammar and its pictures -------------------------------------------------------------------------


def test_every_number_is_a_caption_of_its_own() -> None:
    captions = {" ".join(words(number)) for number in range(NUM_CAPTIONS)}
    assert len(captions) == NUM_CAPTIONS == 4 * 24**2
    assert {word for caption in captions for word in caption.split()} == set(WORDS)
    assert "a blue triangle left of a blue square" in captions


def read(picture: np.ndarray) -> list[str]:
    """The caption, from pixels alone: coloured spots, the larger first; the grammar's rules read once more."""
    pixels = picture.astype(int).transpose(1, 2, 0)
    spots, count = ndimage.label(pixels.max(axis=2) - pixels.min(axis=2) > 60, structure=np.ones((3, 3)))
    assert count == 2
    found = []
    for rows, columns in ndimage.find_objects(spots):
        spot = spots[rows, columns] > 0
        colour = np.median(pixels[rows, columns][spot], axis=0)
        name = min(COLOURS, key=lambda known: float(np.abs(colour - COLOURS[known]).sum()))
        centre = ((columns.start + columns.stop) / 2, (rows.start + rows.stop) / 2)
        found.append((max(spot.shape), name, kind(spot), *centre))
    (large, *first), (small, *second) = sorted(found, reverse=True)
    assert large >= small + 4
    right, down = second[2] - first[2], second[3] - first[3]
    assert abs(abs(right) - abs(down)) > 4
    beside, above = "left of" if right > 0 else "right of", "above" if down > 0 else "below"
    relation = beside if abs(right) > abs(down) else above
    return ["a", *first[:2], *relation.split(), "a", *second[:2]]


def kind(spot: np.ndarray) -> str:
    """By the rows of a shape: all as long, growing, longest in the middle at once, or by and by."""
    lengths = spot.sum(axis=1)
    if lengths.min() == lengths.max():
        return "square"
    if lengths[-1] > 1.5 * lengths[len(lengths) // 2]:
        return "triangle"
    return "cross" if len(set(lengths.tolist())) == 2 else "circle"


@pytest.mark.parametrize("distractors", [0, 2, 4])
def test_a_picture_is_read_as_its_caption_and_no_other(distractors: int) -> None:
    task = shapes(distractors=distractors, num_test=150)
    part = task.splits["test"]
    for image, reference in zip(part.images.numpy(), part.references, strict=True):
        assert " ".join(read(image)) == reference


def test_shapes_lie_within_the_picture_and_apart() -> None:
    random = np.random.RandomState(5)
    layout = lay_out(random.randint(0, NUM_CAPTIONS, 400), 3, random)
    there = layout.shapes >= 0
    assert there[:, :2].all()
    assert 100 < there[:, 2].sum() < 400  # up to three are grey, and some pictures have fewer
    assert (layout.centres - layout.radii[..., None] > 0)[there].all()
    assert (layout.centres + layout.radii[..., None] < SIDE - 1)[there].all()
    for first in range(5):
        for second in range(first):
            apart = np.abs(layout.centres[:, first] - layout.centres[:, second]).max(axis=1)
            needed = layout.radii[:, first] + layout.radii[:, second] + 2
            both = there[:, first] & there[:, second]
            assert (apart[both] > needed[both]).all()


def test_boxes_hold_the_named_shapes_exactly() -> None:
    random = np.random.RandomState(6)
    layout = lay_out(random.randint(0, NUM_CAPTIONS, 60), 0, random)
    boxes = (layout.boxes() * SIDE).round().astype(int)
    for slot in range(2):
        shown = inside(layout.shapes[:, slot], layout.centres[:, slot], layout.radii[:, slot])
        for pixels, (left, top, right, bottom) in zip(shown, boxes[:, slot], strict=True):
            rows, columns = np.nonzero(pixels)
            assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (left, top, right, bottom)
    assert draw(layout, random).shape == (60, 3, SIDE, SIDE)


def test_splits_come_from_the_tasks_own_seed_and_differ() -> None:
    torch.manual_seed(1)
    first = shapes()
    torch.manual_seed(2)
    again = shapes()
    for split in ("train", "val", "test"):
        assert torch.equal(first.splits[split].images, again.splits[split].images)
        assert first.splits[split].references == again.splits[split].references
    assert not torch.equal(first.splits["val"].images, first.splits["test"].images[:20])


def test_unseen_captions_stand_in_one_split_only() -> None:
    numbers = owners()
    assert [len(numbers[split]) for split in ("train", "val", "test")] == [1843, 230, 231]
    assert len(set(np.concatenate(list(numbers.values())).tolist())) == NUM_CAPTIONS
    task = shapes(unseen=True, num_train=1500)
    trained, tested = set(task.splits["train"].references), set(task.splits["test"].references)
    assert len(trained) > 900
    assert not trained & tested
    assert set(shapes(num_train=1500).splits["train"].references) & set(shapes().splits["test"].references)


def test_a_batch_holds_words_and_end_and_what_stands_before() -> None:
    task = shapes()
    seen = []
    for batch in task.batches("train", 16, torch.Generator().manual_seed(0)):
        assert batch.size == len(batch.targets) == batch.inputs.batch_size
        for row, mask, before in zip(batch.targets, batch.mask, batch.inputs.previous, strict=True):
            caption = row[mask].tolist()
            assert caption[-1] == END
            assert before[: len(caption)].tolist() == [START, *caption[:-1]]
            seen.append(task.vocabulary.decode(caption[:-1]))
    assert sorted(seen) == sorted(task.splits["train"].references)
    assert abs(torch.cat([b.inputs.values for b in task.batches("train", 60, None)]).mean()) < 1e-4


# --- judging ----------------------------------------------------------------------------------------------


def test_who_knows_all_scores_1_and_who_says_one_thing_scores_0() -> None:
    task = shapes()
    scores = task.judge(evaluator(Reciter(task), task), "test")
    assert scores == {"exact": 1.0, "bleu": pytest.approx(100.0), "cross_entropy": pytest.approx(0.0, abs=1e-6)}
    constant = nn.Module()
    constant.forward = lambda inputs: torch.eye(task.signature.output.vocab)[4].expand(*inputs.previous.shape, -1)
    assert task.judge(evaluator(constant, task), "test")["exact"] == SPECS["shapes_captions"].floor == 0.0


def cells_of(task: Any, choose: Any) -> dict[bytes, list[tuple[int, int]]]:
    """For each test picture a cell for either shape, chosen from its box."""
    part, found = task.splits["test"], {}
    for index, batch in zip(task.batches("test", 1, None).indices(), task.batches("test", 1, None), strict=True):
        boxes = part.boxes[index.host[0]].tolist()
        found[batch.inputs.values.numpy().tobytes()] = [choose(*box) for box in boxes]
    return found


def test_pointing_is_1_where_the_shapes_are_and_near_chance_elsewhere() -> None:
    task, random = shapes(num_test=250), np.random.RandomState(0)
    middle = cells_of(task, lambda x, y, right, bottom: (int((y + bottom) * 6), int((x + right) * 6)))
    assert judged(task, middle) == 1.0
    swapped = {image: cells[::-1] for image, cells in middle.items()}
    assert judged(task, swapped) == 0.0
    anywhere = judged(task, cells_of(task, lambda *_: tuple(random.randint(0, 12, 2))))
    part = task.splits["test"].boxes
    sides = (part[..., 2:] + 1 / 24).clamp(max=1) - (part[..., :2] - 1 / 24).clamp(min=0)
    chance = float(sides.prod(dim=-1).mean())
    assert 0.15 < chance < 0.25
    assert abs(anywhere - chance) < 4 * (chance * (1 - chance) / 500) ** 0.5


def judged(task: Any, cells: dict[bytes, list[tuple[int, int]]]) -> float:
    found: float = task.judge(evaluator(Looking(task, cells), task), "test")["pointing"]
    return found


def test_a_cell_points_by_its_centre_and_may_miss_by_little() -> None:
    attention = torch.zeros(1, 1, 4, 4)
    attention[0, 0, 1, 2] = 1.0  # centre at (0.625, 0.375)
    for box, right in [
        ((0.6, 0.3, 0.7, 0.4), True), ((0.66, 0.3, 0.7, 0.4), True), ((0.67, 0.3, 0.7, 0.4), False),
        ((0.3, 0.3, 0.59, 0.34), True), ((0.3, 0.3, 0.58, 0.4), False), ((0.6, 0.42, 0.7, 0.5), False),
    ]:  # fmt: skip
        assert pointed(attention, torch.tensor([[box]]), torch.tensor([[0]])).item() is right, box


def test_samples_and_pictures_show_the_first_of_the_test_split() -> None:
    task = shapes(samples=3)
    learner = Supervised(Reciter(task), task.loss)
    shown = samples(learner, task, Execution(Runtime()))
    assert shown == [f"{text} ||| {text}" for text in task.splits["test"].references[:3]]
    assert samples(learner, shapes(samples=0), Execution(Runtime())) == []
    assert task.pictures(evaluator(Reciter(task), task)) == {}
    looking = Looking(task, cells_of(task, lambda *_: (0, 11)))
    picture = task.pictures(evaluator(looking, task))["attention"]
    assert picture.dtype == np.uint8
    assert picture.shape == (4 * (96 + 14 + 4), 9 * 100, 3)
    lit = picture[2 + 14 : 2 + 14 + 96, 3 * 100 + 2 : 3 * 100 + 98].astype(int)  # the third word's tile
    plain = picture[2 + 14 : 2 + 14 + 96, 2:98].astype(int)
    assert (lit[:8, -8:] == plain[:8, -8:]).all()
    assert abs(lit[8:] - plain[8:] / 4).max() <= 1
    assert (picture[2:14, 102:198] < 128).any()  # the word above it


def test_bleu_is_of_whole_words() -> None:
    text = "a red cross left of a blue circle"
    assert corpus_bleu([text], [text]) == pytest.approx(100)
    expected = 100 * (7 / 8 * 6 / 7 * 5 / 6 * 4 / 5) ** 0.25
    found = corpus_bleu(["a red cross left of a blue square"], [text])
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"distractors": 5}, "distractors must be 0 to 4, not 5"),
        ({"distractors": -1}, "distractors must be 0 to 4, not -1"),
        ({"num_val": 0}, "num_val must be at least 1, not 0"),
        ({"beam": 0}, "beam is at least 1"),
        ({"samples": -1}, "samples at least 0, not 1 and -1"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        shapes(**options)


def test_a_beam_writes_no_worse_captions() -> None:
    task = shapes(beam=3)
    assert task.judge(evaluator(Reciter(task), task), "test")["exact"] == 1.0


def test_a_captioner_is_judged_with_pointing_only_where_it_looks() -> None:
    task = shapes(num_test=20)
    for view, expected in [("attention", True), ("mean", False), (None, False)]:
        built = catalog().model("show_attend_tell").build(task.signature, width=8, embedding=8, view=view)
        scores = judge(Supervised(built, task.loss), task, "test", Execution(Runtime()))
        assert ("pointing" in scores) is expected
        assert scores["exact"] <= 1


def test_mirroring_is_refused() -> None:
    """It would turn left into right."""
    batch = next(iter(shapes().batches("train", 4, None)))
    with pytest.raises(UsageError, match="works on images"):
        catalog().regularizer("crop_flip").build().on_batch(batch, torch.Generator())


@pytest.mark.parametrize("name", SPECS)
def test_conforms(name: str, data_root: Path) -> None:
    findings = check_task(SPECS[name], data_root=data_root)
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_the_suite_names_known_models_and_options() -> None:
    (suite,) = suites()
    for block in suite.blocks:
        for text in block.models:
            choice = Choice.parse(text)
            assert dict(choice.options).keys() <= option_defaults(catalog().model(choice.name).build).keys()
        assert set(block.tasks) <= set(SPECS)
        resolve([("suite", block.set)])
