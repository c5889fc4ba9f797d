"""Builders made from the table's rows. torch and timm are imported when one is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from dlbench import UsageError

from .fused import fused_or_default
from .rows import Options, Row, signature_of, values_of

if TYPE_CHECKING:
    from torch import nn
    from torch.optim import Optimizer

Params = Iterable["nn.Parameter"]
Builder = Callable[..., "Optimizer"]


def from_torch(row: Row) -> Builder:
    """The builder of a class of `torch.optim`."""
    return _named(row, _torch_builder(row.target, row.options, row.fused))


def from_timm(row: Row) -> Builder:
    """The builder of an optimizer that timm knows by name. Weight decay holds for all parameters alike."""
    return _named(row, _timm_builder(row.target, row.options))


def _torch_builder(target: str, options: Options, fused: tuple[str, ...]) -> Builder:
    """Knows what acts and no more, because a record's name covers it."""

    def build(params: Params, lr: float, **given: Any) -> Optimizer:
        import torch

        if not hasattr(torch.optim, target):
            raise UsageError(f"torch {torch.__version__} has no optimizer {target}; install a newer torch")
        params, values = list(params), values_of(options, given)
        if fused:
            values["fused"] = fused_or_default(params, values["fused"], devices=fused)
        built: Optimizer = getattr(torch.optim, target)(params, lr=lr, **values)
        return built

    return build


def _timm_builder(target: str, options: Options) -> Builder:
    def build(params: Params, lr: float, **given: Any) -> Optimizer:
        import timm
        from timm.optim import create_optimizer_v2, list_optimizers

        if target not in list_optimizers():
            raise UsageError(f"timm {timm.__version__} has no optimizer {target!r}; install a newer timm")
        return create_optimizer_v2(list(params), opt=target, lr=lr, **values_of(options, given))

    return build


def _named(row: Row, build: Builder) -> Builder:
    """The builder as one written by hand would look: with the row's name, description and real signature, by which the
    catalog reads and checks options."""
    build.__name__, build.__doc__ = row.name, row.doc
    build.__signature__ = signature_of(row.options)  # type: ignore[attr-defined]
    return build
