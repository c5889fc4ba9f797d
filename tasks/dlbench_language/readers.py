"""Tasks on text files of your own: words with tags, labelled sentences, parallel text, plain text.

Paths are relative to the data root, or absolute; a name that ends in `.gz` is unpacked. `files` is one path for each of
train, val and test. `val` may be missing, and then is a tenth of the training sentences; or all is in one file, of
which a tenth each becomes val and test.
Broken files raise NoData, naming file and line.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dlbench import NoData, unknown
from dlbench.data import Data
from dlbench.data.splits import complete

from .classification.sentences import Labelled, SentenceClasses
from .labelling import ewt
from .labelling.chunks import chunk_f1
from .labelling.tagged import Tagged, TaggedSentences, Treatment
from .lines import place, read_lines
from .modelling.reading import characters_of, read_splits, words_of
from .modelling.text import TextTask, bits, perplexity
from .translation.parallel import read_pairs
from .translation.task import TranslationTask, Writing

Files = str | Mapping[str, str]


def tag_files(
    data: Data, files: Files, *, word: int = 0, tag: int = -1, chunks: bool = False, lower: bool = True,
    word_dropout: float = 0.5, bucket: bool = True,
) -> TaggedSentences:  # fmt: skip
    """A task `Tokens -> TokenTags` (metrics `accuracy`, `loss`, and with `chunks`, where tags are `O`, `B-` and `I-`,
    `f1`) on files with one word per line, its columns between tabs or blanks, and an empty line after each sentence.
    `word`, `tag`: their columns. `lower`: words that differ in case alone are one; their spelling keeps it."""
    return _tagged(data, {s: _columns(p, word, tag) for s, p in _paths(data, files).items()}, chunks, lower,
                   word_dropout, bucket)  # fmt: skip


def conllu(
    data: Data, files: Files, *, tags: str = "upos", lower: bool = True, word_dropout: float = 0.5, bucket: bool = True
) -> TaggedSentences:
    """The same of CoNLL-U files, the format of Universal Dependencies. `tags`: `upos` or `xpos`."""
    if tags not in ewt.COLUMNS:
        raise unknown("column of tags", tags, ewt.COLUMNS)
    found = {split: ewt.read(path, ewt.COLUMNS[tags]) for split, path in _paths(data, files).items()}
    return _tagged(data, found, False, lower, word_dropout, bucket)


def labelled_sentences(
    data: Data, files: Files, *, label: int = 0, separator: str = "\t", lower: bool = True, min_count: int = 1,
    word_dropout: float = 0.5,
) -> SentenceClasses:  # fmt: skip
    """A task `Tokens -> Classes` (metrics `accuracy`, `cross_entropy`) on files with one sentence per line, its class
    first or last (`label` 0 or -1), and blanks between words."""
    found = {split: _labelled(path, label, separator, lower) for split, path in _paths(data, files).items()}
    classes = {name: number for number, name in enumerate(sorted({name for _, name, _ in found["train"]}))}
    splits = {}
    for split, lines in found.items():
        if strange := next((at for at, name, _ in lines if name not in classes), None):
            raise NoData(f"{strange} has a class that no training sentence has")
        splits[split] = Labelled([words for _, _, words in lines], [classes[name] for _, name, _ in lines])
    splits = complete(splits, lambda part, index: part.take(index), lambda part: part.labels)
    return SentenceClasses(
        splits, num_classes=len(classes), min_count=min_count, word_dropout=word_dropout, device=data.device
    )


def parallel_text(
    data: Data, files: Mapping[str, tuple[str, str]], *, min_count: int = 2, max_length: int = 100, beam: int = 1,
    samples: int = 4,
) -> TranslationTask:  # fmt: skip
    """A task `Tokens -> TokenSequence` (metrics `bleu`, `cross_entropy`, ...) on pairs of files, source and target,
    line by line. Training pairs with more than `max_length` words on a side are left out."""
    found = {split: read_pairs(*(data.path(path) for path in pair)) for split, pair in files.items()}
    found = complete(found, lambda part, index: [part[i] for i in index], lambda part: range(len(part)), stratify=False)
    found["train"] = [pair for pair in found["train"] if max(map(len, pair)) <= max_length]
    return TranslationTask(found, min_count=min_count, writing=Writing(beam=beam, samples=samples), device=data.device)


def plain_text(
    data: Data, files: Mapping[str, str], *, unit: str = "words", length: int = 35, carry: bool = False
) -> TextTask:
    """A task `Tokens -> NextToken` on one text for each of train, val and test, by `words` (metrics `perplexity`,
    `cross_entropy`) or `characters` (`cross_entropy`, `bits_per_character`), in segments of `length`; `carry`: a
    model's state goes from one to the next. The vocabulary is closed: what training lacks raises NoData."""
    units: dict[str, Any] = {"words": (words_of, perplexity), "characters": (characters_of, bits)}
    if unit not in units:
        raise unknown("unit of text", unit, units)
    tokens_of, figures = units[unit]
    vocabulary, texts = read_splits(data, files, tokens_of)
    return TextTask(vocabulary=vocabulary, texts=texts, length=length, carry=carry, figures=figures, device=data.device)


def _paths(data: Data, files: Files) -> dict[str, Path]:
    named = {"train": files} if isinstance(files, str) else files
    return {split: data.path(path) for split, path in named.items()}


def _tagged(
    data: Data, found: dict[str, Tagged], chunks: bool, lower: bool, word_dropout: float, bucket: bool
) -> TaggedSentences:
    def take(part: Tagged, index: Any) -> Tagged:
        return Tagged([part.sentences[i] for i in index], [part.tags[i] for i in index])

    splits = complete(found, take, lambda part: range(len(part.sentences)), stratify=False)
    treatment = Treatment(
        normal=str.lower if lower else str, characters=True, word_dropout=word_dropout, bucket=bucket
    )  # fmt: skip
    return TaggedSentences(splits, treatment, score=chunk_f1 if chunks else None, device=data.device)


def _columns(path: Path, word: int, tag: int) -> Tagged:
    sentences: list[list[tuple[str, str]]] = [[]]
    for number, line in enumerate(read_lines(path, blank=True), start=1):
        columns = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or columns[0] == "-DOCSTART-":
            sentences.append([])
            continue
        try:
            sentences[-1].append((columns[word].strip(), columns[tag].strip()))
        except IndexError as error:
            raise NoData(f"{place(path, number)} has {len(columns)} columns: too few for word and tag") from error
        if not all(sentences[-1][-1]):
            raise NoData(f"{place(path, number)} lacks the word or its tag")
    found = [sentence for sentence in sentences if sentence]
    if not found:
        raise NoData(f"{path.parent.name}/{path.name} holds no sentences")
    return Tagged([[word for word, _ in s] for s in found], [[tag for _, tag in s] for s in found])


def _labelled(path: Path, label: int, separator: str, lower: bool) -> list[tuple[str, str, list[str]]]:
    """Place, class and words of each line."""
    found = []
    for number, line in enumerate(read_lines(path), start=1):
        name, parted, text = line.partition(separator)
        if label:
            text, parted, name = line.rpartition(separator)
        words = (text.lower() if lower else text).split()
        if not parted or not name.strip() or not words:
            raise NoData(f"{place(path, number)} needs a class and words with {separator!r} between them")
        found.append((place(path, number), name.strip(), words))
    return found
