"""The readers of the vision tasks: made files, whole, damaged and malicious ones, and the cache of decoded arrays."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import struct
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import dlbench_vision
from dlbench import DataFile, DataSet, NoData
from dlbench.data import Data
from dlbench_vision import converted as converted_module
from dlbench_vision.cifar10 import read_archive, read_batch, read_folder, read_labels, read_sheet
from dlbench_vision.cifar10_files import CIFAR10_ARCHIVE, CIFAR10_FOLDER, FOLDER
from dlbench_vision.idx import read_idx, read_pair
from dlbench_vision.images import ImageClassification

TASKS = {spec.name: spec for spec in dlbench_vision.dlbench_tasks()}
SPLITS = ("train", "val", "test")


@pytest.fixture
def nowhere(tmp_path: Path) -> Data:
    return Data(root=tmp_path / "root", cache=tmp_path / "cache")


def labels_of(task: ImageClassification, split: str) -> np.ndarray:
    return torch.cat([batch.targets for batch in task.batches(split, 5000, None)]).numpy()


# --- idx files --------------------------------------------------------------------------------------------


def test_fashion_mnist_reads_its_own_folder(nowhere: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = nowhere.root / "vision" / "fashion-mnist"
    folder.mkdir(parents=True)
    for name, count in {"train": 30, "t10k": 20}.items():
        write_idx(folder / f"{name}-images-idx3-ubyte.gz", np.full((count, 2, 2), count, np.uint8))
        write_idx(folder / f"{name}-labels-idx1-ubyte.gz", np.arange(count, dtype=np.uint8) % 10)
    monkeypatch.setattr("dlbench_vision.mnist.NUM_VAL", 10)
    task = TASKS["fashion_mnist"].load(nowhere)
    assert [len(labels_of(task, split)) for split in SPLITS] == [20, 10, 20]


def write_idx(path: Path, values: np.ndarray, magic: int | None = None) -> Path:
    magic = 0x800 | values.ndim if magic is None else magic
    header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))
    return path


def test_an_idx_file_is_read_back(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    found = read_idx(write_idx(tmp_path / "x.gz", values), 3)
    assert np.array_equal(found, values)
    assert found.flags.writeable


def test_a_wrong_magic_number(tmp_path: Path) -> None:
    path = write_idx(tmp_path / "x.gz", np.zeros((2, 3, 4), np.uint8), magic=0x0D03)
    with pytest.raises(NoData, match=r"x\.gz starts with the magic number 0x00000d03, not with 0x00000803"):
        read_idx(path, 3)
    with pytest.raises(NoData, match="magic number"):
        read_idx(write_idx(tmp_path / "y.gz", np.zeros((2, 3, 4), np.uint8)), 1)


def test_a_file_that_is_too_short_or_too_long(tmp_path: Path) -> None:
    header = struct.pack(">4I", 0x803, 2, 3, 4)
    for content in (header + bytes(23), header + bytes(25), header):
        (tmp_path / "x.gz").write_bytes(gzip.compress(content))
        with pytest.raises(NoData, match=rf"x\.gz announces 2x3x4 = 24 values but holds {len(content) - 16}"):
            read_idx(tmp_path / "x.gz", 3)
    (tmp_path / "x.gz").write_bytes(gzip.compress(header[:10]))
    with pytest.raises(NoData, match="too short"):
        read_idx(tmp_path / "x.gz", 3)


def test_a_truncated_or_damaged_gzip(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    whole = write_idx(tmp_path / "x.gz", noise).read_bytes()
    damaged = bytearray(whole)
    damaged[len(damaged) // 2] ^= 0xFF
    for content in (whole[:-500], bytes(damaged), b"an error page", b""):
        (tmp_path / "x.gz").write_bytes(content)
        with pytest.raises(NoData, match=r"x\.gz is"):
            read_idx(tmp_path / "x.gz", 3)


def test_images_and_labels_must_belong_together(tmp_path: Path) -> None:
    images = write_idx(tmp_path / "images.gz", np.zeros((3, 2, 2), np.uint8))
    with pytest.raises(NoData, match=r"images\.gz holds 3 images but labels\.gz holds 4 labels"):
        read_pair(images, write_idx(tmp_path / "labels.gz", np.zeros(4, np.uint8)))
    with pytest.raises(NoData, match=r"labels\.gz holds the label 10"):
        read_pair(images, write_idx(tmp_path / "labels.gz", np.array([1, 10, 2], np.uint8)))


# --- the archive and the sheets of CIFAR-10 ---------------------------------------------------------------


def fake_batch(count: int, start: int, **changes: Any) -> dict[bytes, Any]:
    pixels = np.full((count, 3072), 1, np.uint8)
    pixels[:, 0] = np.arange(start, start + count)
    labels = [k % 10 for k in range(count)]
    return {b"data": pixels, b"labels": labels, b"batch_label": b"x"} | {k.encode(): v for k, v in changes.items()}


def fake_archive(path: Path, batches: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            raw = content if isinstance(content, bytes) else pickle.dumps(content, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(raw)
            archive.addfile(info, io.BytesIO(raw))
    return path


def whole_archive(path: Path) -> Path:
    batches = {f"data_batch_{k}": fake_batch(20, 20 * k) for k in (3, 1, 2, 5, 4)}
    return fake_archive(path, {"readme.html": b"hello", **batches, "test_batch": fake_batch(30, 150)})


def test_cifar10_from_an_archive(nowhere: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_archive(nowhere.root / CIFAR10_ARCHIVE.files[0].path)
    monkeypatch.setattr("dlbench_vision.cifar10.NUM_VAL", 25)
    task = TASKS["cifar10"].load(nowhere)
    assert str(task.signature) == "image[3,32,32] -> classes[10]"
    first_pixels = {split: task._splits[split][0][:, 0, 0, 0].tolist() for split in SPLITS}
    # in the order of the batches' numbers, whatever their order in the archive
    assert first_pixels == {
        "train": list(range(20, 95)),
        "val": list(range(95, 120)),
        "test": list(range(150, 180)),
    }
    assert labels_of(task, "train")[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_pixels_lie_channel_by_channel() -> None:
    row = np.arange(3072, dtype=np.uint32)
    batch = fake_batch(1, 0, data=(row % 251).astype(np.uint8)[None])
    images, _ = read_batch(pickle.dumps(batch, protocol=2), "x")
    assert images.shape == (1, 3, 32, 32)
    assert images[0, 2, 5, 7] == (2 * 1024 + 5 * 32 + 7) % 251


def test_a_pickle_as_python_2_wrote_it() -> None:
    """Protocol 2 with byte strings, as in the published files, written out by hand."""
    pixels = bytes(k % 256 for k in range(3072))
    raw = b"\x80\x02}(U\x04data"
    raw += b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
    raw += b"(K\x01K\x01M\x00\x0c\x86cnumpy\ndtype\n(U\x02u1K\x00K\x01tR"
    raw += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", 3072) + pixels + b"tb"
    raw += b"U\x06labels](K\x06eu."
    images, labels = read_batch(raw, "x")
    assert images.tobytes() == pixels
    assert labels.tolist() == [6]


class Runs:
    """A pickle of this runs a command when it is read carelessly."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_malicious_pickle_runs_nothing(tmp_path: Path, protocol: int) -> None:
    raw = pickle.dumps({b"data": Runs(tmp_path / "proof"), b"labels": [0]}, protocol=protocol)
    pickle.loads(raw)
    (tmp_path / "proof").rmdir()  # so it does work, read carelessly
    with pytest.raises(NoData, match=r"data_batch_9 is not a CIFAR-10 batch: it asks for \w+\.mkdir"):
        read_batch(raw, "data_batch_9")
    assert not (tmp_path / "proof").exists()


