"""dlbench.tables.selection and the LaTeX of tables, on synthetic records."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest

from dlbench.errors import UsageError
from dlbench.results import BySuite, Record
from dlbench.tables import leaderboard
from dlbench.tables.latex import escaped, latex_table
from dlbench.tables.rendering import render
from dlbench.tables.selection import chosen, derived, front, records_of, render_columns, where
from factories import PERPLEXITY, cells, launch, profile

SPREAD = (-0.001, 0.0, 0.001)


def model(name: str, mean: float, params: int = 1000, step_s: float | None = None, **more: Any) -> list[Record]:
    """Three seeds around a mean, and a profile whose latency is 200 times the step."""
    who = {"name": name, "digest": name}
    found = cells([mean + d for d in SPREAD], model=who, params=params, **more)
    if step_s is None:
        return found
    launches = [{**launch(step_s), "latency_ms": {"p50": 200 * step_s, "p95": 300 * step_s}}] * 3
    flags = {"flags": more.pop("profile_flags", [])}
    return [*found, profile(launches, model=who, **{**more, **flags})]


def frame(*records: list[Record]) -> pd.DataFrame:
    return derived(leaderboard.rows({"quick": [r for some in records for r in some]}))


def test_size_is_that_of_the_parameters_in_the_rows_precision() -> None:
    found = frame(
        model("a", 0.9, 250_000),
        model("b", 0.8, 250_000, runtime={"precision": "bf16", "device": "cpu", "compile": False,
                                          "channels_last": False, "threads": 1}),
    )  # fmt: skip
    assert dict(zip(found["model"], found["size_mb"], strict=True)) == {"a": 1.0, "b": 0.5}


def test_what_has_no_parameters_has_no_size() -> None:
    assert frame(cells([0.9], params=None))["size_mb"].isna().all()


def test_treatment_and_score_can_always_be_named() -> None:
    found = frame(model("a", 0.9))
    assert list(found["treatment"]) == [""]
    assert list(found["score"]) == ["90.0 ± 0.2 %"]


def test_where_keeps_rows_and_leaves_their_ranks() -> None:
    found = frame(model("a", 0.9, 4000), model("b", 0.8, 500), model("c", 0.7, 100))
    kept = where(found, "params < 1k")
    assert list(kept["model"]) == ["b", "c"]
    assert list(kept["rank"]) == ["2", "3"]


def test_where_leaves_out_what_was_not_measured() -> None:
    found = frame(model("a", 0.9, step_s=0.001), model("b", 0.8))
    assert list(where(found, "latency_p50_ms < 1s")["model"]) == ["a"]
    assert list(where(found, "not latency_p50_ms < 1s")["model"]) == []
    assert list(where(found, "latency_p50_ms = none")["model"]) == ["b"]


def test_the_front_keeps_what_no_other_row_beats_in_both() -> None:
    """b is beaten by c (better and smaller); d ties c in nothing; e is as small as d and worse."""
    found = frame(model("a", 0.9, 4000), model("b", 0.8, 3000), model("c", 0.85, 2000), model("d", 0.7, 100),
                  model("e", 0.6, 100))  # fmt: skip
    kept, said = front(found, "params")
    assert list(kept["model"]) == ["a", "c", "d"]
    assert said == []


def test_a_front_of_throughput_wants_more_and_one_of_losses_less() -> None:
    found = frame(model("slow", 0.9, step_s=0.1), model("fast", 0.8, step_s=0.01), model("bad", 0.7, step_s=0.05))
    assert list(front(found, "infer_examples_per_s")[0]["model"]) == ["slow", "fast"]
    task = {"task": {"metric": PERPLEXITY}}
    losses = frame(model("big", 20.0, 4000, **task), model("small", 30.0, 100, **task), model("bad", 31.0, 200, **task))
    assert list(front(losses, "params")[0]["model"]) == ["big", "small"]


def test_fronts_are_of_one_table_each() -> None:
    other = model("b", 0.8, 2000, variant="long")
    found = frame(model("a", 0.9, 1000), other, model("c", 0.7, 3000))
    assert sorted(front(found, "params")[0]["model"]) == ["a", "b"]


def test_unusable_speeds_and_rows_without_the_figure_are_not_on_the_front_and_that_is_said() -> None:
    found = frame(model("a", 0.9, step_s=0.1), model("b", 0.95, 100, step_s=0.001, profile_flags=["unusable"]),
                  model("c", 0.99))  # fmt: skip
    kept, said = front(found, "latency_p50_ms")
    assert list(kept["model"]) == ["a"]
    assert "not on the front, because the speed is flagged unusable: b" in said
    assert "not on the front, because latency_p50_ms isn't measured: c" in said
    assert "b" in list(front(found, "params")[0]["model"])  # its parameters are no speed


def test_a_row_without_a_rank_is_not_on_the_front() -> None:
    leak = model("leak", 0.99, 10, task={"bound": 0.9})
    found = frame(leak, model("a", 0.8, 100, task={"bound": 0.9}))
    assert list(front(found, "params")[0]["model"]) == ["a"]


@pytest.mark.parametrize("column", ["mean", "model", "parms", "compile"])
def test_a_front_needs_a_column_of_figures(column: str) -> None:
    with pytest.raises(UsageError):
        front(frame(model("a", 0.9)), column)


def test_columns_are_chosen_by_name() -> None:
    assert chosen(" model, score,model", ["model", "score", "mean"]) == ["model", "score"]
    with pytest.raises(UsageError, match="did you mean 'score'"):
        chosen("scroe", ["model", "score"])
    with pytest.raises(UsageError, match="takes names"):
        chosen(",", ["model"])


def test_chosen_columns_in_every_format() -> None:
    found = frame(model("a", 0.91234, 250_000), model("b|_", 0.8, 500))
    names = ["model", "mean", "size_mb", "compile", "latency_p50_ms"]
    assert render_columns(found, names, "csv") == (
        "model,mean,size_mb,compile,latency_p50_ms\na,0.91234,1,False,\nb|_,0.8,0.002,False,\n"
    )
    assert json.loads(render_columns(found, names[:3], "json"))[1] == {"model": "b|_", "mean": 0.8, "size_mb": 0.002}
    text = render_columns(found, names, "terminal", width=100)
    assert [line.split() for line in text.splitlines()[-3:-1]] == [
        ["a", "0.9123", "1", "no", "-"], ["b|_", "0.8", "0.00200", "no", "-"],
    ]  # fmt: skip
    assert "| b\\|_ | 0.8 | 0.00200 | no | - |" in render_columns(found, names, "md")
    assert r"b\textbar{}\_ & 0.8 & 0.00200 & no & - \\" in render_columns(found, names, "latex")
    assert list(json.loads(render_columns(found, ["model"], "json", sort="size_mb"))[0].values()) == ["b|_"]
    with pytest.raises(UsageError):
        render_columns(found, names, "html")


def test_latex_escapes_what_it_would_obey() -> None:
    assert escaped(r"\input{/etc/passwd} 50% $x$ a_b#&~^") == (
        r"\textbackslash{}input\{/etc/passwd\} 50\% \$x\$ a\_b\#\&\textasciitilde{}\textasciicircum{}"
    )
    assert escaped("two\nlines") == "two lines"


def test_a_table_in_latex() -> None:
    text = latex_table("A_1", ["model", "score"], [["[x]", "90.0 ± 0.1 %"]], ["model"])
    assert text.splitlines() == [
        r"\begin{table}", r"\centering", r"\caption{A\_1}", r"\begin{tabular}{lr}", r"\toprule",
        r"model & score \\", r"\midrule", r"{[x]} & 90.0 $\pm$ 0.1 \% \\", r"\bottomrule", r"\end{tabular}",
        r"\end{table}",
    ]  # fmt: skip


def test_a_leaderboard_in_latex_has_a_table_for_each_title() -> None:
    found = leaderboard.rows({"quick": [*model("a", 0.9), *model("b", 0.8, variant="long")]})
    text = render(found, "latex")
    assert text.count(r"\begin{table}") == 2
    assert r"digits & accuracy & a & 90.0 $\pm$ 0.2 \% & 1" in text


def test_the_records_behind_rows() -> None:
    records = [*model("a", 0.9), *model("b", 0.8)]
    by_suite = BySuite({"quick": records})
    kept = where(derived(leaderboard.rows(by_suite)), "model = 'b'")
    assert {r["model"]["name"] for r in records_of(by_suite, kept)["quick"]} == {"b"}
    assert records_of(by_suite, kept.iloc[:0]) == {}
