"""`dlbench reproduce`: which rows are named, what is refused, several rows, verifying."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from terminal import Done, dlbench

from dlbench.cli.again import asked, replan
from dlbench.errors import UsageError
from dlbench.results import Record, load_by_suite, read_record
from dlbench.tables.publishing import publish
from factories import cell, cells
from workshop import catalog


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [record for i in range(5) for record in cells([0.5, 0.6, 0.7 + i / 100], model={"name": f"m{i}"})]
    (folder,) = publish({"quick": rows}, tmp_path / "public")
    return folder / "leaderboard.csv"


@pytest.mark.parametrize(
    ("rows", "numbers"), [("", [1, 2, 3, 4, 5]), (":2", [2]), (":2-4", [2, 3, 4]), (":5,1-2,2", [5, 1, 2])]
)
def test_rows_are_named_by_number_range_or_all(rows: str, numbers: list[int], table: Path) -> None:
    found = asked(f"{table}{rows}")
    assert [int(row.title.split(":")[0].removeprefix("row ")) for row in found] == numbers
    assert all(len(row.records) == 3 and row.interval and not row.refused for row in found)


@pytest.mark.parametrize("rows", [":0", ":6", ":2-9", ":99999999999999999999"])
def test_rows_that_are_not_there_are_named(rows: str, table: Path) -> None:
    with pytest.raises(UsageError, match="has rows 1 to 5, not"):
        asked(f"{table}{rows}")


def test_what_is_not_as_it_was_published_is_refused_and_the_other_rows_are_not(table: Path) -> None:
    first, second, third = (row.records[0].name for row in asked(f"{table}:1-3"))
    records = table.parent / "records"
    changed = (records / f"{first}.json").read_text()
    (records / f"{first}.json").write_text(changed.replace('"seed": 0', '"seed":  0'))
    (records / f"{second}.json").unlink()
    table.write_text(table.read_text().replace(third, "../../../x"))
    reasons = [row.refused for row in asked(str(table))]
    assert "was changed after it was published" in reasons[0]
    assert reasons[1].endswith(f"{second}.json is missing")
    assert reasons[2] == "'../../../x' can't be the name of a record"
    assert reasons[3:] == ["", ""]
    done = dlbench("reproduce", f"{table}:1-3")
    assert done.code == 2
    assert done.out.count("refused: ") == 2
    assert "refused: '../../../x' can't be the name of a record" in done.err


def test_a_leaderboard_that_is_cut_off_or_edited_is_refused(table: Path) -> None:
    text = table.read_text()
    whole = text.splitlines()
    names = whole[1].split(",")[-1]
    table.write_text("\n".join([whole[0], whole[1].replace(names, ""), whole[2].replace(",0.", ",0.1", 1)]) + "\n")
    reasons = [row.refused for row in asked(str(table))]
    assert reasons[0] == "it names no records: the file may have been cut off"
    assert "its records say" in reasons[1]
    table.write_text(text[: len(text) // 2].rpartition(",")[0])
    assert [row.refused for row in asked(str(table)) if not row.records], "the last row lost its end"
    for broken in ("", text[:40], "\0" * 100, "a,b\n1,2\n", "x" * 10**7):
        table.write_text(broken)
        done = dlbench("reproduce", table)
        assert done.code == 2
        assert "can't read" in done.err
        assert len(done.err) < 2000


def test_a_plugin_of_another_version_is_refused_unless_any_is_right(tmp_path: Path) -> None:
    here = catalog()
    version = here.provider("models", "perceptron").version
    record: Record = cell(
        model={"name": "perceptron", "plugin": "mlp", "plugin_version": version},
        versions={"torch": "1.0", "plugin mlp": "99.0", "plugin gone": "1"},
    )
    with pytest.raises(UsageError, match=f"plugin mlp 99.0, which is {version} here, plugin gone 1, which isn't here"):
        replan(here, record, tmp_path)
    assert replan(here, record, tmp_path, any_version=True).seed == 0
    record.body["versions"] = {}
    assert replan(here, record, tmp_path).seed == 0
    record.body["model"]["plugin_version"] = "0.0"
    with pytest.raises(UsageError, match=r"plugin mlp 0\.0, which is"):
        replan(here, record, tmp_path)


def test_missing_data_is_refused_with_what_to_do(tmp_path: Path) -> None:
    record: Record = cell(model={"name": "perceptron", "plugin_version": ""}, task={"name": "atis_slots"})
    record.body["model"]["name"] = "lstm"
    with pytest.raises(UsageError, match=r"can't run here: .* is missing from the data root: run `dlbench data"):
        replan(catalog(), record, tmp_path / "empty")


@pytest.mark.parametrize(
    ("field", "value"),
    [("recipe", {"lr": []}), ("recipe", {"no": 1}), ("runtime", {"device": "tpu"}), ("recipe", {"optimizer": "x[y=1]"}),
     ("task", {"options": "]["}), ("model", {"options": "width=__import__('os')"}),
     ("model", {"name": "dlbench run -p 'x"})],
)  # fmt: skip
def test_a_record_that_cannot_be_planned_is_refused_in_a_sentence(field: str, value: object, tmp_path: Path) -> None:
    record: Record = cell(model={"name": "perceptron", "plugin_version": ""})
    record.body[field] = {**record.body.get(field, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(UsageError) as error:
        replan(catalog(), record, tmp_path)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("name", ["", "  ", "a\nb", "\x1b[2J", "x" * 101])
def test_nobody_verifies_without_a_name(name: str, table: Path) -> None:
    done = dlbench("reproduce", table, "--verify-by", name)
    assert (done.code, "a name is 1 to 100 printable characters" in done.err) == (2, True)


def test_only_published_rows_of_the_same_program_are_verified(table: Path, tmp_path: Path) -> None:
    record = cell(model={"name": "perceptron", "plugin_version": ""})
    (tmp_path / "one.json").write_text(json.dumps(record.body))
    done = dlbench("reproduce", tmp_path / "one.json", "--verify-by", "Jane")
    assert "takes rows of a published leaderboard.csv" in done.err
    (folder,) = publish({"quick": [record]}, tmp_path / "old")
    done = dlbench("reproduce", folder / "leaderboard.csv", "--verify-by", "Jane")
    assert (done.code, "can't be verified: sources, data or recipe have changed since" in done.err) == (2, True)
    assert not (folder / "verifications").exists()


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two rows of two seeds and a profile each, published."""
    place = tmp_path_factory.mktemp("ran")
    words = ["-t", "digits", "-m", "perceptron", "-m", "constant", "--seeds", 2, "--set", "budget.epochs=1"]
    done = dlbench("run", *words, "--no-profile", "--device", "cpu", "--results", place / "runs")
    assert done.code == 0, done.err
    (folder,) = publish(load_by_suite(place / "runs"), place / "public")
    return folder


