"""Language modelling on real text: published counts, how text is cut, what is judged, samples, bad files."""

from __future__ import annotations

import hashlib
import math
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import dlbench_language
import dlbench_rnn
from dlbench import Batch, MaskedTokens, NextToken, Signature, Tokens
from dlbench.contract.choice import option_defaults
from dlbench.contract.learner import Supervised
from dlbench.contract.runtime import Runtime
from dlbench.data import Data
from dlbench.data.verify import state
from dlbench.errors import NoData, UsageError
from dlbench.plan.plan import Request, plan
from dlbench.testing import check_task, report
from dlbench.train.execution import Execution
from dlbench.train.judging import judge, samples
from dlbench_language.lines import read_lines
from dlbench_language.modelling import segments
from dlbench_language.modelling.files import PTB_FILES, SHAKESPEARE
from workshop import catalog

SPECS = {spec.name: spec for spec in dlbench_language.dlbench_tasks()}
LSTM = next(spec for spec in dlbench_rnn.dlbench_models() if spec.name == "lstm")
TEXT = torch.arange(100, 1101)  # 1,000 predictions


@pytest.fixture(scope="module")
def data(data_root: Path) -> Data:
    return Data(root=data_root, cache=Path("no-cache"))


def load(name: str, data: Data) -> Any:
    """The task; the test is skipped where the data root lacks its files."""
    if state(SPECS[name].data, data.root, None).status == "missing":
        pytest.skip(f"the data root lacks {name}")
    return loaded(name, data)


@cache
def loaded(name: str, data: Data) -> Any:
    """With default options."""
    return SPECS[name].load(data)


def corpus(root: Path, **texts: bytes) -> Data:
    """A data root with a small Penn Treebank."""
    words = {"train": b" a b <unk> \n\n b c \n", "val": b" c a \n", "test": b" b \n a a \n", **texts}
    for split, path in PTB_FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(words[split])
    return Data(root=root, cache=Path("no-cache"))


def plays(root: Path, text: bytes) -> Data:
    path = root / SHAKESPEARE.files[0].path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return Data(root=root, cache=Path("no-cache"))


# --- published counts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "vocab", "train", "val", "test"),
    [
        ("shakespeare_char", 65, 948_084, 55_768, 111_539),
        ("ptb_word", 10_000, 929_589, 73_760, 82_430),
        ("ptb_char", 50, 5_017_482, 393_042, 442_423),
        ("wikitext2", 33_278, 2_088_628, 217_646, 245_569),
    ],
)
def test_sizes_are_the_published_ones(name: str, vocab: int, train: int, val: int, test: int, data: Data) -> None:
    task = load(name, data)
    assert len(task.vocabulary) == vocab == task.signature.input.vocab == task.signature.output.vocab
    for split, count in {"train": train, "val": val, "test": test}.items():
        assert len(task.texts[split]) - 1 == count
        if split != "train":
            assert sum(batch.size for batch in task.batches(split, 10, None)) == count


def test_the_character_level_treebank_is_that_of_mikolov(data: Data) -> None:
    """Written as those files are, each character and line end followed by a blank, it has their published length."""
    task = load("ptb_char", data)
    symbols = [{"<eos>": "\n"}.get(symbol, symbol) for symbol in task.vocabulary.symbols]
    text = "".join(symbols[i] + " " for i in task.texts["val"][1:].tolist())
    assert len(text) == 786_084
    assert text.startswith("c o n s u m e r s _ m a y")


def test_shakespeare_is_tested_on_the_published_evaluation_text(data: Data) -> None:
    task = load("shakespeare_char", data)
    text = data.path(SHAKESPEARE.files[0].path).read_text()
    assert [task.vocabulary.symbols[i] for i in task.texts["test"].tolist()] == list(text[-111_540:])
    whole = torch.cat([task.texts[split] for split in ("val", "train", "test")])
    assert whole.tolist() == [task.vocabulary.numbers[c] for c in text]


@pytest.mark.parametrize(
    "name", ["shakespeare_char"]
)  # the floors of the larger ones take a minute: see `dlbench check`
def test_the_task_keeps_to_its_contract(name: str, data: Data) -> None:
    load(name, data)
    findings = check_task(SPECS[name], data_root=data.root)
    assert len(findings) > 8
    assert not [finding for finding in findings if not finding.ok], report(findings)


