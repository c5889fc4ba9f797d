"""dlbench_optim: torch's optimizers, those of timm that torch hasn't, and a few of neither; learning-rate schedules.

Every `build` imports torch or timm only when it is called. The optimizers of torch and of timm are two tables of names
and options (`torch_rows`, `timm_rows`), from which the builders are made. timm's carry `timm_` in front of timm's name.
"""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import OptimizerSpec, ScheduleSpec


def dlbench_optimizers() -> Iterable[OptimizerSpec]:
    """torch's own, timm's, and those that are put together here."""
    from . import timm_rows, torch_rows
    from .building import from_timm, from_torch

    for row in torch_rows.ROWS:
        yield OptimizerSpec(name=row.name, build=from_torch(row), closure=row.closure, paper=row.paper)
    for row in timm_rows.rows():
        yield OptimizerSpec(name=row.name, build=from_timm(row), closure=row.closure, paper=row.paper)
    yield from _put_together()


def _put_together() -> Iterable[OptimizerSpec]:
    from .muon import muon
    from .schedule_free import schedule_free_adamw
    from .sharpness import sam

    yield OptimizerSpec(
        name="muon",
        build=muon,
        paper="Jordan et al. (2024), Muon: An Optimizer for Hidden Layers in Neural Networks",
    )
    yield OptimizerSpec(
        name="sam",
        build=sam,
        closure=True,
        paper="Foret et al. (2021), Sharpness-Aware Minimization for Efficiently Improving Generalization",
    )
    yield OptimizerSpec(
        name="schedule_free_adamw",
        build=schedule_free_adamw,
        closure=True,
        paper="Defazio et al. (2024), The Road Less Scheduled",
    )


def dlbench_schedules() -> Iterable[ScheduleSpec]:
    """Factors on the learning rate, as functions of the progress alone."""
    from . import anneal, decay, plateau, warmup

    builders = [
        (warmup.constant, "Goyal et al. (2017), Accurate, Large Minibatch SGD (the warm-up)"),
        (decay.step, "He et al. (2016), Deep Residual Learning for Image Recognition"),
        (decay.exponential, ""),
        (decay.inverse_time, "Robbins and Monro (1951), A Stochastic Approximation Method"),
        (anneal.cosine, "Loshchilov and Hutter (2017), SGDR: Stochastic Gradient Descent with Warm Restarts"),
        (anneal.linear, ""),
        (anneal.polynomial, ""),
        (anneal.one_cycle, "Smith and Topin (2018), Super-Convergence"),
        (warmup.inverse_sqrt, "Vaswani et al. (2017), Attention Is All You Need"),
        (plateau.plateau, "Dwivedi et al. (2023), Benchmarking Graph Neural Networks"),
        (plateau.threshold, "Ruder (2016), An Overview of Gradient Descent Optimization Algorithms"),
    ]
    for build, paper in builders:
        yield ScheduleSpec(name=build.__name__, build=build, paper=paper)
