"""Translation: BLEU, batches and masks, greedy and beam search through the task, published counts, bad files."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dlbench import Batch, TokenBatch
from dlbench.contract.choice import Choice, option_defaults
from dlbench.contract.learner import Supervised
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.sequences import Index
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.testing import check_task, report
from dlbench.train.execution import Execution
from dlbench.train.judging import Evaluator, judge, samples
from dlbench_language.translation import tasks
from dlbench_language.translation.bleu import corpus_bleu, signature
from dlbench_language.translation.files import FOLDER, MULTI30K, name_of
from dlbench_language.translation.suites import suites
from dlbench_language.translation.vocabulary import END, PADDING, START, UNKNOWN, Vocabulary
from dlbench_rnn.declare_seq2seq import models
from workshop import catalog

SPEC = next(iter(tasks()))
MODELS = {spec.name: spec for spec in models()}
TEXTS = {
    "train": (
        ["ein hund läuft", "eine katze läuft schnell", "ein hund schläft", "eine katze schläft", "ein vogel"],
        ["a dog runs", "a cat runs fast", "a dog sleeps", "a cat sleeps", "a bird"],
    ),
    "val": (["eine katze läuft", "ein hund"], ["a cat runs", "a dog"]),
    "test": (["ein zebra läuft", "eine katze läuft schnell durch das lange gras"], ["a zebra runs", "a cat runs fast"]),
}


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def write(root: Path, texts: Any = TEXTS) -> Data:
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for split, sides in texts.items():
        for language, lines in zip(("de", "en"), sides, strict=True):
            (folder / name_of(split, language)).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return Data(root=root, cache=root / "cache")


def load(root: Path, **options: Any) -> Any:
    return SPEC.load(write(root), **options)


def evaluator(network: Any, task: Any) -> Evaluator:
    return Evaluator(Supervised(network, task.loss).eval(), task.signature, Execution(Runtime()))


def one(number: int) -> Index:
    """The index of one pair."""
    return Index(torch.tensor([number]), torch.tensor([number]))


class Reciter(torch.nn.Module):
    """Knows the target of every source of a task, by heart; writes the one after the next word where it is wrong."""

    def __init__(self, task: Any, splits: tuple[str, ...] = ("train", "val", "test")) -> None:
        super().__init__()
        self.vocab, self.known = task.signature.output.vocab, {}
        for split in splits:
            pairs = task.splits[split]
            for index in range(len(pairs)):
                batch = pairs.gather(one(index))
                self.known[tuple(batch.inputs.ids[0].tolist())] = batch.targets[0].tolist()

    def forward(self, inputs: TokenBatch) -> Tensor:
        rows = []
        for ids, length in zip(inputs.ids.tolist(), inputs.lengths.tolist(), strict=True):
            target = self.known[tuple(ids[:length])]
            rows.append((target + [END] * inputs.previous.shape[1])[: inputs.previous.shape[1]])
        return 100.0 * F.one_hot(torch.tensor(rows), self.vocab).float()


# --- BLEU -------------------------------------------------------------------------------------------------


def test_bleu_of_the_references_is_100() -> None:
    references = ["a man in a blue shirt .", "two dogs run on the beach", "short"]
    assert corpus_bleu(references, references) == pytest.approx(100.0)
    assert corpus_bleu(["nothing of it at all", "no word", "here"], references) < 1


def test_bleu_is_the_geometric_mean_of_the_precisions() -> None:
    """5 of 6 words, 3 of 5 pairs, 2 of 4 triples, 1 of 3 fours; as long as the reference."""
    expected = 100 * (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    assert corpus_bleu(["the cat sat on a mat"], ["the cat sat on the mat"]) == pytest.approx(expected)
    short = corpus_bleu(["the cat sat on"], ["the cat sat on the mat"])
    assert short == pytest.approx(100 * math.exp(1 - 6 / 4))


def test_bleu_leaves_tokens_and_letters_as_they_are() -> None:
    assert corpus_bleu(["A dog runs here ."], ["a dog runs here ."]) < 100
    assert corpus_bleu(["a dog runs right here."], ["a dog runs right here ."]) < 100


def test_the_signature_says_how_it_counted() -> None:
    parts = dict(part.split(":") for part in signature().split("|"))
    version = parts.pop("version")
    assert version.count(".") >= 1
    assert parts == {"nrefs": "1", "case": "mixed", "eff": "no", "tok": "none", "smooth": "exp"}
    assert signature().rpartition("|version")[0] in SPEC.description


# --- batches ----------------------------------------------------------------------------------------------


def test_vocabulary_has_words_seen_twice_in_training() -> None:
    words = Vocabulary([["b", "a", "b"], ["c", "a", "b"], ["<start>", "<start>"]], min_count=2)
    assert words.words == ("<pad>", "<unk>", "<start>", "<end>", "b", "a")
    assert words.encode(["a", "zebra", "b"]) == [5, UNKNOWN, 4]
    assert words.decode([4, UNKNOWN]) == "b <unk>"
    assert len(Vocabulary([["b", "a", "b"]], min_count=1)) == 6


def test_vocabularies_are_those_of_the_training_pairs_that_are_used(tmp_path: Path) -> None:
    task = load(tmp_path)
    assert set(task.target.words[4:]) == {"a", "dog", "cat", "runs", "sleeps"}
    assert set(load(tmp_path, pairs=2).target.words[4:]) == {"a", "runs"}
    assert set(load(tmp_path, min_count=1, pairs=1).source.words[4:]) == {"ein", "hund", "läuft"}
    assert task.signature.input.vocab == len(task.source)
    assert (task.signature.output.start, task.signature.output.end) == (START, END)


def test_a_batch_holds_words_and_end_and_what_stands_before(tmp_path: Path) -> None:
    task = load(tmp_path)
    seen = []
    for batch in task.batches("train", 2, torch.Generator().manual_seed(1)):
        inputs = batch.inputs
        assert inputs.previous.shape == batch.targets.shape == batch.mask.shape
        assert batch.size == int(batch.mask.sum())
        for row, length in enumerate(batch.mask.sum(dim=1).tolist()):
            target = batch.targets[row, :length].tolist()
            assert batch.mask[row, :length].all()
            assert target[-1] == END
            assert inputs.previous[row, :length].tolist() == [START, *target[:-1]]
            assert inputs.ids[row, inputs.lengths[row] - 1] == END
            assert (inputs.ids[row, inputs.lengths[row] :] == PADDING).all()
            seen.append((task.source.decode(inputs.ids[row, : inputs.lengths[row] - 1].tolist()), length))
    expected = [(" ".join(task.source.decode(task.source.encode(de.split())).split()), len(en.split()) + 1)
                for de, en in zip(*TEXTS["train"], strict=True)]  # fmt: skip
    assert Counter(seen) == Counter(expected)


def test_pairs_of_one_length_come_together(tmp_path: Path) -> None:
    lines = [["w"] * (1 + n % 10) for n in range(200)]
    texts = {split: ([" ".join(line) for line in lines],) * 2 for split in TEXTS}
    task = SPEC.load(write(tmp_path, texts))
    batches = list(task.batches("train", 10, torch.Generator().manual_seed(0)))
    assert sum(batch.size for batch in batches) == sum(len(line) + 1 for line in lines)
    assert sum(not bool(batch.mask.all()) for batch in batches) == 0


def test_the_loss_is_the_mean_over_the_tokens_that_count(tmp_path: Path) -> None:
    task = load(tmp_path)
    batch = next(iter(task.batches("train", 5, None)))
    logits = torch.randn(*batch.targets.shape, len(task.target))
    losses = -logits.log_softmax(-1).gather(2, batch.targets[..., None])[..., 0]
    assert not batch.mask.all()
    torch.testing.assert_close(task.loss(logits, batch), losses[batch.mask].mean())
    changed = torch.where(batch.mask[..., None], logits, torch.randn_like(logits))
    assert torch.equal(task.loss(changed, batch), task.loss(logits, batch))


def test_long_pairs_are_left_out_of_training_only(tmp_path: Path) -> None:
    task = load(tmp_path, max_length=3)
    assert [len(task.splits[split]) for split in ("train", "val", "test")] == [4, 2, 2]
    assert task.signature.input.length == 9  # eight words of a test sentence and the end
    assert task.signature.output.length == 4  # three words of a training sentence and the end: tests don't set it
    assert len(load(tmp_path, max_length=2, min_count=1).splits["train"]) == 1


# --- judging ----------------------------------------------------------------------------------------------


def test_who_knows_all_scores_100_where_all_words_are_known(tmp_path: Path) -> None:
    task = load(tmp_path, min_count=1)
    metrics = task.judge(evaluator(Reciter(task), task), "train")
    assert metrics["bleu"] == pytest.approx(100.0)
    assert metrics["cross_entropy"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["perplexity"] == pytest.approx(1.0)


def test_references_keep_their_words(tmp_path: Path) -> None:
    """`zebra` is unknown: writing the unknown token is no hit, though it is the target id."""
    task = load(tmp_path, min_count=1)
    learner = evaluator(Reciter(task), task)
    assert task.splits["test"].references == TEXTS["test"][1]
    assert task.splits["test"].gather(one(0)).targets[0].tolist()[1] == UNKNOWN
    metrics = task.judge(learner, "test")
    expected = corpus_bleu(["a <unk> runs", "a cat runs fast"], TEXTS["test"][1])
    assert metrics["cross_entropy"] == pytest.approx(0.0, abs=1e-6)
    assert metrics["bleu"] == pytest.approx(expected)
    assert 1 < metrics["bleu"] < 99


def test_perplexity_of_even_odds_is_the_vocabulary(tmp_path: Path) -> None:
    task = load(tmp_path)
    vocab = len(task.target)

    class Even(torch.nn.Module):
        def forward(self, inputs: TokenBatch) -> Tensor:
            return torch.zeros(*inputs.previous.shape, vocab)

    metrics = task.judge(evaluator(Even(), task), "test")
    assert metrics["perplexity"] == pytest.approx(vocab)
    assert metrics["cross_entropy"] == pytest.approx(math.log(vocab))


@pytest.mark.parametrize("name", MODELS)
def test_beam_1_writes_what_greedy_search_writes(name: str, tmp_path: Path) -> None:
    task = load(tmp_path)
    network = MODELS[name].build(task.signature, width=16, embedding=8)
    learner = Supervised(network, task.loss)
    batch = next(iter(task.batches("test", 2, None)))
    with torch.no_grad():
        ids, lengths = evaluator(network, task).generate(batch, beam=1)
        token, state, written = torch.full((2,), START), network.eval().start(batch.inputs), []
        for _ in range(task.signature.output.length):
            logits, state = network.step(token, state)
            token = logits.argmax(dim=1)
            written.append(token)
        rows = [row[: row.index(END)] if END in row else row for row in torch.stack(written, dim=1).tolist()]
    assert [row[:n] for row, n in zip(ids.tolist(), lengths.tolist(), strict=True)] == rows
    found = [judge(learner, load(tmp_path, beam=beam), "test", Execution(Runtime())) for beam in (1, 3)]
    assert found[0] == judge(learner, task, "test", Execution(Runtime()))
    assert found[0]["cross_entropy"] == found[1]["cross_entropy"]


def test_the_search_is_the_options(tmp_path: Path) -> None:
    task = load(tmp_path, beam=3, length_penalty=0.5)
    asked = []

    class Noting:
        def generate(self, batch: Batch, **options: Any) -> tuple[Tensor, Tensor]:
            asked.append(options)
            return torch.zeros(len(batch.targets), 0, dtype=torch.int64), torch.zeros(len(batch.targets)).long()

    assert task.translate(Noting(), next(iter(task.batches("val", 2, None)))) == ["", ""]
    assert asked == [{"beam": 3, "length_penalty": 0.5}]


def test_translations_meet_their_own_references(tmp_path: Path) -> None:
    """Batches come longest first; the sentences are judged in the order of the file."""
    lines = [" ".join([f"w{n}"] * (1 + n * 7 % 13)) for n in range(300)]
    task = SPEC.load(write(tmp_path, dict.fromkeys(TEXTS, (lines, lines))), min_count=1)
    metrics = task.judge(evaluator(Reciter(task), task), "val")
    assert metrics["bleu"] == pytest.approx(100.0)


def test_samples_are_the_first_test_sentences(tmp_path: Path) -> None:
    task = load(tmp_path, samples=1)
    texts = samples(Supervised(Reciter(task), task.loss), task, Execution(Runtime()))
    assert texts == [f"sacreBLEU {signature()}", "ein zebra läuft ||| a zebra runs ||| a <unk> runs"]
    many = load(tmp_path, samples=9)
    assert len(samples(Supervised(Reciter(many), many.loss), many, Execution(Runtime()))) == 3
    none = load(tmp_path, samples=0)
    assert len(samples(Supervised(Reciter(none), none.loss), none, Execution(Runtime()))) == 1


@pytest.mark.parametrize("name", MODELS)
def test_a_source_longer_than_any_in_training_is_translated(name: str, tmp_path: Path) -> None:
    task = load(tmp_path, max_length=3)
    network = MODELS[name].build(task.signature, width=16, embedding=8)
    metrics = judge(Supervised(network, task.loss), task, "test", Execution(Runtime()))
    assert all(math.isfinite(value) for value in metrics.values())


# --- bad input --------------------------------------------------------------------------------------------


def broken(root: Path, split: str, language: str, content: bytes) -> Data:
    data = write(root)
    (root / FOLDER / name_of(split, language)).write_bytes(content)
    return data


@pytest.mark.parametrize(
    ("split", "language", "content", "said"),
    [
        ("train", "de", b"ein hund\n\neine katze\nein\nzwei\n", r"train\.lc\.norm\.tok\.de, line 2 is empty"),
        ("val", "en", b"a cat\n  \t\n", r"val\.lc\.norm\.tok\.en, line 2 is empty"),
        ("test", "en", b"a cat\na d\xf6g\n", r"test_2016_flickr\.lc\.norm\.tok\.en, line 2: byte 4 is not utf-8"),
        ("val", "en", b"a cat\n", r"val\.lc\.norm\.tok\.de, line 2 has no translation, as val\.lc\.norm\.tok\.en ends"),
        ("val", "en", b"a\nb\nc\n", r"val\.lc\.norm\.tok\.en, line 3 has no translation, as val\.lc\.norm\.tok\.de"),
        ("val", "en", b"", r"val\.lc\.norm\.tok\.en is empty"),
    ],
)
def test_broken_files_are_refused_by_name_and_line(
    split: str, language: str, content: bytes, said: str, tmp_path: Path
) -> None:
    with pytest.raises(NoData, match=said) as caught:
        SPEC.load(broken(tmp_path, split, language, content))
    assert "\n" not in str(caught.value)


def test_two_empty_files_are_refused(tmp_path: Path) -> None:
    broken(tmp_path, "val", "de", b"")
    (tmp_path / FOLDER / name_of("val", "en")).write_bytes(b"")
    with pytest.raises(NoData, match=r"val\.lc\.norm\.tok\.\w\w is empty"):
        SPEC.load(Data(root=tmp_path, cache=tmp_path))


def test_a_last_line_without_its_end_counts(tmp_path: Path) -> None:
    task = SPEC.load(broken(tmp_path, "val", "en", b"a cat runs\r\na dog"))
    assert task.splits["val"].references == ["a cat runs", "a dog"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pairs": 6}, "pairs=6 asks for more than the 5 training pairs"),
        ({"pairs": 0}, "pairs is at least 1, not 0"),
        ({"min_count": 0}, "min_count is at least 1, not 0"),
        ({"max_length": 1}, "no training pair has at most max_length=1 words"),
        ({"beam": 0}, "beam is at least 1, not 0"),
        ({"samples": -1}, "samples and length_penalty are at least 0, not -1"),
        ({"length_penalty": -0.5}, "at least 0, not 4 and -0.5"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        load(tmp_path, **options)


# --- the real files ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def real(data_root: Path) -> Data:
    if state(MULTI30K, data_root, None).status == "missing":
        pytest.skip("the data root lacks multi30k")
    return Data(root=data_root, cache=Path("no-cache"))


def test_the_files_hold_what_was_published(real: Data) -> None:
    assert state(MULTI30K, real.root, None).status == "verified"
    task = SPEC.load(real)
    assert [len(task.splits[split]) for split in ("train", "val", "test")] == [29_000, 1_014, 1_000]
    assert len(task.source) == 7_855 + 4
    assert len(task.target) == 5_917 + 4
    assert int(task.splits["train"].target.lengths.sum()) == 377_534 + 29_000
    assert int(task.splits["train"].source.lengths.sum()) == 360_706 + 29_000
    references = task.splits["test"].references
    assert corpus_bleu(references, references) == pytest.approx(100.0)


def test_conforms(real: Data) -> None:
    findings = check_task(SPEC, data_root=real.root)
    assert not [finding for finding in findings if not finding.ok], report(findings)


def test_floor_is_the_most_frequent_word_again_and_again(real: Data) -> None:
    task = SPEC.load(real)
    targets = task.splits["train"].target.values
    most = int(torch.bincount(targets).argmax())
    assert most != END
    text = " ".join([task.target.words[most]] * task.signature.output.length)
    references = task.splits["test"].references
    assert corpus_bleu([text] * len(references), references) == pytest.approx(SPEC.floor, rel=1e-6)


def test_suites_name_known_models_and_options() -> None:
    for suite in suites():
        for block in suite.blocks:
            for text in block.models:
                choice = Choice.parse(text)
                assert dict(choice.options).keys() <= option_defaults(catalog().model(choice.name).build).keys()
            for text in block.tasks:
                assert dict(Choice.parse(text).options).keys() <= option_defaults(SPEC.load).keys()
            resolve([("suite", block.set)])
