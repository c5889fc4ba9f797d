"""dlbench.tables.comparison on synthetic records."""

from __future__ import annotations

import json

import pytest

from dlbench.errors import UsageError
from dlbench.results import Record
from dlbench.tables.comparison import Change, compare, has_worse, render_comparison
from factories import PERPLEXITY, cell, cells, launch, profile

OLD = [0.90, 0.91, 0.92, 0.93, 0.89]
BETTER = [value + gain for value, gain in zip(OLD, [0.030, 0.031, 0.029, 0.030, 0.032], strict=True)]


def changes(old: list[Record], new: list[Record]) -> dict[str, Change]:
    return {change.quantity: change for change in compare({"quick": old}, {"quick": new})}


def launches(*seconds: float, **more: float) -> list[dict]:
    return [launch(s, **more) for s in seconds]


# --- metrics ----------------------------------------------------------------------------------------------


def test_metric_better_worse_and_the_same():
    better = changes(cells(OLD), cells(BETTER))["accuracy"]
    assert (better.verdict, better.unit) == ("better", "fraction")
    assert better.effect == pytest.approx(0.0304)
    assert better.low < 0.0304 < better.high
    assert "5 shared seeds" in better.why
    assert changes(cells(BETTER), cells(OLD))["accuracy"].verdict == "worse"
    same = changes(cells(OLD), cells(OLD))["accuracy"]
    assert (same.verdict, same.effect) == ("can't tell", 0.0)
    assert "identical" in same.why


def test_lower_is_better_turns_the_verdict():
    task = {"task": {"metric": PERPLEXITY}}
    assert changes(cells(OLD, **task), cells(BETTER, **task))["perplexity"].verdict == "worse"


def test_metric_p_values_are_corrected_over_the_comparison():
    """p is about 0.02 alone; with nine more rows that changed as little it is no longer enough."""
    new = [value + gain for value, gain in zip(OLD, [0.010, 0.030, 0.020, 0.002, 0.025], strict=True)]
    alone = compare({"quick": cells(OLD)}, {"quick": cells(new)})
    assert alone[0].verdict == "better"
    many = [{"model": {"name": f"m{i}"}} for i in range(10)]
    old_side = [c for model in many for c in cells(OLD, **model)]
    new_side = [c for model in many for c in cells(new, **model)]
    assert {c.verdict for c in compare({"quick": old_side}, {"quick": new_side})} == {"can't tell"}


def test_another_task_version_or_data_cannot_be_compared():
    assert changes(cells(OLD), cells(BETTER, task={"version": "2"}))["accuracy"].why.startswith("the task version")
    other = changes(cells(OLD), cells(BETTER, task={"data_digest": "x"}))["accuracy"]
    assert (other.verdict, other.why) == ("can't tell", "the data changed")


def test_a_changed_recipe_is_named():
    found = changes(cells(OLD), cells(BETTER, recipe={"lr": 0.1}))["accuracy"]
    assert found.verdict == "better"
    assert found.why.endswith("the recipe changed: lr")


# --- matching ---------------------------------------------------------------------------------------------


def test_rows_on_one_side_only_are_listed():
    found = compare(
        {"quick": [*cells(OLD), *cells(OLD, model={"name": "gone"})]},
        {"quick": [*cells(OLD), *cells(OLD, variant="lr=0.1")]},
    )
    rows = {(c.model, c.variant): c.why for c in found if c.quantity == "row"}
    assert rows == {("gone", ""): "only in the old results", ("mlp", "lr=0.1"): "only in the new results"}
    assert not has_worse(found)


def test_the_same_machine_is_preferred_where_a_side_has_several():
    elsewhere = cells(BETTER, environment={"machine": "h100"}, created="2027-01-01T00:00:00Z")
    found = changes(cells(OLD), [*elsewhere, *cells(OLD)])
    assert found["accuracy"].effect == 0.0


# --- status -----------------------------------------------------------------------------------------------


def test_cells_that_stop_working_are_worse_and_repaired_ones_better():
    broken = [*cells(OLD[:4]), cell(seed=4, status="crashed", reason="signal 11")]
    found = changes(cells(OLD), broken)
    assert found["status"].verdict == "worse"
    assert found["status"].why == "ok -> crashed 1/5: signal 11"
    assert changes(broken, cells(OLD))["status"].verdict == "better"
    assert "status" not in changes(cells(OLD), cells(OLD))


def test_a_profile_that_stops_working_is_worse():
    found = changes([profile()], [profile(status="oom", reason="out of memory")])
    assert found["status"].verdict == "worse"
    assert found["status"].why == "profile ok -> oom: out of memory"


# --- speed and memory -------------------------------------------------------------------------------------


def test_slower_training_is_worse_and_memory_is_exact():
    old = [profile(launches(0.0100, 0.0101, 0.0099, peak_mib=100.0))]
    found = changes(old, [profile(launches(0.0110, 0.0111, 0.0109, peak_mib=102.0))])
    assert found["train speed"].verdict == found["infer speed"].verdict == "worse"
    assert found["train speed"].effect == pytest.approx(1.1, abs=1e-3)
    assert found["train speed"].old == pytest.approx(10.0, rel=1e-3)
    assert (found["memory"].verdict, found["memory"].effect) == ("worse", pytest.approx(1.02))
    same = changes(old, old)
    assert {same[q].verdict for q in ("train speed", "infer speed", "memory")} == {"can't tell"}


