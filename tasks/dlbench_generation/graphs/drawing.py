"""Graphs as pictures: nodes as dots, laid out by springs, edges as lines."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .statistics import Stack

ACROSS, TILE, MARGIN, DOT = 4, 160, 14, 4  # tiles in a row; pixels
SCALE = 2  # drawn larger, then averaged, so that lines are smooth
STEPS = 150
PAPER, LINE, NODE = (255, 255, 255), (140, 150, 165), (30, 80, 160)


def gallery(graphs: Stack) -> NDArray[np.uint8]:
    """A grid of drawn graphs (H, W, 3), 4 in a row; one empty tile where there are none."""
    from PIL import Image, ImageDraw

    rows = max(1, -(-len(graphs.sizes) // ACROSS))
    side = TILE * SCALE
    picture = Image.new("RGB", (ACROSS * side, rows * side), PAPER)
    pen = ImageDraw.Draw(picture)
    places = layout(graphs) if len(graphs.sizes) else np.zeros((0, 0, 2))
    for index, (edges, size) in enumerate(zip(graphs.edges, graphs.sizes, strict=True)):
        corner = np.array([index % ACROSS, index // ACROSS]) * side
        points = corner + side / 2 + places[index, :size] * (side / 2 - MARGIN * SCALE)
        for i, j in np.argwhere(np.triu(edges[:size, :size])):
            pen.line([*points[i], *points[j]], fill=LINE, width=SCALE)
        for x, y in points:
            pen.ellipse([x - DOT * SCALE, y - DOT * SCALE, x + DOT * SCALE, y + DOT * SCALE], fill=NODE)
    return np.asarray(picture.reduce(SCALE))


def layout(graphs: Stack) -> NDArray[np.float64]:
    """Places of the nodes in the square from -1 to 1, (G, N, 2), by springs from a circle on: Fruchterman & Reingold
    1991, "Graph Drawing by Force-directed Placement"."""
    size = graphs.edges.shape[1]
    there = np.arange(size) < graphs.sizes[:, None]
    angles = 2 * np.pi * np.arange(size) / graphs.sizes[:, None]
    places = np.stack([np.cos(angles), np.sin(angles)], axis=2) * there[..., None]
    both = there[:, :, None] & there[:, None, :] & ~np.eye(size, dtype=bool)
    ideal = 1 / np.sqrt(graphs.sizes)[:, None, None]
    for step in range(STEPS):
        apart = places[:, :, None] - places[:, None]
        length = np.maximum(np.sqrt(np.square(apart).sum(axis=3)), 1e-3)
        push = np.where(both, ideal**2 / length**2 - graphs.edges * length / ideal, 0.0)
        force = (apart * push[..., None]).sum(axis=2)
        strength = np.maximum(np.sqrt(np.square(force).sum(axis=2, keepdims=True)), 1e-9)
        places = places + force / strength * np.minimum(strength, 0.1 * (1 - step / STEPS))
    low = np.where(there[..., None], places, np.inf).min(axis=1, keepdims=True)
    high = np.where(there[..., None], places, -np.inf).max(axis=1, keepdims=True)
    reach = np.maximum((high - low).max(axis=2, keepdims=True) / 2, 1e-9)
    return np.where(there[..., None], (places - (low + high) / 2) / reach, 0.0)
