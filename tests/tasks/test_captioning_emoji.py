"""Emoji and their names: rows and words, what is masked, both styles, broken tables and pictures."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dlbench import ImageBatch
from dlbench.contract.learner import Supervised
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.errors import NoData, UsageError
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator
from dlbench_vision.captioning import specs
from dlbench_vision.captioning.emoji import COLUMNS, read_captions, read_sheet, split_words
from dlbench_vision.captioning.files import EMOJI, TABLE, emoji_files
from dlbench_vision.captioning.vocabulary import UNKNOWN

SPECS = {spec.name: spec for spec in specs()}


def evaluator(network: nn.Module, task: Any) -> Evaluator:
    return Evaluator(Supervised(network, task.loss).eval(), task.signature, Execution(Runtime()))


def table(rows: list[str], header: str = "\t".join(COLUMNS)) -> bytes:
    return lzma.compress("\n".join([header, *rows, ""]).encode())


def row(number: int, caption: str) -> str:
    return f"{number}\t1F600\t{caption}\tSymbols\tother\t"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (table([row(0, "dog"), row(1, "")]), r"emoji\.tsv\.xz, row 1: the caption is empty"),
        (table([row(0, "   ")]), r"row 0: the caption is empty"),
        (table([row(0, "dog"), row(2, "cat")]), r"row 1: it is not 6 fields of which the first is 1"),
        (table([row(0, "dog"), "1\tcat"]), r"row 1: it is not 6 fields"),
        (table([row(0, "dog")], header="number\tname"), r"doesn't begin with the columns row, code_points, caption"),
        (b"no archive", r"emoji\.tsv\.xz can't be read as a table"),
        (lzma.compress(b"\xff\xfe"), r"emoji\.tsv\.xz can't be read as a table"),
        (b"", r"emoji\.tsv\.xz"),
    ],
)
def test_broken_tables_are_refused_by_file_and_row(content: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "emoji.tsv.xz"
    path.write_bytes(content)
    with pytest.raises(NoData, match=said) as caught:
        read_captions(path)
    assert "\n" not in str(caught.value)


def test_another_picture_is_refused(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "noto32.webp"
    Image.new("RGB", (64, 32)).save(path, lossless=True)
    with pytest.raises(NoData, match=r"noto32\.webp has 64x32 pixels, not 2048x1920"):
        read_sheet(path)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(NoData, match=r"noto32\.webp can't be read as a picture"):
        read_sheet(path)


def test_colons_and_commas_are_words() -> None:
    assert split_words("family: man, woman: dark skin tone") == [
        "family", ":", "man", ",", "woman", ":", "dark", "skin", "tone",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def emoji(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return SPECS["emoji_captions"].load(Data(root=data_root, cache=tmp_path_factory.mktemp("emoji")))


def test_emoji_are_split_by_row_and_known_by_words(emoji: Any) -> None:
    assert {name: len(part) for name, part in emoji.splits.items()} == {"train": 3029, "val": 378, "test": 379}
    assert all(emoji.splits["train"].known)
    assert sum(emoji.splits["test"].known) == 262
    assert emoji.splits["test"].references[0] == "grinning face with smiling eyes"
    assert emoji.splits["val"].references[0] == "face with tears of joy"
    assert emoji.splits["train"].images.shape == (3029, 3, 32, 32)


def test_unknown_words_are_masked_and_cost_an_exact_match(emoji: Any) -> None:
    masked = sum(int(((b.targets == UNKNOWN) & ~b.mask).sum()) for b in emoji.batches("test", 100, None))
    shown = sum(int(((b.targets == UNKNOWN) & b.mask).sum()) for b in emoji.batches("test", 100, None))
    assert masked > 0
    assert shown == 0
    scores = emoji.judge(evaluator(Same(emoji), emoji), "test")
    assert scores["exact"] == 0.0
    assert scores["exact_known"] == 0.0


class Same(nn.Module):
    """Every picture is the same to it."""

    def __init__(self, task: Any) -> None:
        super().__init__()
        self.vocab = task.signature.output.vocab

    def forward(self, inputs: ImageBatch) -> Tensor:
        return torch.zeros(*inputs.previous.shape, self.vocab)


def test_both_styles_show_the_same_emoji(data_root: Path, tmp_path: Path, emoji: Any) -> None:
    other = SPECS["emoji_captions"].load(Data(root=data_root, cache=tmp_path), style="twemoji")
    assert other.splits["test"].references == emoji.splits["test"].references
    apart = (other.splits["test"].images.float() - emoji.splits["test"].images.float()).abs().mean() / 255
    assert 0.02 < apart < 0.3
    with pytest.raises(UsageError, match="no style of emoji_captions 'apple'"):
        emoji_files(style="apple")


def test_files_of_a_style_are_its_sheet_and_the_table() -> None:
    assert {name: [Path(file.path).name for file in found.files] for name, found in EMOJI.items()} == {
        "noto": ["noto32.webp", "emoji.tsv.xz"], "twemoji": ["twemoji32.webp", "emoji.tsv.xz"],
    }  # fmt: skip
    assert emoji_files().files[1] == TABLE
    assert "CC BY 4.0" in EMOJI["twemoji"].licence


def test_batches_are_for_pictures(emoji: Any) -> None:
    batch = next(iter(emoji.batches("train", 7, torch.Generator().manual_seed(0))))
    assert isinstance(batch.inputs, ImageBatch)
    assert batch.size == batch.inputs.batch_size == 7
