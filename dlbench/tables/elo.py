"""Elo: the strengths of a Bradley-Terry model, by maximum likelihood, on the scale of chess.

A beats B on a task with probability 1 / (1 + 10**((b - a) / 400)), where a and b are their ratings; a tie is half a
win for each. Bradley and Terry 1952, "Rank Analysis of Incomplete Block Designs". Every task counts once. The ratings
of all competitors have a mean of 1000, or one of them is set to 1000.

The likelihood has a maximum where no competitor, and no set of them, always beats all others (Ford 1957, "Solution of
a Ranking Problem from Binary Comparisons"). Where one does, the gap between them would grow without end. As TabArena's
`bencheval` does, the squares of the strengths (in units of 400 points) are penalised by half a millionth: nothing where
there is a maximum, and a finite gap of some thousands of points where there is none, which is the penalty's and no
result. `tiers` says which is the case.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SCALE, MIDDLE = 400.0, 1000.0
PENALTY = 1e-6
MOST_STEPS = 200
AT_ONCE = 1_000_000
"""Pairs of competitors in all draws that are fitted together: some tens of megabytes."""
LONGEST_STEP = 1.0
"""Of a step of Newton's method, in units of 400 points: where curvature is next to nothing it would jump too far."""


def outcomes(means: Floats) -> Floats:
    """Who beat whom (tasks, winner, loser): 1, or a half for a tie; more is better in means (competitors, tasks)."""
    better = means[:, None, :] > means[None, :, :]
    won = better + 0.5 * (means[:, None, :] == means[None, :, :])
    won[np.arange(len(means)), np.arange(len(means))] = 0.0
    return np.ascontiguousarray(np.moveaxis(won, -1, 0), dtype=np.float64)


def ratings(wins: Floats) -> Floats:
    """Ratings (..., competitors) with a mean of 1000 from weights of wins (..., winner, loser)."""
    played = wins + np.swapaxes(wins, -1, -2)
    strength = np.zeros(wins.shape[:-1])  # in units of 400 points
    unit, diagonal = math.log(10), np.eye(wins.shape[-1])
    for _ in range(MOST_STEPS):
        chance = 1 / (1 + np.power(10.0, strength[..., None, :] - strength[..., :, None]))
        slope = unit * (wins - played * chance).sum(axis=-1) - PENALTY * strength
        curve = unit**2 * played * chance * np.swapaxes(chance, -1, -2)
        hessian = diagonal * (curve.sum(axis=-1) + PENALTY)[..., None] - curve
        step = np.linalg.solve(hessian, slope[..., None])[..., 0]
        step -= step.mean(axis=-1, keepdims=True)  # along which nothing but rounding is left
        longest = np.abs(step).max(axis=-1, keepdims=True)
        strength += step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, 1e-300))
        if longest.max() < 1e-9:
            break
    found: Floats = SCALE * strength + MIDDLE
    return found


def tiers(wins: Floats) -> list[list[int]]:
    """Sets of competitors, the strongest first: each always beats all of those below, and can't be divided so itself.
    One set: the likelihood has a maximum."""
    reach = (wins > 0) | np.eye(len(wins), dtype=bool)
    for middle in range(len(wins)):
        reach |= reach[:, middle, None] & reach[None, middle, :]
    alike = reach & reach.T
    found = {tuple(np.flatnonzero(row).tolist()) for row in alike}
    return [list(members) for members in sorted(found, key=lambda members: -int(reach[members[0]].sum()))]


def drawn_ratings(won: Floats, draws: int, random: np.random.Generator) -> Floats:
    """Ratings (draws, competitors) over tasks that are drawn anew with replacement, as many as there are."""
    tasks, competitors = len(won), won.shape[-1]
    counts = random.multinomial(tasks, np.full(tasks, 1 / tasks), size=draws).astype(np.float64)
    parts = max(1, math.ceil(draws * competitors**2 / AT_ONCE))
    return np.concatenate([ratings(np.tensordot(part, won, axes=1)) for part in np.array_split(counts, parts)])