def test_objects_in_an_array_are_refused() -> None:
    with pytest.raises(NoData, match="array of object"):
        read_batch(pickle.dumps(fake_batch(1, 0, data=np.array([print])), protocol=2), "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"data": np.zeros((20, 3071), np.uint8)}, "rows of 3072"),
        ({"data": np.zeros((20, 3072), np.float32)}, "rows of 3072"),
        ({"data": [1, 2]}, "rows of 3072"),
        ({"labels": [0] * 19}, "20 images but 19 labels"),
        ({"labels": [10] * 20}, r"labels outside 0\.\.9"),
        ({"labels": ["cat"] * 20}, r"labels outside 0\.\.9"),
    ],
)
def test_a_batch_of_another_shape(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(NoData, match=f"x .*{message}"):
        read_batch(pickle.dumps(fake_batch(20, 0, **changes), protocol=2), "x")


@pytest.mark.parametrize("raw", [b"", b"no pickle", pickle.dumps([1]), pickle.dumps({b"data": 1})])
def test_no_batch_at_all(raw: bytes) -> None:
    with pytest.raises(NoData, match="x is not a CIFAR-10 batch"):
        read_batch(raw, "x")


def test_an_archive_that_lacks_a_batch(nowhere: Data) -> None:
    fake_archive(nowhere.root / CIFAR10_ARCHIVE.files[0].path, {"data_batch_1": fake_batch(2, 0)})
    with pytest.raises(NoData, match=r"cifar-10-python\.tar\.gz does not hold data_batch_2.*test_batch"):
        read_archive(nowhere)


def test_a_damaged_archive(nowhere: Data) -> None:
    path = whole_archive(nowhere.root / CIFAR10_ARCHIVE.files[0].path)
    content = path.read_bytes()
    for damaged in (content[: len(content) // 2], b"an error page", b""):
        path.write_bytes(damaged)
        with pytest.raises(NoData, match=r"cifar-10-python\.tar\.gz"):
            read_archive(nowhere)


def test_a_folder_with_a_damaged_batch(nowhere: Data) -> None:
    for k, file in enumerate(CIFAR10_FOLDER.files):
        path = nowhere.root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(fake_batch(2, k), protocol=2))
    assert read_folder(nowhere)["train_images"].shape == (10, 3, 32, 32)
    path = nowhere.root / FOLDER / "data_batch_4"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(NoData, match="data_batch_4 is not a CIFAR-10 batch"):
        read_folder(nowhere)


def test_damaged_sheets_and_labels(tmp_path: Path) -> None:
    from PIL import Image as Picture

    (tmp_path / "x.webp").write_bytes(b"RIFF no picture")
    with pytest.raises(NoData, match=r"x\.webp can't be read"):
        read_sheet(tmp_path / "x.webp")
    Picture.new("RGB", (1280, 799)).save(tmp_path / "y.png")
    with pytest.raises(NoData, match=r"y\.png has 1280x799 pixels, not 1280x800"):
        read_sheet(tmp_path / "y.png")
    np.save(tmp_path / "short.npy", np.zeros(9, np.uint8))
    np.save(tmp_path / "high.npy", np.full(10, 10, np.uint8))
    np.save(tmp_path / "objects.npy", np.array([{}] * 10), allow_pickle=True)
    (tmp_path / "text.npy").write_text("no array")
    for name, message in {
        "short": "10 labels of one byte",
        "high": "the label 10",
        "objects": "can't be read",
        "text": "can't be read",
    }.items():
        with pytest.raises(NoData, match=rf"{name}\.npy .*{message}"):
            read_labels(tmp_path / f"{name}.npy", 10)


# --- decoded arrays in the cache --------------------------------------------------------------------------


@pytest.fixture
def counted(nowhere: Data) -> tuple[DataSet, list[int], Any]:
    (nowhere.root).mkdir()
    (nowhere.root / "raw").write_bytes(b"\x05")
    calls: list[int] = []

    def decode(data: Data, dataset: DataSet) -> dict[str, np.ndarray]:
        calls.append(1)
        return {"values": np.frombuffer(data.path("raw").read_bytes(), np.uint8)}

    return DataSet(name="raw", files=(DataFile(path="raw", sha256="0" * 64),)), calls, decode


def test_decoded_arrays_are_kept(nowhere: Data, counted: Any) -> None:
    dataset, calls, decode = counted
    for _ in range(2):
        assert converted_module.converted(nowhere, dataset, decode)["values"].tolist() == [5]
    assert len(calls) == 1
    assert len(list((nowhere.cache / "vision").iterdir())) == 1


def test_another_content_is_decoded_anew(nowhere: Data, counted: Any) -> None:
    dataset, calls, decode = counted
    converted_module.converted(nowhere, dataset, decode)
    (nowhere.root / "raw").write_bytes(b"\x06")
    assert converted_module.converted(nowhere, dataset, decode)["values"].tolist() == [6]
    assert len(calls) == 2


def test_a_damaged_cache_is_decoded_anew(nowhere: Data, counted: Any) -> None:
    dataset, calls, decode = counted
    converted_module.converted(nowhere, dataset, decode)
    (path,) = (nowhere.cache / "vision").iterdir()
    for content in (b"", b"no archive", path.read_bytes()[:-40]):
        path.write_bytes(content)
        assert converted_module.converted(nowhere, dataset, decode)["values"].tolist() == [5]
    assert len(calls) == 4


def test_a_cache_that_can_not_be_written_does_no_harm(nowhere: Data, counted: Any) -> None:
    dataset, _, decode = counted
    nowhere.cache.write_text("a file where the folder should be")
    assert converted_module.converted(nowhere, dataset, decode)["values"].tolist() == [5]
