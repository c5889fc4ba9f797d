"""What joins the words of a sentence: its tree, a chain, both, a shuffled tree, or nothing; and distances. No torch."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable, Sequence

from dlbench import unknown

from .blocks import Edge

NEXT = "next"
"""The relation of a word to the one before it in a chain."""
CHOICES = ("tree", "chain", "both", "shuffled", "none")
WITHOUT_TREES = ("chain", "none")


def chain(count: int) -> list[Edge]:
    """Each word hangs on the one before it."""
    return [(word - 1, word, NEXT) for word in range(1, count)]


def shuffled(edges: Sequence[Edge], count: int, draw: random.Random) -> list[Edge]:
    """The same tree on words in a random order: as many edges, of the same relations, that say nothing of the words."""
    order = [*range(count)]
    draw.shuffle(order)
    return [(order[head], order[word], relation) for head, word, relation in edges]


def check(choice: str, choices: Sequence[str] = CHOICES) -> None:
    """Raises UsageError for a choice that isn't one of these."""
    if choice not in choices:
        raise unknown("choice of edges", choice, choices)


def chosen(choice: str, tree: Sequence[Edge], count: int, draw: random.Random) -> list[Edge]:
    """The edges of a sentence of `count` words by one of CHOICES."""
    if choice == "shuffled":
        return shuffled(tree, count, draw)
    return [*(tree if choice in ("tree", "both") else ()), *(chain(count) if choice in ("chain", "both") else ())]


def distances(edges: Iterable[Edge], count: int, start: Iterable[int]) -> list[int]:
    """How many edges, whatever their direction, lie between each word and the nearest of `start`; -1: none leads
    there."""
    beside: list[list[int]] = [[] for _ in range(count)]
    for head, word, _ in edges:
        beside[head].append(word)
        beside[word].append(head)
    found = [-1] * count
    queue = deque(start)
    for word in queue:
        found[word] = 0
    while queue:
        word = queue.popleft()
        for other in beside[word]:
            if found[other] < 0:
                found[other] = found[word] + 1
                queue.append(other)
    return found


def from_path(edges: Sequence[Edge], marks: Sequence[int]) -> list[int]:
    """How many edges lie between each word and the shortest path from the words marked 1 to those marked 2; where none
    joins them, to the nearest marked word."""
    ends = [[word for word, mark in enumerate(marks) if mark == number] for number in (1, 2)]
    first, second = (distances(edges, len(marks), end) for end in ends)
    sums = [a + b if a >= 0 and b >= 0 else len(marks) * 2 for a, b in zip(first, second, strict=True)]
    shortest = min(sums)
    joined = shortest < len(marks) * 2
    path = [word for word, total in enumerate(sums) if joined and total == shortest]
    return distances(edges, len(marks), path or [*ends[0], *ends[1]])
