"""Generated pictures of coloured shapes, with a box around each."""

from __future__ import annotations

import numpy as np

from dlbench.data import Data

from .task import NOTHING, Detection, Pictures

CLASSES = ("circle", "rectangle", "triangle")
SEED = 20
SIDE = 64
MOST = 4
SMALLEST, LARGEST = 10, 28  # pixels of a box's side
TRIES = 16
OVERLAP = 0.25  # the share of a shape that another may cover, as boxes
AT_ONCE = 1000


def load(data: Data, *, num_train: int, num_val: int, num_test: int) -> Detection:
    """The splits come from seeds of their own: another size of one doesn't change the others."""
    counts = {"train": num_train, "val": num_val, "test": num_test}
    splits = {name: draw(np.random.RandomState(SEED + k), counts[name]) for k, name in enumerate(counts)}
    return Detection(splits, classes=CLASSES, device=data.device)


def draw(random: np.random.RandomState, count: int) -> Pictures:
    """Images (count, 3, 64, 64) uint8 and boxes (count, 4, 5)."""
    parts = [draw_some(random, min(AT_ONCE, count - start)) for start in range(0, count, AT_ONCE)]
    images, boxes = zip(*parts, strict=True)
    return np.concatenate(images), np.concatenate(boxes)


def draw_some(random: np.random.RandomState, count: int) -> Pictures:
    """One to four shapes on a dark, noisy ground, each in a bright colour of its own. A later one hides what it covers
    of an earlier one."""
    noise = np.frombuffer(random.bytes(count * 3 * SIDE * SIDE), np.uint8).reshape(count, 3, SIDE, SIDE)
    images = random.randint(0, 64, (count, 3, 1, 1)).astype(np.uint8) + (noise & 31)
    wanted = random.randint(1, MOST + 1, count)
    sides = np.zeros((count, MOST, 4), np.int64)
    labels = random.randint(0, len(CLASSES), (count, MOST))
    colours = random.randint(96, 256, (count, MOST, 3)).astype(np.uint8)
    there = np.zeros((count, MOST), bool)
    tips = random.rand(count, MOST)
    turned = random.rand(count, MOST) < 0.5
    for k in range(MOST):
        sides[:, k], fits = place(random, sides[:, :k], there[:, :k], labels[:, k])
        there[:, k] = fits & (k < wanted)
        for label in range(len(CLASSES)):
            rows = np.flatnonzero(there[:, k] & (labels[:, k] == label))
            which, y, x = np.nonzero(covered(label, sides[rows, k], tips[rows, k], turned[rows, k]))
            images[rows[which], :, y, x] = colours[rows[which], k]
    boxes = np.concatenate([sides / SIDE, labels[..., None]], axis=2).astype(np.float32)
    boxes[~there] = (0, 0, 0, 0, NOTHING)
    return images, boxes


def place(
    random: np.random.RandomState, taken: np.ndarray, there: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A box for each picture, (N, 4) in pixels, that covers little of those that are there, and is covered little; and
    whether one was found."""
    count = len(labels)
    extent = random.randint(SMALLEST, LARGEST + 1, (count, TRIES, 2))  # width and height
    extent[..., 1] = np.where(labels[:, None] == 0, extent[..., 0], extent[..., 1])  # circles are as high as wide
    start = (random.rand(count, TRIES, 2) * (SIDE + 1 - extent)).astype(np.int64)
    tried = np.concatenate([start, start + extent], axis=2)  # (N, TRIES, 4)
    low = np.maximum(tried[:, :, None, :2], taken[:, None, :, :2])
    high = np.minimum(tried[:, :, None, 2:], taken[:, None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=3) * there[:, None]  # (N, TRIES, k)
    smaller = np.minimum(np.prod(extent, axis=2)[:, :, None], np.prod(taken[..., 2:] - taken[..., :2], axis=2)[:, None])
    free = (common <= OVERLAP * smaller).all(axis=2)
    return tried[np.arange(count), free.argmax(axis=1)], free.any(axis=1)


def covered(label: int, sides: np.ndarray, tips: np.ndarray, turned: np.ndarray) -> np.ndarray:
    """Which pixels a shape covers: (N, 64, 64) of boxes (N, 4) in pixels. A triangle stands on its longest horizontal
    side, or on its tip where it is `turned`; `tips`: where along that side the tip lies, 0 to 1."""
    left, top, right, bottom = (side.astype(np.float32)[:, None, None] for side in sides.T)
    across = (np.arange(SIDE, dtype=np.float32) + 0.5)[None, None]
    down = (np.arange(SIDE, dtype=np.float32) + 0.5)[None, :, None]
    if label == 0:
        radius = (right - left) / 2
        return (across - (left + right) / 2) ** 2 + (down - (top + bottom) / 2) ** 2 <= radius**2
    within = (across > left) & (across < right) & (down > top) & (down < bottom)
    if label == 1:
        return within
    tip = left + (right - left) * tips.astype(np.float32)[:, None, None]
    share = (down - top) / (bottom - top)  # from the tip, 0, to the base, 1
    share = np.where(turned[:, None, None], 1 - share, share)
    return within & (across >= tip + (left - tip) * share) & (across <= tip + (right - tip) * share)
