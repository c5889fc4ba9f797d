"""dlbench.tables.picking and repeating on synthetic records: who is picked, who is left out and why, what to run."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from dlbench.cli import group, run
from dlbench.errors import UsageError
from dlbench.results import BySuite, Record
from dlbench.tables.groups import groups
from dlbench.tables.picking import Limit, Pick, pick
from dlbench.tables.repeating import more_seeds, seeds_text
from factories import PERPLEXITY, cells, launch, profile

LATENCY = Limit("latency_p50_ms", 2.0, "2ms")
PARAMS = Limit("params", 1000.0, "1k")


def model(
    name: str, *values: float, params: int = 500, latency: float | None = None, flags: tuple[str, ...] = (), **more: Any
) -> list[Record]:
    who = {"model": {"name": name, "digest": name}}
    found = cells([*values], params=params, **who, **more)
    if latency is None:
        return found
    launches = [{**launch(), "latency_ms": {"p50": latency, "p95": latency}}] * 3
    return [*found, profile(launches, **who, **more, flags=[*flags])]


def picked(*records: list[Record], limits: tuple[Limit, ...] = (), where: str | None = None) -> Pick:
    (answer,) = pick(BySuite({"quick": [r for some in records for r in some]}), "digits", limits, where)
    return answer


NEAR = (model("a", 0.90, 0.92, 0.94), model("b", 0.89, 0.91, 0.93), model("c", 0.50, 0.51, 0.52))


def test_the_best_its_rivals_and_the_rest() -> None:
    """a and b differ by half a standard deviation; c is forty away."""
    answer = picked(*NEAR)
    assert answer.best is not None
    assert (answer.best.name, answer.pairs, answer.left_out) == ("a", 3, {})
    assert [rival.name for rival in answer.rivals] == ["b"]
    assert [(each.name, each.told_apart) for each in answer.candidates] == [("a", False), ("b", False), ("c", True)]
    assert answer.candidates[1].gap == pytest.approx(0.01)
    assert answer.candidates[2].seeds is None


def test_the_number_of_seeds_is_that_of_the_moderated_variances() -> None:
    """Variances 4e-4, 4e-4 and 1e-4 over three seeds; the pair that is left open is the only one, so 5 %."""
    import math

    from dlbench.tables.power import Side, seeds_needed
    from dlbench.tables.ranking import standing

    rival = picked(*NEAR).rivals[0]
    worth = standing({n: dict(enumerate(v)) for n, v in (("a", (0.90, 0.92, 0.94)), ("b", (0.89, 0.91, 0.93)),
                                                         ("c", (0.50, 0.51, 0.52)))}, True).worth  # fmt: skip
    typical = 4e-4 / math.log(2)
    own = (worth * typical + 2 * 4e-4) / (worth + 2)
    side = Side(variance=own, prior=worth, count=3)
    assert rival.seeds == seeds_needed(0.01, side, side)
    assert rival.seeds is not None
    # 2 * (1.96 + 0.84)^2 * variance / gap^2 of the normal distribution is a little less
    assert 2 * 2.8**2 * own / 0.01**2 == pytest.approx(rival.seeds, rel=0.05)


def test_limits_leave_out_and_verdicts_stay_those_of_the_whole_table() -> None:
    answer = picked(model("big", 0.95, 0.96, 0.97, params=5000), *NEAR, limits=(PARAMS,))
    assert answer.best is not None
    assert answer.best.name == "a"
    assert answer.left_out == {"not params <= 1k": ["big"]}
    assert answer.pairs == 6


def test_the_front_is_of_the_metric_against_all_that_was_limited() -> None:
    rows = (model("a", 0.95, 0.96, params=900, latency=1.9), model("b", 0.9, 0.91, params=100, latency=1.0),
            model("c", 0.8, 0.81, params=900, latency=0.5), model("d", 0.7, 0.71, params=900, latency=1.0))  # fmt: skip
    answer = picked(*rows, limits=(LATENCY, PARAMS))
    assert answer.columns == ["latency_p50_ms", "params"]
    assert [each.name for each in answer.candidates if each.on_front] == ["a", "b", "c"]
    assert [each.name for each in picked(*rows, limits=(PARAMS,)).candidates if each.on_front] == ["a", "b"]
    assert [each.name for each in picked(*rows, where="latency_p50_ms < 1.5").candidates if each.on_front] == ["b", "c"]


def test_unusable_speeds_never_decide() -> None:
    doubted = model("doubted", 0.99, 0.98, latency=0.1, flags=("unusable",))
    answer = picked(doubted, model("a", 0.9, 0.91, latency=1.0), limits=(LATENCY,))
    assert [each.name for each in answer.candidates] == ["a"]
    assert answer.left_out == {"latency_p50_ms is flagged unusable, so it can't decide": ["doubted"]}
    slow = model("slow", 0.99, 0.98, latency=9.0, flags=("unusable",))
    assert "slow" in picked(slow, model("a", 0.9, 0.91), limits=(LATENCY,)).left_out[
        "latency_p50_ms is flagged unusable, so it can't decide"
    ]  # fmt: skip
    assert [each.name for each in picked(doubted, limits=(PARAMS,)).candidates] == ["doubted"]
    by_filter = picked(doubted, where="latency_p50_ms < 2ms")
    assert by_filter.left_out == {"latency_p50_ms is flagged unusable, so it can't decide": ["doubted"]}
    assert picked(doubted, where="latency_p50_ms < 2ms or params < 1k").best is not None


def test_what_lacks_a_figure_is_left_out_and_that_is_said() -> None:
    answer = picked(model("a", 0.9, 0.91), limits=(LATENCY,))
    assert (answer.best, answer.left_out) == (None, {"latency_p50_ms isn't measured": ["a"]})
    assert picked(model("a", 0.9), where="train_peak_mib < 1GiB").left_out == {"train_peak_mib isn't measured": ["a"]}


def test_a_limit_that_is_known_to_be_broken_is_said_first() -> None:
    found = model("a", 0.9, 0.91, params=5000)
    assert picked(found, limits=(LATENCY, PARAMS)).left_out == {"not params <= 1k": ["a"]}
    assert picked(found, limits=(LATENCY,), where="params < 1k").left_out == {"not what --where asks for": ["a"]}


def test_what_has_no_score_or_no_rank_is_no_candidate() -> None:
    failed = [Record({**r.body, "status": "failed", "metrics": {}}) for r in model("failed", 0.9)]
    leak = model("leak", 0.999, 0.999, task={"bound": 0.9})
    answer = picked(failed, leak, model("a", 0.5, 0.51, task={"bound": 0.9}))
    assert [each.name for each in answer.candidates] == ["a"]
    assert answer.left_out["no seed ended ok"] == ["failed"]
    assert [names for why, names in answer.left_out.items() if why.startswith("without a rank")] == [["leak"]]


def test_throughput_has_a_least_and_losses_are_better_when_smaller() -> None:
    least = Limit("infer_examples_per_s", 400_000.0, "400k")  # the factories' profiles reach 384k
    assert picked(model("a", 0.9, latency=1.0), limits=(least,)).left_out == {"not infer_examples_per_s >= 400k": ["a"]}
    answer = picked(*(model(n, v, v + 0.1, task={"metric": PERPLEXITY}) for n, v in (("x", 9.0), ("y", 3.0))))
    assert answer.best is not None
    assert answer.best.name == "y"


def test_equal_means_need_no_number_and_the_cheaper_is_first() -> None:
    answer = picked(model("a", 0.9, 0.92, params=900), model("b", 0.92, 0.9, params=100), limits=(PARAMS,))
    assert [each.name for each in answer.candidates] == ["b", "a"]
    assert (answer.rivals[0].gap, answer.rivals[0].seeds) == (0.0, None)


def test_where_one_does_not_vary_seeds_may_not_do() -> None:
    rows = (model("a", 0.90, 0.91, 0.92), model("b", 0.89, 0.91, 0.91, 0.92), model("same", 0.9, 0.9, 0.9))
    found = {each.name: each for each in picked(*rows).candidates}
    assert (found["same"].fixed, found["same"].told_apart, found["same"].seeds) == (True, False, None)
    assert not found["b"].fixed
    assert found["b"].seeds is not None


def test_each_table_has_its_own_answer() -> None:
    records = [*model("a", 0.9, 0.91), *model("b", 0.8, 0.81, variant="long")]
    assert [p.best.name for p in pick(BySuite({"quick": records}), "digits", []) if p.best] == ["a", "b"]


@pytest.mark.parametrize(("task", "said"), [("digit", "did you mean 'digits'?"), ("digits[", "can't read")])
def test_a_task_that_is_not_there(task: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("?", r"\?")):
        pick(BySuite({"quick": model("a", 0.9)}), task, [])


# --- the command that runs more seeds ---------------------------------------------------------------------


def command(*rows: list[Record], seeds: int = 9, results: Path | None = None) -> list[str]:
    return more_seeds(groups({r["suite"]: [c for some in rows for c in some] for r in rows[0]}), seeds, results)


def parsed(text: str) -> dict[str, Any]:
    """What `dlbench run` takes from the words of a command."""
    parent = click.Context(group, info_name="dlbench", **group.context_settings)
    return run.command.make_context("run", shlex.split(text)[2:], parent=parent).params


def test_the_command_names_suite_models_task_and_runtime() -> None:
    (text,) = command(model("a", 0.9), [*cells([0.8], model={"name": "b", "options": "depth=3", "digest": "b"})],
                      results=Path("my runs"))  # fmt: skip
    assert text == (
        "dlbench run --suite quick -m a -m 'b[depth=3]' -t digits --seeds 9 --device cpu --results 'my runs'"
    )
    assert parsed(text)["seeds"] == "9"


def test_a_run_without_a_suite_and_what_was_set_on_its_command_line() -> None:
    """The text of a setting is part of the variant, so it is kept as it was written."""
    made = {
        "suite": "custom", "variant": "lr=1e-2", "recipe": {"lr": 0.01, "regularizers": ["mixup[alpha=0.2]", "cutout"]},
        "layers": {"lr": "command line", "regularizers": "command line", "optimizer": "suite"},
        "command": "dlbench run -m a -t digits --set lr=1e-2 -p mine.py --timeout=2h --unverified-data --seeds 3",
        "runtime": {"device": "cuda:0", "precision": "bf16", "compile": True, "channels_last": True, "threads": 4,
                    "matmul_precision": "medium", "compile_mode": "max-autotune"},
    }  # fmt: skip
    (text,) = command(model("a", 0.9, **made))
    assert text == (
        "dlbench run -m a -t digits --seeds 9 --set lr=1e-2 --set 'regularizers=mixup[alpha=0.2],cutout' --device cuda "
        "--precision bf16 --matmul-precision medium --compile --compile-mode max-autotune --channels-last --threads 4 "
        "-p mine.py --timeout 2h --unverified-data"
    )
    assert parsed(text)["settings"] == ("lr=1e-2", "regularizers=mixup[alpha=0.2],cutout")


def test_a_run_on_several_devices_names_them() -> None:
    runtime = {"device": "cuda:0", "precision": "fp32", "compile": False, "channels_last": False, "threads": 1}
    (text,) = command(model("a", 0.9, suite="custom", runtime={**runtime, "devices": 4, "shard": True}))
    assert "--device cuda --devices 4 --shard" in text
    assert parsed(text)["devices"] == 4
    assert parsed(text)["shard"] is True


def test_settings_stand_in_the_order_that_the_variant_has() -> None:
    made = {
        "suite": "custom", "variant": "lr=1e-2, batch_size=64", "recipe": {"batch_size": 64, "lr": 0.01},
        "layers": {"batch_size": "command line", "lr": "command line"},
        "command": "dlbench run -m a -t digits --set lr=1e-2 --set batch_size=64 --no-profile",
    }  # fmt: skip
    (text,) = command(model("a", 0.9, **made))
    assert text.endswith("--set lr=1e-2 --set batch_size=64 --device cpu --no-profile")


def test_a_suite_from_a_file_is_named_by_its_file() -> None:
    made = {"suite": "mine", "command": "dlbench run --suite sub/mine.toml --suite other"}
    assert "--suite sub/mine.toml " in command(model("a", 0.9, **made))[0]
    made = {"suite": "other", "command": "dlbench run --suite sub/mine.toml --suite other"}
    assert "--suite other " in command(model("a", 0.9, **made))[0]


def test_what_was_tuned_is_tuned_again_with_more_seeds() -> None:
    made = {"layers": {"lr": "tune"}, "command": "dlbench tune -m a -t digits --over lr=1,2 --seeds 3 --results old"}
    assert command(model("a", 0.9, **made), results=Path("new")) == [
        "dlbench tune -m a -t digits --over lr=1,2 --seeds 9 --results new"
    ]


def test_seeds_are_a_count_or_those_that_there_are_and_new_ones() -> None:
    assert seeds_text([[0, 1, 2], [1, 0]], 5) == "5"
    assert seeds_text([[41, 95], [41, 95]], 4) == "41,95,0,1"
    assert seeds_text([[41, 0], [0]], 4) == "0,41,1,2"


def test_a_command_that_cannot_be_split_is_no_obstacle() -> None:
    assert command(model("a", 0.9, command="dlbench run 'open"))[0].startswith("dlbench run --suite quick -m a")
