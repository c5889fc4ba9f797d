"""What stands on the page: the rows of the table, what is behind them, and nothing that acts."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pages import HOSTILE, PICTURE, WORSE, curve, data_of, folder, many, row, run_folder, written

from dlbench.report.content import LONGEST_TEXT, Content
from dlbench.report.page import MOST_BYTES, embedded, filled
from dlbench.results import Record, load_by_suite
from dlbench.tables import leaderboard, selection
from dlbench.tables.rendering import parts, section
from factories import cell

RESULTS = Path(__file__).resolve().parents[2] / "results"
REAL = ("vision-small", "quick", "optimizers", "generative")


class Elements(HTMLParser):
    """Start tags, and what stands in scripts, as a browser's parser finds them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("name", REAL)
def test_the_rows_are_those_of_the_table(name: str, tmp_path: Path) -> None:
    data = data_of(written(RESULTS / name, tmp_path / "page.html"))
    by_suite = load_by_suite(RESULTS / name)
    frame = leaderboard.rows(by_suite)
    columns = [column for column, _, _ in data["columns"]]
    assert [r["values"][columns.index("model")] for r in data["rows"]] == [*frame["model"]]
    assert [r["values"][columns.index("rank")] for r in data["rows"]] == [*frame["rank"]]
    assert data["notes"] == leaderboard.notes(by_suite)
    for told, part in zip(data["parts"], parts(frame), strict=True):
        title, cells = section(part)
        assert title.startswith(told["title"])
        assert [r for g in told["groups"] for r in g["rows"]] == [*part.index]
        for index, line in zip(part.index, cells, strict=True):
            assert [text for text in told["cells"][str(index)] if text not in ("", "-")] == [
                text for text in line[2:] if text not in ("", "-")
            ]


@pytest.mark.parametrize("name", REAL)
def test_the_front_is_that_of_the_table(name: str, tmp_path: Path) -> None:
    data = data_of(written(RESULTS / name, tmp_path / "page.html"))
    frame = selection.derived(leaderboard.rows(load_by_suite(RESULTS / name)))
    for column in ("params", "train_peak_mib", "infer_examples_per_s"):
        wanted = {*selection.front(frame, column)[0].index}
        panels = [p for t in data["tables"] for p in t["panels"] if p["kind"] == "cost"]
        seen = {s["rows"][0]: column in s["front"] for p in panels for s in p["series"]}
        assert len(seen) > 5
        assert {i for i, on in seen.items() if on} == wanted & seen.keys()


def test_every_row_leads_to_its_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    results = folder(tmp_path / "shown" / "quick" / "epyc 2c", row("mlp", 0.9))
    data = data_of(written(tmp_path / "shown", tmp_path / "page.html"))
    (line,) = data["rows"]
    assert data["folders"] == [["shown/quick/epyc 2c/records", "shown/quick/epyc%202c/records"]]
    for name, _, _, _, at in line["records"]:
        assert (Path(data["folders"][at][0]) / f"{name}.json").is_file()
    assert [record[1:4] for record in line["records"]] == [
        [0, "ok", 0.899], [1, "ok", 0.9], [2, "ok", 0.901], [None, "ok", None]
    ]  # fmt: skip
    away = data_of(written(results, tmp_path / "elsewhere" / "page.html"))
    assert away["folders"][0][1] == "", "no link that tells of folders above both"


def test_no_absolute_path_gets_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    failed = [
        cell(status="failed", reason="no file /home/someone/secret/data.bin", model={"name": "bad", "digest": "b"})
    ]
    text = written(run_folder(tmp_path / "runs", [*row("mlp", 0.9), *failed]), tmp_path / "page.html")
    assert "someone" not in text
    monkeypatch.chdir(tmp_path / "runs" / "records")
    text = written(tmp_path / "runs", tmp_path / "page.html")
    assert str(tmp_path) not in text
    assert [shown for shown, _ in data_of(text)["folders"]] == ["."]
    monkeypatch.chdir(RESULTS)
    assert [shown for shown, _ in data_of(written(tmp_path / "runs", tmp_path / "page.html"))["folders"]] == [
        "runs/records"
    ]


