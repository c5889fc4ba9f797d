"""Made families as a knowledge graph: relations, splits, and what follows from what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from linkparts import Scorer
from torch import Tensor

from dlbench import Batch, UsageError
from dlbench.data import Data
from dlbench.testing import check_task, report
from dlbench_graph import knowledge
from dlbench_graph.knowledge import families
from dlbench_graph.knowledge.links import LinkTask
from workshop import catalog

SPECS = {spec.name: spec for spec in knowledge.specs()}
NOWHERE = Data(root=Path("no-data"), cache=Path("no-cache"))


@pytest.fixture(scope="module")
def family() -> LinkTask:
    return SPECS["family_links"].load(NOWHERE)  # type: ignore[no-any-return]


def named_triples(task: LinkTask, *splits: str) -> Iterator[tuple[int, str, int]]:
    for name in splits:
        for head, relation, tail in task.splits[name].T.tolist():
            yield head, task.names[1][relation], tail


def test_families_conform() -> None:
    findings = check_task(SPECS["family_links"], catalog())
    assert all(finding.ok for finding in findings), report(findings)


def test_relations_are_what_their_names_say() -> None:
    parents = [-1, 0, 0, 1, 1, 2, 5, -1, 7]  # 0 has 1 and 2; 1 has 3 and 4; 2 has 5, whose child is 6; 7 has 8
    facts = families.relate(np.array(parents))
    found = {name: {(int(a), int(b)) for a, b in zip(*np.nonzero(fact), strict=True)} for name, fact in facts.items()}
    assert found["parent"] == {(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (5, 6), (7, 8)}
    assert found["sibling"] == {(1, 2), (2, 1), (3, 4), (4, 3)}
    assert found["grandparent"] == {(0, 3), (0, 4), (0, 5), (2, 6)}
    assert found["uncle"] == {(2, 3), (2, 4), (1, 5)}
    assert found["cousin"] == {(3, 5), (4, 5), (5, 3), (5, 4)}
    for name, inverse in families.INVERSE.items():
        assert found[inverse] == {(b, a) for a, b in found[name]}


def test_families_are_trees_of_so_many_generations() -> None:
    parents = families.grow(np.random.RandomState(0), 5, 4)
    depth = np.zeros(len(parents), int)
    for person, parent in enumerate(parents):
        depth[person] = 0 if parent < 0 else depth[parent] + 1
    assert (parents < 0).sum() == 5
    assert depth.max() == 3
    assert set(np.bincount(parents[parents >= 0], minlength=len(parents))[depth < 3]) == {2, 3, 4}


@pytest.mark.parametrize("inverses", [True, False])
def test_everybody_can_be_learned_about_and_a_tenth_is_held_out(inverses: bool) -> None:
    task = families.make_task(families=6, generations=4, inverses=inverses)
    assert set(task.splits["train"][::2].flatten().tolist()) == set(range(len(task.names[0])))
    total = sum(part.shape[1] for part in task.splits.values())
    assert all(abs(task.splits[name].shape[1] / total - 0.1) < 0.01 for name in ("val", "test"))
    assert set(task.splits["test"][1].tolist()) == set(range(len(task.names[1])))


def test_without_inverses_nothing_follows_from_a_fact_alone() -> None:
    task = families.make_task(families=6, generations=4, inverses=False)
    assert task.names[1] == ["parent", "sibling", "grandparent", "uncle", "cousin"]
    for name in ("val", "test"):
        found = set(named_triples(task, name))
        mutual = {triple for triple in found if triple[1] in families.MUTUAL}
        assert mutual
        assert {(tail, relation, head) for head, relation, tail in mutual} == mutual


class Rules:
    """Says yes to what follows from the facts that are known, in so many steps."""

    def __init__(self, task: LinkTask, steps: int) -> None:
        self.names, self.count, self.steps = task.names[1], len(task.names[0]), steps

    def predict(self, batch: Batch) -> Tensor:
        known, size = batch.inputs.known, self.count
        fact = {name: torch.zeros(size, size) for name in families.RELATIONS}
        for number, name in enumerate(self.names):
            of = known.relations == number
            fact[name][known.heads[of], known.tails[of]] = 1
        for _ in range(self.steps):
            fact = {name: (found > 0).float() for name, found in self.step(fact).items()}
        table = torch.stack([fact[name] for name in self.names], dim=1)  # (heads, relations, tails)
        return Scorer(table).predict(batch)

    def step(self, fact: dict[str, Tensor]) -> dict[str, Tensor]:
        for one, other in [*families.INVERSE.items(), *((name, name) for name in families.MUTUAL)]:
            fact[one] = fact[other] = fact[one] + fact[other].T
        parent, sibling, uncle = fact["parent"], fact["sibling"], fact["uncle"]
        found = {
            "parent": parent + parent @ sibling, "sibling": sibling + parent.T @ parent + sibling @ sibling,
            "grandparent": fact["grandparent"] + parent @ parent + fact["grandparent"] @ sibling,
            "uncle": uncle + sibling @ parent + uncle @ sibling,
            "cousin": fact["cousin"] + parent.T @ uncle + fact["cousin"] @ sibling,
        }  # fmt: skip
        found["sibling"].fill_diagonal_(0)
        return found | {other: found[one].T for one, other in families.INVERSE.items()}


def test_what_is_held_out_follows_from_what_is_known(family: LinkTask) -> None:
    assert family.judge(Rules(family, 1), "test")["mrr"] == SPECS["family_links"].bound == 1.0
    alone = families.make_task(families=6, generations=4, inverses=False)
    once, twice = (alone.judge(Rules(alone, steps), "test")["mrr"] for steps in (1, 2))
    assert 0.85 < once < twice - 0.02
    assert twice > 0.93


def test_families_depend_on_their_own_seed_alone(family: LinkTask) -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    again = SPECS["family_links"].load(NOWHERE)
    assert all(torch.equal(family.splits[name], again.splits[name]) for name in again.splits)


def test_impossible_families_are_refused() -> None:
    with pytest.raises(UsageError, match="at least 1 family of 3 to 6 generations, not 0 of 4"):
        SPECS["family_links"].load(NOWHERE, families=0)
    with pytest.raises(UsageError, match="not 2 of 2"):
        SPECS["family_links"].load(NOWHERE, families=2, generations=2)
