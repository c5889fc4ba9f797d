"""alternating_flip: every image both ways in two epochs, in any order."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import dlbench_regularize
from dlbench import Batch, Regularizer, UsageError
from dlbench_regularize.alternating_flip import TABLE, image_hash


def build() -> Regularizer:
    (spec,) = (s for s in dlbench_regularize.dlbench_regularizers() if s.name == "alternating_flip")
    return spec.build()


def mirrored(flip: Regularizer, images: Tensor, generator: torch.Generator) -> Tensor:
    """Which of the images came back mirrored; the others as they were."""
    got = flip.on_batch(Batch(inputs=images, size=len(images)), generator).inputs
    same = (got == images).flatten(1).all(1)
    assert torch.equal(got[~same], images[~same].flip(3))
    return ~same


def test_each_image_is_mirrored_every_other_time_wherever_it_stands() -> None:
    flip, generator = build(), torch.Generator().manual_seed(0)
    images = torch.randn(400, 3, 6, 5)
    first = mirrored(flip, images, generator)
    assert 150 < first.sum() < 250
    for epoch in range(1, 300):  # past what a byte can count
        order = torch.randperm(400, generator=generator) if epoch < 5 else torch.arange(400)
        now = mirrored(flip, images[order], generator)
        assert torch.equal(now, first[order] ^ (epoch % 2 == 1))


def test_the_seed_decides_how_it_begins() -> None:
    images = torch.randn(64, 1, 6, 6)
    a, again, other = (mirrored(build(), images, torch.Generator().manual_seed(s)) for s in (0, 0, 1))
    assert torch.equal(a, again)
    assert not torch.equal(a, other)


def test_the_hash_depends_on_the_pixels_alone_and_fills_the_table_evenly() -> None:
    images = torch.randn(3000, 1, 4, 4)
    factors = 2 * torch.randint(0, 2**62, (1, 4, 4), generator=torch.Generator().manual_seed(1)) + 1
    places = image_hash(images, factors)
    order = torch.randperm(3000)
    assert torch.equal(image_hash(images[order], factors), places[order])
    assert torch.equal(image_hash(images.contiguous(memory_format=torch.channels_last), factors), places)
    assert int(places.min()) >= 0
    assert int(places.max()) < TABLE
    assert len(places.unique()) > 2980  # about 4 of 3,000 share a place by chance
    assert 0.45 < float((places < TABLE // 2).float().mean()) < 0.55


def test_what_is_no_image_is_refused() -> None:
    for inputs in (torch.ones(3, 4), torch.ones(2, 1, 4, 4, dtype=torch.float64), torch.ones(2, 1, 4, 4).long()):
        with pytest.raises(UsageError, match="float32 images"):
            build().on_batch(Batch(inputs=inputs), torch.Generator())