@pytest.mark.parametrize("name", ["ptb_word", "ptb_char", "wikitext2"])
def test_the_floor_is_what_the_unigram_model_of_the_training_streams_scores(name: str, data: Data) -> None:
    task, spec = load(name, data), SPECS[name]
    targets = torch.cat([b.targets.flatten() for b in task.batches("train", spec.recipe["batch_size"], None)])
    counts = targets.bincount(minlength=len(task.vocabulary)).double()
    nats = -(counts / counts.sum()).log()[task.texts["test"][1:]].mean().item()
    figure = {"perplexity": math.exp(nats), "bits_per_character": nats / math.log(2)}[spec.metric.name]
    assert spec.floor == pytest.approx(figure, rel=1e-6)


# --- how text is cut ----------------------------------------------------------------------------------------


def test_streams_go_on_where_they_ended() -> None:
    batches = list(segments.streams(TEXT, 4, 30))
    assert len(batches) == len(segments.streams(TEXT, 4, 30)) == 8
    assert [batch.continues for batch in batches] == [False] + [True] * 7
    ids = torch.cat([batch.inputs.ids for batch in batches], dim=1)
    targets = torch.cat([batch.targets for batch in batches], dim=1)
    assert torch.equal(ids, torch.arange(240) + 100 + 250 * torch.arange(4)[:, None])
    assert torch.equal(targets, ids + 1)
    assert {(batch.size, batch.mask) for batch in batches} == {(120, None)}
    assert all(batch.inputs.ids.is_contiguous() for batch in batches)


@pytest.mark.parametrize(("count", "length"), [(10, 30), (7, 30), (3, 7), (1, 999), (1, 2000), (300, 5), (1000, 1)])
def test_every_token_is_judged_once(count: int, length: int) -> None:
    for passed in (segments.streams(TEXT, count, length, whole=True), segments.consecutive(TEXT, count, length)):
        batches = list(passed)
        assert len(batches) == len(passed)
        masks = [torch.ones_like(b.targets, dtype=torch.bool) if b.mask is None else b.mask for b in batches]
        assert all(batch.size == mask.sum() > 0 for batch, mask in zip(batches, masks, strict=True))
        seen = torch.cat([batch.targets[mask] for batch, mask in zip(batches, masks, strict=True)])
        assert torch.equal(seen.sort().values, TEXT[1:])
        for batch, mask in zip(batches, masks, strict=True):
            assert torch.equal(batch.inputs.ids[mask] + 1, batch.targets[mask])
            assert not (mask.int().diff(dim=1) > 0).any()  # what is filled up stands at the end