def test_processor_time_is_the_clock_on_one_cpu_thread():
    """Wall time doubled because the machine was busy; processor time didn't change."""
    old = launches(0.0100, 0.0101, 0.0099)
    busy = [launch(wall, cpu_s=cpu) for wall, cpu in ((0.020, 0.0100), (0.021, 0.0101), (0.020, 0.0099))]
    found = changes([profile(old)], [profile(busy)])["train speed"]
    assert (found.verdict, found.unit) == ("can't tell", "ms cpu")
    for runtime in ({"device": "cuda:0"}, {"threads": 4}):
        wall = changes([profile(old, runtime=runtime)], [profile(busy, runtime=runtime)])["train speed"]
        assert (wall.verdict, wall.unit) == ("worse", "ms")


@pytest.mark.parametrize("place", [{"machine": "other"}, {"torch": "2.14.0"}])
def test_speeds_from_elsewhere_cannot_be_compared(place):
    old, new = [profile(launches(0.01, 0.01, 0.011))], [profile(launches(0.02, 0.02, 0.021), environment=place)]
    found = changes([*cells(OLD), *old], [*cells(BETTER, environment=place), *new])
    assert found["train speed"].verdict == "can't tell"
    assert next(iter(place)) in found["train speed"].why
    assert found["accuracy"].verdict == "better"
    assert "another" in found["accuracy"].why


def test_a_change_that_the_calibration_shows_as_well_is_the_machines():
    """The machine was 12 % slower in the new run; what is called is what goes beyond."""
    old = [profile(launches(0.0100, 0.0101, 0.0099))]

    def verdict(*seconds: float) -> Change:
        return changes(old, [profile(launches(*seconds, pace=1.12))])["train speed"]

    same = verdict(0.0112, 0.0113, 0.0111)
    assert (same.verdict, same.effect) == ("can't tell", pytest.approx(1.0, abs=0.002))
    assert "a calibration that took x1.120" in same.why
    assert verdict(0.0115, 0.0116, 0.0114).verdict == "can't tell"
    assert verdict(0.0145, 0.0146, 0.0144).verdict == "worse"
    assert verdict(0.0085, 0.0086, 0.0084).verdict == "better"


def test_speeds_without_the_same_calibration_get_no_verdict():
    old, slow = launches(0.0100, 0.0101, 0.0099), launches(0.0200, 0.0201, 0.0199)
    assert changes([profile(old)], [profile(slow)])["train speed"].verdict == "worse"
    bare = [{key: value for key, value in entry.items() if key != "calibration"} for entry in old]
    for sides in ((bare, slow), (slow, bare), (bare, bare)):
        found = changes(*([profile(side)] for side in sides))["train speed"]
        assert (found.verdict, found.why) == (
            "can't tell",
            "no calibration tells the machine's pace: measure both sides anew",
        )
        assert found.effect is not None
    other = [{**entry, "calibration": {**entry["calibration"], "program": "p2"}} for entry in slow]
    found = changes([profile(old)], [profile(other)])["train speed"]
    assert (found.verdict, found.effect) == ("can't tell", pytest.approx(2.0, abs=0.01))
    assert "different programs" in found.why


def test_p_values_of_speeds_are_corrected_over_the_comparison():
    """A change that is called alone (p = 0.01) is not when nineteen other speeds were looked at as well."""

    def verdicts(count: int) -> set[str]:
        sides = [
            [profile(launches(*seconds), model={"name": f"m{i}"}) for i in range(count)]
            for seconds in ((0.0100, 0.0103, 0.0097), (0.0110, 0.0113, 0.0107))
        ]
        return {c.verdict for c in compare({"s": sides[0]}, {"s": sides[1]}) if c.quantity == "train speed"}

    assert verdicts(1) == {"worse"}
    assert verdicts(10) == {"can't tell"}


def test_another_batch_size_cannot_be_compared():
    new = profile(launches(0.02, 0.02, 0.021), recipe={"batch_size": 256})
    assert "batch size (128 -> 256)" in changes([profile()], [new])["train speed"].why


def test_a_profile_on_one_side_only():
    found = changes([*cells(OLD), profile()], cells(OLD))
    assert found["train speed"].why == "not measured on both sides"
    assert found["memory"].why == "not measured on both sides"


# --- the gate and the text --------------------------------------------------------------------------------


def test_has_worse():
    assert has_worse(compare({"quick": cells(BETTER)}, {"quick": cells(OLD)}))
    assert not has_worse(compare({"quick": cells(OLD)}, {"quick": cells(BETTER)}))
    assert not has_worse([])


def test_renderings():
    found = compare({"quick": [*cells(BETTER), profile()]}, {"quick": [*cells(OLD), profile()]})
    text = render_comparison(found, width=160)
    assert text.startswith("1 worse, 0 better, 3 can't tell\n")
    lines = [line for line in text.splitlines() if "mlp" in line]
    assert "worse" in lines[0]
    assert "94.04 %" in lines[0]
    assert "-3.04 pt" in lines[0]
    assert "x1.000" in text
    assert render_comparison(found, "md").startswith("### 1 worse, 0 better")
    assert json.loads(render_comparison(found, "json"))[0]["verdict"] == "worse"
    assert render_comparison(found, "csv").splitlines()[0].startswith("suite,task,model,variant,runtime,quantity")
    with pytest.raises(UsageError):
        render_comparison(found, "html")


def test_an_unusable_profile_gives_no_verdict_on_speed() -> None:
    slow = [launch(0.002, cpu_s=0.002 * factor) for factor in (1.0, 1.01, 0.99)]
    fast = [launch(0.001, cpu_s=0.001 * factor) for factor in (1.0, 1.01, 0.99)]

    def verdicts(*flags: str) -> set[str]:
        changes = compare({"s": [cell(), profile(fast)]}, {"s": [cell(), profile(slow, flags=list(flags))]})
        return {change.verdict for change in changes if change.quantity.endswith("speed")}

    assert "worse" in verdicts("noisy")
    assert verdicts("noisy", "unusable") == {"can't tell"}
