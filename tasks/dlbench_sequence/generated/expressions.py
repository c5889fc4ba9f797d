"""Random nested expressions and their values: Nangia and Bowman 2018, "ListOps: A Diagnostic Dataset for Latent Tree
Learning", drawn as in Tay et al. 2021, "Long Range Arena: A Benchmark for Efficient Transformers".

A node is an operator with 2 to `max_args` arguments (probability 1/4, below the largest depth) or a digit. MED is the
median, rounded down; SM the sum modulo 10. Whole levels of many trees are drawn, evaluated and written at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DIGITS = 10
OPERATORS = ("[MIN", "[MAX", "[MED", "[SM")
SYMBOLS = (*map(str, range(DIGITS)), *OPERATORS, "]")
CLOSE = len(SYMBOLS) - 1
P_OPERATOR = 0.25

Integers = NDArray[np.int64]


@dataclass
class Level:
    """The nodes of one depth, those of one parent side by side. `parents`: their places in the level above, ascending;
    `arguments`: how many each has, 0 for a digit; `sizes`: how many symbols its expression has."""

    parents: Integers
    arguments: Integers
    sizes: Integers

    def starts(self) -> Integers:
        """Of each operator, where its arguments start in the level below."""
        counts = self.arguments[self.arguments > 0]
        return counts.cumsum() - counts


def draw_trees(count: int, *, max_depth: int, max_args: int, random: np.random.RandomState) -> list[Level]:
    """The shapes of `count` trees, level by level; the roots have depth 1."""
    levels: list[Level] = []
    parents = np.arange(count)
    for depth in range(1, max_depth + 1):
        inner = random.random_sample(len(parents)) < P_OPERATOR if depth < max_depth else np.zeros(len(parents), bool)
        arguments = np.where(inner, random.randint(2, max_args + 1, len(parents)), 0)
        levels.append(Level(parents, arguments, np.ones(len(parents), dtype=np.int64)))
        parents = np.repeat(np.arange(len(parents)), arguments)
        if not len(parents):
            break
    for above, below in reversed(list(pairwise(levels))):
        inner = above.arguments > 0
        above.sizes[inner] = 2 + np.add.reduceat(below.sizes, above.starts())
    return levels


def keep_trees(levels: list[Level], keep: NDArray[np.bool_]) -> list[Level]:
    """The same without the trees whose roots aren't kept."""
    kept: list[Level] = []
    for level in levels:
        chosen = keep[level.parents] if kept else keep
        places = keep.cumsum() - 1
        parents = places[level.parents[chosen]]
        kept.append(Level(parents, level.arguments[chosen], level.sizes[chosen]))
        keep = chosen
    return [level for level in kept if len(level.parents)]


def fill(levels: list[Level], random: np.random.RandomState) -> list[Integers]:
    """A symbol for every node: a digit or an operator."""
    return [
        np.where(
            level.arguments > 0,
            random.randint(DIGITS, CLOSE, len(level.arguments)),
            random.randint(0, DIGITS, len(level.arguments)),
        )
        for level in levels
    ]


def evaluate(levels: list[Level], symbols: list[Integers]) -> Integers:
    """The values of the roots."""
    values = symbols[-1]  # the deepest level has digits only
    for level, found in zip(reversed(levels[:-1]), reversed(symbols[:-1]), strict=True):
        inner, starts = level.arguments > 0, level.starts()
        counts = level.arguments[inner]
        ordered = values[np.lexsort((values, np.repeat(np.arange(len(counts)), counts)))]
        results = np.stack(
            [
                ordered[starts],
                ordered[starts + counts - 1],
                (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) // 2,
                np.add.reduceat(values, starts) % DIGITS,
            ]
        )  # (4, operators), in the order of OPERATORS
        values = found.copy()
        values[inner] = results[found[inner] - DIGITS, np.arange(len(counts))]
    return values


def write(levels: list[Level], symbols: list[Integers]) -> list[NDArray[np.uint8]]:
    """The expressions, as symbols from left to right."""
    sizes = levels[0].sizes
    text = np.zeros(int(sizes.sum()), dtype=np.uint8)
    places = sizes.cumsum() - sizes
    for depth, (level, found) in enumerate(zip(levels, symbols, strict=True)):
        if depth:
            before = level.sizes.cumsum() - level.sizes
            first = np.flatnonzero(np.diff(level.parents, prepend=-1))  # of each parent's arguments
            counts = np.diff(np.append(first, len(level.parents)))
            places = places[level.parents] + 1 + before - np.repeat(before[first], counts)
        inner = level.arguments > 0
        text[places] = found
        text[places[inner] + level.sizes[inner] - 1] = CLOSE
    return np.split(text, sizes.cumsum()[:-1])
