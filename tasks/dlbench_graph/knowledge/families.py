"""Families: a made knowledge graph whose relations follow from each other.

As in Hinton 1986, "Learning Distributed Representations of Concepts", but with one parent to a child. Each family is a
tree: two to four children of each of its members, but for the last generation. Eight relations are read off it: three
with their inverses (parent and child, grandparent and grandchild, uncle and nephew), and two that hold both ways
(sibling, cousin). A grandparent is a parent's parent, an uncle a parent's sibling, a cousin a child of an uncle.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from dlbench import UsageError

from .links import LinkTask

SEED = 3
CHILDREN = (2, 3, 4)
HELD_OUT = 0.1  # of the facts, in each of val and test
RELATIONS = ("parent", "sibling", "grandparent", "uncle", "cousin", "child", "grandchild", "nephew")
INVERSE = {"parent": "child", "grandparent": "grandchild", "uncle": "nephew"}
MUTUAL = ("sibling", "cousin")
Facts = dict[str, NDArray[np.bool_]]


def make_task(*, families: int, generations: int, inverses: bool, device: str = "cpu") -> LinkTask:
    """The task. `inverses`: without them child, grandchild and nephew aren't there, and a mutual fact is in the same
    split as its mirror image, so that nothing follows from a fact alone."""
    if families < 1 or not 3 <= generations <= 6:
        raise UsageError(f"needs at least 1 family of 3 to 6 generations, not {families} of {generations}")
    random = np.random.RandomState(SEED)  # its streams are frozen, those of numpy's Generator are not
    parents = grow(random, families, generations)  # a family's members stand together
    names = [name for name in RELATIONS if inverses or name not in INVERSE.values()]
    starts = np.nonzero(parents < 0)[0]
    facts = [relate(family - family[1]) for family in np.split(parents, starts[1:])]
    triples = np.concatenate(
        [_triples(fact[name], number, start)
         for number, name in enumerate(names) for fact, start in zip(facts, starts, strict=True)],
        axis=1,
    )  # fmt: skip
    mutual = [] if inverses else [names.index(name) for name in MUTUAL]
    parts = split(triples, random, mutual, len(parents))
    numbered = {name: torch.from_numpy(part) for name, part in parts.items()}
    people = [f"person{number}" for number in range(len(parents))]
    return LinkTask(numbered, entities=people, relations=names, device=device)


def grow(random: np.random.RandomState, families: int, generations: int) -> NDArray[np.int64]:
    """The parent of each person, -1 for those who begin a family, (N,)."""
    parents: list[int] = []
    for _ in range(families):
        generation = [len(parents)]
        parents.append(-1)
        for _ in range(generations - 1):
            children: list[int] = []
            for parent in generation:
                for _ in range(random.choice(CHILDREN)):
                    children.append(len(parents))
                    parents.append(parent)
            generation = children
    return np.array(parents)


def relate(parents: NDArray[np.int64]) -> Facts:
    """Who is what of whom, (N, N) each: row is the parent, the sibling, ... of column. `parents`: -1 for none."""
    count = len(parents)
    parent = np.zeros((count, count), dtype=bool)
    parent[parents[parents >= 0], np.nonzero(parents >= 0)[0]] = True
    sibling = parent.T @ parent & ~np.eye(count, dtype=bool)
    uncle = sibling @ parent
    facts = {"parent": parent, "sibling": sibling, "grandparent": parent @ parent, "uncle": uncle,
             "cousin": parent.T @ uncle}  # fmt: skip
    return {**facts, **{name: facts[of].T for of, name in INVERSE.items()}}


def split(
    triples: NDArray[np.int64], random: np.random.RandomState, mutual: list[int], entities: int
) -> dict[str, NDArray[np.int64]]:
    """Training, validation and test triples, drawn; of each entity one fact at least is for training. Facts of the
    relations in `mutual` go with their mirror images."""
    heads, relations, tails = triples
    low, high = np.where(np.isin(relations, mutual), np.sort(triples[::2], axis=0), triples[::2])
    _, fact = np.unique((relations * entities + low) * entities + high, return_inverse=True)
    place = random.permutation(fact.max() + 1)[fact]  # of each fact in a random order
    in_fact, of_entity = _places(fact), _places(np.concatenate([heads, tails]))
    for entity in range(entities):
        mine = of_entity[entity] % len(heads)
        place[in_fact[fact[mine[place[mine].argmin()]]]] = 0
    held_out = max(1, round(HELD_OUT * (fact.max() + 1)))
    facts = np.unique(place)[::-1]
    test, val = np.isin(place, facts[:held_out]), np.isin(place, facts[held_out : 2 * held_out])
    return {"train": triples[:, ~test & ~val], "val": triples[:, val], "test": triples[:, test]}


def _places(numbers: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Where each number from 0 on stands."""
    return np.split(np.argsort(numbers, kind="stable"), np.bincount(numbers).cumsum()[:-1])


def _triples(fact: NDArray[np.bool_], relation: int, start: int) -> NDArray[np.int64]:
    """`start`: the number of the family's first member."""
    heads, tails = np.nonzero(fact)
    return np.stack([heads + start, np.full_like(heads, relation), tails + start])
