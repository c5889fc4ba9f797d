"""`fsdd`: ten spoken digits as log-mel spectrograms, by six speakers.

The Free Spoken Digit Dataset (Zohar Jackson and others, 2016-2020): 50 takes of each digit by each speaker.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dlbench import Batch, Classes, NoData, Series, SeriesBatch, Signature, unknown
from dlbench.data import Data
from dlbench.data.kept import Arrays, kept
from dlbench.data.sequences import BucketedBatches, Index, Ragged
from dlbench.data.splits import stratified_split
from dlbench.data.verify import digest

from .archive import RATE, Recording, read_archive
from .features import FLOOR, WINDOW, LogMel
from .files import FSDD, RECORDINGS

VERSION = 1  # of the features; raise it when their computation changes
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
DIGITS, TAKES = 10, 50
NUM_TEST_TAKES = NUM_VAL_TAKES = 5
SPLITS = ("official", "speakers")
JUDGE_BATCH = 256

Splits = Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True)
class Sounds:
    """All recordings' log-mels, one after the other (N, mels) float32; of each recording its length in frames, its
    digit, its speaker's place in `SPEAKERS` and its take, each (R,)."""

    values: NDArray[np.float32]
    lengths: NDArray[np.int64]
    digits: NDArray[np.int64]
    speakers: NDArray[np.int64]
    takes: NDArray[np.int64]


class SpokenDigits:
    """Recordings with one digit each. The bands are standardised with the mean and the deviation over all frames of
    the training split."""

    def __init__(self, *, sounds: Sounds, splits: Splits, device: str = "cpu") -> None:
        mean, deviation = band_statistics(sounds, splits["train"])
        values = (sounds.values - mean) / deviation
        rows = np.split(values, sounds.lengths.cumsum()[:-1])
        self.rows = Ragged(rows, dtype=torch.float32, device=device)
        self.digits = torch.from_numpy(sounds.digits).to(device)
        self.splits = {name: torch.from_numpy(index) for name, index in splits.items()}
        self.device = device
        self.signature = Signature(
            input=Series(features=values.shape[1], length=int(sounds.lengths.max())), output=Classes(num_classes=DIGITS)
        )

    def batches(self, split: str, batch_size: int, generator: torch.Generator | None) -> BucketedBatches:
        members = self.splits[split]
        there = members.to(self.device)

        def gather(index: Index) -> Batch:
            chosen = Index(members[index.host], there[index.there])
            values, lengths = self.rows.padded(chosen)
            inputs = SeriesBatch(values, lengths, sizes=self.rows.sizes(chosen))
            return Batch(inputs=inputs, targets=self.digits[chosen.there], size=len(index))

        return BucketedBatches(self.rows.lengths[members], batch_size, generator, gather, device=self.device)

    def loss(self, outputs: Tensor, batch: Batch) -> Tensor:
        """Mean cross-entropy, in nats."""
        assert batch.targets is not None
        return F.cross_entropy(outputs, batch.targets)

    def judge(self, learner: Any, split: str) -> dict[str, float]:
        """`accuracy` (fraction) and `cross_entropy` (nats) over all recordings of the split."""
        right = torch.zeros((), dtype=torch.int64, device=self.device)
        nats = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in self.batches(split, JUDGE_BATCH, None):
            logits = learner.predict(batch)  # (B, 10)
            right += (logits.argmax(1) == batch.targets).sum()
            nats += F.cross_entropy(logits.float(), batch.targets, reduction="none").double().sum()
        count = len(self.splits[split])
        return {"accuracy": right.item() / count, "cross_entropy": nats.item() / count}


class EverySpeaker:
    """The task once for each speaker, who is its test split; `fold` makes them one at a time."""

    def __init__(self, *, sounds: Sounds, device: str = "cpu") -> None:
        self.sounds, self.device = sounds, device
        self.signature = self.fold(0).signature

    def fold(self, index: int) -> SpokenDigits:
        """The task that holds `SPEAKERS[index]` out."""
        return SpokenDigits(sounds=self.sounds, splits=held_out(self.sounds, index), device=self.device)


