"""`multi30k_de_en`: captions of pictures, German to English (Elliott, Frank, Sima'an, Specia 2016, "Multi30K:
Multilingual English-German Image Descriptions"), in the project's own tokens."""

from __future__ import annotations

from dlbench import UsageError
from dlbench.data import Data

from .files import FOLDER, PARTS, name_of
from .parallel import read_pairs
from .task import TranslationTask, Writing


def load(
    data: Data, *, pairs: int | None, min_count: int, max_length: int, beam: int, length_penalty: float, samples: int
) -> TranslationTask:
    """Raises NoData for missing or broken files, UsageError for options out of range."""
    _check_options(pairs=pairs, min_count=min_count, max_length=max_length, beam=beam)
    if samples < 0 or length_penalty < 0:
        raise UsageError(f"samples and length_penalty are at least 0, not {samples} and {length_penalty}")
    found = {
        split: read_pairs(*(data.path(f"{FOLDER}/{name_of(split, language)}") for language in ("de", "en")))
        for split in PARTS
    }
    train = found["train"]
    if pairs is not None and pairs > len(train):
        raise UsageError(f"pairs={pairs} asks for more than the {len(train)} training pairs that there are")
    found["train"] = [pair for pair in train[:pairs] if max(map(len, pair)) <= max_length]
    if not found["train"]:
        raise UsageError(f"no training pair has at most max_length={max_length} words on both sides")
    writing = Writing(beam=beam, length_penalty=length_penalty, samples=samples)
    return TranslationTask(found, min_count=min_count, writing=writing, device=data.device)


def _check_options(**options: int | None) -> None:
    for name, value in options.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} is at least 1, not {value}")
