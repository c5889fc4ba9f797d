"""Tables in terminals of several widths: no line wider, no word broken, nothing empty, marks with their legend."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from dlbench.results import Record, load_by_suite
from dlbench.tables import leaderboard
from dlbench.tables.comparison import compare, render_comparison
from dlbench.tables.layout import BREAKS, board, columns, folded, paragraph, terminal_width
from dlbench.tables.leaderboard import render
from dlbench.tables.marks import FLAGS
from factories import cell, cells, profile

REPOSITORY = Path(__file__).resolve().parents[2]
PUBLISHED = sorted(path for path in (REPOSITORY / "results").glob("*/*") if path.is_dir())
WIDTHS = (80, 100, 120)
LONG = {"name": "encoder", "options": "attention=truncated,depth=1,heads=2,positions=sinusoidal,width=64"}


def words(text: str) -> set[str]:
    """What must not be broken: the pieces between spaces, and of names those between commas."""
    return {piece.strip() for piece in BREAKS.split(text)} - {""}


def printed(text: str) -> set[str]:
    return {piece for line in text.splitlines() for piece in words(line)}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: path.parent.name)
def test_every_published_table_fits_and_breaks_no_word(folder: Path, width: int) -> None:
    by_suite = load_by_suite(folder)
    frame, notes = leaderboard.rows(by_suite), leaderboard.notes(by_suite)
    text = render(frame, notes=notes, width=width)
    longest = max([width, *(len(word) for note in notes for word in note.split())])  # the path of a log, say
    assert max(map(len, text.splitlines())) <= longest
    names = {name for model, options in zip(frame["model"], frame["options"], strict=True)
             for name in words(f"{model}[{options}]" if options else model)}  # fmt: skip
    assert names | {word for note in notes for word in words(note)} <= printed(text)
    for flag in {flag for flags in frame["flags"] for flag in flags.split()}:
        assert re.search(rf"^\S  {flag}\b", text, flags=re.MULTILINE), flag


@pytest.mark.parametrize("width", WIDTHS)
def test_long_names_many_flags_and_notes_fit(width: int) -> None:
    flags = ["noisy", "unusable", "loader_bound", "warmup_not_settled"]
    records = [
        *cells([0.9, 0.91, 0.92], model=LONG, flags=["changed_global_state", "device_shared"]),
        profile(model=LONG, flags=flags),
        *(cell(seed=i, status="failed", model={"name": "broken"}, reason=f"shapes {'wrong ' * 20}") for i in range(3)),
    ]
    by_suite = {"quick": records}
    text = render(leaderboard.rows(by_suite), notes=leaderboard.notes(by_suite), width=width)
    assert max(map(len, text.splitlines())) <= width
    assert words(f"{LONG['name']}[{LONG['options']}]") <= printed(text)
    assert text.count("wrong") == 20
    assert "failed 3/3" in text


def table_of(text: str) -> str:
    return text.partition("\n\n")[2].partition("\n\n")[0]


def test_speeds_that_cannot_be_used_are_marked_in_their_own_cells() -> None:
    doubted = {"name": "doubted"}
    records = [cell(), profile(), cell(model=doubted), profile(model=doubted, flags=["noisy", "unusable"])]
    text = render(leaderboard.rows({"quick": records}), width=120)
    (sure,), (row,) = ([line for line in text.splitlines() if f"  {name} " in line] for name in ("mlp", "doubted"))
    assert len(re.findall(r"~\d", row)) == 3
    assert "~" not in sure
    assert row.split()[-1] == "n"
    assert re.search("^~  unusable: ", text, flags=re.MULTILINE)


def test_columns_without_a_figure_are_left_out() -> None:
    head = table_of(render(leaderboard.rows({"quick": cells([0.9, 0.91, 0.92])}), width=120)).splitlines()[0]
    assert "score" in head
    for name in ("train/s", "infer/s", "p50 ms", "peak MiB"):
        assert name not in head
    head = table_of(render(leaderboard.rows({"quick": [profile()]}), width=120)).splitlines()[0]
    assert "train/s" in head
    assert "score" not in head
    assert "rank" not in head
    failed = render(leaderboard.rows({"quick": [cell(status="failed", reason="no")]}), width=120)
    assert table_of(failed).splitlines()[0].split() == ["model", "score", "notes"]


def test_marks_have_a_legend_and_what_all_rows_share_is_said_once() -> None:
    records = [
        *cells([0.9, 0.91, 0.92], flags=["not_deterministic"]),
        *cells([0.8, 0.81, 0.82], model={"name": "b"}, flags=["not_deterministic", "of_a_task", "of_another"]),
        profile(model={"name": "b"}, status="oom", reason="too big"),
    ]  # fmt: skip
    text = render(leaderboard.rows({"quick": records}), width=120)
    assert "\nevery row: r p\n" in text.replace("p r", "r p")
    (row,) = [line for line in text.splitlines() if line.startswith("  b ")]
    assert row.split()[-3:] == ["1", "2", "x"]
    for line in ("1  of_a_task", "2  of_another", "p  provisional: fewer than five seeds ended ok"):
        assert f"\n{line}\n" in text
    assert "\nx  profile_oom: the profile ended with oom" in text


def test_no_two_flags_have_one_mark() -> None:
    marks = [mark for mark, _ in FLAGS.values()]
    assert len(set(marks)) == len(marks)
    assert not {"x", *"123456789"} & set(marks)


def test_what_a_narrow_table_leaves_out_is_named() -> None:
    frame = leaderboard.rows({"quick": [*cells([0.9278, 0.9389, 0.9944]), profile(flags=["unusable"])]})
    wide, narrow = render(frame, width=120), render(frame, width=72)
    assert "p50 ms" in table_of(wide)
    assert "Left out" not in wide
    assert "p50 ms" not in table_of(narrow)
    assert "Left out where 72 columns are too few: " in narrow
    assert "p50 ms" in narrow.partition("Left out")[2]


@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_fits(width: int) -> None:
    found = compare(
        {"quick": [*cells([0.94, 0.95, 0.96], model=LONG), profile(model=LONG)]},
        {"quick": [*cells([0.9, 0.91, 0.92], model=LONG), profile(model=LONG)]},
    )
    text = render_comparison(found, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert words(f"{LONG['name']}[{LONG['options']}]") <= printed(text)


def test_the_terminal_is_asked_for_its_width(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for size, columns_of_terminal in ((os.terminal_size((93, 30)), 93), (os.terminal_size((7, 3)), 40)):
        monkeypatch.delenv("COLUMNS", raising=False)
        monkeypatch.setattr(os, "get_terminal_size", lambda *_, size=size: size)
        assert terminal_width() == columns_of_terminal
    monkeypatch.setenv("COLUMNS", "101")
    assert terminal_width() == 101


def test_a_pipe_gets_120_columns(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    with (tmp_path / "out").open("w") as file:
        monkeypatch.setattr(sys, "__stdout__", file)
        assert terminal_width() == 120
    record: list[Record] = [cell(model=LONG, flags=["noisy"]), profile(model=LONG)]
    assert max(map(len, render(leaderboard.rows({"quick": record})).splitlines())) <= 120


def test_words_longer_than_a_line_stay_whole() -> None:
    long = "logs/" + "x" * 90
    assert paragraph(f"see {long} for all", 40) == ["see", f"  {long}", "  for all"]
    assert paragraph("a state-of-the-art word", 16) == ["a", "  state-of-the-art", "  word"]
    assert folded("mlp[depth=3,width=64]", 12) == ["mlp[depth=3,", "width=64]"]
    assert folded("100,000 of 1,113", 9) == ["100,000", "of 1,113"]
    assert folded("image -> classes, graph -> value", 17) == ["image -> classes,", "graph -> value"]


def test_columns_fold_texts_before_figures() -> None:
    lines = columns(["name", "figure"], [["a name of many words", "1.5 [1.2, 1.8]"]], {0}, 25)
    assert lines == ["name               figure", "a name of  1.5 [1.2, 1.8]", "many", "words"]
    lines = columns(["name", "figure"], [["a name of many words", "1.5 [1.2, 1.8]"]], {0}, 12, rule=True)
    assert max(map(len, lines)) <= 12
    assert lines[1] == "─" * 12


def test_a_board_says_which_columns_it_left_out() -> None:
    rows = [("h", ["name", "123456", "654321"])]
    assert board(["model", "one", "two"], rows, 24, left=(), spare=["two", "one"])[1] == []
    lines, out = board(["model", "one", "two"], rows, 16, left=(), spare=["two", "one"])
    assert out == ["two"]
    assert max(map(len, lines)) <= 16