def test_windows_start_anywhere_and_fill_a_text() -> None:
    generator = torch.Generator().manual_seed(0)
    passes = [list(segments.random_windows(TEXT, 4, 16, generator)) for _ in range(40)]
    assert {len(batches) for batches in passes} == {1000 // 64}
    starts = torch.cat([batch.inputs.ids[:, 0] for batches in passes for batch in batches])
    assert starts.min() == 100
    assert starts.max() == 1100 - 16
    assert len(starts.unique()) > 800
    for batch in passes[0]:
        assert torch.equal(batch.inputs.ids, batch.inputs.ids[:, :1] + torch.arange(16))
        assert torch.equal(batch.targets, batch.inputs.ids + 1)
        assert batch.continues is None


def test_shuffled_windows_are_the_consecutive_ones() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (list(segments.shuffled(TEXT, 8, 30, generator)) for _ in range(2))
    heads = [torch.cat([batch.inputs.ids[:, 0] for batch in batches]) for batches in (first, second)]
    assert not torch.equal(*heads)
    assert torch.equal(heads[0].sort().values, heads[1].sort().values)
    assert sum(batch.size for batch in first) == 1000


@pytest.mark.parametrize("draw", [segments.streams, segments.random_windows])
def test_a_text_too_short_for_a_batch_is_refused(draw: Any) -> None:
    with pytest.raises(UsageError, match="can't fill"):
        draw(TEXT, 100, 20, **({} if draw is segments.streams else {"generator": torch.Generator()}))


# --- judging ------------------------------------------------------------------------------------------------


class Uniform(torch.nn.Module):
    """Logits 0 for all; counts what it is asked."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.vocab, self.starts, self.places = signature.output.vocab, 0, 0

    def forward(self, inputs: Any, *state: Any) -> Any:
        self.starts += state == (None,)
        self.places += inputs.ids.numel()
        logits = torch.zeros(*inputs.ids.shape, self.vocab)
        return (logits, torch.ones(len(inputs.ids))) if state else logits


@pytest.mark.parametrize("carry", [True, False])
def test_a_uniform_model_scores_the_vocabulary(carry: bool, tmp_path: Path) -> None:
    data = corpus(tmp_path, val=b" a b c \n" * 30)
    task = SPECS["ptb_word"].load(data, length=4, carry=carry)
    network = Uniform(task.signature)
    scores = judge(Supervised(network, task.loss), task, "val", Execution(Runtime()))
    assert scores["perplexity"] == pytest.approx(5.0, rel=1e-6)
    assert scores["cross_entropy"] == pytest.approx(math.log(5), rel=1e-6)
    assert network.starts == int(carry)
    assert network.places == 120
    characters = SPECS["ptb_char"].load(data, length=4, carry=carry)
    network = Uniform(characters.signature)
    scores = judge(Supervised(network, characters.loss), characters, "val", Execution(Runtime()))
    assert scores["bits_per_character"] == pytest.approx(math.log2(len(characters.vocabulary)), rel=1e-6)


def test_judging_in_shorter_segments_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = corpus(tmp_path, val=b" a b c \n b b \n" * 30)
    task = SPECS["ptb_word"].load(data, length=8)
    torch.manual_seed(0)
    learner = Supervised(LSTM.build(task.signature, width=8), task.loss)
    whole = judge(learner, task, "val", Execution(Runtime()))
    monkeypatch.setattr("dlbench_language.modelling.text.EVAL_LOGITS", 10 * 3 * len(task.vocabulary))
    assert judge(learner, task, "val", Execution(Runtime())) == pytest.approx(whole, rel=1e-6)
    alone = SPECS["ptb_word"].load(data, length=8, carry=False)
    other = judge(learner, alone, "val", Execution(Runtime()))
    assert other != pytest.approx(whole, rel=1e-6)  # without a state it is another figure


def test_perplexity_beyond_floating_point_is_infinite() -> None:
    from dlbench_language.modelling.text import perplexity

    assert perplexity(1e4)["perplexity"] == math.inf


def test_loss_is_the_mean_over_what_counts(tmp_path: Path) -> None:
    task = SPECS["ptb_word"].load(corpus(tmp_path, test=b" a b c \n" * 3), length=5, carry=False)
    (batch,) = task.batches("test", 8, None)
    outputs = torch.randn(*batch.targets.shape, 5)
    assert batch.mask.sum() == batch.size == 12
    expected = torch.nn.functional.cross_entropy(outputs[batch.mask], batch.targets[batch.mask])
    assert task.loss(outputs, batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_an_untrained_model_scores_about_the_uniform_one(data: Data) -> None:
    task = load("shakespeare_char", data)
    torch.manual_seed(0)
    learner = Supervised(LSTM.build(task.signature, width=32), task.loss)
    batch = next(iter(task.batches("train", 12, torch.Generator().manual_seed(0))))
    assert learner.loss(batch).item() == pytest.approx(math.log(65), abs=0.05)


# --- samples ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"carry": True}, {"length": 1}, {"length": 300}])
def test_samples_go_on_from_line_heads(options: dict[str, Any], tmp_path: Path) -> None:
    data = plays(tmp_path, b"abcabc\nbcabca\ncabcabcab\n" * 40)
    task = SPECS["shakespeare_char"].load(data, samples=3, **options)

    class Next(torch.nn.Module):
        """After a comes b, then c, then a."""

        def forward(self, inputs: Any, *state: Any) -> Any:
            assert options.get("carry") or inputs.ids.shape[1] <= task.length
            numbers = task.vocabulary.numbers
            table = torch.zeros(4, 4)
            for one, two in [("a", "b"), ("b", "c"), ("c", "a"), ("\n", "a")]:
                table[numbers[one], numbers[two]] = 1.0
            logits: Tensor = table[inputs.ids]
            return (logits, None) if state else logits

    texts = samples(Supervised(Next(), task.loss), task, Execution(Runtime()))
    assert [text[:7] for text in sorted(texts)] == ["abcabca", "bcabcab", "cabcabc"]
    assert {len(text) for text in texts} == {200}
    assert SPECS["shakespeare_char"].load(data).samples(None) == []


# --- suites -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["language", "language_published"])
def test_every_pair_of_the_suites_fits_and_builds(name: str, data_root: Path, tmp_path: Path) -> None:
    suite = catalog().suite(name)
    found = plan(catalog(), Request(suites=(suite,), data_root=data_root, cache=tmp_path, profiles=False))
    assert len(found.cells) > 10
    assert not found.skips
    for cell in found.cells:
        spec = SPECS[cell.task.name]
        carried = option_defaults(spec.load).get("carry", False)
        masked = spec.output_kind is MaskedTokens
        output = MaskedTokens(vocab=39) if masked else NextToken(vocab=40, carried=carried)
        signature = Signature(input=Tokens(vocab=40, length=dict(cell.task.options).get("length", 20)), output=output)
        assert catalog().model(cell.model.name).build(signature, **dict(cell.model.options)) is not None


# --- bad files ----------------------------------------------------------------------------------------------


def test_lines_end_with_line_feeds_only(tmp_path: Path) -> None:
    data = corpus(tmp_path, train=" a\u00a0b \u2028 c\x0b \n d".encode(), val=b" d \n", test=b" d ")
    task = SPECS["ptb_word"].load(data)
    assert set(task.vocabulary.symbols) == {"<eos>", "a\u00a0b", "\u2028", "c\x0b", "d"}
    end, word = task.vocabulary.numbers["<eos>"], task.vocabulary.numbers["d"]
    assert task.texts["val"].tolist() == task.texts["test"].tolist() == [end, word, end]


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_a_byte_order_mark_is_no_word(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo\n")
    assert read_lines(tmp_path / "a.txt", encoding=encoding) == ["one", "two"]
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf")
    with pytest.raises(NoData, match=r"a\.txt is empty"):
        read_lines(tmp_path / "a.txt", encoding=encoding)


def test_an_empty_line_is_one_end_of_line(tmp_path: Path) -> None:
    task = SPECS["ptb_word"].load(corpus(tmp_path))
    words = [task.vocabulary.symbols[i] for i in task.texts["train"].tolist()]
    assert words == ["<eos>", "a", "b", "<unk>", "<eos>", "<eos>", "b", "c", "<eos>"]


@pytest.mark.parametrize("name", ["ptb_word", "ptb_char"])
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"val": b""}, "ptb.valid.txt is empty"),
        ({"train": b" a \n b \xff \n"}, "ptb.train.txt, line 2: byte 4 is not utf-8"),
        ({"test": b" a \n\n b zebra \n"}, "ptb.test.txt, line 3: '.*' is not in the training text"),
    ],
)
def test_bad_files_are_named_with_the_line(name: str, texts: dict[str, bytes], message: str, tmp_path: Path) -> None:
    with pytest.raises(NoData, match=message) as caught:
        SPECS[name].load(corpus(tmp_path, **texts))
    assert "\n" not in str(caught.value)


def test_a_bad_play_is_named_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(NoData, match=r"input\.txt, line 3: byte 5 is not utf-8"):
        SPECS["shakespeare_char"].load(plays(tmp_path, b"To be\nor not\nto b\xe9\n"))


@pytest.mark.parametrize("options", [{"length": 0}, {"samples": -1}])
def test_wrong_options_are_refused(options: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least"):
        SPECS["shakespeare_char"].load(plays(tmp_path, b"abc\n" * 50), **options)


def test_checksums_are_those_of_the_files(data: Data) -> None:
    for name in ("shakespeare_char", "ptb_word", "wikitext2"):
        load(name, data)
        for file in SPECS[name].data.files:
            assert hashlib.sha256(data.path(file.path).read_bytes()).hexdigest() == file.sha256
            assert file.urls


def test_batches_depend_on_the_generator_alone(data: Data) -> None:
    task = load("shakespeare_char", data)

    def first(seed: int) -> Batch:
        return next(iter(task.batches("train", 12, torch.Generator().manual_seed(seed))))

    assert torch.equal(first(1).inputs.ids, first(1).inputs.ids)
    assert not torch.equal(first(1).inputs.ids, first(2).inputs.ids)
    assert first(1).inputs.ids.shape == (12, 64)
