"""A task on recordings of your own: a folder for each class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dlbench import Classes, NoData, Signature
from dlbench.data import Data
from dlbench.data.splits import SPLITS, complete

from .archive import RATE
from .features import LogMel
from .fsdd import Sounds, SpokenDigits

ENDINGS = frozenset({".wav", ".flac", ".ogg", ".mp3"})


class LabelledRecordings(SpokenDigits):
    """As spoken digits, of any number of classes."""

    def __init__(self, *, sounds: Sounds, splits: Any, num_classes: int, device: str = "cpu") -> None:
        super().__init__(sounds=sounds, splits=splits, device=device)
        self.signature = Signature(input=self.signature.input, output=Classes(num_classes=num_classes))


def labelled_recordings(data: Data, folder: str, *, mels: int = 40, hop: int = 128) -> LabelledRecordings:
    """A task `Series -> Classes` (metrics `accuracy`, `cross_entropy`) on `folder`/CLASS/*.wav, or on the same below
    `folder`/train, val and test; a split that isn't there is a tenth of train, drawn with the classes in proportion.
    `folder` is relative to the data root, or absolute. Recordings are brought to one channel at 8,000 Hz, and to `mels`
    bands of log power every `hop` samples, standardised as training has them.

    Raises NoData, naming the file, for one that can't be read, and where a folder has none; UsageError for sizes that
    make no sense.
    """
    root, log_mel = data.path(folder), LogMel(rate=RATE, mels=mels, hop=hop)
    folders = {split: root / split for split in SPLITS if (root / split).is_dir()} or {"train": root}
    classes = sorted(path.name for path in folders["train"].iterdir() if path.is_dir()) if "train" in folders else []
    if len(classes) < 2:
        raise NoData(f"{folders.get('train', root / 'train')} needs a folder for each of at least two classes")
    found = {split: _files(path, classes) for split, path in folders.items()}
    found = complete(found, lambda part, at: [part[i] for i in at], lambda part: [label for _, label in part])
    files = [file for split in SPLITS for file in found[split]]
    rows = [log_mel(_samples(path)) for path, _ in files]
    ends = np.cumsum([len(found[split]) for split in SPLITS])
    nobody = np.zeros(len(files), dtype=np.int64)
    sounds = Sounds(
        values=np.concatenate(rows), lengths=np.array([len(row) for row in rows]),
        digits=np.array([label for _, label in files]), speakers=nobody, takes=nobody,
    )  # fmt: skip
    splits = dict(zip(SPLITS, np.split(np.arange(len(files)), ends[:-1]), strict=True))
    return LabelledRecordings(sounds=sounds, splits=splits, num_classes=len(classes), device=data.device)


def _files(folder: Path, classes: list[str]) -> list[tuple[Path, int]]:
    found = []
    for label, name in enumerate(classes):
        paths = sorted(p for p in (folder / name).rglob("*") if p.suffix.lower() in ENDINGS and p.is_file())
        if not paths:
            raise NoData(f"{folder / name} holds no recordings")
        found += [(path, label) for path in paths]
    return found


def _samples(path: Path) -> NDArray[np.int16]:
    import librosa

    try:
        sound, _ = librosa.load(path, sr=RATE, mono=True)
    except Exception as error:  # each decoder has its own
        raise NoData(f"{path} can't be read: {type(error).__name__}: {error}") from error
    if not len(sound):
        raise NoData(f"{path} holds no samples")
    return np.round(np.clip(sound, -1, 1) * 32767).astype(np.int16)