@pytest.mark.slow
def test_every_row_is_run_again_counted_and_verified(ran: Path, tmp_path: Path) -> None:
    def again(*more: object) -> Done:
        return dlbench("reproduce", ran / "leaderboard.csv", "--results", tmp_path / "again", *more)

    done = again("--verify-by", "Jane Doe")
    lines = done.out.splitlines()
    assert done.code == 0, done.out + done.err
    assert sum(": reproduced: accuracy: " in line and line.endswith("2 of 2 cells equal") for line in lines) == 2
    assert lines[-2] == "what differs here: nothing that was recorded of machine and versions"
    assert lines[-1] == "2 of 2 rows reproduced"
    assert len(list((ran / "verifications").iterdir())) == 2
    assert dlbench("table", ran, "--columns", "model,verified", "--format", "csv").out.splitlines()[1:] == [
        "perceptron,1", "constant,1",
    ]  # fmt: skip
    (first, _second) = asked(str(ran / "leaderboard.csv"))
    path = ran / "records" / f"{first.records[0].name}.json"
    text = path.read_text()
    path.write_text(text.replace('"ok"', '"ok" '))
    done = again("--verify-by", "Ada")
    assert done.code == 3
    assert "row 1: digits x perceptron (budget.epochs=1): refused: " in done.out
    assert done.out.splitlines()[-1] == "1 of 2 rows reproduced, 1 refused"
    path.write_text(text)
    assert dlbench("table", ran, "--columns", "model,verified", "--format", "csv").out.splitlines()[1:] == [
        "perceptron,1", "constant,2",
    ]  # fmt: skip


@pytest.mark.slow
def test_a_row_that_comes_out_otherwise_is_not_verified(ran: Path, tmp_path: Path) -> None:
    records = [record for record in load_by_suite(ran)["custom"] if record["model"]["name"] == "perceptron"]
    for record in records:
        record.body["metrics"]["test"]["accuracy"] -= 0.2
    (folder,) = publish({"custom": records}, tmp_path / "forged")
    done = dlbench("reproduce", folder / "leaderboard.csv", "--results", tmp_path / "again", "--verify-by", "Jane")
    assert done.code == 3
    assert "is not within 1e-5 of" in done.out
    assert not (folder / "verifications").exists()
    assert read_record(folder / "records" / f"{records[0].name}.json") == records[0]
