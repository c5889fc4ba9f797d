"""What CenterNet learns from, and how its answers are read: heatmaps of boxes, and boxes of heatmaps.

Zhou, Wang and Krähenbühl 2019, "Objects as Points"; the heatmap's radius is that of Law and Deng 2018, "CornerNet:
Detecting Objects as Paired Keypoints". Boxes are left, top, right, bottom as shares of the image's sides, 0 to 1.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

OVERLAP = 0.7  # what a box shifted by the radius still has in common with the object's
NEIGHBOURS = 3  # a peak is the highest of so many cells each way


def in_cells(boxes: Tensor, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Centres and sizes (..., 2), right then down, in cells of a grid (h, w), of boxes (..., 4)."""
    left, top, right, bottom = boxes.unbind(-1)
    height, width = grid
    middle = torch.stack([(left + right) / 2 * width, (top + bottom) / 2 * height], dim=-1)
    return middle, torch.stack([(right - left) * width, (bottom - top) * height], dim=-1)


def radius(sizes: Tensor) -> Tensor:
    """How far a box of each of these sizes (..., 2) may be shifted and still overlap the true one by OVERLAP: the least
    of CornerNet's three cases, by the quadratics' right roots (its code takes others)."""
    width, height = sizes.unbind(-1)
    total, area = width + height, width * height
    shifted = (total - (total**2 - 4 * area * (1 - OVERLAP) / (1 + OVERLAP)).clamp(min=0).sqrt()) / 2
    inside = (2 * total - (4 * total**2 - 16 * (1 - OVERLAP) * area).clamp(min=0).sqrt()) / 8
    grown = 2 * OVERLAP * total
    outside = (-grown + (grown**2 + 16 * OVERLAP * (1 - OVERLAP) * area).sqrt()) / (8 * OVERLAP)
    return torch.minimum(torch.minimum(shifted, inside), outside)


def heatmap(centres: Tensor, sizes: Tensor, labels: Tensor, *, num_classes: int, grid: tuple[int, int]) -> Tensor:
    """A Gaussian of height 1 around each object's cell, on its class's map: (B, num_classes, h, w) of centres and sizes
    (B, L, 2) in cells and classes (B, L), of which -1 is no object. The higher one counts where two meet."""
    cells = torch.stack(torch.meshgrid(*(torch.arange(n, device=centres.device) for n in grid), indexing="ij"))
    down, across = cells.float()[:, None, None]  # each (1, 1, h, w)
    middle = centres.floor()[..., None, None]  # (B, L, 2, 1, 1)
    spread = ((2 * radius(sizes).floor() + 1) / 6)[..., None, None]  # of a window that ends at three deviations
    distance = (across - middle[:, :, 0]) ** 2 + (down - middle[:, :, 1]) ** 2
    peaks = torch.exp(-distance / (2 * spread**2))  # (B, L, h, w)
    maps = [
        (peaks * (labels == label)[..., None, None]).amax(dim=1) if peaks.shape[1] else peaks.sum(dim=1)
        for label in range(num_classes)
    ]
    return torch.stack(maps, dim=1)


def focal_loss(logits: Tensor, wanted: Tensor, count: Tensor) -> Tensor:
    """The penalty-reduced focal loss of heatmaps (alpha 2, beta 4) per object, with `count` objects."""
    found, missed = F.logsigmoid(logits), F.logsigmoid(-logits)
    share = logits.sigmoid()
    there = wanted >= 1
    loss = torch.where(there, (1 - share) ** 2 * found, (1 - wanted) ** 4 * share**2 * missed)
    return -loss.sum() / count


def at_centres(maps: Tensor, centres: Tensor) -> Tensor:
    """The two values of maps (B, 2, h, w) in the cells of centres (B, L, 2): (B, L, 2)."""
    height, width = maps.shape[2:]
    across, down = centres.floor().long().unbind(-1)
    cell = down.clamp(0, height - 1) * width + across.clamp(0, width - 1)  # (B, L)
    return maps.flatten(2).gather(2, cell[:, None].expand(-1, 2, -1)).transpose(1, 2)


def read_boxes(centres: Tensor, sizes: Tensor, offsets: Tensor, *, most: int) -> Tensor:
    """Findings (B, K, 6) of a network's answers, K at most `most`: the highest peaks of all heatmaps. Their score is
    the heatmap's value; cells that aren't the highest of their neighbours have score 0."""
    height, width = centres.shape[2:]
    scores = centres.sigmoid()
    peaks = scores * (F.max_pool2d(scores, NEIGHBOURS, stride=1, padding=NEIGHBOURS // 2) == scores)
    best, place = peaks.flatten(1).topk(min(most, peaks[0].numel()), dim=1)  # (B, K)
    label, cell = place // (height * width), place % (height * width)
    chosen = torch.cat([sizes, offsets], dim=1).flatten(2).gather(2, cell[:, None].expand(-1, 4, -1))  # (B, 4, K)
    across, down = cell % width + chosen[:, 2], cell // width + chosen[:, 3]  # of the middle
    half = chosen[:, :2].clamp(min=0) / 2
    sides = torch.stack(
        [
            (across - half[:, 0]) / width,
            (down - half[:, 1]) / height,
            (across + half[:, 0]) / width,
            (down + half[:, 1]) / height,
        ],
        dim=2,
    ).clamp(0, 1)  # (B, K, 4)
    return torch.cat([sides, label[..., None].to(sides), best[..., None]], dim=2)
