"""The language of `shapes_captions`: "a COLOUR SHAPE RELATION a COLOUR SHAPE". Captions are numbered. No torch."""

from __future__ import annotations

from typing import NamedTuple

COLOURS = {
    "red": (220, 40, 40),
    "green": (40, 190, 60),
    "blue": (60, 80, 230),
    "yellow": (230, 210, 40),
    "purple": (160, 50, 200),
    "cyan": (40, 200, 210),
}
SHAPES = ("circle", "square", "triangle", "cross")
RELATIONS = ("left of", "right of", "above", "below")
NUM_THINGS = len(COLOURS) * len(SHAPES)
NUM_CAPTIONS = len(RELATIONS) * NUM_THINGS**2
WORDS = ("a", *COLOURS, *SHAPES, *dict.fromkeys(" ".join(RELATIONS).split()))
LONGEST = 8
"""Words of a caption, at most."""


class Scene(NamedTuple):
    """What a caption says, as places in RELATIONS, COLOURS and SHAPES: of the first thing named, then the second."""

    relation: int
    colours: tuple[int, int]
    shapes: tuple[int, int]


def scene(number: int) -> Scene:
    """What the caption of this number, 0 to NUM_CAPTIONS - 1, says."""
    relation, things = divmod(number, NUM_THINGS**2)
    first, second = (divmod(thing, len(SHAPES)) for thing in divmod(things, NUM_THINGS))
    return Scene(relation, (first[0], second[0]), (first[1], second[1]))


def words(number: int) -> list[str]:
    """The caption of this number. Its shape words are the third and the last."""
    said = scene(number)
    names = list(COLOURS)
    (first, second), colours = (SHAPES[shape] for shape in said.shapes), [names[colour] for colour in said.colours]
    return ["a", colours[0], first, *RELATIONS[said.relation].split(), "a", colours[1], second]
