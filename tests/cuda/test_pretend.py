"""The make-believe tensors themselves: what they refuse, what they count, and that they compute what the CPU does."""

from __future__ import annotations

import json
from typing import Any

import driver
import pytest

pytestmark = pytest.mark.skipif(bool(driver.CANT_PRETEND), reason=driver.CANT_PRETEND)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return json.loads(driver.printed("refusals.py", tmp_path_factory.mktemp("driver")))


def test_they_refuse_what_cuda_refuses(said: dict[str, Any]) -> None:
    assert len(said["refused"]) == 7
    assert [name for name, error in said["refused"].items() if not error] == []


def test_they_count_what_makes_the_host_wait(said: dict[str, Any]) -> None:
    assert {name: seen for name, (seen, expected) in said["waits"].items() if seen != expected} == {}


def test_they_say_that_they_are_on_the_gpu(said: dict[str, Any]) -> None:
    assert said["device"] == ["cuda:0", True, "cpu"]
    assert said["tied"]  # a module's shared weights stay shared when it moves


def test_recurrent_layers_have_the_gradients_of_the_cpu(said: dict[str, Any]) -> None:
    assert said["gradients"] == {"lstm": True, "gru": True}
    assert said["packed"] == [0.0, 0.0]


def test_places_of_a_mask_are_found_without_waiting(said: dict[str, Any]) -> None:
    assert said["places"]


def test_autocast_follows_the_rules_of_cuda(said: dict[str, Any]) -> None:
    """A root is taken in float32 there, in the lower precision on a CPU."""
    assert said["autocast"] == [["torch.bfloat16", "torch.float32"], ["torch.float16", "torch.float32"]]