def official(sounds: Sounds) -> Splits:
    """The source's test split, takes 0 to 4 of each speaker and digit. The source trains on all others; here takes 5
    to 9 are validation."""
    takes = sounds.takes
    test, held_back = takes < NUM_TEST_TAKES, takes < NUM_TEST_TAKES + NUM_VAL_TAKES
    masks = {"train": ~held_back, "val": held_back & ~test, "test": test}
    return {name: np.flatnonzero(mask) for name, mask in masks.items()}


def held_out(sounds: Sounds, speaker: int) -> Splits:
    """Everything of one speaker is the test split; a tenth of the others' recordings, with speakers and digits in
    proportion, is validation."""
    others = np.flatnonzero(sounds.speakers != speaker)
    groups = sounds.speakers[others] * DIGITS + sounds.digits[others]
    num_val = len(others) // 10
    train, val = stratified_split(groups, (len(others) - num_val, num_val))
    return {"train": others[train], "val": others[val], "test": np.flatnonzero(sounds.speakers == speaker)}


def band_statistics(sounds: Sounds, members: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation of each band, (mels,), over all frames of some recordings. A band without any
    variation gets the deviation 1."""
    chosen = np.zeros(len(sounds.lengths), dtype=bool)
    chosen[members] = True
    frames = sounds.values[np.repeat(chosen, sounds.lengths)].astype(np.float64)
    deviation = frames.std(axis=0)
    return frames.mean(axis=0).astype(np.float32), np.where(deviation > 0, deviation, 1.0).astype(np.float32)


def read_sounds(data: Data, *, mels: int, hop: int) -> Sounds:
    """The recordings' log-mels, from the cache where they were computed before. Raises NoData for a file that is
    missing, damaged or incomplete, and UsageError for sizes that make no sense."""
    log_mel = LogMel(rate=RATE, mels=mels, hop=hop)

    def make() -> Arrays:
        recordings = read_archive(data.path(RECORDINGS))
        check_complete(recordings)
        return compute(recordings, log_mel)

    parameters = {
        "version": VERSION, "librosa": version("librosa"), "data": digest(FSDD, data.root, data.cache),
        "mels": mels, "hop": hop, "window": WINDOW, "floor": FLOOR,
    }  # fmt: skip
    return Sounds(**kept(data.cache, "speech/fsdd", parameters, make))


def compute(recordings: list[Recording], log_mel: Callable[[NDArray[np.int16]], NDArray[np.float32]]) -> Arrays:
    """The fields of `Sounds`, in order of speaker, digit and take."""
    ordered = sorted(recordings, key=lambda recording: (recording.speaker, recording.digit, recording.index))
    values = [log_mel(recording.samples) for recording in ordered]
    return {
        "values": np.concatenate(values),
        "lengths": np.array([len(rows) for rows in values]),
        "digits": np.array([recording.digit for recording in ordered]),
        "speakers": np.array([SPEAKERS.index(recording.speaker) for recording in ordered]),
        "takes": np.array([recording.index for recording in ordered]),
    }


def check_complete(recordings: list[Recording]) -> None:
    """Raises NoData, naming the first one, where a recording is missing or is none of the published ones."""
    found = {(recording.digit, recording.speaker, recording.index) for recording in recordings}
    expected = {(d, speaker, take) for d in range(DIGITS) for speaker in SPEAKERS for take in range(TAKES)}
    for problem, names in (("lacks", expected - found), ("has besides", found - expected)):
        if names:
            digit, speaker, take = min(names)
            name = f"{digit}_{speaker}_{take}.wav"
            raise NoData(f"{RECORDINGS} {problem} {len(names)} recordings, first {name}: it needs the published 3,000")


def load(data: Data, *, split: str, mels: int, hop: int) -> SpokenDigits | EverySpeaker:
    """Raises UsageError for an unknown split or impossible sizes, NoData for files that are missing or damaged."""
    if split not in SPLITS:
        raise unknown("split of fsdd", split, SPLITS)
    sounds = read_sounds(data, mels=mels, hop=hop)
    if split == "speakers":
        return EverySpeaker(sounds=sounds, device=data.device)
    return SpokenDigits(sounds=sounds, splits=official(sounds), device=data.device)
