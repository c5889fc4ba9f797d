"""Publishing into a folder that holds something: what stays, is replaced or refused; checksums, provenance."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from dlbench.errors import UsageError
from dlbench.integrity import SUMS
from dlbench.results import Record, load_by_suite, write_json
from dlbench.tables.publishing import publish, rows_of
from factories import cell, cells, profile

LATER = "2030-01-01T00:00:00Z"


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(records: list[Record], target: Path, **given: Any) -> str:
    """Why nothing is published; asserts that nothing is."""
    before = everything(target)
    with pytest.raises(UsageError) as error:
        publish({"quick": records}, target, **given)
    assert everything(target) == before
    return str(error.value)


def test_other_rows_stay_newer_records_replace_and_older_ones_are_named(tmp_path: Path) -> None:
    first = cells([0.5, 0.6, 0.7], created="2026-06-01T00:00:00Z")
    other = cells([0.1, 0.2], model={"name": "lenet5"})
    ((folder, change),) = publish({"quick": [*first, *other, profile()]}, tmp_path).items()
    assert (len(change.added), change.same, change.replaced, change.older) == (6, 0, [], [])
    edited = {"model": {"digest": "edited"}}
    newer = cell(0.9, seed=1, created=LATER, **edited)
    older = cell(0.1, seed=2, created="2020-01-01T00:00:00Z", **edited)
    more = cell(0.8, seed=3, created=LATER)
    ((_, change),) = publish({"quick": [newer, older, more, first[0]]}, tmp_path).items()
    assert rows_of(change.replaced) == ["digits x mlp, seed 1"]
    assert rows_of(change.older) == ["digits x mlp, seed 2"]
    assert (rows_of(change.added), change.same) == (["digits x mlp, seed 3"], 1)
    assert {path.stem for path in (folder / "records").iterdir()} == {
        record.name for record in (first[0], newer, first[2], more, *other, profile())
    }
    found = load_by_suite(folder)
    assert (len(found["quick"]), found.problems) == (7, [])


def test_of_two_records_for_one_seed_the_newer_is_published(tmp_path: Path) -> None:
    new, old = cell(0.9, created=LATER, model={"digest": "m2"}), cell(0.1)
    for i, order in enumerate(([new, old], [old, new])):
        (folder,) = publish({"quick": order}, tmp_path / str(i))
        assert [path.stem for path in (folder / "records").iterdir()] == [new.name]


def test_published_again_from_its_own_folder_nothing_changes(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "x--a.png").write_bytes(b"drawn")
    drawn = cell(0.5, pictures=["x--a.png"])
    (folder,) = publish({"quick": [drawn, *cells([0.6, 0.7], model={"name": "gan"})]}, tmp_path / "public", tmp_path)
    before = everything(folder)
    assert {"pictures/digits--mlp--a.png", SUMS, "PROVENANCE.json"} <= set(before)
    for gallery in (None, tmp_path / "public"):
        ((_, change),) = publish(load_by_suite(tmp_path / "public"), tmp_path / "public", gallery).items()
        assert (change.same, change.replaced) == (3, [])
        assert everything(folder) == before
    (folder / SUMS).unlink()  # as a folder of an earlier version
    (folder / "leaderboard.csv").write_text("<<<<<<< a merge that went wrong")
    publish(load_by_suite(tmp_path / "public"), tmp_path / "public")
    assert everything(folder) == before
    publish({"quick": [cell(0.9, created=LATER)]}, tmp_path / "public")
    assert not list((folder / "pictures").iterdir()), "the picture of a record that is gone"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": {"version": "2"}}, "versions of digits 1 (2 records) and 2 (1 record)"),
        ({"protocol": 2}, "protocols 1 (2 records) and 2 (1 record)"),
        ({"environment": {"cpu": "Abacus"}}, "machines epyc-2c, Abacus (1 record) and epyc-2c, EPYC (2 records)"),
    ],
)
def test_what_would_be_mixed_is_refused_unless_it_is_asked_for(
    changes: dict[str, Any], said: str, tmp_path: Path
) -> None:
    publish({"quick": cells([0.5, 0.6])}, tmp_path)
    odd = [cell(0.9, model={"name": "gpt"}, **changes)]
    assert said in refused(odd, tmp_path)
    assert "give --mixed" in refused(odd, tmp_path)
    (folder,) = publish({"quick": odd}, tmp_path, mixed=True)
    assert len(load_by_suite(folder)["quick"]) == 3
    whole = [*cells([0.5, 0.6], created=LATER, **changes), cell(0.9, model={"name": "gpt"}, created=LATER, **changes)]
    publish({"quick": whole}, tmp_path)  # all of it was run again


def test_a_record_that_does_not_say_where_it_ran_is_not_published(tmp_path: Path) -> None:
    lost = cell(0.5)
    lost.body["environment"] = {}
    assert f"{lost.name} doesn't say on which machine it ran" in refused([lost], tmp_path)


def test_a_changed_a_missing_and_a_strange_record_are_named_by_readers_and_stop_publishing(tmp_path: Path) -> None:
    (folder,) = publish({"quick": cells([0.5, 0.6, 0.7])}, tmp_path)
    checked = subprocess.run(["sha256sum", "--check", SUMS], cwd=folder, capture_output=True, text=True, check=True)
    assert checked.stdout.count(": OK") == 3
    files = sorted((folder / "records").iterdir())
    texts = {file: file.read_text() for file in files}
    files[0].write_text(texts[files[0]].replace("0.5", "0.9", 1))
    files[1].unlink()
    write_json(folder / "records" / "strange.json", cell(0.99, seed=9).body)
    found = load_by_suite(folder)
    assert [record.name for record in found["quick"]] == [files[2].stem]
    assert len(found.problems) == 3
    for said, wanted in zip(
        sorted(found.problems), (f"{files[0]} was changed", f"{files[1]} is missing", "isn't listed in"), strict=True
    ):
        assert wanted in said
    with pytest.raises(ValueError, match="was changed after it was published"):
        load_by_suite(files[0])
    assert "(and 2 more)" in refused([cell(0.4, seed=12)], tmp_path)
    publish({"quick": [*cells([0.5, 0.6], created=LATER), cell(0.99, seed=9, created=LATER)]}, tmp_path)
    assert load_by_suite(folder).problems == [], "newer records of these squares put all right"


def test_a_list_of_checksums_that_is_cut_off_or_holds_both_sides_of_a_merge_is_read(tmp_path: Path) -> None:
    (folder,) = publish({"quick": cells([0.5, 0.6])}, tmp_path)
    text = (folder / SUMS).read_text()
    (folder / SUMS).write_text(text + text.replace(text[:8], "0" * 8, 1))
    assert load_by_suite(folder).problems == [], "one of two checksums is the file's"
    (folder / SUMS).write_text("<<<<<<< ours\n" + text[:-20])
    problems = load_by_suite(folder).problems
    assert "line 1 is no checksum: '<<<<<<< ours'" in problems[0]
    assert any(said.endswith("isn't listed in SHA256SUMS: it wasn't published with the others") for said in problems)


@pytest.mark.parametrize("where", ["records", SUMS, "leaderboard.csv"])
def test_a_publication_that_was_interrupted_is_finished_by_the_same_command(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dlbench.tables import publishing

    (folder,) = publish({"quick": cells([0.5, 0.6])}, tmp_path)
    new = [*cells([0.7, 0.8], created=LATER, model={"digest": "m2"}), cell(0.9, created=LATER, seed=2)]
    plain = publishing.write_text

    def full(path: Path, text: str) -> None:
        if where in (path.name, path.parent.name) and (where != "records" or "--s1--" in path.name):
            raise OSError(28, "No space left on device", str(path))
        plain(path, text)

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "write_text", full)
        patched.setattr(publishing.leaderboard, "write_text", full)
        with pytest.raises(OSError, match="No space left"):
            publish({"quick": new}, tmp_path)
    publish({"quick": new}, tmp_path)
    found = load_by_suite(folder)
    assert ({record.name for record in found["quick"]}, found.problems) == ({record.name for record in new}, [])


def test_a_record_that_was_cut_off_is_written_anew_where_it_is_published_again(tmp_path: Path) -> None:
    records = cells([0.5, 0.6])
    (folder,) = publish({"quick": records}, tmp_path)
    path = folder / "records" / f"{records[0].name}.json"
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    publish({"quick": records}, tmp_path)
    assert path.read_bytes() == whole


def test_provenance_is_made_of_the_records_alone(tmp_path: Path) -> None:
    reading = {"files": {"data:extra.txt": "ab", "file:/home/jane/x.bin": "cd"}}
    records = [
        cell(0.5, command="dlbench run -p /home/jane/a.py", versions={"torch": "2.15.0", "plugin mlp": "0.1.0"}),
        cell(0.6, seed=1, created=LATER, inputs=reading, content_digest="c1"),
        cell(0.6, task={"name": "mnist", "data": "verified", "data_digest": "d1"}),
    ]
    (folder,) = publish({"quick": records}, tmp_path / "a")
    text = (folder / "PROVENANCE.json").read_text()
    told = json.loads(text)
    assert sorted(told["commands"]) == ["dlbench run", "dlbench run -p a.py"]
    assert told["created"] == {"first": "2026-01-01T00:00:00Z", "last": LATER}
    assert (told["records"], told["dlbench"], told["protocol"]) == (3, ["0.1.0"], [1])
    assert told["versions"] == {"plugin mlp": ["0.1.0"], "python": ["3.11"], "torch": ["2.15.0"]}
    assert told["tasks"]["mnist"] == {"data": ["verified"], "data_digest": ["d1"], "version": ["1"]}
    assert told["tasks"]["digits"] == {"content_digest": ["c1"], "data": ["embedded"], "version": ["1"]}
    assert [machine["machine"] for machine in told["machines"]] == ["epyc-2c"]
    assert told["files"] == {"data:extra.txt": ["ab"], "file:x.bin": ["cd"]}
    assert "jane" not in "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    for record in reversed(records):
        publish({"quick": [record]}, tmp_path / "b")
    assert (tmp_path / "b" / "quick" / "epyc-2c" / "PROVENANCE.json").read_text() == text
