"""What diffusion and flow matching share: one regression a step, classes, and examples at unit variance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dlbench import Batch, Learner, Optimizers

from .scaling import Unit

FORGOTTEN = 0.1  # the share of classes that training hides where sampling is to be guided


class Denoiser(Learner):
    """A `network(noisy, times, classes)` that answers in the shape of `noisy`, and what it is trained for.

    Points are seen at unit variance; pictures, which come from -1 to 1, as they are. `num_classes` is 0 where examples
    are asked for without one. `guidance` strengthens what sets the class apart from all classes together: Ho & Salimans
    2021, "Classifier-Free Diffusion Guidance", their w.
    """

    def __init__(
        self, network: nn.Module, *, shape: tuple[int, ...], num_classes: int = 0, guidance: float = 0.0
    ) -> None:
        """With guidance the network has a class more than `num_classes`, the last, which stands for any."""
        super().__init__()
        self.network = network
        self.shape, self.num_classes, self.guidance = shape, num_classes, guidance
        self.unit = Unit(shape[0]) if len(shape) == 1 else None

    def spoil(self, clean: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of examples (B, ...): what the network sees, the times (B,) from 0 to 1000, and what it should answer."""
        raise NotImplementedError

    def walk(self, answer: Callable[[Tensor, float], Tensor], noise: Tensor, generator: torch.Generator) -> Tensor:
        """From noise to examples. `answer(noisy, time)` is the network's, guided."""
        raise NotImplementedError

    def train_step(self, batch: Batch, optimizers: Optimizers) -> Tensor:
        """One step on the squared error, a mean over all coordinates. Returns it."""
        clean = batch.inputs
        if self.unit is not None:
            self.unit.measure(clean)
            clean = self.unit(clean)
        # drawn outside the closure, so that an optimizer that evaluates it several times sees one function
        noisy, times, wanted = self.spoil(clean)
        classes = self._hidden(batch.targets) if self.num_classes else None
        return optimizers.minimize(lambda: F.mse_loss(self.network(noisy, times, classes).float(), wanted))

    @torch.no_grad()
    def sample(self, count: int, generator: torch.Generator, classes: Tensor | None = None) -> Tensor:
        """`count` examples (count, *shape) from noise that `generator` draws on the CPU; each of its class, int64
        (count,), where the network knows classes."""
        device = next(self.parameters()).device
        noise = torch.randn(count, *self.shape, generator=generator).to(device)
        if not self.num_classes:
            classes = None
        elif classes is not None:
            classes = classes.to(device)
        found = self.walk(lambda noisy, time: self._guided(noisy, time, classes), noise, generator)
        return found if self.unit is None else self.unit.back(found)

    def _hidden(self, classes: Tensor | None) -> Tensor:
        """The classes, some of them hidden where sampling is guided."""
        assert classes is not None
        if not self.guidance:
            return classes
        hide = torch.rand(classes.shape, device=classes.device) < FORGOTTEN
        return torch.where(hide, self.num_classes, classes)

    def _guided(self, noisy: Tensor, time: float, classes: Tensor | None) -> Tensor:
        times = torch.full((len(noisy),), time, device=noisy.device)
        if classes is None or not self.guidance:
            return self.network(noisy, times, classes).float()
        both = torch.cat([classes, torch.full_like(classes, self.num_classes)])
        answer = self.network(torch.cat([noisy, noisy]), torch.cat([times, times]), both).float()
        own, any_class = answer.chunk(2)
        return own + self.guidance * (own - any_class)
