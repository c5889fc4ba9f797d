"""One-shot classification of Omniglot: 20 new characters of one alphabet, each seen once, told apart in the hand of
another drawer.

B. M. Lake, R. Salakhutdinov, J. B. Tenenbaum (2015): Human-Level Concept Learning through Probabilistic Program
Induction, for the runs; G. Koch, R. Zemel, R. Salakhutdinov (2015): Siamese Neural Networks for One-Shot Image
Recognition, for networks on them.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dlbench import Batch, NoData
from dlbench.data import Data
from dlbench.data.batches import GatheredBatches
from dlbench.data.images import JUDGE_BATCH
from dlbench.data.kept import kept
from dlbench.data.verify import digest

from .drawn_files import OMNIGLOT_ONESHOT
from .images import ImageClassification
from .omniglot import DRAWERS, SIDE, VERSION, Drawings, read, reduced

WAYS = 20
NUM_RUNS = 20
HELD_OUT_ALPHABETS = 5
VAL_RUNS = 40
VAL_SEED = 0
LINE = re.compile(r"run\d\d/test/item(\d\d)\.png run\d\d/training/class(\d\d)\.png")


class Runs(NamedTuple):
    """`support` (R, 20, size, size) uint8: one drawing of each of a run's characters. `query` (R, 20, size, size): one
    more of each, by another drawer. `answers` (R, 20): which of the support each query shows."""

    support: np.ndarray
    query: np.ndarray
    answers: np.ndarray


def load(data: Data, *, size: int) -> OneShot:
    """Trained as classification of the characters of 25 background alphabets, by all 20 drawers. Validation: 40 runs
    like the official ones on five background alphabets that aren't trained on. Test: the 20 official runs. `size`: the
    side that drawings are reduced to, of 105. Raises NoData for missing or damaged files."""
    drawings = read(data, size)
    held_out = held_out_alphabets(drawings.alphabets)
    parameters = {"version": VERSION, "size": size, "data": digest(OMNIGLOT_ONESHOT, data.root, data.cache)}
    path = data.path(OMNIGLOT_ONESHOT.files[-1].path)
    test = Runs(**kept(data.cache, "vision/omniglot_oneshot", parameters, lambda: read_runs(path, size)._asdict()))
    images = drawings.images[~np.isin(drawings.alphabets, held_out)]
    return OneShot(images, {"val": drawn_runs(drawings, held_out), "test": test}, device=data.device)


class OneShot(ImageClassification):
    """Training batches are drawings (B, 1, size, size) of `images` (C, 20, size, size) and the number of their
    character; those of other splits are the drawings of `runs`, without targets.

    What a model predicts of a drawing, logits over the trained characters, is taken for its place: a query shows the
    character whose place is nearest, by the angle between logits less their mean. So any classifier of images fits.
    """

    def __init__(self, images: np.ndarray, runs: dict[str, Runs], *, device: str = "cpu") -> None:
        count, drawers, height, width = images.shape
        flat, labels = images.reshape(-1, 1, height, width), np.repeat(np.arange(count), drawers)
        super().__init__({"train": (flat, labels)}, num_classes=count, device=device)
        self._answers = {
            split: torch.from_numpy(run.answers.astype(np.int64)).to(device) for split, run in runs.items()
        }
        for split, run in runs.items():
            pixels = np.concatenate([run.support, run.query], axis=1).reshape(-1, 1, height, width)
            self._splits[split] = self._place(pixels, np.zeros(len(pixels), dtype=np.int64))

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> GatheredBatches:
        passed = super().batches(split, batch_size, generator)
        if split != "train":
            labelled = passed.gather
            passed.gather = lambda index: Batch(inputs=labelled(index).inputs, size=len(index))
        return passed

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` (fraction) over the queries of all runs of `val` or `test`; NaN where a place isn't finite."""
        logits = torch.cat([learner.predict(batch) for batch in self.batches(split, JUDGE_BATCH, None)])
        answers = self._answers[split]  # (R, 20)
        places = directions(logits).view(len(answers), 2, WAYS, -1)
        return {"accuracy": one_shot_accuracy(places[:, 0], places[:, 1], answers)}


