"""dlbench_optim: torch's optimizers, well-known ones of timm that torch hasn't, and learning-rate schedules.

Every `build` imports torch or timm only when it is called. timm's optimizers carry `timm_` in front of timm's name.
"""

from __future__ import annotations

from collections.abc import Iterable

from dlbench import OptimizerSpec, ScheduleSpec


def dlbench_optimizers() -> Iterable[OptimizerSpec]:
    """torch's own, then timm's."""
    from . import adaptive, gradient, quasi_newton

    own = [
        (gradient.sgd, "Robbins and Monro (1951), A Stochastic Approximation Method"),
        (gradient.asgd, "Polyak and Juditsky (1992), Acceleration of Stochastic Approximation by Averaging"),
        (gradient.rprop, "Riedmiller and Braun (1993), A Direct Adaptive Method for Faster Backpropagation Learning"),
        (adaptive.adagrad, "Duchi, Hazan and Singer (2011), Adaptive Subgradient Methods"),
        (adaptive.adadelta, "Zeiler (2012), ADADELTA: An Adaptive Learning Rate Method"),
        (adaptive.rmsprop, "Tieleman and Hinton (2012), Lecture 6.5: RMSprop"),
        (adaptive.adam, "Kingma and Ba (2015), Adam: A Method for Stochastic Optimization"),
        (adaptive.adamw, "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization"),
        (adaptive.adamax, "Kingma and Ba (2015), Adam: A Method for Stochastic Optimization"),
        (adaptive.nadam, "Dozat (2016), Incorporating Nesterov Momentum into Adam"),
        (adaptive.radam, "Liu et al. (2020), On the Variance of the Adaptive Learning Rate and Beyond"),
        (adaptive.adafactor, "Shazeer and Stern (2018), Adafactor: Adaptive Learning Rates with Sublinear Memory Cost"),
    ]
    for build, paper in own:
        yield OptimizerSpec(name=build.__name__, build=build, paper=paper)
    yield OptimizerSpec(
        name="lbfgs",
        build=quasi_newton.lbfgs,
        closure=True,
        paper="Liu and Nocedal (1989), On the Limited Memory BFGS Method for Large Scale Optimization",
    )
    yield from _timm_optimizers()


def _timm_optimizers() -> Iterable[OptimizerSpec]:
    from . import timm_optimizers as timm

    papers = [
        (timm.adabelief, "Zhuang et al. (2020), AdaBelief Optimizer"),
        (timm.adamp, "Heo et al. (2021), AdamP"),
        (timm.adan, "Xie et al. (2022), Adan: Adaptive Nesterov Momentum Algorithm"),
        (timm.adopt, "Taniguchi et al. (2024), ADOPT: Modified Adam Can Converge with Any beta2"),
        (timm.cadamw, "Liang et al. (2024), Cautious Optimizers"),
        (timm.lamb, "You et al. (2020), Large Batch Optimization for Deep Learning: Training BERT in 76 Minutes"),
        (timm.laprop, "Ziyin, Wang and Ueda (2020), LaProp: Separating Momentum and Adaptivity in Adam"),
        (timm.lars, "You, Gitman and Ginsburg (2017), Large Batch Training of Convolutional Networks"),
        (timm.lion, "Chen et al. (2023), Symbolic Discovery of Optimization Algorithms"),
        (timm.madgrad, "Defazio and Jelassi (2021), Adaptivity without Compromise"),
        (timm.mars, "Yuan et al. (2024), MARS: Unleashing the Power of Variance Reduction"),
        (timm.muon, "Jordan et al. (2024), Muon: An Optimizer for Hidden Layers in Neural Networks"),
        (timm.nadamw, "Dozat (2016), Incorporating Nesterov Momentum into Adam"),
        (timm.novograd, "Ginsburg et al. (2019), Stochastic Gradient Methods with Layer-wise Adaptive Moments"),
        (timm.rmsproptf, "Tieleman and Hinton (2012), Lecture 6.5: RMSprop"),
        (timm.sgdp, "Heo et al. (2021), AdamP"),
        (timm.sgdw, "Loshchilov and Hutter (2019), Decoupled Weight Decay Regularization"),
    ]
    for build, paper in papers:
        yield OptimizerSpec(name=f"timm_{build.__name__}", build=build, paper=paper)


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
    ]
    for build, paper in builders:
        yield ScheduleSpec(name=build.__name__, build=build, paper=paper)
