"""What others put into records, suites and folders: nothing is executed or written elsewhere, all of it is named."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.integrity import parsed
from dlbench.results import BySuite, Record, Results, load_by_suite
from dlbench.tables import leaderboard, selection
from dlbench.tables.publishing import publish
from dlbench.tables.rendering import FORMATS
from factories import cell, cells, launch, profile

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(A1)", "=cmd|' /C calc'!A0", " =1+1", "'=1+1", "''=x", "＝1+1", "-x")
MARKUP = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "![x](http://example.org/x.png)", "[a](javascript:b)",
    "a|b|c", "<!-- end -->", "[x][y]", "[x]: http://example.org", "\\", "a`b", "# x",
)  # fmt: skip
LATEX = (r"\input{/etc/passwd}", r"\write18{ls}", "$x$ & y % z", "{", "~^#_")
NAMES = ("../up", "..", "", "a/b", "a b", "a\nb", "-rf", ".hidden", "x" * 300, "x" * 10**7, "a\0b", "C:\\x")


def put(folder: Path, *bodies: Any) -> list[Path]:
    """Files of a folder of records; a text is written as it is."""
    (folder / "records").mkdir(parents=True, exist_ok=True)
    paths = []
    for i, body in enumerate(bodies):
        path = folder / "records" / f"r{i}.json"
        path.write_text(body if isinstance(body, str) else json.dumps(body))
        paths.append(path)
    return paths


def printed(by_suite: dict[str, list[Record]], format: str) -> str:
    frame = leaderboard.rows(by_suite)
    names = ["model", "variant", "score", "metric"]
    return leaderboard.render(frame, format, notes=leaderboard.notes(by_suite)) + selection.render_columns(
        selection.derived(frame), names, format
    )


def with_text(text: str) -> list[Record]:
    """Rows whose every text of a plugin's or a user's choice is this one."""
    odd = {
        "model": {"name": text, "options": text, "family": text, "plugin": text}, "variant": text,
        "task": {"name": text, "options": text, "metric": {"name": text, "unit": text, "higher_is_better": True}},
        "treatment": {"name": text, "keys": []}, "name": "odd", "suite": text,
    }  # fmt: skip
    failed = cell(status="failed", seed=1, reason=text, where=text, **{**odd, "name": "failed"})
    return [cell(0.5, **odd), failed, profile([launch()], **{**odd, "name": "p"})]


@pytest.mark.parametrize("text", FORMULAS)
def test_no_csv_cell_is_a_formula_and_reading_gives_the_text_back(text: str, tmp_path: Path) -> None:
    records = {text: with_text(text)}
    for frame in (leaderboard.rows(records), leaderboard.metrics(records)):
        leaderboard.write_csv(frame, tmp_path / "x.csv")
        for line in csv.reader(io.StringIO((tmp_path / "x.csv").read_text())):
            for value in line:
                assert not re.match(r"\s*[=+@＝]|\s*-(?!\d)|-\d.*[^\d.e+-]", value), value
        again = leaderboard.read_csv(tmp_path / "x.csv")
        for column in ("suite", "model", "options", "variant", "treatment"):
            assert set(again[column]) == set(frame[column]), column


@pytest.mark.parametrize("text", MARKUP)
def test_markdown_has_no_tag_link_picture_or_column_of_a_text(text: str) -> None:
    for shown in (printed({text: with_text(text)}, "md"),):
        assert "<" not in shown
        assert not re.search(r"(?<!\\)\]\(", shown)
        assert "][" not in shown
        assert not re.search(r"^- \[[^]]*\]:", shown, flags=re.MULTILINE)
        tables = [line for line in shown.splitlines() if line.startswith("|")]
        counts = {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in tables}
        assert len(counts) == 2, "as many columns as the two headers have"
        assert not [line for line in shown.splitlines() if line and not re.match(r"\||### |- ", line)]


@pytest.mark.parametrize("text", LATEX)
def test_latex_has_no_command_of_a_text(text: str) -> None:
    shown = printed({text: with_text(text)}, "latex")
    known = r"begin|end|centering|caption|toprule|midrule|bottomrule|text[a-z]+|pm|cdot|downarrow"
    for found in re.findall(r"\\([a-zA-Z]+)", shown):
        assert re.fullmatch(known, found), found
    plain = re.sub(r"\\[\\{}&%$#_]|\$\\[a-z]+\$", "", shown)
    assert plain.count("{") == plain.count("}")
    assert not set("$%#") & set(plain)


@pytest.mark.parametrize("field", ["model.name", "task.options", "variant", "suite", "task.metric.name", "flags"])
@pytest.mark.parametrize(
    "text", ["\x1b[2J\x1b]0;x\x07", "a\nb", "\u202egnp.exe", "x" * 10**7], ids=["escape", "line", "bidi", "long"]
)
def test_a_text_that_no_table_can_show_is_named_and_the_others_are_shown(field: str, text: str, tmp_path: Path) -> None:
    body = copy.deepcopy(cell(0.9).body)
    *way, last = field.split(".")
    inner = body
    for key in way:
        inner = inner[key]
    inner[last] = [text] if field == "flags" else text
    put(tmp_path, body, cell(0.5, seed=1).body)
    found = load_by_suite(tmp_path)
    assert [record["seed"] for record in found["quick"]] == [1]
    (said,) = found.problems
    assert field in said
    assert said.isprintable()
    assert len(said) < 500
    failed = cell(status="failed", reason=text, where=text)
    for format in FORMATS:
        shown = printed({"quick": [failed]}, format)
        assert "\x1b" not in shown
        assert len(shown) < 20_000


@pytest.mark.parametrize("name", NAMES, ids=lambda name: ascii(name)[:20])
def test_a_record_whose_name_is_no_name_of_a_file_is_named_and_never_written(name: str, tmp_path: Path) -> None:
    put(tmp_path / "runs", {**cell(0.9).body, "name": name}, cell(0.5, seed=1).body)
    found = load_by_suite(tmp_path / "runs")
    (said,) = found.problems
    assert "can't be its name" in said
    assert len(said) < 500
    results = Results(tmp_path / "runs")
    results.assign("quick", {json.dumps({"variant": ""}): name})  # as a forged index has it
    victim = tmp_path / "up.json"
    victim.write_text("{}")
    assert results.forget({"quick": {json.dumps({"variant": ""}): name}}) == []
    assert victim.exists()
    assert "can't be read" in results.problems[0]


@pytest.mark.parametrize(
    "text", ["../../up", "..", ".git", "/etc", "a/../../b", "", "x" * 900, "=x"], ids=lambda t: t[:9]
)
def test_names_of_suites_and_machines_lead_nowhere_else(text: str, tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    (folder,) = publish({text: [cell(0.5, environment={"machine": text or "m"})]}, target)
    assert folder.parent.parent == target
    assert folder.resolve().is_relative_to(target.resolve())
    assert not any(part.startswith(".") for part in folder.relative_to(target).parts)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert len(load_by_suite(target)[text]) == 1


@pytest.mark.parametrize(
    "file",
    ["../secret.png", "/etc/passwd", "a.html", "x\0.png", "-a.png", "y" * 10**6 + ".png"],
    ids=lambda f: ascii(f)[:12],
)
def test_a_picture_is_a_png_of_the_folder_or_refused(file: str, tmp_path: Path) -> None:
    (tmp_path / "runs" / "pictures").mkdir(parents=True)
    (tmp_path / "runs" / "secret.png").write_text("secret")
    with pytest.raises(UsageError, match="can't be the name of a picture"):
        publish({"quick": [cell(0.5, pictures=[file])]}, tmp_path / "public", tmp_path / "runs")
    (tmp_path / "runs" / "pictures" / "link.png").symlink_to(tmp_path / "runs" / "secret.png")
    with pytest.raises(UsageError, match="is missing"):
        publish({"quick": [cell(0.5, pictures=["link.png"])]}, tmp_path / "public", tmp_path / "runs")
    assert not (tmp_path / "public").exists()


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400, '"0.9"', "null", "[]", "true"]
)
def test_a_score_that_is_no_number_is_a_failed_cell_everywhere(value: str, tmp_path: Path) -> None:
    text = json.dumps(cell(0.125).body).replace("0.125", value)
    put(tmp_path, text, *[record.body for record in cells([0.5, 0.6, 0.7], model={"name": "good"})])
    found = load_by_suite(tmp_path)
    assert found.problems == []
    for format in FORMATS:
        printed(found, format)
    rows = {row["model"]: row for row in selection.rows_of(leaderboard.rows(found))}
    assert rows["mlp"]["status"] == "failed 1/1"
    assert rows["good"]["mean"] == pytest.approx(0.6)
    (folder,) = publish(found, tmp_path / "public")
    again = {row["model"]: row["status"] for row in selection.rows_of(leaderboard.read_csv(folder / "leaderboard.csv"))}
    assert again == {"mlp": "failed 1/1", "good": "ok"}


def test_numbers_that_no_float_holds_are_named(tmp_path: Path) -> None:
    for field in ("params", "epochs", "seed"):
        put(tmp_path, {**cell(0.5).body, field: 10**400})
        with pytest.raises(FileNotFoundError, match=f"{field}' that no table holds"):
            load_by_suite(tmp_path)
    put(tmp_path, json.dumps(cell(0.125).body).replace("0.125", "9" * 5000), "[" * 10**6)
    with pytest.raises(FileNotFoundError, match=r"r0.json is not a record.*r1.json is not a record"):
        load_by_suite(tmp_path)


def test_a_file_that_is_cut_off_anywhere_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    body = json.dumps(cell(0.9).body)
    (good,) = cells([0.5], model={"name": "good"})
    for length in (0, 1, 10, len(body) // 2, len(body) - 1):
        put(tmp_path, body[:length], good.body)
        found = load_by_suite(tmp_path)
        assert [record.name for record in found["quick"]] == [good.name]
        (said,) = found.problems
        assert said.startswith(f"{tmp_path}/records/r0.json is not a record: it ")


MIXED: dict[str, list[Any]] = {
    "flags": ["noisy", [3], {}], "metrics": [[], {"test": []}, {"test": {}, "val": 3}], "curves": [3, [3], [[3]]],
    "phases": [[], {"train_s": "long"}], "fold_metrics": [{}, [3]], "created": [3], "variant": [3, {}],
    "treatment": ["x", {"name": 3}], "tuned": ["x", {"chosen": []}, {}], 
    "profile": [[], {"launches": {}}, {"launches": [3]}],
    "layers": [[], "x"], "inputs": ["x", {"files": []}], "protocol": ["3"], "environment": ["here", {"machine": 3}],
    "task": [{"metrics": [{}]}, {"metrics": ["x"]}, {"floor": "low"}, {"reference": 3}, {"milestones": ["x"]}],
    "pictures": [3, [3]], "params": ["many", [1]], "epochs": ["ten"], "limits": [3], "versions": [[]],
}  # fmt: skip


@pytest.mark.parametrize("field", MIXED)
def test_records_of_another_schema_are_named_or_shown_and_the_others_always_are(field: str, tmp_path: Path) -> None:
    base = {**cell(0.5).body, "profile": {"launches": []}}
    good = cells([0.5, 0.6, 0.7], model={"name": "good"})
    for i, value in enumerate(MIXED[field]):
        odd = {**base[field], **value} if field in ("task", "environment") and isinstance(value, dict) else value
        put(tmp_path / str(i), {**base, field: odd}, *[record.body for record in good])
        found = load_by_suite(tmp_path / str(i))
        assert len(found["quick"]) + len(found.problems) == 4
        assert {record.name for record in good} <= {record.name for record in found["quick"]}
        for format in FORMATS:
            printed(found, format)
        if not found.problems:
            publish(found, tmp_path / "public" / str(i))


def test_verifications_that_are_none_are_named_and_count_for_nothing(tmp_path: Path) -> None:
    (folder,) = publish({"quick": cells([0.5, 0.6, 0.7])}, tmp_path)
    bad = ["", "[]", '{"by": 3}', '{"schema": 1, "by": "x\\u001b", "suite": "quick", "records": {"a": "b"}}',
           json.dumps({"schema": 1, "by": "x" * 10**7, "suite": "quick", "records": {}}), "[" * 10**6]  # fmt: skip
    (folder / "verifications").mkdir()
    for i, text in enumerate(bad):
        (folder / "verifications" / f"{i}.json").write_text(text)
    found = load_by_suite(folder)
    assert len(found.problems) == len(bad)
    assert all("is not a verification" in said for said in found.problems)
    assert isinstance(found, BySuite)
    assert found.verifications == []
    assert "verified" not in leaderboard.rows(found).columns


def _read(data: bytes, many: bool) -> str:
    try:
        return repr(parsed(data, many=many))
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    "value", ["NaN", "-Infinity", '"\\ud800"', "1e400", "0.1", "-0.0", "[" * 2000, "1]", '"\xff"', ""]
)
def test_a_file_among_many_is_read_as_one_alone(value: str) -> None:
    text = json.dumps(cell(0.5).body)
    for odd in (text.replace("0.5", value), f'{text[:-1]}, "more": {value}}}'):
        data = odd.encode("latin-1")
        assert _read(data, many=True) == _read(data, many=False)