def test_untrusted_text_stays_text(tmp_path: Path) -> None:
    hostile = row(HOSTILE, 0.9, model={"options": HOSTILE, "family": HOSTILE}, flags=[HOSTILE],
                  task={"name": HOSTILE}, variant=HOSTILE, environment={"cpu": WORSE})  # fmt: skip
    hostile += [cell(status="failed", reason=WORSE, where=WORSE, model={"name": "bad", "digest": "b"})]
    for i, record in enumerate(hostile):
        record.body["name"] = f"r{i}"
    text = written(folder(tmp_path / "r", hostile), tmp_path / "page.html", title=WORSE.replace("\ud800", ""))
    tags = [tag for tag, _ in Elements(text).tags]
    assert tags.count("script") == 2
    assert "img" not in tags
    assert not [name for _, attributes in Elements(text).tags for name in attributes if name.startswith("on")]
    data = data_of(text)
    columns = [column for column, _, _ in data["columns"]]
    assert HOSTILE in [r["values"][columns.index("family")] for r in data["rows"]]
    assert any("alert(1)" in note for note in data["notes"])


def test_only_the_pages_own_script_and_style_may_act(tmp_path: Path) -> None:
    text = written(folder(tmp_path / "r", row("mlp", 0.9)), tmp_path / "page.html")
    (policy,) = [a["content"] or "" for _, a in Elements(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    for tag, directive in (("script", "script-src"), ("style", "style-src")):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}'" in policy
        assert "@" not in re.sub(r"@media", "", inside) or tag == "script"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?://(?!www\.w3\.org/)", text)
    assert not [a for _, a in Elements(text).tags if a.get("src")]


def test_numbers_that_are_not_finite_survive(tmp_path: Path) -> None:
    records = [
        cell(0.9, seed=i, task={"floor": math.inf},
             curves=[[{**p, "loss": math.nan if p["step"] < 50 else -math.inf} for p in curve(0.9)]])
        for i in range(3)
    ]  # fmt: skip
    data = data_of(written(folder(tmp_path / "r", records), tmp_path / "page.html"))
    columns = [column for column, _, _ in data["columns"]]
    assert data["rows"][0]["values"][columns.index("floor")] == "Infinity"
    (panel,) = [p for p in data["tables"][0]["panels"] if p["kind"] == "curve"]
    assert {"NaN", "-Infinity"} <= {v for v in panel["series"][0]["data"]["loss"] if isinstance(v, str)}


def test_long_texts_are_cut_and_that_is_said(tmp_path: Path) -> None:
    endless = "x" * 1_000_000
    failed = Record(
        {**cell(status="failed", reason=endless, model={"name": "long", "digest": "e"}).body, "name": "long"}
    )
    text = written(folder(tmp_path / "r", [*row("mlp", 0.9), failed]), tmp_path / "page.html")
    assert len(text) < 400_000
    assert "(1000000 characters)" in text
    assert max(len(note) for note in data_of(text)["notes"]) < LONGEST_TEXT + 100


@pytest.mark.slow
def test_a_page_of_500_rows_is_under_5_mb(tmp_path: Path) -> None:
    (tmp_path / "r" / "pictures").mkdir(parents=True)
    records = many(500)
    for i, record in enumerate(r for r in records if r["seed"] == 0):
        (tmp_path / "r" / "pictures" / f"{i}.png").write_bytes(PICTURE + bytes(100_000))
        record.body["pictures"] = [f"{i}.png"]
    root = folder(tmp_path / "r", records)
    text = written(root, tmp_path / "page.html")
    data = data_of(text)
    assert len(data["rows"]) == 500
    assert 1_000_000 < len(text.encode()) < MOST_BYTES
    curves = [s for t in data["tables"] for p in t["panels"] if p["kind"] == "curve" for s in p["series"]]
    assert len(curves) == 500
    assert min(len(s["data"]["val"]) for s in curves) >= 12
    assert len(data["pictures"]) > 5
    assert len(data["pictures"]) + len(data["pictures_left_out"]) == 500


def test_pictures_are_those_of_the_first_seed_and_nothing_else(tmp_path: Path) -> None:
    root = folder(tmp_path / "r", [])
    (root / "pictures").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (root / "pictures" / name).write_bytes(PICTURE)
    (root / "pictures" / "text.png").write_bytes(b"not a picture")
    (root / "secret.png").write_bytes(PICTURE)
    (root / "pictures" / "link.png").symlink_to(root / "secret.png")
    kept = {0: ["a.png", "text.png", "../secret.png", "link.png", "gone.png"], 1: ["b.png"]}
    records = [cell(0.9, seed=seed, pictures=kept.get(seed, [])) for seed in range(3)]
    data = data_of(written(folder(root, records), tmp_path / "page.html"))
    assert [(at, name) for at, name, _ in data["pictures"]] == [(0, "a.png")]
    assert base64.b64decode(data["pictures"][0][2].partition(",")[2]) == PICTURE
    assert data["pictures_left_out"] == ["text.png"]


def test_a_filter_keeps_ranks_and_fronts_of_the_whole_table(tmp_path: Path) -> None:
    root = folder(
        tmp_path / "r", [*row("best", 0.95), *row("worse", 0.9, step_s=0.002), *row("fast", 0.8, step_s=0.0005)]
    )
    data = data_of(written(root, tmp_path / "page.html", where="model != 'best'"))
    columns = [column for column, _, _ in data["columns"]]
    assert [(r["name"], r["values"][columns.index("rank")]) for r in data["rows"]] == [("worse", "2"), ("fast", "3")]
    assert data["all_rows"] == 3
    (panel,) = [p for p in data["tables"][0]["panels"] if p["kind"] == "cost"]
    assert ["latency_p50_ms" in s["front"] for s in panel["series"]] == [False, False], "all have the same latency"
    assert ["train_examples_per_s" in s["front"] for s in panel["series"]] == [False, True]


def test_times_to_targets_are_those_of_the_table(tmp_path: Path) -> None:
    task = {"milestones": [0.5, 0.7]}
    records = [*row("quick", 0.9, task=task, step_s=0.0005), *row("slow", 0.65, task=task)]
    by_suite = load_by_suite(folder(tmp_path / "r", records))
    frame = leaderboard.rows(by_suite)
    ((_, members, panels),) = Content(by_suite).tables
    (panel,) = [p for p in panels if p.kind == "target"]
    assert [(s.name, s.rows, s.data["step"]) for s in panel.series] == [
        ("50", [0, 1], [*frame["steps_to_0.5"]]), ("70", [0], [frame["steps_to_0.7"][0]])
    ]  # fmt: skip
    assert panel.series[0].data["seconds"] == pytest.approx([*frame["time_to_0.5_s"]], rel=1e-4)
    assert "never reached all of them: slow" in panel.about
    assert [m.row["model"] for m in members] == ["quick", "slow"]


def test_failures_and_unreadable_files_are_told(tmp_path: Path) -> None:
    root = folder(
        tmp_path / "r", [*row("mlp", 0.9), cell(status="oom", reason="too big", model={"name": "huge", "digest": "h"})]
    )
    (root / "records" / "broken.json").write_text("{")
    data = data_of(written(root, tmp_path / "page.html"))
    assert any("huge" in note and "oom: too big" in note for note in data["notes"])
    assert len(data["problems"]) == 1
    assert "broken.json" in data["problems"][0]


def test_what_is_put_in_a_template_is_not_looked_at_again() -> None:
    assert filled("a@X@b@Y@", {"X": "@Y@", "Y": "1"}) == "a@Y@b1"
    assert embedded({"a": "<!--</script>&"}) == '{"a":"\\u003c!--\\u003c/script\\u003e\\u0026"}'
    with pytest.raises(ValueError, match="JSON"):
        embedded(math.nan)
