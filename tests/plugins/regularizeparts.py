"""What tests of regularizers and ensembles share: a catalog of the built-in ingredients, and steps by hand."""

from __future__ import annotations

import torch
from torch import nn

from dlbench import Batch, Learner, Regularizer, Signature, Value, Vector
from dlbench.contract.choice import Choice, check_options
from dlbench.contract.learner import Supervised
from dlbench.contract.optimizers import PartOptimizers
from dlbench.contract.recipe import resolve
from dlbench.contract.runtime import Runtime
from dlbench.train.execution import Execution
from dlbench.train.training import Stepper
from workshop import catalog

SIGNATURE = Signature(input=Vector(features=4), output=Value())


def regularizer(text: str) -> Regularizer:
    choice = Choice.parse(text)
    spec = catalog().regularizer(choice.name)
    check_options(choice.name, spec.build, choice.options)
    return spec.build(**dict(choice.options))


def squared(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean of the squared errors."""
    return (outputs - batch.targets).square().mean()


def halved(outputs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Half the sum of the squared errors."""
    return 0.5 * (outputs - batch.targets).square().sum()


def number(network: nn.Module) -> nn.Module:
    return nn.Sequential(network, nn.Flatten(0))


def stepper(learner: Learner, *texts: str, seed: int = 0, **settings: object) -> Stepper:
    """Training steps under regularizers; plain gradient descent of rate 0.1 where nothing else is said."""
    regularizers = [regularizer(text) for text in texts]
    recipe = resolve([("test", {"optimizer": "sgd", "lr": 0.1, **settings})]).recipe
    optimizers = PartOptimizers(learner, recipe, catalog(), regularizers)
    for each in regularizers:
        each.start(learner, SIGNATURE, optimizers)
    learner.train()
    return Stepper(learner, optimizers, regularizers, Execution(Runtime()), torch.Generator().manual_seed(seed))


def linear(loss=squared, features: int = 4, bias: bool = False) -> Supervised:
    """A linear model on (B, features) for one number, from zero."""
    layer = nn.Linear(features, 1, bias=bias)
    nn.init.zeros_(layer.weight)
    return Supervised(number(layer), loss)


def weight(learner: Learner) -> torch.Tensor:
    return next(learner.parameters()).detach()[0]
