"""The initializers, for the front door. Torch is imported on build."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from dlbench import InitializerSpec, UsageError

if TYPE_CHECKING:
    from dlbench import Learner

    Start = Callable[[Learner], None]


def specs() -> Iterable[InitializerSpec]:
    """All of them: weights of linear, convolutional, recurrent and attention layers are drawn, their biases are zero;
    norms, embeddings and other parameters stay as the model made them."""
    yield InitializerSpec(name="zeros", build=_zeros)
    yield InitializerSpec(
        name="small_normal",
        build=_small_normal,
        paper="Krizhevsky, Sutskever and Hinton (2012), ImageNet Classification with Deep Convolutional Neural "
        "Networks",
    )
    yield InitializerSpec(name="lecun", build=_lecun, paper="LeCun, Bottou, Orr and Mueller (1998), Efficient BackProp")
    yield InitializerSpec(
        name="glorot",
        build=_glorot,
        paper="Glorot and Bengio (2010), Understanding the Difficulty of Training Deep Feedforward Neural Networks",
    )
    yield InitializerSpec(name="he", build=_he, paper="He et al. (2015), Delving Deep into Rectifiers")
    yield InitializerSpec(
        name="orthogonal",
        build=_orthogonal,
        paper="Saxe, McClelland and Ganguli (2014), Exact Solutions to the Nonlinear Dynamics of Learning in Deep "
        "Linear Neural Networks",
    )


def _zeros() -> Start:
    from . import initial

    return initial.initializer(initial.zeros)


def _small_normal(*, sd: float = 0.01) -> Start:
    from . import initial

    if sd <= 0:
        raise UsageError(f"small_normal needs an sd above 0, not {sd}")
    return initial.initializer(initial.normal(sd))


def _lecun() -> Start:
    from . import initial

    return initial.initializer(initial.lecun)


def _glorot() -> Start:
    from . import initial

    return initial.initializer(initial.glorot)


def _he() -> Start:
    from . import initial

    return initial.initializer(initial.he)


def _orthogonal(*, gain: float = 1.0) -> Start:
    from . import initial

    if gain <= 0:
        raise UsageError(f"orthogonal needs a gain above 0, not {gain}")
    return initial.initializer(initial.orthogonal(gain))
