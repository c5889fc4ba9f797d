"""The table of optimizers against the real signatures of torch and timm."""

from __future__ import annotations

import inspect

import pytest
import torch
from timm.optim import create_optimizer_v2, get_optimizer_info, list_optimizers
from torch import nn

import dlbench_optim
from dlbench.contract.choice import check_options, option_defaults
from dlbench.errors import UsageError
from dlbench_optim import timm_rows, torch_rows
from dlbench_optim.building import from_timm, from_torch
from dlbench_optim.rows import SPELLED_OUT, Maybe, Row, signature_of, values_of

TORCH = {row.name: row for row in torch_rows.ROWS}
TIMM = {row.name: row for row in timm_rows.rows()}
SPECS = {spec.name: spec for spec in dlbench_optim.dlbench_optimizers()}
OURS = {"muon", "sam", "schedule_free_adamw"}


def real_defaults(kind: type) -> dict[str, object]:
    """What an optimizer's class takes, and what it makes of silence."""
    return {p.name: p.default for p in inspect.signature(kind).parameters.values()}


def same(ours: object, theirs: object) -> bool:
    """Equal, and where it is a truth value both are one: 0 and 0.0 are the same default, False isn't."""
    return ours == theirs and isinstance(ours, bool) == isinstance(theirs, bool)


@pytest.mark.parametrize("name", TORCH)
def test_a_row_of_torch_says_what_the_class_has(name: str) -> None:
    row = TORCH[name]
    real = real_defaults(getattr(torch.optim, row.target))
    for option, default in values_of(row.options, {}).items():
        assert option in real, f"{row.target} has no {option}"
        assert same(default, real[option]), f"{row.target} has {option}={real[option]}"
    assert ("fused" in row.options) == bool(row.fused)


@pytest.mark.parametrize("name", TIMM)
def test_a_row_of_timm_says_what_the_class_has(name: str) -> None:
    row = TIMM[name]
    assert row.target in list_optimizers()
    info = get_optimizer_info(row.target)
    real = real_defaults(info.opt_class)
    assert info.opt_class.__module__.startswith("timm.optim")
    ours = values_of(row.options, {})
    assert set(ours) <= set(real)
    for option, value in (info.defaults or {}).items():  # what the name sets is no option, or has that default
        assert ours.get(option, value) == value


@pytest.mark.parametrize("name", [*TORCH, *TIMM])
def test_built_without_options_it_is_what_the_library_builds(name: str) -> None:
    params = [nn.Parameter(torch.ones(4, 3)), nn.Parameter(torch.zeros(3))]
    mine = SPECS[name].build(params, 0.01)
    if name in TIMM:
        theirs = create_optimizer_v2(params, opt=TIMM[name].target, lr=0.01)
    else:
        theirs = getattr(torch.optim, TORCH[name].target)(params, lr=0.01)
    assert type(mine) is type(theirs)
    assert {**mine.defaults, "fused": None} == {**theirs.defaults, "fused": None}
    assert len(mine.param_groups) == 1
    assert mine.param_groups[0]["lr"] == 0.01


def test_every_optimizer_of_torch_is_in_the_table_or_left_out_with_a_reason() -> None:
    classes = {
        name
        for name, kind in vars(torch.optim).items()
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and kind is not torch.optim.Optimizer
    }
    assert len(classes) > 12
    assert classes == {row.target for row in TORCH.values()} | (set(torch_rows.LEFT_OUT) & classes)


def test_every_optimizer_of_timm_is_in_the_table_or_another_librarys_or_left_out_with_a_reason() -> None:
    left_out = {name for names in timm_rows.LEFT_OUT for name in names.split()}
    missing = set(list_optimizers()) - {row.target for row in TIMM.values()} - left_out
    for name in sorted(missing):
        kind = get_optimizer_info(name).opt_class
        home = kind if isinstance(kind, str) else kind.__module__
        assert home.partition(".")[0] in ("torch", "apex", "bitsandbytes"), f"timm's {name} is in no row"
    assert left_out <= set(list_optimizers())


def test_the_table_and_ours_are_all_there_is() -> None:
    assert set(SPECS) == set(TORCH) | set(TIMM) | OURS


@pytest.mark.parametrize("name", SPECS)
def test_a_builder_has_a_signature_that_the_core_reads(name: str) -> None:
    parameters = list(inspect.signature(SPECS[name].build).parameters.values())
    assert [p.name for p in parameters[:2]] == ["params", "lr"]
    assert all(p.kind is p.KEYWORD_ONLY and p.default is not p.empty and p.annotation for p in parameters[2:])
    assert inspect.getdoc(SPECS[name].build)
    check_options(name, SPECS[name].build, option_defaults(SPECS[name].build))
    assert not set(option_defaults(SPECS[name].build)) & set(SPELLED_OUT) - {"eps"}


def test_options_are_checked_by_name_and_type() -> None:
    with pytest.raises(UsageError, match="momentum"):
        check_options("sgd", SPECS["sgd"].build, {"momentun": 0.9})
    with pytest.raises(UsageError, match="needs float"):
        check_options("sgd", SPECS["sgd"].build, {"momentum": "much"})
    with pytest.raises(UsageError, match="needs bool"):
        check_options("timm_sgdw", SPECS["timm_sgdw"].build, {"nesterov": 1})
    check_options("lbfgs", SPECS["lbfgs"].build, {"max_eval": None})
    check_options("lbfgs", SPECS["lbfgs"].build, {"max_eval": 25})
    check_options("adam", SPECS["adam"].build, {"fused": False})


def test_a_signature_and_its_values_are_those_of_the_row() -> None:
    options = {"beta1": 0.9, "beta2": 0.99, "eps1": Maybe("float"), "eps2": 1e-3, "d": 1.0}
    assert str(signature_of(options)) == (
        "(params, lr, *, beta1: 'float' = 0.9, beta2: 'float' = 0.99, eps1: 'float | None' = None, "
        "eps2: 'float' = 0.001, d: 'float' = 1.0)"
    )
    assert values_of(options, {"beta2": 0.5}) == {"betas": (0.9, 0.5), "eps": (None, 1e-3), "d": 1.0}


def test_a_variant_is_its_row_with_options_set() -> None:
    params = [nn.Parameter(torch.ones(4, 3))]
    assert SPECS["timm_nesterovw"].build(params, 0.1).defaults["nesterov"] is True
    assert "nesterov" not in option_defaults(SPECS["timm_nesterovw"].build)
    assert SPECS["timm_clion"].build(params, 0.1, beta1=0.5).defaults["betas"] == (0.5, 0.99)
    assert SPECS["timm_clion"].build(params, 0.1).defaults["caution"] is True


@pytest.mark.parametrize("make", [from_torch, from_timm])
def test_a_library_without_the_optimizer_is_a_usage_error(make) -> None:
    row = Row(name="novel", target="Novel", options={}, paper="", doc="None yet.")
    with pytest.raises(UsageError, match=r"has no optimizer '?Novel'?; install a newer"):
        make(row)([nn.Parameter(torch.ones(1))], 0.1)
