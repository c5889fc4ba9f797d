"""Spoken digits: what the archive holds, log-mels, splits, standardisation, the cache, floors, and damaged archives."""

from __future__ import annotations

import io
import math
import struct
import tarfile
import wave
from pathlib import Path
from typing import Any

import librosa
import numpy as np
import pytest
import torch

import dlbench_speech
from dlbench.data import Data
from dlbench.data.root import default_cache
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench_speech import fsdd
from dlbench_speech.archive import Recording, read_archive, read_wav
from dlbench_speech.features import FLOOR, LogMel, mel_filters
from dlbench_speech.files import FSDD, RECORDINGS

(SPEC,) = dlbench_speech.dlbench_tasks()
SPLITS = ("train", "val", "test")


def wav(samples: Any = range(400), *, rate: int = 8000, channels: int = 1, width: int = 2) -> bytes:
    """A wav file of 16-bit samples, or of as many zeros of another width."""
    stream = io.BytesIO()
    with wave.open(stream, "wb") as sound:
        sound.setnchannels(channels)
        sound.setsampwidth(width)
        sound.setframerate(rate)
        content = np.asarray(samples, dtype="<i2").tobytes()
        sound.writeframes(content if width == 2 else bytes(len(samples) * width))
    return stream.getvalue()


def pack(path: Path, members: dict[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def everything(samples: Any = range(400)) -> dict[str, bytes]:
    """All the names of the published archive, each with the same sound."""
    sound = wav(samples)
    return {f"recordings/{d}_{s}_{i}.wav": sound for d in range(10) for s in fsdd.SPEAKERS for i in range(50)}


@pytest.fixture
def nowhere(tmp_path: Path) -> Data:
    return Data(root=tmp_path / "root", cache=tmp_path / "cache")


@pytest.fixture(scope="module")
def data(data_root: Path) -> Data:
    """The real archive; the test is skipped where the data root lacks it."""
    if state(FSDD, data_root, None).status == "missing":
        pytest.skip("the data root lacks fsdd")
    return Data(root=data_root, cache=default_cache())


@pytest.fixture(scope="module")
def official(data: Data) -> fsdd.SpokenDigits:
    return SPEC.open(data, {})


def sounds(lengths: dict[tuple[int, int, int], int], mels: int = 3) -> fsdd.Sounds:
    """Random log-mels by digit, speaker and take, each so many frames long."""
    digits, speakers, takes = (np.array(column) for column in zip(*lengths, strict=True))
    sizes = np.array(list(lengths.values()))
    values = np.random.default_rng(0).normal(2, 3, (sizes.sum(), mels)).astype(np.float32)
    return fsdd.Sounds(values=values, lengths=sizes, digits=digits, speakers=speakers, takes=takes)


def some_sounds() -> fsdd.Sounds:
    """Three digits, two speakers, 20 takes, 1 to 5 frames."""
    return sounds({(d, s, i): 1 + (d + s + i) % 5 for d in range(3) for s in range(2) for i in range(20)})


# --- the real archive -------------------------------------------------------------------------------------


def test_the_archive_holds_what_was_published(data: Data) -> None:
    assert state(FSDD, data.root, None).status == "verified"
    recordings = read_archive(data.path(RECORDINGS))
    fsdd.check_complete(recordings)
    lengths = np.array([len(recording.samples) for recording in recordings])
    assert (len(lengths), lengths.min(), lengths.max(), lengths.sum()) == (3000, 1148, 18262, 10_498_424)


def test_it_is_a_sound_task(data: Data) -> None:
    findings = check_task(SPEC, data_root=data.root)
    assert all(finding.ok for finding in findings), report(findings)


def test_the_official_split(official: fsdd.SpokenDigits) -> None:
    targets = {s: torch.cat([b.targets for b in official.batches(s, 500, None)]) for s in SPLITS}
    assert {s: found.bincount().tolist() for s, found in targets.items()} == {
        "train": [240] * 10, "val": [30] * 10, "test": [30] * 10,
    }  # fmt: skip
    assert str(official.signature) == "series[40,229] -> classes[10]"


def test_batches_come_bucketed_and_standardised(official: fsdd.SpokenDigits) -> None:
    batches = list(official.batches("train", 32, torch.Generator().manual_seed(0)))
    assert sum(batch.size for batch in batches) == 2400
    filled = sum(int(batch.inputs.lengths.sum()) for batch in batches)
    assert filled > 0.9 * sum(batch.inputs.values[..., 0].numel() for batch in batches)
    valid = torch.cat([steps[:n] for b in batches for steps, n in zip(b.inputs.values, b.inputs.lengths, strict=True)])
    assert valid.mean(dim=0).abs().max() < 1e-4
    assert (valid.std(dim=0) - 1).abs().max() < 1e-4
    assert all(not steps[n:].any() for b in batches for steps, n in zip(b.inputs.values, b.inputs.lengths, strict=True))


def test_every_speaker_is_held_out_in_turn(data: Data) -> None:
    options = {"split": "speakers", "mels": 8, "hop": 160}
    task = SPEC.open(data, options)
    assert SPEC.num_folds(options) == len(fsdd.SPEAKERS) == 6
    assert SPEC.num_folds({}) == 1
    speakers, digits = task.sounds.speakers, task.sounds.digits
    for index in range(6):
        splits = fsdd.held_out(task.sounds, index)
        assert {s: len(members) for s, members in splits.items()} == {"train": 2250, "val": 250, "test": 500}
        assert set(speakers[splits["test"]]) == {index}
        assert len(set(np.concatenate(list(splits.values())))) == 3000
        groups = np.unique(speakers[splits["val"]] * 10 + digits[splits["val"]], return_counts=True)
        assert groups[1].tolist() == [5] * 50
    fold = task.fold(3)
    assert str(fold.signature) == "series[8,115] -> classes[10]"
    assert sum(batch.size for batch in fold.batches("test", 32, None)) == 500


def test_a_second_load_reads_the_cache(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    first = fsdd.read_sounds(data, mels=8, hop=160)
    monkeypatch.setattr(fsdd, "read_archive", lambda path: pytest.fail("it read the archive again"))
    again = fsdd.read_sounds(data, mels=8, hop=160)
    assert all(np.array_equal(getattr(first, name), getattr(again, name)) for name in vars(first))
    with pytest.raises(pytest.fail.Exception):
        fsdd.read_sounds(data, mels=8, hop=161)


# --- features ---------------------------------------------------------------------------------------------


def test_log_mels_are_librosas() -> None:
    samples = (3000 * np.random.default_rng(0).normal(size=1000)).astype(np.int16)
    power = librosa.feature.melspectrogram(
        y=samples.astype(np.float32) / 32768, sr=8000, n_fft=256, hop_length=80, n_mels=20
    )
    found = LogMel(rate=8000, mels=20, hop=80)(samples)
    assert found.shape == (13, 20)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.log(power + FLOOR).T, rtol=1e-4, atol=1e-4)


def test_a_tone_lies_in_its_band() -> None:
    tone = (8000 * np.sin(2 * np.pi * 1000 * np.arange(4000) / 8000)).astype(np.int16)
    bands = LogMel(rate=8000, mels=40, hop=80)(tone)[25]
    centres = librosa.mel_frequencies(42, fmin=0, fmax=4000)[1:-1]
    assert abs(centres[bands.argmax()] - 1000) < 60


@pytest.mark.parametrize("count", [1, 100, 255])
def test_a_sound_shorter_than_a_window(count: int) -> None:
    found = LogMel(rate=8000, mels=10, hop=80)(np.full(count, 500, np.int16))
    assert found.shape == (1 + count // 80, 10)
    assert np.isfinite(found).all()


def test_silence_is_finite() -> None:
    assert LogMel(rate=8000, mels=10, hop=80)(np.zeros(500, np.int16)) == pytest.approx(math.log(FLOOR))


@pytest.mark.parametrize(("options", "said"), [
    ({"split": "offical"}, "did you mean 'official'"),
    ({"mels": 0}, "at least 1 mel band, not 0"),
    ({"mels": 200}, "200 mel bands are too many"),
    ({"hop": 0}, "hop of 1 to 256 samples"),
    ({"hop": 257}, "hop of 1 to 256 samples"),
])  # fmt: skip
def test_impossible_options(options: dict[str, Any], said: str, nowhere: Data) -> None:
    with pytest.raises(UsageError, match=said):
        SPEC.open(nowhere, options)
    if "split" in options:
        with pytest.raises(UsageError, match=said):
            SPEC.num_folds(options)


def test_no_band_is_empty() -> None:
    assert mel_filters(rate=8000, mels=40).any(axis=1).all()


# --- the task on made sounds ------------------------------------------------------------------------------


def test_statistics_are_of_the_training_frames_only() -> None:
    made = some_sounds()
    splits = fsdd.official(made)
    mean, deviation = fsdd.band_statistics(made, splits["train"])
    rows = np.split(made.values, made.lengths.cumsum()[:-1])
    frames = np.concatenate([rows[index] for index in splits["train"]])
    np.testing.assert_allclose(mean, frames.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(deviation, frames.std(axis=0), rtol=1e-5)
    made.values[:] = 7
    assert fsdd.band_statistics(made, splits["train"])[1].tolist() == [1, 1, 1]


def test_a_batch_holds_the_rows_that_it_says() -> None:
    made = some_sounds()
    task = fsdd.SpokenDigits(sounds=made, splits=fsdd.official(made))
    assert {s: sorted(set(made.takes[members.numpy()])) for s, members in task.splits.items()} == {
        "test": [0, 1, 2, 3, 4], "val": [5, 6, 7, 8, 9], "train": list(range(10, 20)),
    }  # fmt: skip
    mean, deviation = fsdd.band_statistics(made, task.splits["train"].numpy())
    rows = np.split((made.values - mean) / deviation, made.lengths.cumsum()[:-1])
    expected = {rows[index].tobytes(): made.digits[index] for index in task.splits["test"].tolist()}
    for batch in task.batches("test", 7, torch.Generator().manual_seed(1)):
        for steps, length, digit in zip(*batch.inputs[:2], batch.targets, strict=True):
            assert expected.pop(steps[:length].numpy().tobytes()) == digit
    assert expected == {}


def test_metrics_are_over_all_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    made = some_sounds()
    task = fsdd.SpokenDigits(sounds=made, splits=fsdd.official(made))

    class Unsure:
        def predict(self, batch: Any) -> torch.Tensor:
            logits = torch.zeros(batch.size, 10)
            logits[:, 1] = 2.0
            return logits

    right, wrong = (-math.log(math.exp(v) / (math.exp(2) + 9)) for v in (2, 0))
    for size in (256, 7):
        monkeypatch.setattr(fsdd, "JUDGE_BATCH", size)
        found = task.judge(Unsure(), "test")
        assert found == {"accuracy": 1 / 3, "cross_entropy": pytest.approx((right + 2 * wrong) / 3)}


# --- damaged archives -------------------------------------------------------------------------------------


def test_a_missing_archive(nowhere: Data) -> None:
    with pytest.raises(NoData, match=r"speech/fsdd/recordings\.tar"):
        SPEC.open(nowhere, {})


def test_a_whole_archive_of_another_making_is_read(nowhere: Data) -> None:
    path = pack(nowhere.root / RECORDINGS, everything())
    with tarfile.open(path, "a") as tar:
        folder = tarfile.TarInfo("recordings")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
    task = SPEC.open(nowhere, {"mels": 4})
    assert str(task.signature) == "series[4,6] -> classes[10]"
    assert sum(batch.size for batch in task.batches("train", 32, None)) == 2400
    (kept,) = (nowhere.cache / "speech").iterdir()
    kept.write_bytes(kept.read_bytes()[:1000])  # a damaged cache only costs computing again
    again = SPEC.open(nowhere, {"mels": 4})
    assert torch.equal(again.rows.values, task.rows.values)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "recordings.tar"
    for content in (b"", b"not a tar archive" * 100):
        path.write_bytes(content)
        with pytest.raises(NoData, match=r"can't read recordings\.tar as an uncompressed tar archive"):
            read_archive(path)


def test_an_archive_that_ends_too_early(tmp_path: Path) -> None:
    path = pack(tmp_path / "recordings.tar", {f"recordings/1_theo_{i}.wav": wav() for i in range(3)})
    path.write_bytes(path.read_bytes()[:1200])
    with pytest.raises(NoData, match=r"can't read recordings\.tar"):
        read_archive(path)


@pytest.mark.parametrize("name", ["x.wav", "recordings/10_theo_1.wav", "recordings/1_theo_1.mp3", "1_theo.wav"])
def test_a_name_that_says_too_little(name: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "recordings.tar", {"recordings/1_theo_0.wav": wav(), name: wav()})
    with pytest.raises(NoData, match=rf"{name} in recordings\.tar isn't named DIGIT_SPEAKER_INDEX\.wav"):
        read_archive(path)


def test_a_link_and_a_name_that_is_there_twice(tmp_path: Path) -> None:
    path = pack(tmp_path / "recordings.tar", {"a/1_theo_0.wav": wav(), "b/1_theo_0.wav": wav()})
    with pytest.raises(NoData, match=r"b/1_theo_0\.wav in recordings\.tar is there twice"):
        read_archive(path)
    with tarfile.open(path, "w") as tar:
        link = tarfile.TarInfo("2_theo_0.wav")
        link.type, link.linkname = tarfile.SYMTYPE, "elsewhere"
        tar.addfile(link)
    with pytest.raises(NoData, match=r"2_theo_0\.wav in recordings\.tar is no plain file"):
        read_archive(path)


@pytest.mark.parametrize(("content", "said"), [
    (wav(rate=16000), "1 channels of 16 bits at 16000 Hz, not 1 of 16 bits at 8000 Hz"),
    (wav(channels=2), "2 channels of 16 bits at 8000 Hz"),
    (wav(width=1), "1 channels of 8 bits at 8000 Hz"),
    (wav([]), "holds no samples"),
    (wav()[:-100], "announces 400 samples but holds 350"),
    (wav()[:20], "is no wav file"),
    (b"", "is no wav file"),
    (b"ID3" + bytes(200), "is no wav file"),
    (wav()[:20] + struct.pack("<H", 3) + wav()[22:], "is no wav file"),  # floats
])  # fmt: skip
def test_a_broken_recording_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    path = pack(tmp_path / "recordings.tar", {"recordings/7_jackson_32.wav": content})
    with pytest.raises(NoData, match=rf"recordings/7_jackson_32\.wav in recordings\.tar .*{said}"):
        read_archive(path)


def test_samples_are_read_back() -> None:
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    assert read_wav(wav(samples), "here").tolist() == samples.tolist()


def test_an_incomplete_archive(nowhere: Data) -> None:
    members = everything()
    del members["recordings/3_lucas_7.wav"]
    pack(nowhere.root / RECORDINGS, members)
    with pytest.raises(NoData, match=r"lacks 1 recordings, first 3_lucas_7\.wav"):
        SPEC.open(nowhere, {})
    recordings = [
        Recording(digit=d, speaker=s, index=i, samples=np.zeros(1, np.int16))
        for d in range(10) for s in (*fsdd.SPEAKERS, "zoe") for i in range(50)
    ]  # fmt: skip
    with pytest.raises(NoData, match=r"has besides 500 recordings, first 0_zoe_0\.wav"):
        fsdd.check_complete(recordings)


def test_the_suite_names_the_task() -> None:
    (suite,) = dlbench_speech.dlbench_suites()
    assert {task for block in suite.blocks for task in block.tasks} == {"fsdd", "fsdd[split=speakers]"}
    assert suite.seeds == 3
