"""A runtime's words: what is left unsaid, what contradicts itself, what comes back from a record."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from dlbench.contract.runtime import Runtime, resolve_runtime
from dlbench.errors import UsageError
from dlbench.train.execution import Execution

EARLIER = {"device": "cpu", "precision": "fp32", "compile": False, "channels_last": False, "threads": 1}
LEVERS: list[dict[str, Any]] = [
    {"compile_mode": "max-autotune"}, {"matmul_precision": "medium"},
    {"precision": "tf32", "matmul_precision": "medium"},
]  # fmt: skip


def test_a_default_is_left_unsaid_so_that_records_keep_their_names() -> None:
    given = {"matmul_precision": "highest", "cuda_graph": False, "devices": 1}
    assert Runtime().as_dict() == resolve_runtime("cpu", **given).as_dict() == EARLIER
    assert resolve_runtime("cpu", compile_mode="default").as_dict() == {**EARLIER, "compile": True}
    tf32 = resolve_runtime("cpu", "tf32", matmul_precision="high")
    assert tf32.as_dict() == {**EARLIER, "precision": "tf32"}


@pytest.mark.parametrize("given", LEVERS, ids=str)
def test_what_is_said_makes_another_row_and_comes_back_from_its_record(given: dict[str, Any]) -> None:
    made = resolve_runtime("cpu", **given)
    assert {name: getattr(made, name) for name in given} == given
    assert made.compile == ("compile_mode" in given)
    assert made.identity() != EARLIER
    assert resolve_runtime(**made.identity()) == made


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"compile_mode": "fast"}, "--compile-mode is one of default, reduce-overhead, max-autotune, "),
        ({"matmul_precision": "low"}, "--matmul-precision is one of highest, high, medium, not 'low'"),
        ({"precision": "tf32", "matmul_precision": "highest"}, "--matmul-precision highest forbids: give one"),
        ({"cuda_graph": True, "compile": True}, "--compile-mode reduce-overhead has CUDA graphs of its own"),
        ({"cuda_graph": True, "compile_mode": "default"}, "--cuda-graph and --compile can't go together"),
    ],
    ids=str,
)
def test_a_contradiction_is_a_sentence(given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError) as error:
        resolve_runtime("cpu", **given)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def product(runtime: Runtime | None) -> torch.Tensor:
    """One product in fp32 under a runtime; under torch's own settings where there is none."""
    torch.set_float32_matmul_precision("highest")
    if runtime is not None:
        Execution(runtime)
    a, b = (torch.randn(256, 256, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    return a @ b


@pytest.mark.parametrize(
    ("runtime", "products", "convolutions"),
    [
        (Runtime(), "highest", False),
        (Runtime(precision="tf32"), "high", True),
        (Runtime(matmul_precision="high"), "high", False),
        (Runtime(precision="tf32", matmul_precision="medium"), "medium", True),
        (Runtime(precision="bf16", matmul_precision="medium"), "medium", False),
    ],
    ids=str,
)
def test_torch_is_told_how_exact_products_are(runtime: Runtime, products: str, convolutions: bool) -> None:
    try:
        Execution(runtime)
        found = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    finally:
        Execution(Runtime())
    assert found == (products, convolutions)
    assert not torch.backends.cuda.matmul.allow_tf32


def test_the_default_is_bit_by_bit_what_torch_does_by_itself() -> None:
    assert torch.equal(product(Runtime()), product(None))