def directions(logits: Tensor) -> Tensor:
    """Logits (N, C) less their mean, of length 1; equal logits are zeros. Neither what softmax leaves out nor how sure
    a model is matters then."""
    centred = logits.double() - logits.double().mean(dim=1, keepdim=True)
    return torch.nn.functional.normalize(centred, dim=1)


def one_shot_accuracy(support: Tensor, query: Tensor, answers: Tensor) -> float:
    """How often the nearest of a run's `support` (R, 20, D) is the one that a `query` (R, 20, D) shows, by `answers`
    (R, 20). Where several are nearest, each is picked with the same chance: a share of a right answer."""
    right = torch.zeros((), dtype=torch.float64, device=answers.device)
    for seen, asked, answer in zip(support, query, answers, strict=True):
        # From differences, so that equal places are at equal distances to the last digit.
        distances = (asked[:, None] - seen[None]).square().sum(dim=2)  # (20, 20)
        nearest = (distances == distances.min(dim=1, keepdim=True).values).double()
        right += (nearest.gather(1, answer[:, None])[:, 0] / nearest.sum(dim=1)).sum()
    return right.item() / answers.numel()


def held_out_alphabets(alphabets: np.ndarray) -> np.ndarray:
    """The alphabets of validation, always the same: drawn from those with enough characters for a run."""
    names, counts = np.unique(alphabets, return_counts=True)
    return np.random.default_rng(VAL_SEED).choice(names[counts >= WAYS], HELD_OUT_ALPHABETS, replace=False)


def drawn_runs(drawings: Drawings, alphabets: np.ndarray) -> Runs:
    """Runs as the official ones are: 20 characters of one alphabet and two drawers, drawn from the task's own seed."""
    generator = np.random.default_rng(VAL_SEED)
    support, query, answers = [], [], []
    for run in range(VAL_RUNS):
        (own,) = np.nonzero(drawings.alphabets == alphabets[run % len(alphabets)])
        characters = generator.choice(own, WAYS, replace=False)
        first, second = generator.choice(DRAWERS, 2, replace=False)
        order = generator.permutation(WAYS)
        support.append(drawings.images[characters, first])
        query.append(drawings.images[characters[order], second])
        answers.append(order)
    return Runs(np.stack(support), np.stack(query), np.stack(answers))


def read_runs(path: Path, size: int) -> Runs:
    """The official runs in their archive, reduced to `size`; raises NoData, naming what is wrong, for other content."""
    support, query, answers = [], [], []
    try:
        with zipfile.ZipFile(path) as archive:
            for run in range(1, NUM_RUNS + 1):
                folder = f"run{run:02d}"
                support += [_drawing(archive, f"{folder}/training/class{k:02d}.png") for k in range(1, WAYS + 1)]
                query += [_drawing(archive, f"{folder}/test/item{k:02d}.png") for k in range(1, WAYS + 1)]
                answers.append(_answers(archive.read(f"{folder}/class_labels.txt").decode("ascii"), folder))
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise NoData(f"{path.name} does not hold the official runs: {error}") from error
    drawn = [reduced(np.stack(part), size).reshape(NUM_RUNS, WAYS, size, size) for part in (support, query)]
    return Runs(drawn[0], drawn[1], np.array(answers))


def _drawing(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """One drawing (105, 105), 1 for ink, which is black in the file."""
    from PIL import Image

    with Image.open(io.BytesIO(archive.read(name))) as picture:
        pixels = np.asarray(picture.convert("L"))
    if pixels.shape != (SIDE, SIDE):
        raise ValueError(f"{name} has {pixels.shape[1]}x{pixels.shape[0]} pixels, not {SIDE}x{SIDE}")
    return (pixels < 128).astype(np.uint8)


def _answers(text: str, folder: str) -> list[int]:
    """Which character each query of a run shows, from 0."""
    pairs = {int(item): int(character) - 1 for item, character in LINE.findall(text)}
    if sorted(pairs) != list(range(1, WAYS + 1)) or sorted(pairs.values()) != list(range(WAYS)):
        raise ValueError(f"{folder}/class_labels.txt does not pair {WAYS} drawings with {WAYS} characters")
    return [pairs[item] for item in sorted(pairs)]
