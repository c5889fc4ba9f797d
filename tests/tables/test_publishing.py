"""What others may see: no machine paths; new records in place of old ones."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from dlbench.results import Record, load_by_suite
from dlbench.tables.publishing import publish, scrubbed
from factories import cell, cells, profile


def squares(folder: Path) -> dict[str, Any]:
    """Value on the test split by seed, of the records in a published folder."""
    found = [json.loads(path.read_text()) for path in (folder / "records").glob("*.json")]
    return {body["seed"]: body["metrics"]["test"]["accuracy"] for body in found if body["type"] == "cell"}


def test_records_and_tables_go_to_suite_and_machine(tmp_path: Path) -> None:
    other = cells([0.5], environment={"machine": "Other Box/1"})
    records = {"quick": [*cells([0.9, 0.8]), profile(), *other], "vision": cells([0.7], suite="vision")}
    folders = publish(records, tmp_path)
    assert [str(f.relative_to(tmp_path)) for f in folders] == ["quick/Other-Box-1", "quick/epyc-2c", "vision/epyc-2c"]
    files = ["PROVENANCE.json", "SHA256SUMS", "leaderboard.csv", "metrics.csv", "records"]
    for folder in folders:
        assert sorted(p.name for p in folder.iterdir()) == files
    rows = list(csv.DictReader((tmp_path / "quick" / "epyc-2c" / "leaderboard.csv").open()))
    assert [(row["suite"], row["model"], row["seeds"]) for row in rows] == [("quick", "mlp", "2")]
    names = rows[0]["records"].split()
    assert sorted(names) == sorted(p.stem for p in (tmp_path / "quick" / "epyc-2c" / "records").glob("*.json"))
    assert sum(map(len, load_by_suite(tmp_path).values())) == 5


def test_a_new_record_replaces_the_one_of_its_square_and_no_other(tmp_path: Path) -> None:
    (folder,) = publish({"quick": cells([0.5, 0.6, 0.7])}, tmp_path)
    edited = {"seed": 1, "model": {"digest": "edited"}, "created": "2030-01-01T00:00:00Z"}
    publish({"quick": [cell(0.9, **edited)]}, tmp_path)
    assert squares(folder) == {0: 0.5, 1: 0.9, 2: 0.7}
    publish({"quick": [cell(0.1, **edited)]}, tmp_path)  # the same name, run again
    assert squares(folder) == {0: 0.5, 1: 0.1, 2: 0.7}
    publish({"quick": [cell(0.2, seed=1, variant="other", recipe={"lr": 9.0})]}, tmp_path)
    assert len(list((folder / "records").iterdir())) == 4
    publish({"quick": [cell(0.3, seed=1, runtime={"threads": 2})]}, tmp_path)
    assert len(list((folder / "records").iterdir())) == 5
    rows = list(csv.DictReader((folder / "leaderboard.csv").open()))
    assert sorted((row["variant"], row["threads"], row["seeds"]) for row in rows) == [
        ("", "1", "1"), ("", "2", "1"), ("other", "1", "1"),
    ]  # fmt: skip


def test_pictures_are_published_where_asked_of_the_first_seed_of_each_row_under_names_that_say_what_they_show(
    tmp_path: Path,
) -> None:
    gallery = tmp_path / "pictures"
    gallery.mkdir()
    drawn = []
    for seed in (0, 1):
        (gallery / f"x-s{seed}--samples.png").write_bytes(b"seed %d" % seed)
        drawn.append(cell(0.5, seed=seed, variant="short", pictures=[f"x-s{seed}--samples.png"]))
    (folder,) = publish({"quick": [*drawn, profile()]}, tmp_path / "without")
    assert not (folder / "pictures").exists()
    (folder,) = publish({"quick": [*reversed(drawn), profile()]}, tmp_path / "with", tmp_path)
    (picture,) = (folder / "pictures").iterdir()
    assert picture.read_bytes() == b"seed 0"
    found = [json.loads(path.read_text()) for path in (folder / "records").glob("*.json")]
    assert {body["seed"]: body.get("pictures") for body in found if body["type"] == "cell"} == {
        0: [picture.name], 1: None,
    }  # fmt: skip
    task, model = drawn[0]["task"]["name"], drawn[0]["model"]["name"]
    assert picture.name == f"{task}--{model}--short--samples.png"


def test_which_of_several_equal_gpus_ran_it_makes_no_other_square(tmp_path: Path) -> None:
    (folder,) = publish({"quick": [cell(0.5, runtime={"device": "cuda:0"})]}, tmp_path)
    publish({"quick": [cell(0.6, runtime={"device": "cuda:1"}, model={"digest": "m2"})]}, tmp_path)
    assert squares(folder) == {0: 0.6}


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("dlbench run -p /home/jane/plugins/mine.py -t digits", "dlbench run -p mine.py -t digits"),
        ("dlbench run --data=/mnt/big/data --results '/home/jane/out'", "dlbench run --data=data --results 'out'"),
        ("dlbench run -p ~/mine.py -p ~jane/x/y.py", "dlbench run -p mine.py -p y.py"),
        ("no file 'C:\\Users\\jane\\mine.py'", "no file 'mine.py'"),
        ("PYTHONPATH=/home/jane/a:/home/jane/b", "PYTHONPATH=a:b"),
        ("can't open file:///home/jane/mine.py", "can't open mine.py"),
        ("dlbench_cnn/resnet.py:31 in forward", "dlbench_cnn/resnet.py:31 in forward"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
        ("a/b and 3/4 of it, 1 / 2", "a/b and 3/4 of it, 1 / 2"),
        ("lr=0.1, (B, C, H/2, W/2)", "lr=0.1, (B, C, H/2, W/2)"),
        ("dlbench run -p '/home/jane doe/models/net.py'", "dlbench run -p 'net.py'"),
        ("dlbench run '--results=/home/jane doe/out' -t x", "dlbench run '--results=out' -t x"),
        ("can't open /home/jane doe/my data/x.bin now", "can't open x.bin now"),
        ("in /home/jane, or C:\\Users\\jane", "in ~, or ~"),
        ("no 'C:\\\\Users\\\\jane doe\\\\m.py'", "no 'm.py'"),
    ],
)
def test_absolute_paths_are_cut_to_their_last_part_and_nothing_else_is(text: str, public: str) -> None:
    assert scrubbed(text) == public


HOSTILE = (
    "jane doe",
    "jane [new]",
    "jane, lab",
    "jane: lab",
    "jane#1",
    "jane(x)",
    "o'jane",
    "jané",
    "jane & co",
    "jane=1",
)


@pytest.mark.parametrize("account", HOSTILE)
@pytest.mark.parametrize("folder", ["models", *HOSTILE])
def test_no_account_name_is_left_whatever_the_folders_are_called(account: str, folder: str) -> None:
    path = f"/home/{account}/{folder}/net.py"
    command = scrubbed(shlex.join(["dlbench", "run", "-p", path, f"--results={path}", "-t", "digits"]))
    assert re.fullmatch(r"dlbench run -p '?net\.py'? '?--results=net\.py'? -t digits", command)
    assert scrubbed(f"FileNotFoundError: can't read {path!r}.").replace('"', "'") == (
        "FileNotFoundError: can't read 'net.py'."
    )


def test_the_folders_known_here_are_cut_without_quotes_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "jane <lab> | doe"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("DLBENCH_DATA", str(home / "my | data"))
    assert scrubbed(f"no file {home}/models/x.py or {home}/my | data/x.bin") == "no file x.py or x.bin"
    assert scrubbed(f"{home.name}/net.py:3 in build") == "net.py:3 in build"


def test_a_published_record_has_no_path_anywhere(tmp_path: Path) -> None:
    texts = {"reason": "OSError: no file /home/jane/data/x.bin", "command": "dlbench run -p /srv/j/a.py"}
    nested = {"model": {"plugin": "/srv/j/a.py"}, "environment": {"paths": ["/srv/j/b"]}}
    failed = cell(status="failed", **texts, **nested)
    (folder,) = publish({"quick": [failed]}, tmp_path)
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "jane" not in text
    assert "/srv" not in text
    assert "no file x.bin" in text


def test_sampled_texts_stay_at_home(tmp_path: Path) -> None:
    (folder,) = publish({"quick": [cell(0.9, samples=["source ||| reference ||| translation"])]}, tmp_path)
    (record,) = (folder / "records").glob("*.json")
    assert "samples" not in json.loads(record.read_text())


def test_fields_that_this_version_does_not_know_are_published(tmp_path: Path) -> None:
    newer = cell(0.5, carbon_g=1, runtime={"nodes": 4})
    (folder,) = publish({"quick": [newer]}, tmp_path)
    (record,) = load_by_suite(folder)["quick"]
    assert isinstance(record, Record)
    assert (record["carbon_g"], record["runtime"]["nodes"]) == (1, 4)
