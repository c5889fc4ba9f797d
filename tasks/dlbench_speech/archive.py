"""Read the recordings out of the archive: names, labels and samples, every one of them checked."""

from __future__ import annotations

import io
import re
import tarfile
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from dlbench import NoData

RATE = 8000
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav", re.ASCII)
PACK_AGAIN = "pack the published folder again"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One spoken digit. `index`: which of the speaker's takes of it; `samples` (N,) int16, `RATE` of them a second."""

    digit: int
    speaker: str
    index: int
    samples: NDArray[np.int16]


def read_archive(path: Path) -> list[Recording]:
    """The recordings of a tar file, in its order. Folders in it are passed over; raises NoData, naming the member, for
    anything else that is no whole mono 16-bit wav of `RATE` named DIGIT_SPEAKER_INDEX.wav, and for a second one of the
    same name."""
    found: dict[tuple[int, str, int], Recording] = {}
    for name, content in _members(path):
        place = f"{name} in {path.name}"
        recording = _recording(name, content, place)
        key = (recording.digit, recording.speaker, recording.index)
        if key in found:
            raise NoData(f"{place} is there twice; {PACK_AGAIN}")
        found[key] = recording
    return list(found.values())


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                if member.isdir():
                    continue
                stream = tar.extractfile(member) if member.isfile() else None
                if stream is None:
                    raise NoData(f"{member.name} in {path.name} is no plain file; {PACK_AGAIN}")
                yield member.name, stream.read()
    except (OSError, tarfile.TarError) as error:
        raise NoData(f"can't read {path.name} as an uncompressed tar archive ({error}); {PACK_AGAIN}") from error


def _recording(name: str, content: bytes, place: str) -> Recording:
    matched = NAME.fullmatch(PurePosixPath(name).name)
    if matched is None:
        raise NoData(f"{place} isn't named DIGIT_SPEAKER_INDEX.wav, as in 7_jackson_32.wav; {PACK_AGAIN}")
    digit, speaker, index = matched.groups()
    return Recording(digit=int(digit), speaker=speaker, index=int(index), samples=read_wav(content, place))


def read_wav(content: bytes, place: str) -> NDArray[np.int16]:
    """The samples (N,) of a wav file's bytes. `place` names it in the NoData raised for one that is broken, empty, or
    not mono with 16 bits at `RATE`."""
    try:
        with wave.open(io.BytesIO(content)) as sound:
            form = (sound.getnchannels(), 8 * sound.getsampwidth(), sound.getframerate())
            count, samples = sound.getnframes(), sound.readframes(sound.getnframes())
    except (wave.Error, EOFError) as error:
        raise NoData(f"{place} is no wav file ({error or 'it ends too early'}); {PACK_AGAIN}") from error
    if form != (1, 16, RATE):
        raise NoData(f"{place} has {form[0]} channels of {form[1]} bits at {form[2]} Hz, not 1 of 16 bits at {RATE} Hz")
    if not count:
        raise NoData(f"{place} holds no samples; {PACK_AGAIN}")
    if len(samples) != 2 * count:
        raise NoData(f"{place} announces {count} samples but holds {len(samples) // 2}; {PACK_AGAIN}")
    return np.frombuffer(samples, dtype="<i2").astype(np.int16, copy=False)
