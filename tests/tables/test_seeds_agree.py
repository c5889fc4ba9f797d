"""Ranks of rows whose seeds all gave the same score."""

from __future__ import annotations

from typing import Any

from dlbench.results import Record
from dlbench.tables import leaderboard
from factories import cells


def rows(*records: Record) -> list[dict[str, Any]]:
    return leaderboard.rows({"quick": list(records)}).to_dict("records")


def test_the_test_splits_size_is_the_error_of_a_model_that_does_not_vary():
    def ranked(**changes: int) -> list[str]:
        records = [
            c for name, value in {"a": 0.9, "b": 0.8}.items()
            for c in cells([value] * 3, model={"name": name}, **changes)
        ]  # fmt: skip
        return [r["rank"] for r in rows(*records)]

    assert ranked() == ranked(test_examples=0) == ranked(test_examples=30) == ["1-2", "1-2"]
    assert ranked(test_examples=1000) == ["1", "2"]


def test_where_a_function_is_judged_equal_seeds_are_no_accident():
    gap = {"metric": {"name": "gap", "unit": "", "higher_is_better": False}}

    def three(name: str, values: list[float], signature: str = "vector[2] -> objective[2]") -> list[Record]:
        return cells(values, model={"name": name, "digest": name}, task=gap, signature=signature)

    def found(*members: list[Record]) -> dict[str, str]:
        return {row["model"]: row["rank"] for row in rows(*(record for member in members for record in member))}

    same, worse, best = [1e-8] * 3, [1.1e-8] * 3, [1e-18] * 3
    exact = found(three("a", best), three("b", same), three("c", worse), three("d", same))
    assert exact == {"a": "1", "b": "2-3", "d": "2-3", "c": "4"}
    assert found(three("a", best), three("n", [0.9, 1.0, 1.1]), three("m", [0.8, 1.1, 1.3])) == {
        "a": "1", "n": "2-3", "m": "2-3",
    }  # fmt: skip
    images = "image[1,8,8] -> classes[10]"
    assert found(three("a", best, images), three("b", same, images)) == {"a": "1-2", "b": "1-2"}
