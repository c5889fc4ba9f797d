"""Where the shapes of `shapes_captions` stand, and their pictures. No torch.

The two shapes that a caption names are coloured, and the larger one is named first; the others are grey. One stands
left of the other, or right of it, above or below, where it is further away in that direction than across it, by MARGIN.
So only one caption is true of a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .grammar import COLOURS, SHAPES, scene

Numbers = NDArray[np.int64]
SIDE = 48
RADII = ((9, 10), (6, 7), (4, 6))  # least and most, of the first thing named, the second, and grey ones
GAP = 2  # pixels between two shapes' boxes, at least
MARGIN = 6
TRIES = 10  # for a grey shape, which is left out where no place is free
AHEAD = np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])  # of each relation: from the first to the second, as (x, y)
GREY, DARK, JITTER, NOISE = (110, 170), 40, 15, 10


@dataclass(frozen=True)
class Layout:
    """Shapes of N pictures, K each, the two that are named first: `shapes` (N, K), -1 where there is none; `colours`
    (N, K, 3); `centres` (N, K, 2) as x and y, `radii` (N, K), in pixels."""

    shapes: Numbers
    colours: Numbers
    centres: Numbers
    radii: Numbers

    def boxes(self) -> NDArray[np.float32]:
        """Left, top, right, bottom of the two named shapes, as shares of the side: (N, 2, 4)."""
        low, high = self.centres[:, :2] - self.radii[:, :2, None], self.centres[:, :2] + self.radii[:, :2, None] + 1
        return (np.concatenate([low, high], axis=2) / SIDE).astype(np.float32)


def lay_out(numbers: Numbers, distractors: int, random: np.random.RandomState) -> Layout:
    """A layout for each of these captions (N,), with up to so many grey shapes."""
    count, slots = len(numbers), 2 + distractors
    scenes = [scene(number) for number in numbers.tolist()]
    palette = np.array(list(COLOURS.values()))
    grey = np.repeat(random.randint(*GREY, (count, distractors, 1)), 3, axis=2)
    colours = np.concatenate([palette[[said.colours for said in scenes]], grey], axis=1)
    colours[:, :2] += random.randint(-JITTER, JITTER + 1, (count, 2, 3))
    shapes = np.concatenate(
        [[said.shapes for said in scenes], random.randint(0, len(SHAPES), (count, distractors))], axis=1
    )
    limits = np.array([RADII[min(slot, 2)] for slot in range(slots)])
    radii = random.randint(limits[:, 0], limits[:, 1] + 1, (count, slots))
    centres = np.zeros((count, slots, 2), dtype=np.int64)
    centres[:, :2] = _place_pairs(np.array([said.relation for said in scenes]), radii[:, :2], random)
    wanted = random.randint(0, distractors + 1, count)
    for slot in range(2, slots):
        placed = _place_alone(centres, radii, shapes >= 0, slot, random)
        shapes[~placed | (wanted < slot - 1), slot] = -1
    return Layout(shapes, colours.clip(0, 255 - NOISE), centres, radii)


def _place_pairs(relations: Numbers, radii: Numbers, random: np.random.RandomState) -> Numbers:
    """Centres (N, 2, 2) in these relations (N,), drawn until all fit."""
    centres = np.zeros((len(relations), 2, 2), dtype=np.int64)
    left = np.arange(len(relations))
    while len(left):
        drawn = _anywhere(radii[left], random)
        away = drawn[:, 1] - drawn[:, 0]
        along = (away * AHEAD[relations[left]]).sum(axis=1)
        across = (np.abs(away) * (AHEAD[relations[left]] == 0)).sum(axis=1)
        fits = (along > radii[left].sum(axis=1) + GAP) & (along >= across + MARGIN)
        centres[left[fits]] = drawn[fits]
        left = left[~fits]
    return centres


def _place_alone(
    centres: Numbers, radii: Numbers, there: NDArray[np.bool_], slot: int, random: np.random.RandomState
) -> NDArray[np.bool_]:
    """Put the shapes of a slot where none of the slots before it stands; says for which pictures (N,) that went."""
    placed = np.zeros(len(centres), dtype=bool)
    for _ in range(TRIES):
        drawn = _anywhere(radii[:, slot : slot + 1], random)
        apart = np.abs(drawn - centres[:, :slot]).max(axis=2)  # (N, slot)
        free = ((apart > radii[:, :slot] + radii[:, slot : slot + 1] + GAP) | ~there[:, :slot]).all(axis=1)
        centres[:, slot] = np.where((free & ~placed)[:, None], drawn[:, 0], centres[:, slot])
        placed |= free
    return placed


def _anywhere(radii: Numbers, random: np.random.RandomState) -> Numbers:
    """Centres (N, K, 2) at which shapes of these radii (N, K) lie within the picture, a pixel from its border."""
    low = np.repeat(radii[..., None] + 1, 2, axis=2)
    return random.randint(low, SIDE - low)


def draw(layout: Layout, random: np.random.RandomState) -> NDArray[np.uint8]:
    """The pictures (N, 3, SIDE, SIDE), on a dark ground of its own shade each, with a little noise."""
    count = len(layout.shapes)
    pictures = np.empty((count, 3, SIDE, SIDE), dtype=np.uint8)
    for start in range(0, count, 1000):
        part = slice(start, start + 1000)
        pictures[part] = random.randint(0, DARK, (len(layout.shapes[part]), 1, 1, 1))
        for slot in range(layout.shapes.shape[1]):
            shown = inside(layout.shapes[part, slot], layout.centres[part, slot], layout.radii[part, slot])
            colours = layout.colours[part, slot, :, None, None].astype(np.uint8)
            np.copyto(pictures[part], colours, where=shown[:, None])
        pictures[part] += random.randint(0, NOISE + 1, pictures[part].shape, dtype=np.uint8)
    return pictures


def inside(shapes: Numbers, centres: Numbers, radii: Numbers) -> NDArray[np.bool_]:
    """Which pixels (N, SIDE, SIDE) belong to these shapes (N,), around centres (N, 2); none for shape -1."""
    steps = np.arange(SIDE, dtype=np.int16)
    right = steps - centres[:, :1].astype(np.int16)  # (N, SIDE), of the columns
    down = (steps - centres[:, 1:].astype(np.int16))[:, :, None]  # of the rows
    radius = radii.astype(np.int16)[:, None, None]
    x, y = np.abs(right)[:, None], np.abs(down)
    circle = x**2 + y**2 <= radius**2 + radius // 2
    square = (x <= radius) & (y <= radius)
    triangle = (y <= radius) & (2 * x <= down + radius)
    cross = square & ((3 * x <= radius) | (3 * y <= radius))
    kinds = shapes[:, None, None]
    return np.select([kinds == index for index in range(4)], [circle, square, triangle, cross], default=False)
