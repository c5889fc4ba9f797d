"""Several torch optimizers as one. Imports torch; builders import it when they are called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.optim import Optimizer


class Together(Optimizer):
    """Steps one optimizer after the other, each on parameters of its own.

    `param_groups` are those of all of them and `state` is one for all, so that schedules, scalers, copies and saved
    states see a single optimizer.
    """

    def __init__(self, *inner: Optimizer) -> None:
        super().__init__([group for optimizer in inner for group in optimizer.param_groups], {})
        self.inner = inner
        self._share()

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        """The loss that the closure gives, if there is one; it is called once."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self.inner:
            optimizer.step()
        return loss

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """The inner ones work on the outer one's groups and state, which loading replaces."""
        groups = iter(self.param_groups)
        for optimizer in self.inner:
            optimizer.param_groups = [next(groups) for _ in optimizer.param_groups]
            optimizer.state = self.state
