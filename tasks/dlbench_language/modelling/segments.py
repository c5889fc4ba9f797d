"""A long text cut into batches of next-token prediction: parallel streams, consecutive windows, random windows.

Each pass prepares its tensors whole, so that a step only takes the next slice.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from dlbench import Batch, TokenBatch, UsageError


@dataclass(frozen=True, kw_only=True)
class Segments:
    """The batches of one pass, as tensors (S, B, T): `ids`, `targets` and, where some places are filled up, `counts`.

    `carried`: segment s + 1 goes on where s ended; otherwise each stands alone. `rest` is a last, shorter segment of
    carried streams.
    """

    ids: Tensor
    targets: Tensor
    counts: Tensor | None = None
    carried: bool = False
    rest: Segments | None = None

    def __len__(self) -> int:
        return len(self.ids) + (len(self.rest) if self.rest else 0)

    def __iter__(self) -> Iterator[Batch]:
        sizes = _sizes(self.ids, self.counts)
        masks = self.counts.unbind(0) if self.counts is not None else [None] * len(self.ids)
        continues = False if self.carried else None
        for ids, targets, mask, size in zip(self.ids.unbind(0), self.targets.unbind(0), masks, sizes, strict=True):
            mask = None if size == ids.numel() else mask
            yield Batch(inputs=TokenBatch(ids), targets=targets, mask=mask, size=size, continues=continues)
            continues = True if self.carried else None
        for batch in self.rest or ():
            batch.continues = continues
            yield batch


def _sizes(ids: Tensor, counts: Tensor | None) -> list[int]:
    if counts is None:
        return [ids[0].numel()] * len(ids) if len(ids) else []
    return [int(size) for size in counts.flatten(1).sum(dim=1).tolist()]


def streams(text: Tensor, count: int, length: int, *, whole: bool = False) -> Segments:
    """`text` (N + 1,) in `count` parallel streams of consecutive segments, whose state is carried.

    Every target has its true predecessor as input, also at the head of a stream. For training all segments are equally
    long, and the few tokens that don't fill one are left out, as in Zaremba et al. 2014; with `whole`, every one of the
    N targets comes once. Raises UsageError where a stream would be shorter than a segment.
    """
    if not whole:
        segments = (len(text) - 1) // (count * length)
        if not segments:
            raise UsageError(f"{len(text):,} tokens can't fill {count} streams of {length} tokens: choose smaller ones")
        width = (len(text) - 1) // count
        starts = torch.arange(count, device=text.device) * width
        return _cut(text, starts[:, None] + torch.arange(segments * length, device=text.device), length)
    places, inside = _rows(len(text) - 1, -(-(len(text) - 1) // count), text.device)  # (count, width)
    return _cut(text, places, length, inside)


def _cut(text: Tensor, places: Tensor, length: int, inside: Tensor | None = None) -> Segments:
    """Rows of places (B, W) as carried segments of so many columns, and a last one of what is left."""
    full = places.shape[1] // length * length

    def part(columns: slice, size: int, rest: Segments | None = None) -> Segments:
        chosen = places[:, columns].unflatten(1, (-1, size)).transpose(0, 1).contiguous()  # (S, B, T)
        counts = None if inside is None else inside[:, columns].unflatten(1, (-1, size)).transpose(0, 1).contiguous()
        chosen = chosen.clamp(max=len(text) - 2)  # the last place that has a target
        return Segments(ids=text[chosen], targets=text[chosen + 1], counts=counts, carried=True, rest=rest)

    left = places.shape[1] - full
    rest = part(slice(full, None), left) if left else None
    return part(slice(0, full), length, rest) if full else rest  # type: ignore[return-value]


def _rows(count: int, width: int, device: torch.device) -> tuple[Tensor, Tensor | None]:
    """`count` places in rows of so many: (R, width), and which are true ones (None: all)."""
    places = torch.arange(-(-count // width) * width, device=device).view(-1, width)
    return places, None if count % width == 0 else places < count


def consecutive(text: Tensor, batch_size: int, length: int) -> Windows:
    """`text` (N + 1,) as windows one after another, the last one filled up: every one of the N targets comes once."""
    starts = torch.arange(0, len(text) - 1, length, device=text.device)
    return Windows(text, starts, batch_size, length)


def shuffled(text: Tensor, batch_size: int, length: int, generator: torch.Generator) -> Windows:
    """The windows of `consecutive` in random order."""
    starts = torch.randperm(-(-(len(text) - 1) // length), generator=generator) * length
    return Windows(text, starts.to(text.device), batch_size, length)


def random_windows(text: Tensor, batch_size: int, length: int, generator: torch.Generator) -> Segments:
    """Windows in random order that lie side by side from a random place on, another one in each pass: a window may
    begin anywhere, and a pass shows every token once, but for what is left over at both ends and in the last batch.
    Raises UsageError where the text is shorter than a batch."""
    offset = int(torch.randint(min(length, len(text) - 1), (), generator=generator))
    steps = (len(text) - 1 - offset) // (batch_size * length)
    if not steps:
        raise UsageError(f"{len(text):,} tokens can't fill {batch_size} windows of {length}: choose smaller ones")
    order = torch.randperm((len(text) - 1 - offset) // length, generator=generator)[: steps * batch_size]
    starts = (offset + order * length).view(steps, batch_size, 1)
    places = starts.to(text.device) + torch.arange(length, device=text.device)  # (S, B, T)
    return Segments(ids=text[places], targets=text[places + 1])


class Windows:
    """Stand-alone windows that begin at `starts` (W,), `batch_size` at a time; the last batch may be smaller. Where a
    window runs over the text's end, those places don't count."""

    def __init__(self, text: Tensor, starts: Tensor, batch_size: int, length: int) -> None:
        self.text, self.starts, self.batch_size, self.length = text, starts, batch_size, length

    def __len__(self) -> int:
        return -(-len(self.starts) // self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        last = len(self.text) - 2  # of the places that have a target
        within = torch.arange(self.length, device=self.text.device)
        over = (self.starts + self.length - 1 - last).clamp(min=0).tolist()  # places beyond the end, per window
        for first in range(0, len(self.starts), self.batch_size):
            places = self.starts[first : first + self.batch_size, None] + within  # (B, T)
            beyond = sum(over[first : first + self.batch_size])
            inside = places <= last if beyond else None
            places = places.clamp(max=last) if beyond else places
            yield Batch(
                inputs=TokenBatch(self.text[places]),
                targets=self.text[places + 1],
                mask=inside,
                size=places.numel() - beyond,
            )
