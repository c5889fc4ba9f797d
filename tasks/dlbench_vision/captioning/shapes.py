"""`shapes_captions`: generated pictures, from a seed of the task's own.

The idea is that of CLEVR (Johnson et al. 2017, "CLEVR: A Diagnostic Dataset for Compositional Language and Elementary
Visual Reasoning"): scenes whose description is known, so that a model's mistakes are its own.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dlbench import UsageError
from dlbench.data import Data

from .drawing import draw, lay_out
from .grammar import LONGEST, NUM_CAPTIONS, WORDS, words
from .task import Captioned, CaptionTask, Named
from .vocabulary import Vocabulary

SEED = 61
SHARES = {"train": 0.8, "val": 0.1, "test": 0.1}  # of the captions, where no split has one of another
MOST_DISTRACTORS = 4


def load(
    data: Data, *, counts: Mapping[str, int], unseen: bool, distractors: int, beam: int, samples: int
) -> CaptionTask:
    """`counts`: of pictures by split. Raises UsageError for options out of range."""
    for name, count in counts.items():
        if count < 1:
            raise UsageError(f"num_{name} must be at least 1, not {count}")
    if not 0 <= distractors <= MOST_DISTRACTORS:
        raise UsageError(f"distractors must be 0 to {MOST_DISTRACTORS}, not {distractors}")
    allowed = owners() if unseen else dict.fromkeys(counts, np.arange(NUM_CAPTIONS))
    splits = {}
    for place, (name, count) in enumerate(counts.items()):
        random = np.random.RandomState([SEED, place, distractors])
        numbers = allowed[name][random.randint(0, len(allowed[name]), count)]
        splits[name] = captioned(numbers, distractors, random)
    return CaptionTask(
        splits, vocabulary=Vocabulary(WORDS), length=LONGEST + 1, beam=beam, samples=samples, device=data.device
    )


def captioned(numbers: np.ndarray, distractors: int, random: np.random.RandomState) -> Captioned:
    """Pictures of the captions with these numbers (N,)."""
    layout = lay_out(numbers, distractors, random)
    captions = [words(number) for number in numbers.tolist()]
    places = np.array([[2, len(caption) - 1] for caption in captions])
    return Captioned(draw(layout, random), captions, Named(layout.boxes(), places))


def owners() -> dict[str, np.ndarray]:
    """The captions of each split, by their numbers, where no two splits share one."""
    order = np.random.RandomState(SEED).permutation(NUM_CAPTIONS)
    cuts = (np.cumsum([SHARES["train"], SHARES["val"]]) * NUM_CAPTIONS).astype(int)
    return dict(zip(SHARES, np.split(order, cuts), strict=True))
